"""The schema editor and create_all, on every engine."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy

from webframe.db import IntegrityError, NotSupportedError, OperationalError, connections, models, transaction
from webframe.db.models import CheckConstraint, F, Index, Q, UniqueConstraint
from webframe.db.models.functions import Lower
from webframe.db.schema import create_all, drop_all

from .schema_helpers import States, columns, empty, execute, field, foreign_keys, indexes, tables, uniques

CASCADE = models.CASCADE

SQLALCHEMY = tuple(int(number) for number in re.findall(r"\d+", sqlalchemy.__version__)[:3])


@pytest.fixture
def connection(engine: Any) -> Iterator[Any]:
    """The connection of the default database, which is empty before and after the test."""
    empty(engine)
    yield connections["default"]
    empty(engine)


@pytest.fixture
def state() -> States:
    return States()


def editor(**options: Any) -> Any:
    return connections["default"].schema_editor(**options)


def pizza(state: States, Meta: dict[str, Any] | None = None, /, **extra: Any) -> Any:
    return state("Pizza", Meta, name=models.CharField(max_length=50), price=models.IntegerField(), **extra)


def add(name: str, price: int = 7) -> None:
    execute("INSERT INTO tests_pizza (name, price) VALUES (%s, %s)", name, price)


def column_names(connection: Any, table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}".replace("%%", "%"))
        return [column[0] for column in cursor.description]


class TestCreateModel:
    def test_makes_a_table_with_the_columns_of_the_fields(self, connection: Any, state: States) -> None:
        Pizza = pizza(state, note=models.TextField(null=True))
        with editor() as schema:
            schema.create_model(Pizza)
        found = columns("tests_pizza")
        assert list(found) == ["id", "name", "price", "note"]
        assert [column["nullable"] for column in found.values()] == [False, False, False, True]
        add("Margherita")
        add("Funghi")
        assert execute("SELECT id, name FROM tests_pizza ORDER BY id") == [(1, "Margherita"), (2, "Funghi")]

    def test_the_number_of_a_deleted_row_is_not_given_out_again(self, connection: Any, state: States) -> None:
        create_all(pizza(state))
        add("Margherita")
        execute("DELETE FROM tests_pizza")
        add("Funghi")
        assert execute("SELECT id FROM tests_pizza") == [(2,)]

    def test_unique_fields_and_combinations_are_unique(self, connection: Any, state: States) -> None:
        create_all(
            state(
                "Pizza",
                {"unique_together": [("name", "size")]},
                name=models.CharField(max_length=50),
                size=models.IntegerField(),
                slug=models.SlugField(unique=True, null=True),
            )
        )
        assert uniques("tests_pizza") == {("name", "size"), ("slug",)}
        insert = "INSERT INTO tests_pizza (name, size, slug) VALUES (%s, %s, %s)"
        execute(insert, "Margherita", 1, "a")
        execute(insert, "Margherita", 2, None)
        execute(insert, "Margherita", 3, None)
        for values in (("Margherita", 1, "b"), ("Funghi", 1, "a")):
            with pytest.raises(IntegrityError):
                execute(insert, *values)

    def test_text_that_differs_in_case_is_different(self, connection: Any, state: States) -> None:
        create_all(state("Pizza", name=models.CharField(max_length=50, unique=True)))
        for name in ("margherita", "Margherita", "mârgherita"):
            execute("INSERT INTO tests_pizza (name) VALUES (%s)", name)
        assert execute("SELECT count(*) FROM tests_pizza WHERE name = %s", "margherita") == [(1,)]

    def test_positive_numbers_are_positive(self, connection: Any, state: States) -> None:
        create_all(state("Pizza", stock=models.PositiveIntegerField()))
        execute("INSERT INTO tests_pizza (stock) VALUES (0)")
        with pytest.raises((IntegrityError, OperationalError)):
            execute("INSERT INTO tests_pizza (stock) VALUES (-1)")

    def test_indexes_are_made_for_db_index_and_for_those_of_meta(self, connection: Any, state: States) -> None:
        Pizza = pizza(
            state,
            {"indexes": [Index(fields=["name", "-price"]), Index(fields=["price"], name="by_price")]},
            size=models.IntegerField(db_index=True),
        )
        create_all(Pizza)
        found = indexes("tests_pizza")
        assert found.pop("by_price") == ["price"]
        assert sorted(map(tuple, found.values())) == [("name", "price"), ("size",)]
        assert set(found) | {"by_price"} == {
            "by_price",
            *(index.name for index in Pizza._meta.indexes[:1]),
            *(name for name in found if "size" in name),
        }

    def test_db_index_and_an_index_of_meta_over_the_same_field_do_not_clash(
        self, connection: Any, state: States
    ) -> None:
        create_all(pizza(state, {"indexes": [Index(fields=["size"])]}, size=models.IntegerField(db_index=True)))
        assert list(indexes("tests_pizza").values()) == [["size"], ["size"]]

    def test_foreign_keys_hold(self, connection: Any, state: States) -> None:
        Customer = state("Customer", name=models.CharField(max_length=50))
        Order = state("Order", customer=models.ForeignKey(Customer, CASCADE, null=True))
        assert create_all(Order, Customer) == ["tests_order", "tests_customer"]
        assert foreign_keys("tests_order") == {("customer_id", "tests_customer", "id")}
        assert list(indexes("tests_order").values()) == [["customer_id"]]
        execute("INSERT INTO tests_order (customer_id) VALUES (NULL)")
        with pytest.raises(IntegrityError):
            execute("INSERT INTO tests_order (customer_id) VALUES (7)")

    def test_foreign_keys_without_constraint_do_not(self, connection: Any, state: States) -> None:
        Customer = state("Customer")
        create_all(Customer, state("Order", customer=models.ForeignKey(Customer, CASCADE, db_constraint=False)))
        assert foreign_keys("tests_order") == set()
        execute("INSERT INTO tests_order (customer_id) VALUES (7)")

    @pytest.mark.engines("sqlite", "postgresql")
    def test_foreign_keys_are_checked_at_the_end_of_the_transaction(self, connection: Any, state: States) -> None:
        Customer = state("Customer")
        create_all(Customer, state("Order", customer=models.ForeignKey(Customer, CASCADE)))
        with transaction.atomic():
            execute("INSERT INTO tests_order (customer_id) VALUES (1)")
            execute("INSERT INTO tests_customer (id) VALUES (1)")
        with pytest.raises(IntegrityError), transaction.atomic():
            execute("INSERT INTO tests_order (customer_id) VALUES (2)")
        assert execute("SELECT count(*) FROM tests_order") == [(1,)]

    def test_foreign_keys_to_text_and_to_unique_fields(self, connection: Any, state: States) -> None:
        Customer = state("Customer", code=models.CharField(max_length=8, unique=True))
        Order = state("Order", customer=models.ForeignKey(Customer, CASCADE, to_field="code"))
        create_all(Customer, Order)
        assert foreign_keys("tests_order") == {("customer_id", "tests_customer", "code")}
        execute("INSERT INTO tests_customer (code) VALUES ('x')")
        execute("INSERT INTO tests_order (customer_id) VALUES ('x')")

    def test_many_to_many_fields_get_a_table(self, connection: Any, state: States) -> None:
        Topping = state("Topping")
        Pizza = state("Pizza", toppings=models.ManyToManyField(Topping))
        with editor() as schema:
            schema.create_model(Pizza)
            schema.create_model(Topping)
        assert foreign_keys("tests_pizza_toppings") == {
            ("pizza_id", "tests_pizza", "id"),
            ("topping_id", "tests_topping", "id"),
        }
        assert uniques("tests_pizza_toppings") == {("pizza_id", "topping_id")}
        with editor() as schema:
            schema.delete_model(Pizza)
        assert tables() == {"tests_topping"}

    def test_children_have_the_link_to_their_parent_as_key(self, connection: Any, state: States) -> None:
        Place = state("Place", name=models.CharField(max_length=50))
        meta = type("Meta", (), {"app_label": "tests", "apps": state.registry})
        Shop: Any = type(Place)("Shop", (Place,), {"__module__": __name__, "Meta": meta, "till": models.IntegerField()})
        create_all(Place, Shop)
        assert list(columns("tests_shop")) == ["place_ptr_id", "till"]
        assert foreign_keys("tests_shop") == {("place_ptr_id", "tests_place", "id")}

    def test_defaults_of_the_database_fill_what_is_left_out(self, connection: Any, state: States) -> None:
        create_all(
            state(
                "Pizza",
                name=models.CharField(max_length=50, db_default="100 % 'plain' \\ \t|"),
                price=models.DecimalField(max_digits=6, decimal_places=2, db_default=Decimal("7.50")),
                hot=models.BooleanField(db_default=True),
                size=models.IntegerField(),
            )
        )
        execute("INSERT INTO tests_pizza (size) VALUES (3)")
        ((name, price, hot),) = execute("SELECT name, price, hot FROM tests_pizza")
        assert (name, Decimal(price), bool(hot)) == ("100 % 'plain' \\ \t|", Decimal("7.5"), True)

    def test_names_are_nothing_but_names(self, connection: Any, state: States) -> None:
        table = 'od`d "%s" 100% na;me'
        Odd = state(
            "Odd",
            {"db_table": table},
            value=models.IntegerField(db_column='va"l`ue %d', unique=True),
            other=models.ForeignKey("self", CASCADE, null=True, db_column="select"),
        )
        create_all(Odd)
        assert tables() == {table}
        assert column_names(connection, table) == ["id", 'va"l`ue %d', "select"]
        # SQLAlchemy before 2.0.55 takes it for a placeholder on SQLite.
        odd = "%(x)s" if SQLALCHEMY >= (2, 0, 55) else "%(x) s"
        later = models.IntegerField(default=5, db_index=True, db_column=odd)
        later.creation_counter = 2_000_000
        later.contribute_to_class(Odd, "later")
        with editor() as schema:
            schema.add_field(Odd, later)
        assert column_names(connection, table) == ["id", 'va"l`ue %d', "select", odd]

    def test_a_model_whose_name_is_too_long_for_its_constraints(self, connection: Any, state: States) -> None:
        Target = state("T" * 50)
        Long = state(
            "L" * 50,
            {"unique_together": [("a" * 40, "b" * 40)]},
            **{
                "a" * 40: models.ForeignKey(Target, CASCADE, related_name="+"),
                "b" * 40: models.ForeignKey(Target, CASCADE, related_name="+"),
            },
        )
        create_all(Long, Target)
        assert len(foreign_keys(Long._meta.db_table)) == 2


class TestCreateAll:
    def test_makes_what_is_missing_and_leaves_the_rest_alone(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        assert create_all(Pizza) == ["tests_pizza"]
        add("Margherita")
        assert create_all(apps=state.registry) == []
        pizza_with_more = pizza(state.at(), extra=models.IntegerField())
        assert create_all(pizza_with_more) == []
        assert execute("SELECT count(*) FROM tests_pizza") == [(1,)]

    def test_takes_tables_that_refer_to_each_other(self, connection: Any, state: States) -> None:
        state("Hen", egg=models.ForeignKey("tests.Egg", CASCADE, null=True, related_name="+"))
        hen = models.ForeignKey("tests.Hen", CASCADE, null=True, related_name="eggs")
        state("Egg", hen=hen, other=models.ForeignKey("self", CASCADE))
        assert create_all(apps=state.registry) == ["tests_hen", "tests_egg"]
        assert foreign_keys("tests_hen") == {("egg_id", "tests_egg", "id")}
        assert len(foreign_keys("tests_egg")) == 2
        assert sorted(drop_all(apps=state.registry)) == ["tests_egg", "tests_hen"]
        assert tables() == set()

    def test_passes_over_what_has_no_table_of_its_own(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        state("Abstract", {"abstract": True}, name=models.CharField(max_length=5))
        state("View", {"managed": False}, name=models.CharField(max_length=5))
        meta = type("Meta", (), {"app_label": "tests", "apps": state.registry, "proxy": True})
        type(Pizza)("Proxy", (Pizza,), {"__module__": __name__, "Meta": meta})
        assert create_all(apps=state.registry) == ["tests_pizza"]

    def test_several_at_once_make_each_table_once(self, connection: Any, state: States) -> None:
        toppings = models.ManyToManyField("tests.Topping")
        Pizza, Topping = pizza(state, toppings=toppings), state("Topping")
        begin = threading.Barrier(4)
        made: list[list[str]] = []
        errors: list[BaseException] = []

        def create() -> None:
            try:
                begin.wait(10)
                made.append(create_all(Pizza, Topping))
            except BaseException as error:
                errors.append(error)
            finally:
                connections.release()

        threads = [threading.Thread(target=create) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not errors
        assert sorted(sum(made, [])) == ["tests_pizza", "tests_pizza_toppings", "tests_topping"]

    def test_works_in_another_database(self, engine: Any, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        assert create_all(Pizza, using="other") == ["tests_pizza"]
        assert tables() == set()
        assert drop_all(Pizza, using="other") == ["tests_pizza"]
        assert drop_all(Pizza, using="other") == []


class TestAddField:
    def test_rows_that_exist_get_the_default(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        create_all(Pizza)
        add("Margherita")
        after = pizza(state.at(), size=models.IntegerField(default=lambda: 26), note=models.TextField(null=True))
        with editor() as schema:
            schema.add_field(Pizza, field(after, "size"))
            schema.add_field(after, field(after, "note"))
        assert execute("SELECT size, note FROM tests_pizza") == [(26, None)]
        found = columns("tests_pizza")
        assert not found["size"]["nullable"] and found["size"]["default"] is None
        assert found["note"]["nullable"]

    def test_without_default_it_needs_to_be_empty(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        create_all(Pizza)
        after = pizza(state.at(), size=models.UUIDField())
        if connection.vendor != "mysql":
            add("Margherita")
            with pytest.raises(IntegrityError), editor() as schema:
                schema.add_field(Pizza, field(after, "size"))
            assert "size" not in columns("tests_pizza")
            execute("DELETE FROM tests_pizza")
        with editor() as schema:
            schema.add_field(Pizza, field(after, "size"))
        assert not columns("tests_pizza")["size"]["nullable"]

    def test_text_that_may_be_blank_is_blank(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        create_all(Pizza)
        add("Margherita")
        with editor() as schema:
            schema.add_field(Pizza, field(pizza(state.at(), note=models.CharField(max_length=9, blank=True)), "note"))
        assert execute("SELECT note FROM tests_pizza") == [("",)]

    def test_a_default_of_the_database_stays(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        create_all(Pizza)
        add("Margherita")
        with editor() as schema:
            schema.add_field(Pizza, field(pizza(state.at(), size=models.IntegerField(db_default=26)), "size"))
        add("Funghi")
        assert execute("SELECT size FROM tests_pizza") == [(26,), (26,)]

    def test_unique_indexed_and_constrained(self, connection: Any, state: States) -> None:
        Customer, Pizza = state("Customer"), pizza(state)
        create_all(Customer, Pizza)
        add("Margherita")
        after = pizza(
            state.at(),
            code=models.IntegerField(null=True, unique=True),
            size=models.PositiveIntegerField(default=1, db_index=True),
            cook=models.ForeignKey(Customer, CASCADE, null=True),
        )
        before = Pizza
        with editor() as schema:
            for name in ("code", "size", "cook"):
                schema.add_field(before, field(after, name))
                field(after, name).clone().contribute_to_class(before, name)
        assert uniques("tests_pizza") == {("code",)}
        assert sorted(map(tuple, indexes("tests_pizza").values())) == [("cook_id",), ("size",)]
        assert foreign_keys("tests_pizza") == {("cook_id", "tests_customer", "id")}
        with pytest.raises((IntegrityError, OperationalError)):
            execute("UPDATE tests_pizza SET size = -1")

    def test_many_to_many(self, connection: Any, state: States) -> None:
        Topping, Pizza = state("Topping"), pizza(state)
        create_all(Topping, Pizza)
        later = state.at()
        Topping, Pizza = later("Topping"), pizza(later, toppings=models.ManyToManyField("tests.Topping"))
        with editor() as schema:
            schema.add_field(Pizza, field(Pizza, "toppings"))
        assert "tests_pizza_toppings" in tables()
        with editor() as schema:
            schema.remove_field(Pizza, field(Pizza, "toppings"))
        assert "tests_pizza_toppings" not in tables()


class TestRemoveField:
    def test_drops_the_column_and_what_hangs_on_it(self, connection: Any, state: States) -> None:
        Customer = state("Customer")
        Pizza = pizza(
            state,
            {"unique_together": [("name", "size")], "indexes": [Index(fields=["size", "price"])]},
            size=models.IntegerField(default=1, db_index=True),
            cook=models.ForeignKey(Customer, CASCADE, null=True),
        )
        create_all(Customer, Pizza)
        add_more = "INSERT INTO tests_pizza (name, price, size) VALUES ('Margherita', 7, 1)"
        execute(add_more)
        with editor() as schema:
            schema.remove_field(Pizza, field(Pizza, "size"))
        state = state.at()
        without = pizza(state, cook=models.ForeignKey(state("Customer"), CASCADE, null=True))
        with editor() as schema:
            schema.remove_field(without, field(without, "cook"))
        assert list(columns("tests_pizza")) == ["id", "name", "price"]
        assert execute("SELECT * FROM tests_pizza") == [(1, "Margherita", 7)]
        assert not foreign_keys("tests_pizza") and not uniques("tests_pizza") and not indexes("tests_pizza")


class TestAlterField:
    def alter(self, state: States, old: models.Field, new: models.Field, names: tuple[str, str] = ("a", "a")) -> Any:
        """Create a table with the one field, put in rows by `rows`, make the field the other one."""
        before = state("Thing", **{names[0]: old})
        create_all(before)
        after = state.at()("Thing", **{names[1]: new})
        self.before, self.after = before, after

    def go(self) -> None:
        old = [each for each in self.before._meta.local_fields if each.name != "id"][0]
        new = [each for each in self.after._meta.local_fields if each.name != "id"][0]
        with editor() as schema:
            schema.alter_field(self.before, old, new)

    def test_renames_the_column(self, connection: Any, state: States) -> None:
        self.alter(state, models.IntegerField(unique=True), models.IntegerField(unique=True), ("old", "new"))
        execute("INSERT INTO tests_thing (old) VALUES (5)")
        self.go()
        assert execute("SELECT id, new FROM tests_thing") == [(1, 5)]
        assert uniques("tests_thing") == {("new",)}
        # The name of the constraint is that which it would have had from the start.
        with editor() as schema:
            plain = state.at()("Thing", new=models.IntegerField())
            schema.alter_field(self.after, field(self.after, "new"), field(plain, "new"))
        assert uniques("tests_thing") == set()

    def test_renames_a_foreign_key(self, connection: Any, state: States) -> None:
        for name in ("old", "new"):
            state = state.at()
            Other = state("Other")
            model = state("Thing", **{name: models.ForeignKey(Other, CASCADE, null=True)})
            if name == "old":
                self.before = model
                create_all(Other, model)
            self.after = model
        self.go()
        assert foreign_keys("tests_thing") == {("new_id", "tests_other", "id")}
        assert list(indexes("tests_thing").values()) == [["new_id"]]

    def test_changes_the_type_and_keeps_the_values(self, connection: Any, state: States) -> None:
        self.alter(state, models.CharField(max_length=10), models.IntegerField(db_default=3))
        execute("INSERT INTO tests_thing (a) VALUES ('12')")
        self.go()
        execute(
            "INSERT INTO tests_thing (id) VALUES (DEFAULT)"
            if connection.vendor != "sqlite"
            else "INSERT INTO tests_thing DEFAULT VALUES"
        )
        assert execute("SELECT a FROM tests_thing ORDER BY id") == [(12,), (3,)]

    def test_longer_text(self, connection: Any, state: States) -> None:
        self.alter(state, models.CharField(max_length=3, db_index=True), models.CharField(max_length=30, db_index=True))
        self.go()
        execute("INSERT INTO tests_thing (a) VALUES (%s)", "x" * 30)
        assert columns("tests_thing")["a"]["type"].length == 30
        assert len(indexes("tests_thing")) == 1

    def test_null_becomes_the_default(self, connection: Any, state: States) -> None:
        self.alter(state, models.IntegerField(null=True), models.IntegerField(default=7))
        execute("INSERT INTO tests_thing (a) VALUES (NULL), (1)")
        self.go()
        assert execute("SELECT a FROM tests_thing ORDER BY id") == [(7,), (1,)]
        assert not columns("tests_thing")["a"]["nullable"]
        with pytest.raises((IntegrityError, OperationalError)):
            execute("INSERT INTO tests_thing (a) VALUES (NULL)")

    def test_null_is_allowed_then(self, connection: Any, state: States) -> None:
        self.alter(state, models.IntegerField(db_default=4), models.IntegerField(null=True))
        self.go()
        execute("INSERT INTO tests_thing (a) VALUES (NULL)")
        found = columns("tests_thing")["a"]
        assert found["nullable"] and found["default"] in (None, "NULL")

    def test_unique_and_indexed_on_and_off(self, connection: Any, state: States) -> None:
        self.alter(state, models.IntegerField(), models.IntegerField(unique=True))
        self.go()
        assert uniques("tests_thing") == {("a",)} and not indexes("tests_thing")
        self.before, self.after = self.after, state.at()("Thing", a=models.IntegerField(db_index=True))
        self.go()
        assert not uniques("tests_thing") and list(indexes("tests_thing").values()) == [["a"]]
        self.before, self.after = self.after, state.at()("Thing", a=models.IntegerField())
        self.go()
        assert not uniques("tests_thing") and not indexes("tests_thing")

    def test_one_to_one_becomes_a_foreign_key_and_back(self, connection: Any, state: States) -> None:
        kinds = [models.OneToOneField, models.ForeignKey, models.OneToOneField]
        made = []
        for kind in kinds:
            state = state.at()
            Other = state("Other")
            made.append(state("Thing", a=kind(Other, CASCADE)))
            if len(made) == 1:
                create_all(Other, made[0])
        for self.before, self.after, unique in ((made[0], made[1], set()), (made[1], made[2], {("a_id",)})):
            self.go()
            assert uniques("tests_thing") == unique
            assert foreign_keys("tests_thing") == {("a_id", "tests_other", "id")}
            assert bool(indexes("tests_thing")) is not bool(unique)

    def test_keys_that_refer_to_it_change_their_type_too(self, connection: Any, state: States) -> None:
        for key in (
            models.CharField(max_length=3, primary_key=True),
            models.CharField(max_length=30, primary_key=True),
        ):
            state = state.at()
            Other = state("Other", code=key)
            Thing = state("Thing", other=models.ForeignKey(Other, CASCADE))
            if key.max_length == 3:
                create_all(Other, Thing)
                self.before = Other
        self.after = Other
        self.go()
        assert columns("tests_thing")["other_id"]["type"].length == 30
        execute("INSERT INTO tests_other (code) VALUES (%s)", "x" * 30)
        execute("INSERT INTO tests_thing (other_id) VALUES (%s)", "x" * 30)
        with pytest.raises(IntegrityError):
            execute("INSERT INTO tests_thing (other_id) VALUES ('y')")

    @pytest.mark.parametrize("inherited", [False, True])
    def test_keys_that_refer_to_such_keys_change_their_type_too(
        self, connection: Any, state: States, inherited: bool
    ) -> None:
        def models_with(state: States, key: Any) -> list[Any]:
            Other = state("Other", id=key(primary_key=True))
            link = models.OneToOneField(Other, CASCADE, primary_key=True, parent_link=inherited, related_name="+")
            like = models.ForeignKey("tests.Profile", CASCADE, null=True, related_name="+")
            if inherited:
                meta = type("Meta", (), {"app_label": "tests", "apps": state.registry})
                namespace = {"__module__": __name__, "__qualname__": "Profile", "Meta": meta, "o": link, "like": like}
                Profile = type(models.Model)("Profile", (Other,), namespace)
            else:
                Profile = state("Profile", o=link, like=like)
            keys = [models.ForeignKey(each, CASCADE, related_name="+") for each in (Profile, Other, Profile)]
            return [Other, Profile, state("Thing", a=keys[0], b=keys[1], c=keys[2])]

        before = models_with(state, models.AutoField)
        after = models_with(state.at(), models.BigAutoField)
        create_all(*before)
        with editor() as schema:
            schema.alter_field(before[0], field(before[0], "id"), field(after[0], "id"))
        names = [("tests_profile", "o_id"), ("tests_profile", "like_id")]
        names += [("tests_thing", f"{letter}_id") for letter in "abc"]
        assert {str(columns(table)[column]["type"]).partition("(")[0] for table, column in names} == {"BIGINT"}
        assert foreign_keys("tests_profile") == {("o_id", "tests_other", "id"), ("like_id", "tests_profile", "o_id")}
        assert foreign_keys("tests_thing") == {
            ("a_id", "tests_profile", "o_id"),
            ("b_id", "tests_other", "id"),
            ("c_id", "tests_profile", "o_id"),
        }

    def test_a_larger_key_goes_on_counting(self, connection: Any, state: States) -> None:
        old = state("Other", id=models.AutoField(primary_key=True))
        Thing = state("Thing", other=models.ForeignKey(old, CASCADE, null=True))
        create_all(old, Thing)
        execute("INSERT INTO tests_other (id) VALUES (%s)", 1) if connection.vendor == "mysql" else None
        new = state.at()("Other", id=models.BigAutoField(primary_key=True))
        with editor() as schema:
            schema.alter_field(old, field(old, "id"), field(new, "id"))
        name = models.IntegerField(null=True)
        name.contribute_to_class(new, "n")
        with editor() as schema:
            schema.add_field(new, name)
        execute("INSERT INTO tests_other (n) VALUES (1)")
        execute("INSERT INTO tests_other (n) VALUES (2)")
        ids = [row[0] for row in execute("SELECT id FROM tests_other WHERE n IS NOT NULL ORDER BY n")]
        assert ids == sorted(set(ids)) and len(ids) == 2
        execute("INSERT INTO tests_other (id) VALUES (%s)", 2**40)
        execute("INSERT INTO tests_thing (other_id) VALUES (%s)", 2**40)

    def test_another_field_becomes_the_key(self, connection: Any, state: States) -> None:
        before = pizza(state)
        create_all(before)
        add("Margherita")
        after = state.at()("Pizza", name=models.CharField(max_length=50, primary_key=True), price=models.IntegerField())
        with editor() as schema:
            schema.alter_field(before, field(before, "name"), field(after, "name"))
            plain = models.IntegerField()
            plain.contribute_to_class(after, "id")
            schema.remove_field(after, plain)
        assert list(columns("tests_pizza")) == ["name", "price"]
        with pytest.raises(IntegrityError):
            add("Margherita")

    def test_many_to_many_tables_take_the_new_name(self, connection: Any, state: States) -> None:
        made = []
        for name in ("toppings", "layers"):
            state = state.at()
            Topping = state("Topping")
            made.append(state("Pizza", **{name: models.ManyToManyField(Topping)}))
            if len(made) == 1:
                create_all(Topping, made[0])
        with editor() as schema:
            schema.alter_field(made[0], field(made[0], "toppings"), field(made[1], "layers"))
        assert tables() == {"tests_pizza", "tests_topping", "tests_pizza_layers"}
        assert uniques("tests_pizza_layers") == {("pizza_id", "topping_id")}

    def test_a_column_and_a_table_are_not_exchanged(self, connection: Any, state: States) -> None:
        Topping = state("Topping")
        before = state("Pizza", a=models.IntegerField())
        create_all(Topping, before)
        later = state.at()
        after = later("Pizza", a=models.ManyToManyField(later("Topping")))
        with pytest.raises(ValueError, match="Remove the one field and add the other"), editor() as schema:
            schema.alter_field(before, field(before, "a"), field(after, "a"))


class TestRenaming:
    def test_a_table_with_all_that_belongs_to_it(self, connection: Any, state: States) -> None:
        meta = {"indexes": [Index(fields=["name"], name="by_name")], "unique_together": [("name", "price")]}
        Pizza = pizza(state, meta, size=models.IntegerField(default=1, db_index=True))
        Order = state("Order", pizza=models.ForeignKey(Pizza, CASCADE))
        create_all(Pizza, Order)
        with editor() as schema:
            schema.alter_db_table(Pizza, "tests_pizza", "pizze")
        assert tables() == {"pizze", "tests_order"}
        assert foreign_keys("tests_order") == {("pizza_id", "pizze", "id")}
        assert uniques("pizze") == {("name", "price")} and "by_name" in indexes("pizze")
        # What comes later finds indexes and constraints by the names that they would have had from the start.
        later = pizza(state.at(), {**meta, "db_table": "pizze"}, size=models.IntegerField(default=1, db_index=True))
        with editor() as schema:
            schema.remove_field(later, field(later, "size"))
            schema.alter_unique_together(later, [("name", "price")], [])
        assert not uniques("pizze") and set(indexes("pizze")) == {"by_name"}

    def test_an_index(self, connection: Any, state: States) -> None:
        old, new = Index(fields=["name"], name="old_name"), Index(fields=["name"], name="new_name")
        Pizza = pizza(state, {"indexes": [old]})
        create_all(Pizza)
        with editor() as schema:
            schema.rename_index(Pizza, old, new)
        assert set(indexes("tests_pizza")) == {"new_name"}


class TestIndexesAndConstraints:
    def test_added_and_removed(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        create_all(Pizza)
        index = Index(fields=["-price"], name="dear")
        check = CheckConstraint(condition=Q(price__gte=0) & ~Q(name="%s '100%%' \\"), name="price_ok")
        unique = UniqueConstraint(fields=["name"], name="one_of_a_name")
        with editor() as schema:
            schema.add_index(Pizza, index)
            schema.add_constraint(Pizza, check)
        Pizza._meta.constraints.append(check)
        Pizza._meta.indexes.append(index)
        with editor() as schema:
            schema.add_constraint(Pizza, unique)
        Pizza._meta.constraints.append(unique)
        assert "dear" in indexes("tests_pizza") and uniques("tests_pizza") == {("name",)}
        add("Margherita")
        for name, price in (("Funghi", -1), ("%s '100%%' \\", 1), ("Margherita", 1)):
            with pytest.raises((IntegrityError, OperationalError)):
                add(name, price)
        with editor() as schema:
            schema.remove_index(Pizza, index)
            schema.remove_constraint(Pizza, unique)
        Pizza._meta.constraints.remove(unique)
        with editor() as schema:
            schema.remove_constraint(Pizza, check)
        add("Margherita", -1)
        assert not indexes("tests_pizza") and not uniques("tests_pizza")

    def test_rows_that_violate_one_refuse_it(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        create_all(Pizza)
        add("Margherita")
        add("Margherita")
        with pytest.raises(IntegrityError), editor() as schema:
            schema.add_constraint(Pizza, UniqueConstraint(fields=["name"], name="one_of_a_name"))
        add("Margherita")
        assert execute("SELECT count(*) FROM tests_pizza") == [(3,)]

    @pytest.mark.engines("sqlite", "postgresql")
    def test_conditions_and_expressions(self, connection: Any, state: States) -> None:
        Pizza = pizza(
            state,
            {
                "constraints": [
                    UniqueConstraint(fields=["name"], condition=Q(price__gt=10), name="dear_ones"),
                    UniqueConstraint(Lower("name"), F("price"), name="whatever_case"),
                ],
                "indexes": [
                    Index(Lower("name").desc(), name="lower_name"),
                    Index(fields=["price"], condition=Q(price=3), name="three"),
                ],
            },
        )
        create_all(Pizza)
        add("Margherita", 5)
        add("Margherita", 20)
        add("MARGHERITA", 6)
        for name, price in (("Margherita", 30), ("margherita", 5)):
            with pytest.raises(IntegrityError):
                add(name, price)

    @pytest.mark.engines("mysql")
    def test_what_mariadb_cannot_do_is_said(self, connection: Any, state: States) -> None:
        for number, part in enumerate(
            [
                {"constraints": [UniqueConstraint(fields=["name"], condition=Q(price__gt=10), name="dear_ones")]},
                {"constraints": [UniqueConstraint(Lower("name"), name="whatever_case")]},
                {"constraints": [UniqueConstraint(fields=["name"], name="n", nulls_distinct=False)]},
                {"constraints": [UniqueConstraint(fields=["name"], name="n", deferrable=models.Deferrable.DEFERRED)]},
                {"indexes": [Index(fields=["price"], condition=Q(price=3), name="three")]},
                {"indexes": [Index(fields=["price"], include=["name"], name="three")]},
            ]
        ):
            with pytest.raises(NotSupportedError, match="MariaDB"):
                create_all(pizza(state.at(), {**part, "db_table": f"pizza{number}"}))
        assert not tables()

    @pytest.mark.engines("postgresql")
    def test_what_only_postgresql_can_do(self, connection: Any, state: States) -> None:
        Deferrable = models.Deferrable
        Pizza = pizza(
            state,
            {
                "constraints": [
                    UniqueConstraint(fields=["name"], name="at_the_end", deferrable=Deferrable.DEFERRED),
                    UniqueConstraint(fields=["price", "size"], name="nulls", nulls_distinct=False, include=["name"]),
                ],
                "indexes": [Index(fields=["price"], include=["name"], name="covering")],
            },
            size=models.IntegerField(null=True),
        )
        create_all(Pizza)
        with transaction.atomic():
            add("Margherita", 1)
            add("Margherita", 2)
            execute("UPDATE tests_pizza SET name = 'Funghi' WHERE price = 2")
        with pytest.raises(IntegrityError):
            add("Napoli", 2)

    def test_unique_together_changes(self, connection: Any, state: States) -> None:
        Pizza = pizza(state, {"unique_together": [("name", "price")]}, size=models.IntegerField(default=1))
        create_all(Pizza)
        with editor() as schema:
            schema.alter_unique_together(Pizza, [("name", "price")], [("name", "size"), ("price", "size")])
        assert uniques("tests_pizza") == {("name", "size"), ("price", "size")}


@pytest.mark.engines("postgresql", "mysql")
def test_what_another_program_has_named_is_found_by_its_columns(connection: Any, state: States) -> None:
    execute("CREATE TABLE tests_other (id bigint PRIMARY KEY)")
    execute(
        "CREATE TABLE tests_thing (id bigint PRIMARY KEY, a integer, b bigint, CONSTRAINT theirs UNIQUE (a), "
        "CONSTRAINT their_key FOREIGN KEY (b) REFERENCES tests_other (id))"
    )
    execute("CREATE INDEX their_index ON tests_thing (b)")
    Other = state("Other")
    key = models.ForeignKey(Other, CASCADE, null=True)
    before = state("Thing", a=models.IntegerField(null=True, unique=True), b=key)
    field(before, "b").column = "b"
    before._meta._expire_cache()
    after = state.at()("Thing", a=models.IntegerField(null=True), b=models.BigIntegerField(null=True))
    with editor() as schema:
        schema.alter_field(before, field(before, "a"), field(after, "a"))
        schema.alter_field(before, field(before, "b"), field(after, "b"))
    assert not uniques("tests_thing") and not foreign_keys("tests_thing") and not indexes("tests_thing")


class TestTransactions:
    @pytest.mark.engines("sqlite", "postgresql")
    def test_all_happens_or_nothing(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        create_all(Pizza)
        add("Margherita")
        after = pizza(state.at(), size=models.IntegerField(default=1))
        with pytest.raises(KeyError), editor() as schema:
            schema.add_field(Pizza, field(after, "size"))
            schema.create_model(state("Other"))
            raise KeyError("oven")
        assert tables() == {"tests_pizza"} and "size" not in columns("tests_pizza")
        add("Funghi")

    def test_joins_the_transaction_around_it(self, connection: Any, state: States) -> None:
        if connection.vendor == "mysql":
            pytest.skip("MariaDB commits each step")
        with transaction.atomic():
            create_all(pizza(state))
            add("Margherita")
            transaction.set_rollback(True)
        assert tables() == set()

    def test_collecting_executes_nothing(self, connection: Any, state: States) -> None:
        Pizza = pizza(state, {"constraints": [CheckConstraint(condition=~Q(name="100%"), name="ok")]})
        after = pizza(
            state.at(), {"constraints": Pizza._meta.constraints}, size=models.IntegerField(default=1, db_index=True)
        )
        with editor(collect_sql=True) as schema:
            schema.create_model(Pizza)
            schema.add_field(Pizza, field(after, "size"))
            schema.execute("UPDATE tests_pizza SET price = 1")
        assert tables() == set()
        text = "\n".join(schema.collected_sql)
        assert "CREATE TABLE" in text and "CREATE INDEX" in text and "'100%'" in text
        assert all(statement.endswith(";") for statement in schema.collected_sql)
        for statement in schema.collected_sql:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        assert "size" in columns("tests_pizza")

    @pytest.mark.parametrize("done", [False, True])
    def test_what_is_collected_builds_on_what_was_collected_before(
        self, connection: Any, state: States, done: bool
    ) -> None:
        Pizza = pizza(state, {"indexes": [Index(fields=["name"], name="by_name")]})
        first = pizza(state.at(), {"indexes": Pizza._meta.indexes}, x=models.IntegerField(default=1))
        second = pizza(
            state.at(),
            {"indexes": Pizza._meta.indexes},
            x=models.IntegerField(default=1),
            y=models.TextField(default="b"),
        )
        create_all(second if done else Pizza)
        with editor(collect_sql=True) as schema:
            schema.add_field(Pizza, field(first, "x"))
            schema.add_field(first, field(second, "y"))
        if done:  # what the database has by now makes no difference
            drop_all(second)
            create_all(Pizza)
        add("Margherita")
        for statement in schema.collected_sql:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        assert execute("SELECT name, x, y FROM tests_pizza") == [("Margherita", 1, "b")]
        assert indexes("tests_pizza").keys() == {"by_name"}

    def test_works_only_within_its_block(self, connection: Any, state: States) -> None:
        schema = editor()
        with pytest.raises(RuntimeError, match="within its 'with' block"):
            schema.create_model(pizza(state))

    def test_sql_of_ones_own(self, connection: Any, state: States) -> None:
        create_all(pizza(state))
        with editor() as schema:
            schema.execute("INSERT INTO tests_pizza (name, price) VALUES (%s, %s)", ["100%", 3])
            schema.execute("UPDATE tests_pizza SET price = 4 WHERE name LIKE '1%'", None)
        assert execute("SELECT name, price FROM tests_pizza") == [("100%", 4)]


@pytest.mark.engines("sqlite")
class TestSQLite:
    def test_what_no_model_knows_is_kept(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        create_all(Pizza)
        for sql in (
            "ALTER TABLE tests_pizza ADD COLUMN secret TEXT DEFAULT 'basil' NOT NULL",
            "CREATE INDEX by_secret ON tests_pizza (lower(secret))",
            "CREATE TABLE log (name TEXT)",
            "CREATE TRIGGER noted AFTER INSERT ON tests_pizza BEGIN INSERT INTO log VALUES (new.name); END",
        ):
            execute(sql)
        add("Margherita")
        add("Funghi")
        execute("DELETE FROM tests_pizza WHERE name = 'Funghi'")
        with editor() as schema:
            schema.alter_unique_together(Pizza, [], [("name",)])
        add("Napoli")
        assert execute("SELECT id, name, secret FROM tests_pizza") == [
            (1, "Margherita", "basil"),
            (3, "Napoli", "basil"),
        ]
        assert execute("SELECT name FROM log") == [("Margherita",), ("Funghi",), ("Napoli",)]
        assert execute("SELECT count(*) FROM sqlite_master WHERE name = 'by_secret'") == [(1,)]

    def test_rows_that_refer_to_a_table_made_anew_stay(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        Order = state(
            "Order", pizza=models.ForeignKey(Pizza, CASCADE), first=models.ForeignKey("self", CASCADE, null=True)
        )
        create_all(Pizza, Order)
        add("Margherita")
        execute("INSERT INTO tests_order (pizza_id) VALUES (1)")
        with editor() as schema:
            schema.alter_unique_together(Pizza, [], [("name",)])
        assert execute("SELECT pizza_id FROM tests_order") == [(1,)]
        assert execute("PRAGMA foreign_keys") == [(1,)]
        with pytest.raises(IntegrityError):
            execute("DELETE FROM tests_pizza")
        with pytest.raises(NotSupportedError, match="outside of any atomic block"), transaction.atomic():
            with editor() as schema:
                schema.alter_unique_together(Pizza, [("name",)], [])

    def test_foreign_keys_that_would_be_broken_undo_it_all(self, connection: Any, state: States) -> None:
        Pizza = pizza(state)
        create_all(Pizza, state("Order", pizza=models.ForeignKey(Pizza, CASCADE)))
        add("Margherita")
        execute("INSERT INTO tests_order (pizza_id) VALUES (1)")
        with pytest.raises(IntegrityError, match="^Row 1 of 'tests_order' refers to a row of"), editor() as schema:
            schema.execute("DELETE FROM tests_pizza")
        assert execute("SELECT count(*) FROM tests_pizza") == [(1,)]
        assert execute("PRAGMA foreign_keys") == [(1,)]
