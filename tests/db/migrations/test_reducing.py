"""What stands for two operations together, and which operations may pass each other: what squashing builds on."""

from __future__ import annotations

from typing import Any

import pytest

from webframe.db import models
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
    Operation,
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
from webframe.db.migrations.optimizer import MigrationOptimizer
from webframe.db.migrations.state import ProjectState
from webframe.db.models import Index, UniqueConstraint

from .history import key

CASCADE = models.CASCADE

number, text = models.IntegerField(), models.CharField(max_length=5)
by_name, by_title = Index(fields=["name"], name="by_name"), Index(fields=["title"], name="by_name")
once = UniqueConstraint(fields=["name"], name="once")


def create(*fields: tuple[str, Any], name: str = "Pizza", **options: Any) -> CreateModel:
    return CreateModel(name, [key(), ("name", text), *fields], options)


def _to(field: str) -> models.ForeignKey:
    return models.ForeignKey("shop.pizza", CASCADE, to_field=field)


class TestOneModel:
    @pytest.mark.parametrize(
        ("operation", "made"),
        [
            (AddField("pizza", "size", number), create(("size", number))),
            (AlterField("Pizza", "name", number), CreateModel("Pizza", [key(), ("name", number)])),
            (RemoveField("Pizza", "name"), CreateModel("Pizza", [key()])),
            (RenameField("Pizza", "name", "title"), CreateModel("Pizza", [key(), ("title", text)])),
            (RenameModel("Pizza", "Pie"), create(name="Pie")),
            (AlterModelOptions("Pizza", {"ordering": ["name"]}), create(ordering=["name"])),
            (AlterModelTable("Pizza", "pies"), create(db_table="pies")),
            (AlterModelTable("Pizza", None), create()),
            (AlterUniqueTogether("Pizza", {("name",)}), create(unique_together={("name",)})),
            (AddIndex("Pizza", by_name), create(indexes=[by_name])),
            (AddConstraint("Pizza", once), create(constraints=[once])),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_is_made_as_it_shall_be(self, operation: Operation, made: CreateModel) -> None:
        assert create().reduce(operation, "shop") == [made]

    def test_is_made_without_what_is_taken_away_again(self) -> None:
        first = create(
            ("size", number),
            unique_together={("name", "size")},
            ordering=["name"],
            indexes=[by_name],
            constraints=[once],
        )
        steps = [
            RemoveIndex("Pizza", "by_name"),
            RemoveConstraint("Pizza", "once"),
            RemoveField("Pizza", "size"),
            AlterModelOptions("Pizza", {}),
            AlterUniqueTogether("Pizza", set()),
        ]
        for step in steps:
            (first,) = first.reduce(step, "shop")
        assert first.options.get("unique_together", set()) == set()
        assert [name for name, _ in first.fields] == ["id", "name"]
        assert set(first.options) <= {"unique_together"}

    @pytest.mark.parametrize(
        "change",
        [
            (RemoveField("Pizza", "id"), AlterField("Pizza", "name", models.CharField(max_length=5, primary_key=True))),
            (RemoveField("Pizza", "id"), AddField("Pizza", "code", models.IntegerField(primary_key=True))),
            (RemoveField("Pizza", "id"), AddField("Pizza", "size", number)),
        ],
    )
    @pytest.mark.parametrize("first", [create(), CreateModel("Pizza", [("name", text)])])
    def test_has_the_primary_key_that_it_has_in_the_end(self, first: CreateModel, change: Any) -> None:
        def keys(operations: list[Operation]) -> dict[str, bool]:
            state = ProjectState()
            for operation in operations:
                operation.state_forwards("shop", state)
            return {name: field.primary_key for name, field in state.models["shop", "pizza"].fields.items()}

        steps = [first, *change, AddField("Pizza", "price", number)]
        assert keys(MigrationOptimizer().optimize(steps, "shop")) == keys(steps)

    def test_a_renamed_field_is_renamed_in_what_meta_says(self) -> None:
        (made,) = create(indexes=[by_name]).reduce(RenameField("Pizza", "name", "title"), "shop")
        assert made.options["indexes"] == [by_title]
        (made,) = create(indexes=[by_name]).reduce(RenameIndex("Pizza", "x", "by_name"), "shop")
        assert made.options["indexes"] == [Index(fields=["name"], name="x")]

    def test_a_renamed_model_still_refers_to_itself(self) -> None:
        like = models.ForeignKey("shop.pizza", CASCADE)
        (made,) = create(("like", like)).reduce(RenameModel("Pizza", "Pie"), "shop")
        assert dict(made.fields)["like"].remote_field.model == "shop.Pie"

    def test_managers_are_those_of_the_end(self) -> None:
        manager = models.Manager()
        (made,) = create().reduce(AlterModelManagers("Pizza", [("all_of_them", manager)]), "shop")
        assert made.managers == [("all_of_them", manager)]

    def test_a_default_for_the_rows_there_are_is_for_none(self) -> None:
        field = models.IntegerField(default=1)
        (made,) = create().reduce(AddField("Pizza", "size", field, preserve_default=False), "shop")
        assert not dict(made.fields)["size"].has_default()

    def test_made_and_deleted_it_is_nothing(self) -> None:
        assert create().reduce(DeleteModel("Pizza"), "shop") == []

    @pytest.mark.parametrize(
        "operation",
        [
            AlterModelOptions("Pizza", {"ordering": ["name"]}),
            AlterModelTable("Pizza", "pies"),
            AlterUniqueTogether("Pizza", {("name",)}),
            AlterModelManagers("Pizza", []),
            AddField("Pizza", "size", number),
            AddIndex("Pizza", by_name),
            AddConstraint("Pizza", once),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_what_is_deleted_need_not_be_changed_before(self, operation: Operation) -> None:
        assert operation.reduce(DeleteModel("Pizza"), "shop") == [DeleteModel("Pizza")]

    def test_the_last_option_counts(self) -> None:
        pairs = [
            (AlterModelOptions("Pizza", {"ordering": ["name"]}), AlterModelOptions("Pizza", {})),
            (AlterModelTable("Pizza", "a"), AlterModelTable("pizza", "b")),
            (AlterUniqueTogether("Pizza", {("name",)}), AlterUniqueTogether("Pizza", set())),
        ]
        for first, second in pairs:
            assert first.reduce(second, "shop") == [second]

    def test_names_are_given_once(self) -> None:
        assert RenameModel("A", "B").reduce(RenameModel("B", "C"), "shop") == [RenameModel("A", "C")]
        assert RenameField("P", "a", "b").reduce(RenameField("P", "b", "c"), "shop") == [RenameField("P", "a", "c")]
        first, second = RenameIndex("P", "b", "a"), RenameIndex("P", "c", "b")
        assert first.reduce(second, "shop") == [RenameIndex("P", "c", "a")]
        assert first.reduce(RemoveIndex("P", "b"), "shop") == [RemoveIndex("P", "a")]


class TestOneField:
    def test_is_added_as_it_shall_be(self) -> None:
        add = AddField("Pizza", "size", number)
        assert add.reduce(AlterField("Pizza", "size", text), "shop") == [AddField("Pizza", "size", text)]
        assert add.reduce(RenameField("Pizza", "size", "width"), "shop") == [AddField("Pizza", "width", number)]
        assert add.reduce(RemoveField("Pizza", "size"), "shop") == []
        once_only = AlterField("Pizza", "size", text, preserve_default=False)
        (made,) = add.reduce(once_only, "shop")
        assert made.preserve_default is False

    def test_is_altered_once_and_not_at_all_before_it_goes(self) -> None:
        alter = AlterField("Pizza", "size", number)
        assert alter.reduce(AlterField("Pizza", "size", text), "shop") == [AlterField("Pizza", "size", text)]
        assert alter.reduce(RemoveField("Pizza", "size"), "shop") == [RemoveField("Pizza", "size")]
        rename = RenameField("Pizza", "size", "width")
        assert alter.reduce(rename, "shop") == [rename, AlterField("Pizza", "width", number)]

    def test_indexes_and_constraints_that_go_are_not_added(self) -> None:
        assert AddIndex("Pizza", by_name).reduce(RemoveIndex("Pizza", "by_name"), "shop") == []
        assert AddConstraint("Pizza", once).reduce(RemoveConstraint("Pizza", "once"), "shop") == []
        (made,) = AddIndex("Pizza", by_name).reduce(RenameIndex("Pizza", "x", "by_name"), "shop")
        assert made == AddIndex("Pizza", Index(fields=["name"], name="x"))


class TestPassing:
    @pytest.mark.parametrize(
        ("first", "second", "may_pass"),
        [
            (create(), create(name="Topping"), True),
            (create(), create(("on", models.ForeignKey("shop.pizza", CASCADE)), name="Topping"), False),
            (create(), create(("on", models.ForeignKey("crm.pizza", CASCADE)), name="Topping"), True),
            (create(), CreateModel("Calzone", [], bases=("shop.pizza",)), False),
            (create(), AddField("Topping", "on", models.ForeignKey("shop.pizza", CASCADE)), False),
            (create(), AddField("Topping", "on", models.ManyToManyField("a.b", through="shop.Pizza")), False),
            (create(), AddField("Topping", "size", number), True),
            (create(), RunPython(RunPython.noop), False),
            (create(), RunSQL("SELECT 1"), False),
            (create(), SeparateDatabaseAndState(), False),
            (create(), DeleteModel("Topping"), False),
            (AddField("Pizza", "size", number), AddField("Pizza", "width", number), True),
            (AddField("Pizza", "size", number), AddIndex("Pizza", by_name), True),
            (AddField("Pizza", "name", text), AddIndex("Pizza", by_name), False),
            (AddField("Pizza", "name", text), AddConstraint("Pizza", once), False),
            (AddField("Pizza", "name", text), AlterUniqueTogether("Pizza", {("name", "size")}), False),
            (AddField("Pizza", "name", text), AlterModelOptions("Pizza", {}), False),
            (AddField("Pizza", "name", text), RunPython(RunPython.noop), False),
            (AddField("Pizza", "code", text), AddField("B", "on", _to("code")), False),
            (AddField("Pizza", "name", text), AddField("B", "on", _to("code")), True),
            (RenameField("Pizza", "a", "b"), AddField("Pizza", "c", number), True),
            (RenameField("Pizza", "a", "b"), AlterField("Pizza", "b", number), False),
            (RenameModel("Pizza", "Pie"), AddField("Pie", "c", number), False),
            (RenameModel("Pizza", "Pie"), AddField("Topping", "c", number), True),
            (AddIndex("Pizza", by_name), AddField("Topping", "c", number), True),
            (AddIndex("Pizza", by_name), RemoveField("Pizza", "name"), False),
            (RunPython(RunPython.noop), create(), False),
        ],
    )
    def test_operations_pass_those_they_have_nothing_to_do_with(
        self, first: Operation, second: Operation, may_pass: bool
    ) -> None:
        assert first.reduce(second, "shop") is may_pass

    def test_what_squashing_may_leave_out(self) -> None:
        code = RunPython(RunPython.noop, elidable=True)
        assert code.reduce(create(), "shop") == [create()]
        assert create().reduce(code, "shop") == [create()]
        assert RunSQL("x", elidable=True).reduce(DeleteModel("x"), "shop") == [DeleteModel("x")]


def test_what_stands_for_two_operations_does_the_same_as_both() -> None:
    steps: list[Operation] = [
        create(),
        AddField("Pizza", "size", models.IntegerField(default=3), preserve_default=False),
        AddIndex("Pizza", by_name),
        AlterUniqueTogether("Pizza", {("name", "size")}),
        RenameField("Pizza", "name", "title"),
        AlterField("Pizza", "size", models.BigIntegerField(null=True)),
        AlterModelOptions("Pizza", {"ordering": ["title"]}),
        RenameModel("Pizza", "Pie"),
        AddConstraint("Pie", UniqueConstraint(fields=["title"], name="once")),
        AlterModelTable("Pie", "pies"),
        RenameIndex("Pie", "by_title", "by_name"),
        RemoveField("Pie", "size"),
    ]
    one_by_one = ProjectState()
    for step in steps:
        step.state_forwards("shop", one_by_one)
    made: Any = steps[0]
    for step in steps[1:]:
        (made,) = made.reduce(step, "shop")
    at_once = ProjectState()
    made.state_forwards("shop", at_once)
    assert at_once == one_by_one


class TestOperations:
    def test_they_are_what_they_are_made_of(self) -> None:
        operations: list[Operation] = [
            create(("size", number), ordering=["name"]),
            CreateModel("Calzone", [], bases=("shop.pizza",), managers=[("m", models.Manager())]),
            DeleteModel("Pizza"),
            RenameModel("Pizza", "Pie"),
            AlterModelTable("Pizza", None),
            AlterModelOptions("Pizza", {"ordering": ["name"]}),
            AlterModelManagers("Pizza", []),
            AlterUniqueTogether("Pizza", [("name",)]),
            AddField("Pizza", "size", number, preserve_default=False),
            RemoveField("Pizza", "size"),
            AlterField("Pizza", "size", number),
            RenameField("Pizza", "a", "b"),
            AddIndex("Pizza", by_name),
            RemoveIndex("Pizza", "by_name"),
            RenameIndex("Pizza", "new", old_name="old"),
            RenameIndex("Pizza", "new", old_fields=("name", "size")),
            AddConstraint("Pizza", once),
            RemoveConstraint("Pizza", "once"),
            RunPython(RunPython.noop, RunPython.noop, atomic=True, hints={"a": 1}, elidable=True),
            RunSQL("a", "b", [DeleteModel("Pizza")], {"a": 1}, elidable=True),
            SeparateDatabaseAndState([DeleteModel("Pizza")], [RemoveField("Pizza", "size")]),
        ]
        for operation in operations:
            name, args, kwargs = operation.deconstruct()
            again = type(operation)(*args, **kwargs)
            assert (name, args) == (type(operation).__name__, [])
            assert again == operation and again.deconstruct()[0] == name
            assert operation.describe() and operation.formatted_description()[1] == " "
        described = [operation.formatted_description() for operation in operations]
        assert described == [
            "+ Create model Pizza",
            "+ Create model Calzone",
            "- Delete model Pizza",
            "~ Rename model Pizza to Pie",
            "~ Rename table for Pizza to (default)",
            "~ Change Meta options on Pizza",
            "~ Change managers on Pizza",
            "~ Alter unique_together for Pizza (1 constraint(s))",
            "+ Add field size to Pizza",
            "- Remove field size from Pizza",
            "~ Alter field size on Pizza",
            "~ Rename field a on Pizza to b",
            "+ Create index by_name on field(s) name of model Pizza",
            "- Remove index by_name from Pizza",
            "~ Rename index old on Pizza to new",
            "~ Rename index for name, size on Pizza to new",
            "+ Create constraint once on model Pizza",
            "- Remove constraint once from model Pizza",
            "p Raw Python operation",
            "s Raw SQL operation",
            "? Custom state/database change combination",
        ]
        assert [operation.migration_name_fragment for operation in operations] == [
            "pizza",
            "calzone",
            "delete_pizza",
            "rename_pizza_pie",
            "alter_pizza_table",
            "alter_pizza_options",
            "alter_pizza_managers",
            "alter_pizza_unique_together",
            "pizza_size",
            "remove_pizza_size",
            "alter_pizza_size",
            "rename_a_pizza_b",
            "pizza_by_name",
            "remove_pizza_by_name",
            "rename_old_new",
            "rename_pizza_name_size_new",
            "pizza_once",
            "remove_pizza_once",
            None,
            None,
            None,
        ]

    def test_one_of_your_own_needs_to_say_what_it_does(self) -> None:
        class Own(Operation):
            def __init__(self, name: str, size: int = 1) -> None:
                self.name = name

        own = Own("x", size=2)
        assert own.deconstruct() == ("Own", ["x"], {"size": 2})
        assert own == Own("x", size=2) and own != Own("x") and repr(own) == "<Own 'x', size=2>"
        assert own.references_model("any", "shop") and own.references_field("any", "thing", "shop")
        for method in (own.database_forwards, own.database_backwards):
            with pytest.raises(NotImplementedError, match="Own must define"):
                method("shop", None, None, None)
        with pytest.raises(NotImplementedError, match="state_forwards"):
            own.state_forwards("shop", None)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: CreateModel("P", [("a", number), ("a", number)]), "field 'a' twice"),
            (lambda: CreateModel("P", [], bases=("shop.A", "shop.a")), "base 'shop.a' twice"),
            (lambda: CreateModel("P", [], managers=[("a", 1), ("a", 2)]), "manager 'a' twice"),
            (lambda: CreateModel("P", [("id", number)]).state_forwards("shop", ProjectState()), "primary_key=True"),
            (lambda: AddIndex("P", Index(fields=["a"])), "name="),
            (lambda: RenameIndex("P", "new"), "old_name or old_fields"),
            (lambda: RenameIndex("P", "new", "old", ["a"]), "old_name or old_fields"),
            (lambda: RunPython("x"), "something to call as its code, not 'x'"),  # type: ignore[arg-type]
            (lambda: RunPython(RunPython.noop, "x"), "as its reverse_code"),  # type: ignore[arg-type]
            (lambda: RunPython(_async_code), "async function '_async_code'"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_wrong_arguments_are_refused(self, make: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            make()


async def _async_code(apps: Any, schema_editor: Any) -> None:
    """Not for migrations."""
