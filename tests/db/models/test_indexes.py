"""Index as data; what it becomes in a database is tested with the schema editor."""

from __future__ import annotations

from typing import Any

import pytest

from webframe.db import models
from webframe.db.models import F, Index, Q

from ..registries import models_of_a_test


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((), {}, "needs something to index"),
        ((), {"fields": "name"}, "must be a list or tuple"),
        ((), {"fields": [F("name")]}, "must be a list or tuple"),
        ((F("name"),), {"fields": ["name"], "name": "x"}, "not both"),
        ((F("name"),), {}, "needs a `name`"),
        ((), {"fields": ["name"], "condition": Q(a=1)}, "needs a `name`"),
        ((), {"fields": ["name"], "condition": {"a": 1}, "name": "x"}, "must be a Q"),
        ((), {"fields": ["name"], "include": ["size"]}, "needs a `name`"),
        ((), {"fields": ["name"], "name": "x" * 64}, "longer than 63 bytes"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: Any, keywords: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Index(*arguments, **keywords)


def test_models_name_theirs_the_same_each_time() -> None:
    registry = models_of_a_test("tests")

    class Meta:
        app_label, apps = "tests", registry
        indexes = (
            Index(fields=["name"]),
            Index(fields=["-name"]),
            Index(fields=["name", "parent"]),
            Index(fields=["name"], name="%(app_label)s_%(class)s_name"),
        )

    Pizza: Any = type(models.Model)(
        "Pizza",
        (models.Model,),
        {
            "__module__": __name__,
            "Meta": Meta,
            "name": models.CharField(max_length=5),
            "parent": models.ForeignKey("self", models.CASCADE),
        },
    )
    names = [index.name for index in Pizza._meta.indexes]
    assert names[3] == "tests_pizza_name"
    assert len(set(names)) == 4
    assert all(name.startswith("tests_pizza_name") for name in names)
    assert "parent_id" in names[2] and names[1].startswith("tests_pizza_name_desc_")


def test_taking_it_apart_gives_an_equal_one() -> None:
    for index in (
        Index(fields=["name", "-size"]),
        Index(fields=["name"], name="x", condition=Q(a=1) & ~Q(b=2), include=["size"]),
        Index(F("name"), "size", name="x"),
    ):
        path, args, kwargs = index.deconstruct()
        assert path == "webframe.db.models.Index"
        again = Index(*args, **kwargs)
        assert again == index == index.clone() and hash(again) == hash(index) and repr(again) == repr(index)
    assert Index(fields=["a"]) != Index(fields=["-a"]) and Index(fields=["a"]) != "a"
