"""Operations on fields, forwards, backwards and forwards again: the schema as reflected, and the rows."""

from __future__ import annotations

from typing import Any

import pytest

from webframe.db import IntegrityError, models
from webframe.db.migrations.errors import ReferredKeyError
from webframe.db.migrations.operations import (
    AddField,
    AlterField,
    CreateModel,
    RemoveField,
    RenameField,
)
from webframe.db.models import CheckConstraint, F, Index, Q, UniqueConstraint
from webframe.db.models.functions import Lower

from ..schema_helpers import columns
from .history import History, key, pizza, round_trip, topping, with_pizzas

CASCADE = models.CASCADE


class TestAddField:
    @pytest.mark.parametrize(
        "field",
        [
            models.IntegerField(null=True),
            models.IntegerField(default=3),
            models.IntegerField(db_default=4),
            models.CharField(max_length=10, default="it's 100 %", db_index=True),
            models.DateTimeField(auto_now_add=True),
            models.PositiveSmallIntegerField(default=1),
            models.CharField(max_length=5, null=True, unique=True),
        ],
        ids=["null", "default", "db_default", "text", "auto_now_add", "check", "unique"],
    )
    def test_columns(self, history: History, field: Any) -> None:
        with_pizzas(history)
        round_trip(history, AddField("Pizza", "extra", field), lost=("extra",))

    def test_a_default_for_the_rows_there_are(self, history: History) -> None:
        with_pizzas(history)
        history.do(AddField("Pizza", "size", models.IntegerField(default=30), preserve_default=False))
        assert [each.size for each in history.model("Pizza").objects.all()] == [30, 30]
        assert not history.model("Pizza")._meta.get_field("size").has_default()
        with pytest.raises(IntegrityError):
            history.model("Pizza").objects.create(name="Regina")

    def test_a_foreign_key(self, history: History) -> None:
        with_pizzas(history, topping())
        field = models.ForeignKey("shop.topping", CASCADE, null=True, related_name="+")
        round_trip(history, AddField("pizza", "best", field))

    def test_a_foreign_key_to_the_model_itself(self, history: History) -> None:
        with_pizzas(history)
        round_trip(history, AddField("Pizza", "similar", models.ForeignKey("self", CASCADE, null=True)))

    def test_many_to_many(self, history: History) -> None:
        with_pizzas(history, topping())
        round_trip(history, AddField("Pizza", "toppings", models.ManyToManyField("shop.topping")))

    def test_many_to_many_through_a_model(self, history: History) -> None:
        with_pizzas(
            history,
            topping(),
            CreateModel(
                "Layer",
                [
                    key(),
                    ("pizza", models.ForeignKey("shop.pizza", CASCADE)),
                    ("topping", models.ForeignKey("shop.topping", CASCADE)),
                ],
            ),
        )
        before = history.schema()
        history.do(AddField("Pizza", "toppings", models.ManyToManyField("shop.topping", through="shop.Layer")))
        assert history.schema() == before
        (first, _) = history.model("Pizza").objects.all()
        first.toppings.add(history.model("Topping").objects.create(name="ham"))
        assert history.model("Layer").objects.get().topping.name == "ham"
        history.undo()
        assert history.schema() == before


class TestRemoveField:
    def test_the_column_comes_back_with_the_default(self, history: History) -> None:
        with_pizzas(history)
        round_trip(history, RemoveField("Pizza", "price"), lost=("price",))
        history.undo()
        assert set(history.model("Pizza").objects.values_list("price", flat=True)) <= {7}

    def test_what_needs_the_column_goes_and_comes_back_with_it(self, history: History) -> None:
        history.do(
            pizza(
                ("size", models.IntegerField(null=True)),
                unique_together=[("name", "size")],
                indexes=[Index(fields=["size"], name="by_size")],
                constraints=[CheckConstraint(condition=Q(size__gt=0), name="size_positive")],
            )
        )
        history.model("Pizza").objects.create(name="Margherita")
        round_trip(history, RemoveField("Pizza", "size"))

    def test_relations(self, history: History) -> None:
        history.do(
            topping(),
            pizza(
                ("best", models.ForeignKey("shop.topping", CASCADE, null=True, related_name="+")),
                ("toppings", models.ManyToManyField("shop.topping")),
            ),
        )
        history.model("Pizza").objects.create(name="Margherita")
        round_trip(history, RemoveField("Pizza", "best"))

    def test_many_to_many(self, history: History) -> None:
        history.do(topping(), pizza(("toppings", models.ManyToManyField("shop.topping"))))
        round_trip(history, RemoveField("Pizza", "toppings"))


