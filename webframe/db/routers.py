"""Which database a model is read from and written to.

A router is any object with some of the methods `db_for_read`, `db_for_write`,
`allow_relation` and `allow_migrate`; DATABASE_ROUTERS lists them, by dotted name
or as they are, and the first that has an opinion (not None) is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from webframe.conf import settings
from webframe.core.exceptions import ImproperlyConfigured
from webframe.core.signals import setting_changed

DEFAULT_ALIAS = "default"

# The name it has in Django.
DEFAULT_DB_ALIAS = DEFAULT_ALIAS


class ConnectionRouter:
    """Asks each router in turn; without any, everything lives where it came from, or in "default"."""

    def __init__(self, routers: Sequence[object] | None = None) -> None:
        # None: those of DATABASE_ROUTERS, looked up at the first question.
        self._routers: list[Any] | None = None if routers is None else [_router_of(router) for router in routers]
        # Known to have none: code in a hurry need not ask.
        self.has_none = self._routers == []

    @property
    def routers(self) -> list[Any]:
        """The routers in the order in which they are asked."""
        if self._routers is None:
            self._routers = [_router_of(router) for router in settings.DATABASE_ROUTERS]
            self.has_none = not self._routers
        return self._routers

    @routers.setter
    def routers(self, routers: Sequence[object] | None) -> None:
        self._routers = None if routers is None else [_router_of(router) for router in routers]
        self.has_none = self._routers == []

    def db_for_read(self, model: type, **hints: Any) -> str:
        """The alias of the database to read a model from; the hint `instance` is an object it has to do with."""
        return self._ask("db_for_read", model, hints)

    def db_for_write(self, model: type, **hints: Any) -> str:
        """The alias of the database to write a model to; the hint `instance` is the object to be written."""
        return self._ask("db_for_write", model, hints)

    def _ask(self, question: str, model: type, hints: dict[str, Any]) -> str:
        for router in self._routers if self._routers is not None else self.routers:
            method = getattr(router, question, None)
            alias: str | None = method(model, **hints) if method is not None else None
            if alias:
                return alias
        instance = hints.get("instance")
        if instance is not None:
            return instance._state.db or DEFAULT_ALIAS
        return DEFAULT_ALIAS

    def allow_relation(self, obj1: Any, obj2: Any, **hints: Any) -> bool:
        """Whether one object may refer to the other; without an opinion, if they live in the same database."""
        for router in self.routers:
            method = getattr(router, "allow_relation", None)
            allowed: bool | None = method(obj1, obj2, **hints) if method is not None else None
            if allowed is not None:
                return allowed
        return bool(obj1._state.db == obj2._state.db)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Whether tables of an app may be made in a database; without an opinion, yes."""
        for router in self.routers:
            method = getattr(router, "allow_migrate", None)
            allowed: bool | None = method(db, app_label, **hints) if method is not None else None
            if allowed is not None:
                return allowed
        return True

    def allow_migrate_model(self, db: str, model: Any) -> bool:
        """Whether the table of a model may be made in a database."""
        meta = model._meta
        return self.allow_migrate(db, meta.app_label, model_name=meta.model_name, model=model)

    def get_migratable_models(self, app_config: Any, db: str, include_auto_created: bool = False) -> list[Any]:
        """The models of an app whose tables may be made in a database."""
        models = app_config.get_models(include_auto_created=include_auto_created)
        return [model for model in models if self.allow_migrate_model(db, model)]


def _router_of(router: object) -> object:
    """A router that may be given by its dotted name."""
    if not isinstance(router, str):
        return router
    module, _, name = router.rpartition(".")
    try:
        return getattr(import_module(module), name)()
    except (ImportError, AttributeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"DATABASE_ROUTERS names {router!r}, which cannot be loaded: {error}. Give the dotted name of a class that "
            "takes no arguments, or the router itself."
        ) from error


router = ConnectionRouter()


def _forget(sender: object, setting: str, **kwargs: Any) -> None:
    if setting == "DATABASE_ROUTERS":
        router.routers = None


setting_changed.connect(_forget)
