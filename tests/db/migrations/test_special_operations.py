"""Operations with code and SQL of one's own; routers; and statements that are collected."""

from __future__ import annotations

from typing import Any

import pytest

from webframe.db import connections, models
from webframe.db.migrations.errors import IrreversibleError
from webframe.db.migrations.operations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
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
from webframe.test import override_settings

from ..schema_helpers import empty, execute, tables
from .history import History, pizza, round_trip, topping, with_pizzas

CASCADE = models.CASCADE


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


class TestCollecting:
    def operations(self) -> list[Any]:
        return [
            topping(),
            pizza(
                ("best", models.ForeignKey("shop.topping", CASCADE, null=True, related_name="+")),
                ("toppings", models.ManyToManyField("shop.topping")),
                indexes=[Index(fields=["name"], name="by_name")],
            ),
            AddField("Pizza", "size", models.IntegerField(default=30)),
            AddField("Topping", "on", models.ForeignKey("shop.pizza", CASCADE, null=True, related_name="+")),
            AlterField("Pizza", "size", models.BigIntegerField(null=True)),
            AlterField("Pizza", "best", models.ForeignKey("shop.topping", CASCADE, related_name="+", default=1)),
            RenameField("Pizza", "size", "width"),
            AlterUniqueTogether("Pizza", {("name", "width")}),
            AddIndex("Pizza", Index(fields=["-width"], name="by_width")),
            RenameIndex("Pizza", "by_size", "by_width"),
            RemoveIndex("Pizza", "by_name"),
            AddConstraint("Pizza", CheckConstraint(condition=Q(width__gt=0), name="wide")),
            RenameModel("Pizza", "Pie"),
            AlterModelTable("Pie", "pies"),
            RunSQL("UPDATE pies SET name = '100 %; or more'"),
            RemoveConstraint("Pie", "wide"),
            RemoveField("Pie", "price"),
            AlterField("Topping", "id", models.AutoField(primary_key=True)),
            CreateModel("Table", [("number", models.IntegerField(primary_key=True))]),
            AlterField("Table", "number", models.BigAutoField(primary_key=True)),
        ]

    def test_the_statements_make_what_the_operations_make(self, history: History) -> None:
        """What sqlmigrate shows can be run by hand, although nothing of it is there when it is made."""
        state = history.state
        with history.connection.schema_editor(collect_sql=True) as editor:
            for operation in self.operations():
                after = state.clone()
                operation.state_forwards("shop", after)
                operation.database_forwards("shop", editor, state, after)
                state = after
        assert tables() == set()
        with history.connection.schema_editor() as by_hand:
            for statement in editor.collected_sql:
                by_hand.execute(statement, None)
        made = history.schema()
        empty(history.engine)
        history.do(*self.operations())
        assert made == history.schema()