class TestAlterField:
    def test_columns_at_the_end_of_a_chain_of_keys(self, history: History) -> None:
        link = models.OneToOneField("shop.pizza", CASCADE, primary_key=True)
        inherited = models.OneToOneField(
            "shop.pizza", CASCADE, primary_key=True, parent_link=True, auto_created=True, related_name="+"
        )
        history.do(
            CreateModel("Pizza", [("id", models.AutoField(primary_key=True))]),
            CreateModel("Recipe", [("pizza", link)]),
            CreateModel("Calzone", [("pizza_ptr", inherited)], bases=("shop.pizza",)),
            CreateModel("Page", [key(), ("recipe", models.ForeignKey("shop.recipe", CASCADE))]),
            CreateModel("Order", [key(), ("calzone", models.ForeignKey("shop.calzone", CASCADE))]),
            CreateModel("Book", [key(), ("recipes", models.ManyToManyField("shop.recipe"))]),
        )
        names = [("recipe", "pizza_id"), ("calzone", "pizza_ptr_id"), ("page", "recipe_id"), ("order", "calzone_id")]
        names.append(("book_recipes", "recipe_id"))

        def types() -> set[str]:
            return {_type_of(f"shop_{table}", column) for table, column in names}

        assert types() == {"INTEGER"}
        round_trip(history, AlterField("Pizza", "id", models.BigAutoField(primary_key=True)))
        assert types() == {"BIGINT"}

    @pytest.mark.parametrize(
        "field",
        [
            models.BigIntegerField(default=7),
            models.IntegerField(null=True),
            models.IntegerField(default=7, db_index=True),
            models.IntegerField(default=7, unique=True),
            models.IntegerField(default=7, db_column="cost"),
            models.IntegerField(default=7, db_default=1),
            models.PositiveIntegerField(default=7),
            models.CharField(max_length=20, default="7"),
        ],
        ids=["type", "null", "index", "unique", "column", "db_default", "check", "text"],
    )
    def test_columns(self, history: History, field: Any) -> None:
        with_pizzas(history)
        round_trip(history, AlterField("Pizza", "price", field))

    def test_null_gets_a_default_for_the_rows_there_are(self, history: History) -> None:
        history.do(pizza(("size", models.IntegerField(null=True))))
        history.model("Pizza").objects.create(name="Margherita")
        history.do(AlterField("Pizza", "size", models.IntegerField(default=30), preserve_default=False))
        assert history.model("Pizza").objects.get().size == 30
        assert not history.model("Pizza")._meta.get_field("size").has_default()
        history.undo()
        assert history.model("Pizza").objects.get().size == 30

    @pytest.mark.parametrize("watched", [True, False])
    def test_the_key_with_what_refers_to_it(self, history: History, watched: bool) -> None:
        history.do(
            CreateModel("Pizza", [("code", models.CharField(max_length=5, primary_key=True))]),
            topping(
                ("on", models.ForeignKey("shop.pizza", CASCADE, db_constraint=watched)),
                ("more", models.ManyToManyField("shop.pizza", related_name="+", db_constraint=watched)),
            ),
        )
        margherita = history.model("Pizza").objects.create(code="m")
        history.model("Topping").objects.create(name="basil", on=margherita).more.add(margherita)
        round_trip(history, AlterField("Pizza", "code", models.CharField(max_length=9, primary_key=True)))

    @pytest.mark.parametrize("watched", [True, False])
    def test_the_key_of_a_tree_with_what_refers_to_it(self, history: History, watched: bool) -> None:
        above = models.ForeignKey("self", CASCADE, null=True, db_constraint=watched, related_name="+")
        history.do(
            CreateModel("Pizza", [("id", models.AutoField(primary_key=True)), ("above", above)]),
            CreateModel(
                "Calzone",
                [("pizza_ptr", models.OneToOneField("shop.pizza", CASCADE, primary_key=True, parent_link=True))],
                bases=("shop.pizza",),
            ),
            AddField("Pizza", "folded", models.ForeignKey("shop.calzone", CASCADE, null=True, related_name="+")),
        )
        calzone = history.model("Calzone").objects.create()
        history.model("Pizza").objects.update(above=calzone.pk, folded=calzone)
        round_trip(history, AlterField("Pizza", "id", models.BigAutoField(primary_key=True)))

    def test_what_the_model_itself_refers_to(self, history: History) -> None:
        history.do(
            pizza(
                ("code", models.CharField(max_length=5, unique=True)),
                ("better", models.ForeignKey("self", CASCADE, null=True, to_field="code")),
            )
        )
        margherita = history.model("Pizza").objects.create(name="Margherita", code="m")
        history.model("Pizza").objects.create(name="Funghi", code="f", better=margherita)
        round_trip(history, AlterField("Pizza", "code", models.CharField(max_length=9, unique=True)))

    def test_a_foreign_key_to_another_model(self, history: History) -> None:
        history.do(
            topping(),
            CreateModel("Cheese", [key()]),
            pizza(("top", models.ForeignKey("shop.topping", CASCADE, null=True))),
        )
        history.model("Pizza").objects.create(name="Margherita")
        round_trip(history, AlterField("Pizza", "top", models.ForeignKey("shop.cheese", CASCADE, null=True)))

    def test_a_foreign_key_that_the_database_does_not_watch(self, history: History) -> None:
        history.do(topping(), pizza(("top", models.ForeignKey("shop.topping", CASCADE, null=True))))
        field = models.ForeignKey("shop.topping", CASCADE, null=True, db_constraint=False, db_index=False)
        round_trip(history, AlterField("Pizza", "top", field))

    def test_many_to_many_to_another_model(self, history: History) -> None:
        history.do(topping(), CreateModel("Cheese", [key()]), pizza(("tops", models.ManyToManyField("shop.topping"))))
        round_trip(history, AlterField("Pizza", "tops", models.ManyToManyField("shop.cheese")))

    def test_many_to_many_under_another_related_name(self, history: History) -> None:
        history.do(topping(), pizza(("tops", models.ManyToManyField("shop.topping"))))
        ham = history.model("Topping").objects.create(name="ham")
        history.model("Pizza").objects.create(name="Margherita").tops.add(ham)
        before = history.schema()
        history.do(AlterField("Pizza", "tops", models.ManyToManyField("shop.topping", related_name="on")))
        assert history.schema() == before
        assert history.model("Topping").objects.get().on.count() == 1

    def test_many_to_many_cannot_become_a_column(self, history: History) -> None:
        history.do(topping(), pizza(("tops", models.ManyToManyField("shop.topping"))))
        with pytest.raises(ValueError, match="Remove the one field and add the other"):
            history.do(AlterField("Pizza", "tops", models.ForeignKey("shop.topping", CASCADE)))

    def test_without_a_transaction(self, history: History) -> None:
        with_pizzas(history, topping(("on", models.ForeignKey("shop.pizza", CASCADE, null=True))))
        schema, rows = history.schema(), history.rows()
        history.do(
            AlterField("Pizza", "price", models.BigIntegerField(default=7)),
            AddField("Pizza", "best", models.ForeignKey("shop.topping", CASCADE, null=True, related_name="+")),
            atomic=False,
        )
        assert history.schema() != schema
        history.undo(atomic=False)
        history.undo(atomic=False)
        assert (history.schema(), history.rows()) == (schema, rows)

    def test_what_no_table_knows(self, history: History) -> None:
        with_pizzas(history)
        before = history.schema()
        history.do(AlterField("Pizza", "price", models.IntegerField(default=9, help_text="in Euro", blank=True)))
        assert history.schema() == before
        assert history.model("Pizza")().price == 9


