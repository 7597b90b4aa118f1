"""Every operation forwards, backwards and forwards again, on every engine: the schema as reflected, and the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from webframe.db import IntegrityError, connections, models
from webframe.db.migrations.errors import IrreversibleError
from webframe.db.migrations.operations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    AlterModelManagers,
    AlterModelOptions,
    AlterModelTable,
    AlterUniqueTogether,
    CreateModel,
    DeleteModel,
    RemoveConstraint,
    RemoveField,
    RemoveIndex,
    RenameField,
    RenameIndex,
    RenameModel,
    RunPython,
    RunSQL,
    SeparateDatabaseAndState,
)
from webframe.db.models import CheckConstraint, F, Index, Q, UniqueConstraint
from webframe.db.models.functions import Lower

from ..schema_helpers import empty, execute, tables
from .history import History, key, round_trip

CASCADE = models.CASCADE


@pytest.fixture
def history(engine: Any) -> Iterator[History]:
    yield History(engine)
    empty(engine)


def pizza(*fields: tuple[str, Any], **options: Any) -> CreateModel:
    plain = [key(), ("name", models.CharField(max_length=50)), ("price", models.IntegerField(default=7))]
    return CreateModel("Pizza", [*plain, *fields], options)


def topping(*fields: tuple[str, Any], **options: Any) -> CreateModel:
    return CreateModel("Topping", [key(), ("name", models.CharField(max_length=50)), *fields], options)


def with_pizzas(history: History, *more: Any) -> None:
    """Two pizzas in their table."""
    history.do(pizza(), *more)
    history.model("Pizza").objects.create(name="Margherita", price=7)
    history.model("Pizza").objects.create(name="Funghi", price=9)


class TestCreateModel:
    def test_plain_fields(self, history: History) -> None:
        history.do(topping())
        round_trip(
            history,
            pizza(
                ("slug", models.SlugField(unique=True)),
                ("note", models.TextField(null=True, db_column="remark")),
                ("vegan", models.BooleanField(default=False, db_default=False)),
                ("weight", models.PositiveIntegerField(default=1, db_index=True)),
                ("added", models.DateTimeField(auto_now_add=True)),
            ),
        )

    def test_relations(self, history: History) -> None:
        history.do(topping())
        round_trip(
            history,
            pizza(
                ("best", models.ForeignKey("shop.Topping", CASCADE, related_name="best_on")),
                ("only", models.OneToOneField("shop.topping", models.SET_NULL, null=True, related_name="only_on")),
                ("similar", models.ForeignKey("self", CASCADE, null=True)),
                ("toppings", models.ManyToManyField("shop.Topping", related_name="pizzas")),
                ("friends", models.ManyToManyField("self")),
            ),
        )

    def test_what_meta_says(self, history: History) -> None:
        round_trip(
            history,
            pizza(
                db_table="pizzas",
                unique_together={("name", "price")},
                indexes=[Index(fields=["-price"], name="pizza_price")],
                constraints=[
                    CheckConstraint(condition=Q(price__gt=0), name="price_positive"),
                    UniqueConstraint(fields=["price", "name"], name="price_and_name"),
                ],
            ),
        )

    def test_a_child_of_another_model(self, history: History) -> None:
        with_pizzas(history)
        link = models.OneToOneField("shop.pizza", CASCADE, auto_created=True, primary_key=True, parent_link=True)
        calzone = CreateModel(
            "Calzone", [("pizza_ptr", link), ("folds", models.IntegerField(default=1))], bases=("shop.pizza",)
        )
        history.do(calzone)
        history.model("Calzone").objects.create(name="Mezzaluna", folds=2)
        assert history.model("Pizza").objects.get(name="Mezzaluna").calzone.folds == 2
        history.undo()
        round_trip(history, calzone)

    def test_a_proxy_has_no_table(self, history: History) -> None:
        with_pizzas(history)
        before = history.schema()
        history.do(CreateModel("Special", [], {"proxy": True, "ordering": ["-price"]}, bases=("shop.Pizza",)))
        assert history.schema() == before
        assert [each.name for each in history.model("Special").objects.all()] == ["Funghi", "Margherita"]
        history.undo()
        assert history.schema() == before

    def test_a_model_that_is_not_managed_has_no_table(self, history: History) -> None:
        history.do(pizza(managed=False))
        assert tables() == set()
        history.undo()

    def test_models_that_refer_to_each_other_in_a_circle(self, history: History) -> None:
        history.do(pizza(), topping(("on", models.ForeignKey("shop.pizza", CASCADE))))
        round_trip(history, AddField("Pizza", "top", models.ForeignKey("shop.topping", CASCADE, null=True)))


class TestDeleteModel:
    def test_the_table_comes_back_empty(self, history: History) -> None:
        history.do(topping())
        with_pizzas(history)
        round_trip(history, DeleteModel("Pizza"), lost=("shop_pizza",))

    def test_tables_between_go_too(self, history: History) -> None:
        history.do(topping(), pizza(("toppings", models.ManyToManyField("shop.topping"))))
        round_trip(history, DeleteModel("pizza"))


class TestRenameModel:
    def test_rows_and_relations_stay(self, history: History) -> None:
        history.do(
            pizza(
                ("similar", models.ForeignKey("self", CASCADE, null=True, related_name="likes")),
                ("friends", models.ManyToManyField("self")),
                unique_together={("name", "price")},
            ),
            topping(
                ("on", models.ForeignKey("shop.pizza", CASCADE)),
                ("also_on", models.ManyToManyField("shop.pizza", related_name="more")),
            ),
            CreateModel("Box", [key()]),
            CreateModel(
                "Place",
                [key(), ("box", models.ForeignKey("box", CASCADE)), ("pizza", models.ForeignKey("Pizza", CASCADE))],
            ),
            AddField("Box", "holds", models.ManyToManyField("shop.pizza", through="shop.Place")),
        )
        first = history.model("Pizza").objects.create(name="Margherita")
        second = history.model("Pizza").objects.create(name="Funghi", similar=first)
        second.friends.add(first)
        ham = history.model("Topping").objects.create(name="ham", on=first)
        ham.also_on.add(first, second)
        history.model("Place").objects.create(box=history.model("Box").objects.create(), pizza=first)
        round_trip(history, RenameModel("Pizza", "Pie"))

    def test_the_renamed_model_is_used_like_before(self, history: History) -> None:
        history.do(topping(), pizza(("toppings", models.ManyToManyField("shop.topping"))))
        margherita = history.model("Pizza").objects.create(name="Margherita")
        margherita.toppings.add(history.model("Topping").objects.create(name="basil"))
        history.do(RenameModel("Pizza", "Pie"))
        (pie,) = history.model("Pie").objects.all()
        assert [each.name for each in pie.toppings.all()] == ["basil"]
        assert "shop_pizza" not in tables()
        assert {"shop_pie", "shop_pie_toppings"} <= tables()
        history.undo()
        assert history.model("Pizza").objects.get().toppings.count() == 1

    def test_a_parent(self, history: History) -> None:
        link = models.OneToOneField("shop.pizza", CASCADE, auto_created=True, primary_key=True, parent_link=True)
        history.do(pizza(), CreateModel("Calzone", [("pizza_ptr", link)], bases=("shop.pizza",)))
        history.model("Calzone").objects.create(name="Mezzaluna")
        round_trip(history, RenameModel("Pizza", "Pie"))

    def test_only_letters_change_their_case(self, history: History) -> None:
        with_pizzas(history)
        before = history.schema()
        history.do(RenameModel("Pizza", "PIZZA"))
        assert history.schema() == before
        assert history.model("pizza").__name__ == "PIZZA"
        history.undo()
        assert history.model("pizza").__name__ == "Pizza"


class TestAlterModelTable:
    def test_rows_and_tables_between_go_with_it(self, history: History) -> None:
        history.do(topping(), pizza(("toppings", models.ManyToManyField("shop.topping")), unique_together=[("name",)]))
        margherita = history.model("Pizza").objects.create(name="Margherita")
        margherita.toppings.add(history.model("Topping").objects.create(name="basil"))
        round_trip(history, AlterModelTable("Pizza", "pizzas"))

    def test_back_to_the_name_it_would_have_by_itself(self, history: History) -> None:
        history.do(pizza(db_table="pizzas"))
        round_trip(history, AlterModelTable("Pizza", None))


class TestOptions:
    def test_unique_together(self, history: History) -> None:
        with_pizzas(history)
        round_trip(history, AlterUniqueTogether("Pizza", {("name", "price")}))

    def test_other_unique_together(self, history: History) -> None:
        history.do(pizza(("size", models.IntegerField(default=1)), unique_together=[("name", "price")]))
        history.model("Pizza").objects.create(name="Margherita")
        round_trip(history, AlterUniqueTogether("Pizza", [["name", "size"], ["price", "size"]]))

    def test_no_more_unique_together(self, history: History) -> None:
        history.do(pizza(unique_together=[("name", "price")]))
        round_trip(history, AlterUniqueTogether("Pizza", None))

    def test_options_that_no_table_knows(self, history: History) -> None:
        with_pizzas(history)
        before = history.schema()
        history.do(AlterModelOptions("Pizza", {"ordering": ["-price"], "verbose_name": "pie"}))
        assert history.schema() == before
        assert [each.name for each in history.model("Pizza").objects.all()] == ["Funghi", "Margherita"]
        history.do(AlterModelOptions("Pizza", {}))
        assert history.model("Pizza")._meta.ordering == []
        assert history.model("Pizza")._meta.verbose_name == "pizza"
        history.undo()
        assert history.model("Pizza")._meta.verbose_name == "pie"

    def test_managers(self, history: History) -> None:
        with_pizzas(history)
        history.do(AlterModelManagers("Pizza", [("cheap", Cheap())]))
        assert [each.name for each in history.model("Pizza").cheap.all()] == ["Margherita"]
        assert not hasattr(history.model("Pizza"), "objects")
        history.undo()
        assert history.model("Pizza").objects.count() == 2


class Cheap(models.Manager):
    use_in_migrations = True

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(price__lt=8)


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

    def test_the_key_with_what_refers_to_it(self, history: History) -> None:
        history.do(
            CreateModel("Pizza", [("code", models.CharField(max_length=5, primary_key=True))]),
            topping(
                ("on", models.ForeignKey("shop.pizza", CASCADE)),
                ("more", models.ManyToManyField("shop.pizza", related_name="+")),
            ),
        )
        margherita = history.model("Pizza").objects.create(code="m")
        history.model("Topping").objects.create(name="basil", on=margherita).more.add(margherita)
        round_trip(history, AlterField("Pizza", "code", models.CharField(max_length=9, primary_key=True)))

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


class TestIndexes:
    def test_add(self, history: History) -> None:
        with_pizzas(history)
        round_trip(history, AddIndex("Pizza", Index(fields=["name", "-price"], name="by_name")))

    def test_remove(self, history: History) -> None:
        history.do(pizza(indexes=[Index(fields=["name"], name="by_name")]))
        round_trip(history, RemoveIndex("Pizza", "by_name"))

    def test_rename(self, history: History) -> None:
        history.do(pizza(indexes=[Index(fields=["name"], name="by_name")]))
        round_trip(history, RenameIndex("Pizza", "name_index", "by_name"))

    def test_rename_what_is_over_these_fields(self, history: History) -> None:
        history.do(pizza(indexes=[Index(fields=["name", "price"], name="x"), Index(fields=["name"], name="by_name")]))
        round_trip(history, RenameIndex("Pizza", "name_index", old_fields=("name", "price")))

    @pytest.mark.engines("sqlite", "postgresql")
    def test_of_expressions_with_a_condition(self, history: History) -> None:
        with_pizzas(history)
        index = Index(Lower("name"), name="lower", condition=Q(price__gt=5))
        round_trip(history, AddIndex("Pizza", index))
        history.do(RenameIndex("Pizza", "lower_name", "lower"))
        round_trip(history, RemoveIndex("Pizza", "lower_name"))


class TestConstraints:
    @pytest.mark.parametrize(
        "constraint",
        [
            CheckConstraint(condition=Q(price__gt=0), name="positive"),
            UniqueConstraint(fields=["name", "price"], name="once"),
        ],
        ids=["check", "unique"],
    )
    def test_add_and_remove(self, history: History, constraint: Any) -> None:
        with_pizzas(history)
        round_trip(history, AddConstraint("Pizza", constraint))
        round_trip(history, RemoveConstraint("Pizza", constraint.name))

    def test_rows_that_violate_it_make_it_fail(self, history: History) -> None:
        with_pizzas(history)
        before = history.schema()
        with pytest.raises(IntegrityError):
            history.do(AddConstraint("Pizza", CheckConstraint(condition=Q(price__gt=8), name="dear")))
        assert history.schema() == before


def raise_prices(apps: Any, schema_editor: Any) -> None:
    apps.get_model("shop", "Pizza").objects.update(price=F("price") + 1)


def lower_prices(apps: Any, schema_editor: Any) -> None:
    apps.get_model("shop", "Pizza").objects.update(price=F("price") - 1)


def prices() -> list[int]:
    return [price for (price,) in execute("SELECT price FROM shop_pizza ORDER BY id")]


class TestRunPython:
    def test_forwards_and_backwards(self, history: History) -> None:
        with_pizzas(history)
        history.do(RunPython(raise_prices, lower_prices))
        assert prices() == [8, 10]
        history.undo()
        assert prices() == [7, 9]

    def test_sees_the_models_of_that_moment(self, history: History) -> None:
        seen = []

        def look(apps: Any, schema_editor: Any) -> None:
            seen.append([field.name for field in apps.get_model("shop", "Pizza")._meta.fields])
            apps.get_model("shop.pizza").objects.create(name="Regina")

        with_pizzas(history)
        history.do(RunPython(look), RemoveField("Pizza", "price"), RunPython(look))
        assert seen == [["id", "name", "price"], ["id", "name"]]

    def test_between_changes_of_the_table_in_one_transaction(self, history: History) -> None:
        with_pizzas(history, topping(("on", models.ForeignKey("shop.pizza", CASCADE))))
        history.model("Topping").objects.create(name="ham", on=history.model("Pizza").objects.first())

        def delete(apps: Any, schema_editor: Any) -> None:
            apps.get_model("shop", "Pizza").objects.filter(price=7).delete()

        steps = [RunPython(delete), AddField("Pizza", "size", models.IntegerField(default=3)), RunPython(raise_prices)]
        steps.append(AlterField("Pizza", "size", models.BigIntegerField(default=4)))
        steps.append(RemoveField("Pizza", "size"))
        with history.connection.schema_editor() as editor:
            state = history.state
            for step in steps:
                after = state.clone()
                step.state_forwards("shop", after)
                step.database_forwards("shop", editor, state, after)
                state = after
        history.state = state
        assert prices() == [10]
        assert history.model("Topping").objects.count() == 0

    def test_in_the_transaction_of_the_migration_or_without_one(self, history: History) -> None:
        found = []

        def look(apps: Any, schema_editor: Any) -> None:
            found.append(schema_editor.connection.in_atomic_block)

        history.do(RunPython(look))
        history.do(RunPython(look), atomic=False)
        assert found == [history.connection.features.can_rollback_ddl, False]

    def test_without_a_way_back_it_cannot_be_undone(self, history: History) -> None:
        with_pizzas(history)
        operation = RunPython(raise_prices)
        assert not operation.reversible
        history.do(operation)
        with pytest.raises(IrreversibleError, match="reverse_code"):
            history.undo()

    def test_noop_does_nothing(self, history: History) -> None:
        with_pizzas(history)
        history.do(RunPython(RunPython.noop, RunPython.noop))
        history.undo()
        assert prices() == [7, 9]


class TestRunSQL:
    def test_a_text_with_several_statements(self, history: History) -> None:
        with_pizzas(history)
        sql = """
            -- all of them; really
            UPDATE shop_pizza SET price = price + 1;
            UPDATE shop_pizza SET name = 'a;b' WHERE price = 8;  /* one; only */
        """
        history.do(RunSQL(sql, "UPDATE shop_pizza SET price = price - 1"))
        assert execute("SELECT name, price FROM shop_pizza ORDER BY id") == [("a;b", 8), ("Funghi", 10)]
        history.undo()
        assert prices() == [7, 9]

    def test_a_list_with_parameters(self, history: History) -> None:
        with_pizzas(history)
        statement = "UPDATE shop_pizza SET name = %s WHERE price = %s"
        history.do(RunSQL([(statement, ["100 % ham", 7]), "UPDATE shop_pizza SET price = 8 WHERE name LIKE '100 %'"]))
        assert execute("SELECT name, price FROM shop_pizza ORDER BY id") == [("100 % ham", 8), ("Funghi", 9)]

    def test_what_it_does_to_the_models_is_said_beside(self, history: History) -> None:
        history.do(pizza())
        operation = RunSQL(
            "ALTER TABLE shop_pizza ADD COLUMN size integer",
            "ALTER TABLE shop_pizza DROP COLUMN size",
            state_operations=[AddField("Pizza", "size", models.IntegerField(null=True))],
        )
        history.do(operation)
        assert history.model("Pizza").objects.create(name="Margherita", size=3).size == 3
        history.undo()
        assert not hasattr(history.model("Pizza").objects.get(), "size")

    def test_without_a_way_back_it_cannot_be_undone(self, history: History) -> None:
        history.do(RunSQL("SELECT 1"))
        with pytest.raises(IrreversibleError, match="reverse_sql"):
            history.undo()

    def test_noop_does_nothing(self, history: History) -> None:
        history.do(RunSQL(RunSQL.noop, RunSQL.noop))
        history.undo()

    def test_anything_else_than_texts_and_pairs_is_refused(self, history: History) -> None:
        with pytest.raises(ValueError, match="pairs"):
            history.do(RunSQL([("a", "b", "c")]))  # type: ignore[list-item]


class TestSeparateDatabaseAndState:
    def test_the_database_and_the_models_change_in_different_ways(self, history: History) -> None:
        with_pizzas(history)
        operation = SeparateDatabaseAndState(
            database_operations=[
                AddField("Pizza", "cost", models.IntegerField(null=True)),
                RunSQL("UPDATE shop_pizza SET cost = price", RunSQL.noop),
                RemoveField("Pizza", "price"),
            ],
            state_operations=[
                RemoveField("Pizza", "price"),
                AddField("Pizza", "cost", models.IntegerField(null=True)),
            ],
        )
        round_trip(history, operation, lost=("price", "cost"))

    def test_the_models_only(self, history: History) -> None:
        with_pizzas(history)
        before = history.schema()
        operation = SeparateDatabaseAndState(state_operations=[DeleteModel("Pizza")])
        assert operation.reversible
        history.do(operation)
        assert history.schema() == before
        assert history.state.models == {}
        history.undo()
        assert history.model("Pizza").objects.count() == 2

    def test_it_can_be_undone_if_its_operations_on_the_database_can(self) -> None:
        assert not SeparateDatabaseAndState([RunSQL("SELECT 1")]).reversible
        assert SeparateDatabaseAndState([], [RunSQL("SELECT 1")]).reversible


class TestRouters:
    def test_nothing_is_done_where_the_routers_do_not_allow_it(self, history: History) -> None:
        from webframe.test import override_settings

        called = []
        with override_settings(DATABASE_ROUTERS=[Nowhere()]):
            history.do(
                pizza(),
                AddField("Pizza", "size", models.IntegerField(null=True)),
                AlterField("Pizza", "size", models.BigIntegerField(null=True)),
                RenameField("Pizza", "size", "width"),
                AddIndex("Pizza", Index(fields=["name"], name="by_name")),
                RenameIndex("Pizza", "by_names", "by_name"),
                RemoveIndex("Pizza", "by_names"),
                AddConstraint("Pizza", UniqueConstraint(fields=["name"], name="once")),
                RemoveConstraint("Pizza", "once"),
                AlterUniqueTogether("Pizza", [("name", "price")]),
                AlterModelTable("Pizza", "pizzas"),
                RemoveField("Pizza", "width"),
                RenameModel("Pizza", "Pie"),
                RunPython(lambda apps, editor: called.append(1), lambda apps, editor: called.append(2)),
                RunSQL("nonsense", "nonsense"),
                DeleteModel("Pie"),
            )
            assert tables() == set()
            while history.past:
                history.undo()
        assert tables() == set() and called == []

    def test_hints_are_given_to_them(self, history: History) -> None:
        from webframe.test import override_settings

        router = Nowhere()
        with override_settings(DATABASE_ROUTERS=[router]):
            history.do(RunSQL("nonsense", hints={"model_name": "pizza"}))
        assert router.asked == [("default", "shop", {"model_name": "pizza"})]


class Nowhere:
    def __init__(self) -> None:
        self.asked: list[Any] = []

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        self.asked.append((db, app_label, hints))
        return False


def test_statements_can_be_collected_without_being_run(history: History) -> None:
    history.do(pizza())
    before = history.schema()
    operation = AddField("Pizza", "size", models.IntegerField(null=True))
    after = history.state.clone()
    operation.state_forwards("shop", after)
    with connections["default"].schema_editor(collect_sql=True) as editor:
        operation.database_forwards("shop", editor, history.state, after)
        RunSQL("UPDATE shop_pizza SET price = 3").database_forwards("shop", editor, after, after)
    assert "size" in editor.collected_sql[0]
    assert editor.collected_sql[-1] == "UPDATE shop_pizza SET price = 3;"
    assert history.schema() == before


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
