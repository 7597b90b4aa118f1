"""The SQLAlchemy tables of models, and the names that nobody chose."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webframe.core.exceptions import ImproperlyConfigured
from webframe.db import models
from webframe.db.models.tables import MAX_NAME_LENGTH, column_of, generated_name, table_of

from ..registries import models_of_a_test


@pytest.fixture
def define() -> Any:
    registry = models_of_a_test("tests")

    def make(name: str, Meta: dict[str, Any] | None = None, /, *bases: Any, **attributes: Any) -> Any:
        meta = type("Meta", (), {"app_label": "tests", "apps": registry, **(Meta or {})})
        namespace = {"__module__": __name__, "Meta": meta, **attributes}
        return type(bases[0] if bases else models.Model)(name, bases or (models.Model,), namespace)

    return make


def test_a_table_has_the_columns_of_the_fields_in_their_order(define: Any) -> None:
    Pizza = define("Pizza", name=models.CharField(max_length=50), note=models.TextField(null=True, db_column="remark"))
    table = table_of(Pizza)
    assert table.name == "tests_pizza"
    assert [(column.name, column.nullable, column.primary_key) for column in table.c] == [
        ("id", False, True),
        ("name", False, False),
        ("remark", True, False),
    ]
    assert column_of(Pizza._meta.get_field("note")) is table.c["remark"]


def test_it_is_made_once_and_anew_when_a_field_is_added(define: Any) -> None:
    Pizza = define("Pizza")
    table = table_of(Pizza)
    assert table_of(Pizza) is table
    models.IntegerField().contribute_to_class(Pizza, "price")
    assert "price" in table_of(Pizza).c and "price" not in table.c


def test_all_threads_get_the_same_one(define: Any) -> None:
    Pizza = define("Pizza", **{f"field{number}": models.IntegerField() for number in range(50)})
    begin, found = threading.Barrier(8), []

    def ask() -> None:
        begin.wait(10)
        found.append(table_of(Pizza))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8 and len(set(map(id, found))) == 1


def test_a_proxy_has_the_table_of_the_model_it_stands_for(define: Any) -> None:
    Pizza = define("Pizza")
    Proxy = define("Proxy", {"proxy": True}, Pizza)
    assert table_of(Proxy) is table_of(Pizza)


def test_a_child_has_its_own_columns_and_the_link_as_key(define: Any) -> None:
    Place = define("Place", name=models.CharField(max_length=50))
    Shop = define("Shop", None, Place, till=models.IntegerField())
    table = table_of(Shop)
    assert [column.name for column in table.c] == ["place_ptr_id", "till"]
    assert [column.name for column in table.primary_key] == ["place_ptr_id"]
    assert column_of(Shop._meta.get_field("name")) is table_of(Place).c["name"]


def test_two_models_may_describe_one_table(define: Any) -> None:
    Pizza = define("Pizza", name=models.CharField(max_length=50))
    Again = define("Again", {"managed": False, "db_table": "tests_pizza"}, name=models.TextField())
    assert table_of(Pizza).name == table_of(Again).name
    assert table_of(Pizza) is not table_of(Again)


def test_an_abstract_model_has_none(define: Any) -> None:
    Abstract = define("Abstract", {"abstract": True})
    with pytest.raises(ImproperlyConfigured, match="abstract, so it has no table"):
        table_of(Abstract)


def test_two_fields_cannot_have_one_column(define: Any) -> None:
    Pizza = define("Pizza", name=models.TextField())
    Pizza.add_to_class("title", models.TextField(db_column="name"))
    with pytest.raises(ImproperlyConfigured, match=r"the column 'name'; 'title' is the second"):
        table_of(Pizza)


def test_the_database_gives_out_numbers_for_automatic_keys_only(define: Any) -> None:
    Auto, Given = define("Auto"), define("Given", id=models.IntegerField(primary_key=True))
    assert table_of(Auto).autoincrement_column is table_of(Auto).c["id"]
    assert table_of(Given).autoincrement_column is None


texts = st.lists(st.text(min_size=1, max_size=70), min_size=1, max_size=4)


@given(st.text(min_size=1, max_size=90), texts, st.sampled_from(["", "_idx", "_uniq", "_fk"]))
def test_names_are_short_and_the_same_each_time(table: str, columns: list[str], suffix: str) -> None:
    name = generated_name(table, columns, suffix)
    assert name == generated_name(table, iter(columns), suffix)
    assert len(name.encode()) <= MAX_NAME_LENGTH
    assert name.endswith(suffix)


@given(st.tuples(st.text(min_size=1), texts), st.tuples(st.text(min_size=1), texts))
def test_names_differ_where_tables_or_columns_differ(one: Any, other: Any) -> None:
    assert (generated_name(*one) == generated_name(*other)) == (one == other)


def test_names_that_begin_alike_differ() -> None:
    names = {generated_name("t" * 60, ["c" * 60 + end], "_idx") for end in "abc"}
    assert len(names) == 3


def test_names_stay_the_same_from_release_to_release() -> None:
    assert generated_name("shop_order", ["customer_id"], "_idx") == "shop_order_customer_id_df140b2e_idx"