class TestRenameField:
    def test_values_stay(self, history: History) -> None:
        with_pizzas(history)
        round_trip(history, RenameField("Pizza", "price", "cost"))

    def test_a_column_with_a_name_of_its_own_keeps_it(self, history: History) -> None:
        history.do(pizza(("size", models.IntegerField(db_column="width", db_index=True, default=30))))
        history.model("Pizza").objects.create(name="Margherita", size=26)
        round_trip(history, RenameField("Pizza", "size", "extent"))

    def test_only_letters_change_their_case(self, history: History) -> None:
        with_pizzas(history)
        round_trip(history, RenameField("Pizza", "price", "Price"))

    def test_everything_that_names_it_follows(self, history: History) -> None:
        cheap = CheckConstraint(condition=Q(price__lt=100) | Q(price__gte=F("size")), name="cheap")
        history.do(
            pizza(
                ("size", models.IntegerField(default=30)),
                unique_together=[("name", "price")],
                ordering=["-price"],
                indexes=[Index(fields=["-price", "name"], name="by_price")],
                constraints=[cheap, UniqueConstraint(fields=["price", "name"], name="once")],
            )
        )
        history.model("Pizza").objects.create(name="Margherita")
        round_trip(history, RenameField("Pizza", "price", "cost"))
        options = history.state.models["shop", "pizza"].options
        assert options["ordering"] == ["-cost"]
        assert options["indexes"][0].fields == ["-cost", "name"]

    @pytest.mark.engines("sqlite", "postgresql")
    def test_in_conditions_and_expressions_too(self, history: History) -> None:
        history.do(
            pizza(
                indexes=[
                    Index(Lower("name"), F("price").desc(), name="by_lower"),
                    Index(fields=["price"], name="dear", condition=Q(name__startswith="M", price__gt=3)),
                ]
            )
        )
        round_trip(history, RenameField("Pizza", "name", "title"))
        history.undo()

    def test_a_key_that_others_refer_to_by_its_name(self, history: History) -> None:
        history.do(
            pizza(("code", models.CharField(max_length=5, unique=True))),
            topping(("on", models.ForeignKey("shop.pizza", CASCADE, to_field="code"))),
        )
        margherita = history.model("Pizza").objects.create(name="Margherita", code="m")
        history.model("Topping").objects.create(name="basil", on=margherita)
        round_trip(history, RenameField("Pizza", "code", "sign"))

    def test_what_the_model_itself_refers_to(self, history: History) -> None:
        history.do(
            CreateModel(
                "Pizza",
                [
                    ("code", models.CharField(max_length=5, primary_key=True)),
                    ("sign", models.IntegerField(unique=True)),
                    ("better", models.ForeignKey("self", CASCADE, null=True, related_name="+")),
                    ("best", models.ForeignKey("self", CASCADE, null=True, to_field="sign", related_name="+")),
                ],
            )
        )
        margherita = history.model("Pizza").objects.create(code="m", sign=1)
        history.model("Pizza").objects.create(code="f", sign=2, better=margherita, best=margherita)
        round_trip(history, RenameField("Pizza", "code", "name"))
        round_trip(history, RenameField("Pizza", "sign", "number"))

    def test_relations(self, history: History) -> None:
        history.do(
            topping(),
            pizza(
                ("top", models.ForeignKey("shop.topping", CASCADE, null=True, related_name="+")),
                ("tops", models.ManyToManyField("shop.topping")),
            ),
        )
        ham = history.model("Topping").objects.create(name="ham")
        history.model("Pizza").objects.create(name="Margherita", top=ham).tops.add(ham)
        round_trip(history, RenameField("Pizza", "top", "crown"))

    def test_many_to_many(self, history: History) -> None:
        history.do(topping(), pizza(("tops", models.ManyToManyField("shop.topping"))))
        ham = history.model("Topping").objects.create(name="ham")
        history.model("Pizza").objects.create(name="Margherita").tops.add(ham)
        round_trip(history, RenameField("Pizza", "tops", "toppings"))

    def test_a_field_that_a_relation_goes_through(self, history: History) -> None:
        through = models.ManyToManyField("shop.topping", through="shop.Layer", through_fields=("pizza", "topping"))
        history.do(
            topping(),
            pizza(),
            CreateModel(
                "Layer",
                [
                    key(),
                    ("pizza", models.ForeignKey("shop.pizza", CASCADE)),
                    ("topping", models.ForeignKey("shop.topping", CASCADE)),
                    ("instead_of", models.ForeignKey("shop.topping", CASCADE, null=True, related_name="+")),
                ],
            ),
            AddField("Pizza", "tops", through),
        )
        ham = history.model("Topping").objects.create(name="ham")
        history.model("Pizza").objects.create(name="Margherita").tops.add(ham)
        round_trip(history, RenameField("Layer", "topping", "thing"))


