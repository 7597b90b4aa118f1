"""Loading: instances made of rows, read again, and fields that come when they are read."""

from __future__ import annotations

import copy
import pickle

import pytest

from webframe.core.exceptions import FieldDoesNotExist
from webframe.db import connection, models
from webframe.db.models.state import DEFERRED


@pytest.fixture
def Pizza(define, create_tables):
    Pizza = define("Pizza", name=models.CharField(max_length=50), price=models.IntegerField(default=9))
    create_tables(Pizza)
    return Pizza


@pytest.fixture
def pizza(Pizza):
    pizza = Pizza(name="a", price=1)
    pizza.save()
    return pizza


@pytest.fixture
def count():
    """The number of statements since the test began."""
    seen = []

    def see(execute, sql, params, many, context):
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(see):
        yield lambda: len(seen)


def test_a_loaded_instance_knows_where_it_came_from(Pizza, pizza):
    found = Pizza.objects.get()
    assert (found._state.db, found._state.adding) == ("default", False)


def test_all_is_read_again(Pizza, pizza):
    Pizza.objects.update(name="b", price=5)
    pizza.refresh_from_db()
    assert (pizza.name, pizza.price) == ("b", 5)


def test_some_fields_are_read_again(Pizza, pizza):
    Pizza.objects.update(name="b", price=5)
    pizza.refresh_from_db(fields=["price"])
    assert (pizza.name, pizza.price) == ("a", 5)
    pizza.refresh_from_db(fields=[])
    assert pizza.name == "a"


def test_another_queryset_may_be_asked(Pizza, pizza):
    with pytest.raises(Pizza.DoesNotExist):
        pizza.refresh_from_db(from_queryset=Pizza.objects.filter(price=99))
    pizza.refresh_from_db(from_queryset=Pizza.objects.filter(price=1))


def test_another_database_may_be_asked(Pizza, pizza, create_tables):
    create_tables(Pizza, using="other")
    Pizza(pk=pizza.pk, name="there").save(using="other")
    pizza.refresh_from_db(using="other")
    assert (pizza.name, pizza._state.db) == ("there", "other")


def test_a_row_that_is_gone_does_not_exist(Pizza, pizza):
    Pizza.objects.all().delete()
    with pytest.raises(Pizza.DoesNotExist):
        pizza.refresh_from_db()


@pytest.mark.parametrize(("name", "error"), [("nmae", FieldDoesNotExist), ("name__upper", ValueError)])
def test_what_is_no_field_cannot_be_read_again(pizza, name, error):
    with pytest.raises(error):
        pizza.refresh_from_db(fields=[name])


def test_fields_that_are_missing_come_when_they_are_read(Pizza, pizza, count):
    found = Pizza.objects.only("name").get()
    before = count()
    assert found.get_deferred_fields() == {"price"}
    assert found.name == "a"
    assert count() == before
    assert (found.price, found.price) == (1, 1)
    assert count() == before + 1
    assert found.get_deferred_fields() == set()


def test_reading_again_leaves_out_what_is_missing(Pizza, pizza):
    found = Pizza.objects.defer("price").get()
    found.refresh_from_db()
    assert found.get_deferred_fields() == {"price"}
    found.refresh_from_db(fields=["price"])
    assert found.get_deferred_fields() == set()


def test_reading_again_reads_what_the_database_has_computed(Pizza, pizza, count):
    found = Pizza.objects.only("price").get()
    found.price = models.F("price") + 1
    found.save()
    before = count()
    found.refresh_from_db()
    assert (found.price, count()) == (2, before + 1)
    assert found.get_deferred_fields() == {"name"}


async def test_async_code_reads_again_what_the_database_has_computed(Pizza):
    pizza = await Pizza.objects.acreate(name="a", price=1)
    pizza.price = models.F("price") + 1
    await pizza.asave()
    await pizza.arefresh_from_db()
    assert pizza.price == 2


def test_a_missing_field_may_be_set(Pizza, pizza, count):
    found = Pizza.objects.defer("price").get()
    before = count()
    found.price = 3
    assert found.price == 3
    assert count() == before


def test_other_attributes_are_missing_as_ever(Pizza, pizza):
    found = Pizza.objects.only("name").get()
    with pytest.raises(AttributeError, match="no attribute 'nmae'"):
        _ = found.nmae
    assert not hasattr(found, "__html__")
    assert getattr(found, "other", 5) == 5


def test_a_class_may_have_a_getattr_of_its_own(define, create_tables):
    Thing = define(
        "Thing",
        name=models.CharField(max_length=5),
        size=models.IntegerField(),
        __getattr__=lambda self, name: f"<{name}>",
    )
    create_tables(Thing)
    Thing(name="a", size=3).save()
    found = Thing.objects.only("name").get()
    assert (found.size, found.other) == (3, "<other>")


def test_an_instance_with_missing_fields_can_be_copied_and_pickled(define, create_tables, pizza, Pizza):
    found = Pizza.objects.only("name").get()
    for again in (copy.copy(found), copy.deepcopy(found)):
        assert again.get_deferred_fields() == {"price"}
        assert again.price == 1
    assert found.get_deferred_fields() == {"price"}


