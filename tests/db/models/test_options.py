"""`_meta`: what Meta may say, and what is known about a model."""

from __future__ import annotations

import pytest

from webframe.core.exceptions import FieldDoesNotExist
from webframe.db import models
from webframe.db.models.meta import DEFAULTS


def test_names_are_made_from_the_class_and_the_app(define):
    meta = define("BigPizza")._meta
    assert (meta.label, meta.label_lower, meta.model_name) == ("tests.BigPizza", "tests.bigpizza", "bigpizza")
    assert (meta.db_table, meta.verbose_name, meta.verbose_name_plural) == ("tests_bigpizza", "big pizza", "big pizzas")
    assert str(meta) == "tests.bigpizza"


def test_names_may_be_given(define):
    given = {"db_table": "x", "verbose_name": "loaf", "verbose_name_plural": "loaves"}
    meta = define("Loaf", Meta=given)._meta
    assert (meta.db_table, meta.verbose_name, meta.verbose_name_plural) == ("x", "loaf", "loaves")


def test_unknown_options_are_refused_with_those_there_are(define):
    with pytest.raises(TypeError, match=r"no option 'odering'. Did you mean ordering\? Its options are abstract"):
        define("Pizza", Meta={"odering": ["name"]})


@pytest.mark.parametrize("option", ["index_together", "order_with_respect_to"])
def test_options_that_cannot_be_followed_are_refused_with_what_to_do(option, define):
    with pytest.raises(TypeError, match=f"{option}.*(List an Index|Give the model a field)"):
        define("Pizza", Meta={option: "name"})


def test_options_of_django_without_effect_are_kept(define):
    given = {
        "default_permissions": (),
        "permissions": [("eat", "Can eat")],
        "db_tablespace": "fast",
        "db_table_comment": "pizzas",
        "required_db_features": ["x"],
        "required_db_vendor": "sqlite",
        "select_on_save": True,
        "swappable": "PIZZA_MODEL",
    }
    meta = define("Pizza", Meta=given)._meta
    assert {name: getattr(meta, name) for name in given} == given
    assert set(given) <= set(DEFAULTS)


def test_one_model_does_not_change_the_defaults_of_others(define):
    define("Pizza")._meta.ordering.append("name")
    assert define("Other")._meta.ordering == []


def test_unique_together_is_a_tuple_of_tuples(define):
    one = define("One", a=models.IntegerField(), b=models.IntegerField(), Meta={"unique_together": ("a", "b")})
    assert one._meta.unique_together == (("a", "b"),)
    several = define("Several", a=models.IntegerField(), Meta={"unique_together": [["a", "id"], ("a",)]})
    assert several._meta.unique_together == (("a", "id"), ("a",))


def test_fields_are_found_by_name_and_by_attname(define):
    Author = define("Author", name=models.CharField())
    Book = define("Book", author=models.ForeignKey(Author, models.CASCADE, related_name="books"))
    assert Book._meta.get_field("author") is Book._meta.get_field("author_id")
    assert Author._meta.get_field("books").related_model is Book
    assert Author._meta.related_objects == (Author._meta.get_field("books"),)
    assert "books" not in Author._meta.forward_fields_map


def test_a_field_that_is_not_there_is_named_with_those_there_are(define):
    Pizza = define("Pizza", name=models.CharField())
    with pytest.raises(FieldDoesNotExist, match=r"no field 'nmae'. Did you mean name\? Its fields are id, name."):
        Pizza._meta.get_field("nmae")


def test_lists_of_fields_are_the_same_object_until_something_is_added(define):
    meta = define("Pizza", name=models.CharField())._meta
    assert meta.concrete_fields is meta.concrete_fields
    assert meta.local_concrete_fields is meta.local_concrete_fields
    before = meta.concrete_fields
    models.IntegerField().contribute_to_class(meta.model, "stars")
    assert [field.name for field in meta.concrete_fields] == ["id", "name", "stars"]
    assert len(before) == 2


def test_what_others_have_worked_out_is_forgotten_with_it(define):
    Pizza = define("Pizza", name=models.CharField())
    Proxy = define("Proxy", Pizza, Meta={"proxy": True})
    Proxy._meta.plans["x"] = 1
    models.IntegerField().contribute_to_class(Pizza, "stars")
    assert Proxy._meta.plans == {}
    assert Proxy._meta.table is None


def test_indexes_and_constraints_get_names_of_their_own(define):
    Base = define(
        "Base",
        name=models.CharField(max_length=5),
        Meta={
            "abstract": True,
            "indexes": [models.Index(fields=["name"])],
            "constraints": [models.UniqueConstraint(fields=["name"], name="%(app_label)s_%(class)s_name")],
        },
    )
    One, Other = define("One", Base), define("Other", Base)
    assert One._meta.constraints[0].name == "tests_one_name"
    assert Other._meta.constraints[0].name == "tests_other_name"
    assert One._meta.indexes[0].name and One._meta.indexes[0].name != Other._meta.indexes[0].name