class TestPrimaryKeys:
    """Another primary key for a table with rows."""

    def with_codes(self, history: History) -> None:
        history.do(pizza(("code", models.CharField(max_length=5, unique=True))))
        history.model("Pizza").objects.create(name="Margherita", code="m")
        history.model("Pizza").objects.create(name="Funghi", code="f")

    def check_key(self, history: History) -> None:
        found = history.schema()
        Pizza = history.model("Pizza")
        assert Pizza._meta.pk.name == "code" and found["shop_pizza"]["primary key"] == ["code"]
        assert {each.pk for each in Pizza.objects.all()} == {"m", "f"}
        wrong = history.schema_made_at_once()
        assert wrong == found

    def test_remove_the_old_one_first(self, history: History) -> None:
        self.with_codes(history)
        history.do(RemoveField("Pizza", "id"))
        history.do(AlterField("Pizza", "code", models.CharField(max_length=5, primary_key=True)))
        self.check_key(history)

    def test_make_the_new_one_first(self, history: History) -> None:
        self.with_codes(history)
        history.do(AlterField("Pizza", "code", models.CharField(max_length=5, primary_key=True)))
        history.do(RemoveField("Pizza", "id"))
        self.check_key(history)

    def test_rename_it(self, history: History) -> None:
        history.do(
            pizza(),
            topping(
                ("on", models.ForeignKey("shop.pizza", CASCADE)),
                ("more", models.ManyToManyField("shop.pizza", related_name="+")),
            ),
        )
        margherita = history.model("Pizza").objects.create(name="Margherita")
        history.model("Topping").objects.create(name="basil", on=margherita).more.add(margherita)
        round_trip(history, RenameField("Pizza", "id", "number"))

    def test_numbers_of_another_kind(self, history: History) -> None:
        history.do(
            CreateModel("Pizza", [("id", models.AutoField(primary_key=True))]),
            topping(("on", models.ForeignKey("shop.pizza", CASCADE))),
        )
        margherita = history.model("Pizza").objects.create()
        history.model("Topping").objects.create(name="basil", on=margherita)
        round_trip(history, AlterField("Pizza", "id", models.BigAutoField(primary_key=True)))

    def test_a_model_made_without_one_gets_it(self, history: History) -> None:
        round_trip(history, CreateModel("Pizza", [("name", models.CharField(max_length=50))]))
        assert list(history.state.models["shop", "pizza"].fields) == ["id", "name"]


