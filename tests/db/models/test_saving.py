"""Saving: which statements are run, and what instances know afterwards. The signals are in tests/db/contract."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db import connection, connections, models, transaction
from webframe.db.errors import IntegrityError
from webframe.db.models import Case, F, Subquery, When
from webframe.db.models.functions import Coalesce
from webframe.db.models.signals import post_save, pre_save
from webframe.utils import timezone

pytestmark = pytest.mark.both_ways


@pytest.fixture
def Pizza(define, create_tables):
    Pizza = define("Pizza", name=models.CharField(max_length=50, unique=True), price=models.IntegerField(default=9))
    create_tables(Pizza)
    return Pizza


@pytest.fixture
def statements():
    """A context manager within which every statement is written down."""

    class Statements(list):
        def __call__(self, execute, sql, params, many, context):
            self.append(sql.split()[0])
            return execute(sql, params, many, context)

        def __enter__(self):
            self._wrapper = connection.execute_wrapper(self)
            self._wrapper.__enter__()
            return self

        def __exit__(self, *error):
            self._wrapper.__exit__(*error)

    return Statements()


def test_a_new_instance_is_inserted_and_then_updated(Pizza, statements):
    pizza = Pizza(name="a")
    with statements:
        pizza.save()
        assert statements == ["INSERT"]
        assert isinstance(pizza.pk, int)
        assert (pizza._state.db, pizza._state.adding) == ("default", False)
        pizza.price = 10
        pizza.save()
    assert statements == ["INSERT", "UPDATE"]
    found = Pizza.objects.get()
    assert (found, found.name, found.price) == (pizza, "a", 10)


def test_a_key_that_nobody_has_is_tried_and_then_inserted(Pizza, statements):
    with statements:
        Pizza(pk=7, name="a").save()
    assert statements == ["UPDATE", "INSERT"]
    assert Pizza.objects.get().pk == 7


def test_update_fields_writes_those_only(Pizza):
    pizza = Pizza(name="a")
    pizza.save()
    pizza.name, pizza.price = "b", 1
    pizza.save(update_fields=["price"])
    found = Pizza.objects.get()
    assert (found.name, found.price) == ("a", 1)


@pytest.mark.parametrize("empty", [[], (), set(), iter(())])
def test_no_update_fields_write_nothing(Pizza, statements, empty):
    with statements:
        Pizza(name="a").save(update_fields=empty)
    assert statements == []


@pytest.mark.parametrize("name", ["id", "pk", "nmae"])
def test_update_fields_must_be_columns_and_not_the_key(Pizza, name):
    pizza = Pizza(name="a")
    pizza.save()
    with pytest.raises(ValueError, match=f"update_fields of tests.Pizza cannot have {name}"):
        pizza.save(update_fields=[name])


def test_arguments_that_contradict_each_other_are_refused(Pizza):
    with pytest.raises(ValueError, match="both insert and updating"):
        Pizza(name="a").save(force_insert=True, force_update=True)
    with pytest.raises(ValueError, match="both insert and updating"):
        Pizza(name="a").save(force_insert=True, update_fields=["name"])
    with pytest.raises(ValueError, match="no primary key"):
        Pizza(name="a").save(force_update=True)


def test_a_row_that_must_exist_and_does_not(Pizza):
    with pytest.raises(Pizza.NotUpdated, match="Forced update"):
        Pizza(pk=1, name="a").save(force_update=True)
    with pytest.raises(Pizza.NotUpdated, match="update_fields"):
        Pizza(pk=1, name="a").save(update_fields=["name"])
    assert not Pizza.objects.exists()


def test_an_update_that_changes_nothing_is_an_update(Pizza):
    """MariaDB counts rows that it changed, unless it is told to count those it found."""
    pizza = Pizza(name="a")
    pizza.save()
    pizza.save(force_update=True)
    assert Pizza.objects.count() == 1


def test_force_insert_never_updates(Pizza):
    pizza = Pizza(name="a")
    pizza.save()
    with pytest.raises(IntegrityError):
        pizza.save(force_insert=True)


def test_a_failed_save_leaves_the_instance_new(Pizza):
    Pizza(name="a").save()
    twin = Pizza(name="a")
    with pytest.raises(IntegrityError):
        twin.save()
    assert (twin.pk, twin._state.adding, twin._state.db) == (None, True, None)


def test_a_changed_key_makes_another_row(Pizza):
    pizza = Pizza(name="a")
    pizza.save()
    pizza.pk, pizza.name = pizza.pk + 1, "b"
    pizza.save()
    assert Pizza.objects.count() == 2


def test_a_key_with_a_default_is_inserted_straight_away(define, create_tables, statements):
    Thing = define("Thing", id=models.UUIDField(primary_key=True, default=uuid.uuid4), name=models.CharField())
    Thing._meta.get_field("name").max_length = 5
    create_tables(Thing)
    thing = Thing(name="a")
    with statements:
        thing.save()
        thing.save()
        Thing(name="b", pk=uuid.uuid4()).save()
    assert statements == ["INSERT", "UPDATE", "INSERT"]
    with pytest.raises(IntegrityError):
        Thing(pk=thing.pk, name="c").save()
    with pytest.raises(Thing.NotUpdated):
        Thing(name="d").save(update_fields=["name"])


def test_a_default_of_the_key_is_taken_when_it_was_left_empty(define, create_tables):
    Thing = define("Thing", id=models.UUIDField(primary_key=True, default=uuid.uuid4))
    create_tables(Thing)
    thing = Thing(id=None)
    thing.save()
    assert isinstance(thing.pk, uuid.UUID)
    thing.save()  # nothing to update but a key: it is asked whether the row is there
    assert Thing.objects.count() == 1


def test_a_model_with_a_key_only(define, create_tables):
    Thing = define("Thing")
    create_tables(Thing)
    thing = Thing()
    thing.save()
    thing.save()
    Thing(pk=thing.pk + 5).save()
    assert Thing.objects.count() == 2


def test_a_default_of_the_database_may_be_an_expression(define, create_tables):
    from webframe.db.models.functions import Now

    Thing = define("Thing", name=models.CharField(max_length=5), at=models.DateTimeField(db_default=Now()))
    create_tables(Thing)
    thing = Thing(name="a")
    thing.save()
    assert abs(thing.at - timezone.now()) < timedelta(minutes=1)
    assert Thing.objects.get().at == thing.at


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("key", [models.AutoField, models.UUIDField])
def test_a_database_that_tells_nothing_but_the_key(define, create_tables, monkeypatch, key):
    Thing = define(
        "Thing",
        stars=models.IntegerField(db_default=3),
        key=key(primary_key=True, **({"default": uuid.uuid4} if key is models.UUIDField else {})),
    )
    create_tables(Thing)
    monkeypatch.setattr(connection.features, "can_return_from_insert", False)
    thing = Thing()
    thing.save()
    assert thing.get_deferred_fields() == {"stars"}
    assert thing.stars == 3
    assert Thing.objects.get(pk=thing.pk) == thing


@pytest.mark.parametrize(
    "expression",
    [F("price") + 1, Coalesce(F("price"), 1), Case(When(price=3, then=2), default=1)],
    ids=["F", "function", "condition"],
)
def test_a_new_row_cannot_be_computed_from_itself(Pizza, expression):
    before = Pizza.objects.create(name="before")
    copied = Pizza.objects.get()
    copied.pk, copied.name, copied.price = None, "copied", expression
    for insert in (
        copied.save,
        Pizza(name="new", price=expression).save,
        lambda: Pizza.objects.create(name="made", price=expression),
        lambda: Pizza.objects.bulk_create([Pizza(name="plain"), Pizza(name="bulk", price=expression)]),
    ):
        with pytest.raises(ValueError, match=r"price.*can only be used to update, not to insert"), transaction.atomic():
            insert()
    assert Pizza.objects.get() == before
    before.price = expression
    before.save()


def test_a_new_row_may_be_computed_from_others(Pizza):
    Pizza.objects.create(name="before", price=4)
    highest = Pizza.objects.order_by("-price").values("price")[:1]
    Pizza.objects.create(name="next", price=Subquery(highest) + 1)
    assert list(Pizza.objects.order_by("pk").values_list("price", flat=True)) == [4, 5]


def test_a_row_without_the_key_that_it_must_be_given_is_refused_by_the_database(define, create_tables):
    Pizza = define("Pizza", name=models.CharField(max_length=5))
    Menu = define("Menu", pizza=models.OneToOneField(Pizza, models.CASCADE, primary_key=True))
    Coin = define("Coin", sign=models.CharField(max_length=5, primary_key=True), worth=models.IntegerField(default=1))
    create_tables(Pizza, Menu, Coin)
    for model in Menu, Coin:
        for insert in (
            model(pk=None).save,
            lambda model=model: model.objects.create(pk=None),
            lambda model=model: model.objects.bulk_create([model(pk=None)]),
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                insert()
        assert not model.objects.exists()


def test_what_the_database_computes_is_loaded_when_it_is_read(Pizza, statements):
    pizza = Pizza(name="a", price=1)
    pizza.save()
    pizza.price = F("price") + 1
    pizza.save()
    with statements:
        assert pizza.price == 2
        assert pizza.price == 2
    assert statements == ["SELECT"]
    pizza.save()
    assert Pizza.objects.get().price == 2


def test_an_instance_with_missing_fields_writes_the_others(Pizza, statements):
    Pizza(name="a", price=1).save()
    pizza = Pizza.objects.defer("price").get()
    Pizza.objects.update(price=5)
    pizza.name = "b"
    with statements:
        pizza.save()
    assert statements == ["UPDATE"]
    assert Pizza.objects.values_list("name", "price").get() == ("b", 5)


def test_an_instance_may_be_saved_to_another_database(Pizza, create_tables):
    create_tables(Pizza, using="other")
    pizza = Pizza(name="a")
    pizza.save(using="other")
    assert pizza._state.db == "other"
    assert not Pizza.objects.using("default").exists()
    pizza.name = "b"
    pizza.save()
    assert Pizza.objects.using("other").get().name == "b"


def test_a_router_says_where_to(Pizza, create_tables):
    from webframe.test import override_settings

    class ToOther:
        def db_for_write(self, model, instance=None, **hints):
            assert isinstance(instance, Pizza)
            return "other"

    create_tables(Pizza, using="other")
    with override_settings(DATABASE_ROUTERS=[ToOther()]):
        pizza = Pizza(name="a")
        pizza.save()
    assert pizza._state.db == "other"


def test_one_statement_opens_no_transaction(Pizza):
    seen = []

    def see(execute, sql, params, many, context):
        seen.append((sql.split()[0], transaction.is_open()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(see):
        Pizza(name="a").save()
        Pizza(pk=100, name="b").save()
    assert seen == [("INSERT", False), ("UPDATE", False), ("INSERT", False)]


def test_the_row_is_there_when_a_receiver_of_post_save_fails(Pizza):
    def fail(**kwargs):
        raise RuntimeError("no")

    with post_save.connected_to(fail, sender=Pizza), pytest.raises(RuntimeError):
        Pizza(name="a").save()
    assert Pizza.objects.count() == 1
    with pre_save.connected_to(fail, sender=Pizza), pytest.raises(RuntimeError):
        Pizza(name="b").save()
    assert Pizza.objects.count() == 1


@pytest.mark.plain_way("it runs a loop itself")
def test_saving_on_a_running_loop_is_refused(Pizza):
    async def save():
        Pizza(name="a").save()

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(save())


# --- parents ----------------------------------------------------------------------------------------------------


@pytest.fixture
def family(define, create_tables):
    Place = define("Place", name=models.CharField(max_length=20))
    Restaurant = define("Restaurant", Place, stars=models.IntegerField(default=0))
    Bistro = define("Bistro", Restaurant, small=models.BooleanField(default=True))
    create_tables(Place, Restaurant, Bistro)
    return Place, Restaurant, Bistro


def test_parents_are_saved_first_in_one_transaction(family, statements):
    Place, Restaurant, Bistro = family
    bistro = Bistro(name="a", stars=3)
    with statements:
        bistro.save()
    assert [each for each in statements if each == "INSERT"] == ["INSERT"] * 3
    assert bistro.pk == bistro.id == bistro.restaurant_ptr_id == bistro.place_ptr_id
    found = Bistro.objects.get()
    assert (found.name, found.stars, found.small) == ("a", 3, True)
    found.name, found.small = "b", False
    found.save()
    assert Place.objects.get().name == "b"
    assert Bistro.objects.get().small is False


def test_a_failure_of_the_child_takes_the_parents_rows_back(family):
    Place, Restaurant, Bistro = family
    with pytest.raises(IntegrityError):
        Restaurant(name="a", stars=None).save()
    assert not Place.objects.exists()


def test_update_fields_of_parent_and_child(family):
    Place, Restaurant, Bistro = family
    bistro = Bistro(name="a", stars=1)
    bistro.save()
    bistro.name, bistro.stars, bistro.small = "b", 2, False
    bistro.save(update_fields=["name"])
    assert Bistro.objects.values_list("name", "stars", "small").get() == ("b", 1, True)
    bistro.save(update_fields=["stars"])
    assert Bistro.objects.values_list("name", "stars", "small").get() == ("b", 2, True)


def test_a_child_can_be_added_to_a_parent_that_is_there(family):
    Place, Restaurant, Bistro = family
    place = Place(name="a")
    place.save()
    restaurant = Restaurant(place_ptr=place, name="b", stars=2)
    restaurant.save()
    assert restaurant.pk == place.pk
    assert Place.objects.get().name == "b"


def test_a_raw_save_writes_the_own_table_only(family):
    Place, Restaurant, Bistro = family
    place = Place(name="a")
    place.save()
    Restaurant(pk=place.pk, name="ignored", stars=4).save_base(raw=True)
    assert Restaurant.objects.values_list("name", "stars").get() == ("a", 4)


@pytest.mark.parametrize("kind", [list, set, frozenset, iter])
def test_save_base_takes_the_names_of_fields_as_they_come(Pizza, kind):
    """Receivers hear of them as they do of those given to save()."""
    pizza = Pizza.objects.create(name="a", price=9)
    pizza.name, pizza.price = "b", 10
    heard = []

    def receive(update_fields, **kwargs):
        heard.append(update_fields)

    pre_save.connect(receive, sender=Pizza)
    post_save.connect(receive, sender=Pizza)
    pizza.save_base(update_fields=kind(["price"]))
    assert Pizza.objects.values_list("name", "price").get() == ("a", 10)
    assert heard == [frozenset({"price"})] * 2


def test_some_ancestors_may_be_known_to_be_new(family, statements):
    Place, Restaurant, Bistro = family
    with statements:
        Bistro(pk=5, name="a").save(force_insert=(Place,))
    assert "UPDATE" not in statements
    with pytest.raises(TypeError, match="does not inherit"):
        Restaurant(pk=6, name="b").save(force_insert=(Bistro,))
    with pytest.raises(TypeError, match="bool or a tuple"):
        Restaurant(pk=6, name="b").save(force_insert=[Place])


def test_the_children_of_two_parents(define, create_tables):
    One = define("One", one_id=models.AutoField(primary_key=True), a=models.IntegerField())
    Two = define("Two", two_id=models.AutoField(primary_key=True), b=models.IntegerField())
    Both = define("Both", One, Two, c=models.IntegerField())
    create_tables(One, Two, Both)
    Two(b=0).save()
    both = Both(a=1, b=2, c=3)
    both.save()
    assert both.pk == both.one_ptr_id == both.one_id
    assert both.two_ptr_id == both.two_id
    found = Both.objects.get()
    assert (found.a, found.b, found.c) == (1, 2, 3)


def test_every_alias_is_known(Pizza):
    assert connections["default"].alias == "default"
    with pytest.raises(Exception, match="no database 'nowhere'"):
        Pizza(name="a").save(using="nowhere")


# --- the short way and the long one -----------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["new", "known", "gone", "loaded", "partly"]),
        st.sampled_from(
            [
                {},
                {"force_insert": True},
                {"force_update": True},
                {"update_fields": ["price"]},
                {"update_fields": ["name", "price"]},
                {"update_fields": []},
                {"update_fields": ["nmae"]},
            ]
        ),
        st.sampled_from(["a", "b", None, 5]),
        st.sampled_from([1, "2", None, F("price") + 1]),
    ),
    max_size=6,
)


@pytest.mark.engines("sqlite")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_somebody_who_listens_changes_nothing_in_what_is_saved(Pizza, steps):
    def outcome():
        Pizza.objects.all().delete()
        Pizza(pk=1, name="first", price=1).save()
        seen = []
        for kind, arguments, name, price in steps:
            if kind in ("loaded", "partly"):
                rows = Pizza.objects.defer("name") if kind == "partly" else Pizza.objects.all()
                pizza = rows.get(pk=1)
                if kind == "loaded":
                    pizza.name = name
                pizza.price = price
            else:
                pizza = Pizza(pk={"new": None, "known": 1, "gone": 77}[kind], name=name, price=price)
            try:
                with transaction.atomic():
                    pizza.save(**arguments)
            except Exception as error:
                seen.append((type(error), str(error)))
            else:
                seen.append((pizza._state.db, pizza._state.adding, pizza.get_deferred_fields()))
        return seen, list(Pizza.objects.order_by("name", "price").values_list("name", "price"))

    alone = outcome()
    with post_save.connected_to(lambda **kwargs: None):
        assert outcome() == alone
