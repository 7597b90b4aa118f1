"""Which database a model lives in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from webframe.core.exceptions import ImproperlyConfigured
from webframe.db import router
from webframe.db.routers import ConnectionRouter
from webframe.test import override_settings


class ToOther:
    """Has an opinion on everything."""

    def db_for_read(self, model: type, **hints: Any) -> str | None:
        return "replica"

    def db_for_write(self, model: type, **hints: Any) -> str | None:
        return "other" if "instance" not in hints else None

    def allow_relation(self, obj1: Any, obj2: Any, **hints: Any) -> bool | None:
        return True

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        return db == "other" if app_label == "shop" else None


class Pizza:
    """Stands for a model."""

    _meta = SimpleNamespace(app_label="shop", model_name="pizza")


def living_in(alias: str | None) -> Any:
    return SimpleNamespace(_state=SimpleNamespace(db=alias))


def test_without_routers_everything_lives_where_it_came_from_or_in_default() -> None:
    assert router.db_for_read(Pizza) == router.db_for_write(Pizza) == "default"
    assert router.db_for_write(Pizza, instance=living_in("other")) == "other"
    assert router.db_for_read(Pizza, instance=living_in(None)) == "default"
    assert router.allow_relation(living_in("a"), living_in("a"))
    assert not router.allow_relation(living_in("a"), living_in("b"))
    assert router.allow_migrate("default", "shop")


def test_the_first_router_with_an_opinion_is_followed() -> None:
    asked = ConnectionRouter([object(), ToOther()])
    assert asked.db_for_read(Pizza) == "replica"
    assert asked.db_for_write(Pizza) == "other"
    assert asked.db_for_write(Pizza, instance=living_in("third")) == "third"
    assert asked.allow_relation(living_in("a"), living_in("b"))
    assert not asked.allow_migrate_model("default", Pizza)
    assert asked.allow_migrate("default", "blog")
    app = SimpleNamespace(get_models=lambda include_auto_created: [Pizza])
    assert asked.get_migratable_models(app, "default") == []
    assert asked.get_migratable_models(app, "other") == [Pizza]


def test_routers_are_named_in_the_settings() -> None:
    with override_settings(DATABASE_ROUTERS=[ToOther()]):
        assert router.db_for_read(Pizza) == "replica"
    assert router.db_for_read(Pizza) == "default"
    with override_settings(DATABASE_ROUTERS=["webframe.db.routers.ConnectionRouter"]):
        assert isinstance(router.routers[0], ConnectionRouter)


@pytest.mark.parametrize("name", ["nowhere.Router", "webframe.db.routers.Nothing", "x"])
def test_a_router_that_cannot_be_loaded_is_named(name: str) -> None:
    with override_settings(DATABASE_ROUTERS=[name]), pytest.raises(ImproperlyConfigured, match=name):
        router.db_for_read(Pizza)