def test_the_row_of_a_parent_is_found_by_the_childs_key(define, create_tables):
    Place = define("Place", name=models.CharField(max_length=5))
    Bar = define("Bar", Place, stars=models.IntegerField(default=2))
    create_tables(Place, Bar)
    Bar(name="a").save()
    found = Bar.objects.only("stars").get()
    assert found.id == found.pk
    assert found.name == "a"


def test_from_db_takes_what_was_loaded(Pizza):
    full = Pizza.from_db("default", ["id", "name", "price"], [1, "a", 2])
    assert (full.pk, full.name, full.price, full._state.db, full._state.adding) == (1, "a", 2, "default", False)
    part = Pizza.from_db("other", ["id", "price"], [1, 2])
    assert part.get_deferred_fields() == {"name"}
    assert part._state.db == "other"


def test_from_db_may_be_overridden(define, create_tables):
    def from_db(cls, db, field_names, values):
        instance = super(Thing, cls).from_db(db, field_names, values)
        instance.loaded = dict(zip(field_names, values, strict=True))
        return instance

    Thing = define("Thing", name=models.CharField(max_length=5), from_db=classmethod(from_db))
    create_tables(Thing)
    Thing(name="a").save()
    found = Thing.objects.get()
    assert found.loaded == {"id": found.pk, "name": "a"}
    assert Thing.objects.only("id").get().loaded == {"id": found.pk}
    assert Thing.objects.only("id").get().name == "a"


def test_a_constructor_of_ones_own_never_sees_what_was_not_loaded_as_a_value(define, create_tables):
    seen = []

    def __init__(self, *args, **kwargs):
        super(Thing, self).__init__(*args, **kwargs)
        seen.append((args[1:], "name" in self.__dict__))

    Thing = define("Thing", name=models.CharField(max_length=5), __init__=__init__)
    create_tables(Thing)
    Thing(name="a").save()
    seen.clear()
    found = Thing.objects.only("id").get()
    assert seen == [((DEFERRED,), False)]
    assert found.name == "a"


def test_the_mark_of_what_was_not_loaded_survives_pickling():
    assert pickle.loads(pickle.dumps(DEFERRED)) is DEFERRED
    assert repr(DEFERRED) == "<Deferred field>"


def test_values_for_dumps(Pizza):
    assert Pizza(name="a").serializable_value("name") == "a"
    assert Pizza(pk=3).serializable_value("pk") == 3


def test_floats_out_of_a_view_or_a_union_are_floats(define, create_tables):
    Oven = define("Oven", heat=models.FloatField(null=True))
    Scale = define("Scale", weight=models.IntegerField())
    create_tables(Oven, Scale)

    class Heat(models.Model):
        total = models.FloatField()

        class Meta:
            app_label, apps, db_table, managed = Oven._meta.app_label, Oven._meta.apps, "heat_view", False

    Oven(heat=1.5).save()
    Scale(weight=3).save()
    assert [type(oven.heat) for oven in Oven.objects.union(Scale.objects.all())] == [float, float]
    connection.run(
        f"CREATE VIEW heat_view AS SELECT id, sum(weight) AS total FROM {Scale._meta.db_table} GROUP BY id", ()
    )
    try:
        assert [(type(heat.total), heat.total) for heat in Heat.objects.all()] == [(float, 3.0)]
    finally:
        connection.run("DROP VIEW heat_view", ())


def test_floats_out_of_a_column_of_another_type_are_floats(define, create_tables):
    """As a table has them that was there before its model, or is to be migrated."""
    Oven = define("Oven", heat=models.FloatField(null=True))
    table = Oven._meta.db_table
    connection.run(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, heat NUMERIC(8, 2))", ())
    try:
        connection.run(f"INSERT INTO {table} (id, heat) VALUES (1, 3), (2, 2.5), (3, NULL)", ())
        found = [oven.heat for oven in Oven.objects.order_by("pk")]
        assert found == [3.0, 2.5, None] and [type(heat) for heat in found] == [float, float, type(None)]
        backwards = [oven.heat for oven in Oven.objects.order_by("-pk")]
        assert backwards == [None, 2.5, 3.0] and [type(heat) for heat in backwards] == [type(None), float, float]
        assert [type(Oven.objects.get(pk=pk).heat) for pk in (1, 2, 3)] == [float, float, type(None)]
    finally:
        connection.run(f"DROP TABLE {table}", ())


def test_a_column_of_floats_gives_floats_whatever_was_written(define, create_tables):
    Oven = define("Oven", heat=models.FloatField(null=True))
    create_tables(Oven)
    table = Oven._meta.db_table
    for written in ("3", "2.5", "NULL"):
        connection.fetch(f"INSERT INTO {table} (heat) VALUES ({written}) RETURNING id")
    found = [oven.heat for oven in Oven.objects.order_by("pk")]
    assert found == [3.0, 2.5, None] and [type(heat) for heat in found] == [float, float, type(None)]
    assert [type(oven.more) for oven in Oven.objects.annotate(more=models.F("heat") + 1).filter(heat=3)] == [float]