def _type_of(table: str, column: str) -> str:
    """What the database calls the type of a column."""
    return str(columns(table)[column]["type"]).partition("(")[0]


class TestKeysThatAreReferredTo:
    """What takes a primary key away while others refer to it is refused before anything is done."""

    @pytest.mark.parametrize(
        "operation",
        [
            RemoveField("Pizza", "id"),
            AlterField("Pizza", "id", models.BigIntegerField()),
            AlterField("Pizza", "name", models.CharField(max_length=50, primary_key=True)),
            AddField("Pizza", "code", models.CharField(max_length=5, primary_key=True, default="x")),
        ],
        ids=lambda operation: operation.describe(),
    )
    @pytest.mark.parametrize(
        "field",
        [models.ForeignKey("shop.Pizza", CASCADE, null=True), models.ManyToManyField("shop.Pizza")],
        ids=["foreign key", "many-to-many"],
    )
    def test_forwards(self, history: History, field: Any, operation: Any) -> None:
        history.do(pizza(), topping(("pizza", field)))
        before = history.schema()
        with pytest.raises(ReferredKeyError, match=r"'id' and is to be .* values of it: shop.topping.pizza\."):
            history.do(operation, atomic=False)
        assert history.schema() == before

    def test_backwards(self, history: History) -> None:
        code = models.CharField(max_length=5, primary_key=True, default="x")
        history.do(pizza(), RemoveField("Pizza", "id"), AddField("Pizza", "code", code))
        history.do(topping(("pizza", models.ForeignKey("shop.Pizza", CASCADE, null=True))))
        before = history.schema()
        history.past.pop()
        with pytest.raises(ReferredKeyError, match="shop.topping.pizza"):
            undone = history.state.clone()
            undone.remove_field("shop", "pizza", "code")
            with history.connection.schema_editor() as editor:
                operation = history.past[-1][1]
                operation.database_backwards("shop", editor, history.state, undone)
        assert history.schema() == before
