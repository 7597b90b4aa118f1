"""What is found out by comparing two states, and which migrations it is put into."""

from __future__ import annotations

from typing import Any

import pytest

from webframe.db import models
from webframe.db.migrations import operations as ops
from webframe.db.migrations.autodetector import MigrationAutodetector
from webframe.db.migrations.errors import CircularDependencyError, ReferredKeyError
from webframe.db.migrations.graph import MigrationGraph
from webframe.db.migrations.migration import Migration
from webframe.db.migrations.questioner import MigrationQuestioner
from webframe.db.migrations.state import ProjectState

from .states import Moment, detect, folded, operations

CASCADE = models.CASCADE


def char(**options: Any) -> Any:
    return models.CharField(max_length=20, **options)


class Asking(MigrationQuestioner):
    """Notes what is asked."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(answers)
        self.asked: list[tuple[Any, ...]] = []

    def ask_rename(self, model_name: str, old_name: str, new_name: str, field_instance: Any) -> bool:
        self.asked.append(("rename", model_name, old_name, new_name))
        return super().ask_rename(model_name, old_name, new_name, field_instance)

    def ask_rename_model(self, old_model_state: Any, new_model_state: Any) -> bool:
        self.asked.append(("rename model", old_model_state.name, new_model_state.name))
        return super().ask_rename_model(old_model_state, new_model_state)

    def ask_not_null_addition(self, field_name: str, model_name: str) -> Any:
        self.asked.append(("addition", model_name, field_name))
        return super().ask_not_null_addition(field_name, model_name)

    def ask_not_null_alteration(self, field_name: str, model_name: str) -> Any:
        self.asked.append(("alteration", model_name, field_name))
        return super().ask_not_null_alteration(field_name, model_name)

    def ask_auto_now_add_addition(self, field_name: str, model_name: str) -> Any:
        self.asked.append(("auto_now_add", model_name, field_name))
        return super().ask_auto_now_add_addition(field_name, model_name)

    def ask_unique_callable_default_addition(self, field_name: str, model_name: str) -> Any:
        self.asked.append(("unique", model_name, field_name))


NOTHING = ProjectState()


def change(
    old: dict[str, Any], new: dict[str, Any], questioner: Any = None, old_meta: Any = None, new_meta: Any = None
) -> Any:
    """The changes of a model Pizza with these fields; that they lead to the new state is made sure of."""
    before, after = Moment(), Moment()
    before("Pizza", Meta=old_meta, **old)
    after("Pizza", Meta=new_meta, **new)
    changes = detect(before.state, after.state, questioner)
    assert detect(folded(before.state, changes), after.state) == {}
    return changes


class TestModels:
    def test_a_new_model_is_created_with_all_that_its_meta_says(self) -> None:
        now = Moment()
        now(
            "Pizza",
            name=char(),
            size=models.IntegerField(),
            Meta={
                "ordering": ["name"],
                "unique_together": [("name", "size")],
                "indexes": [models.Index(fields=["size"], name="size_idx")],
                "constraints": [models.CheckConstraint(condition=models.Q(size__gt=0), name="positive")],
            },
        )
        changes = detect(NOTHING, now.state)
        (migration,) = changes["shop"]
        assert migration.name == "0001_initial"
        assert migration.initial is True
        assert migration.dependencies == []
        assert operations(changes) == ["Create model Pizza"]
        assert migration.operations[0].options == {
            "ordering": ["name"],
            "unique_together": {("name", "size")},
            "indexes": [models.Index(fields=["size"], name="size_idx")],
            "constraints": [models.CheckConstraint(condition=models.Q(size__gt=0), name="positive")],
        }

    def test_nothing_has_changed(self) -> None:
        one, other = Moment(), Moment()
        for moment in (one, other):
            moment("Pizza", name=char(), parent=models.ForeignKey("self", CASCADE, null=True))
        assert detect(one.state, other.state) == {}

    def test_a_model_comes_after_those_that_it_points_to(self) -> None:
        now = Moment()
        now("Order", pizza=models.ForeignKey("Pizza", CASCADE), toppings=models.ManyToManyField("Topping"))
        now("Pizza", base=models.OneToOneField("Base", CASCADE))
        now("Topping")
        now("Base")
        assert operations(detect(NOTHING, now.state)) == [
            "Create model Topping",
            "Create model Base",
            "Create model Pizza",
            "Create model Order",
        ]

    def test_models_that_point_to_each_other_get_one_key_later(self) -> None:
        now = Moment()
        now("Author", best=models.ForeignKey("Book", CASCADE, null=True, related_name="+"), name=char())
        now(
            "Book",
            author=models.ForeignKey("Author", CASCADE),
            Meta={"indexes": [models.Index(fields=["author"], name="i")]},
        )
        changes = detect(NOTHING, now.state)
        assert operations(changes) == ["Create model Author", "Create model Book", "Add field best to author"]
        assert detect(folded(NOTHING, changes), now.state) == {}

    def test_what_names_a_key_that_comes_later_comes_after_it(self) -> None:
        now = Moment()
        now(
            "Author",
            best=models.ForeignKey("Book", CASCADE, null=True, related_name="+"),
            Meta={
                "indexes": [models.Index(fields=["best"], name="i")],
                "constraints": [models.UniqueConstraint(fields=["best"], name="u")],
                "unique_together": [("best", "id")],
            },
        )
        now("Book", author=models.ForeignKey("Author", CASCADE))
        changes = detect(NOTHING, now.state)
        assert operations(changes)[:3] == ["Create model Author", "Create model Book", "Add field best to author"]
        assert len(operations(changes)) == 6
        assert detect(folded(NOTHING, changes), now.state) == {}

    def test_a_many_to_many_relation_and_its_model_between(self) -> None:
        now = Moment()
        now("Pizza", toppings=models.ManyToManyField("Topping", through="Amount"))
        now("Topping")
        now("Amount", pizza=models.ForeignKey("Pizza", CASCADE), topping=models.ForeignKey("Topping", CASCADE))
        changes = detect(NOTHING, now.state)
        assert operations(changes) == [
            "Create model Topping",
            "Create model Pizza",
            "Create model Amount",
            "Add field toppings to pizza",
        ]
        gone = detect(now.state, NOTHING)
        assert folded(now.state, gone) == NOTHING
        assert operations(gone)[-1] == "Delete model Topping"

    def test_children_come_after_their_parents_and_go_before_them(self) -> None:
        now = Moment()
        Dish = now("Dish", name=char())
        now("Pizza", Dish, size=models.IntegerField())
        now("SpecialPizza", Dish, Meta={"proxy": True})
        changes = detect(NOTHING, now.state)
        assert operations(changes) == ["Create model Dish", "Create model Pizza", "Create proxy model SpecialPizza"]
        assert detect(folded(NOTHING, changes), now.state) == {}
        gone = operations(detect(now.state, NOTHING))
        assert gone.index("Delete model Dish") > gone.index("Delete model Pizza")

    def test_deleted_models_that_point_to_each_other(self) -> None:
        was = Moment()
        was("Author", best=models.ForeignKey("Book", CASCADE, null=True, related_name="+"))
        was("Book", author=models.ForeignKey("Author", CASCADE))
        changes = detect(was.state, NOTHING)
        assert operations(changes) == ["Remove field best from author", "Delete model Book", "Delete model Author"]

    def test_a_model_is_deleted_after_the_keys_to_it(self) -> None:
        was, now = Moment(), Moment()
        was("Base")
        was(
            "Pizza", base=models.ForeignKey("Base", CASCADE), other=models.ForeignKey("Base", CASCADE, related_name="+")
        )
        now("Pizza", other=models.ForeignKey("self", CASCADE, related_name="+"))
        changes = detect(was.state, now.state)
        assert operations(changes) == [
            "Remove field base from pizza",
            "Alter field other on pizza",
            "Delete model Base",
        ]

    def test_a_proxy_that_gets_a_table_of_its_own_is_made_anew(self) -> None:
        was, now = Moment(), Moment()
        was("Proxy", was("Pizza"), Meta={"proxy": True})
        now("Pizza")
        now("Proxy", name=char())
        assert operations(detect(was.state, now.state)) == ["Delete model Proxy", "Create model Proxy"]

    def test_a_model_can_take_the_table_of_one_that_goes(self) -> None:
        was, now = Moment(), Moment()
        was("Pizza", name=char(), Meta={"db_table": "dishes"})
        now("Aardvark", size=models.IntegerField(), Meta={"db_table": "dishes"})
        assert operations(detect(was.state, now.state)) == ["Delete model Pizza", "Create model Aardvark"]

    def test_unmanaged_models_are_told_about_and_left_alone(self) -> None:
        was, now = Moment(), Moment()
        was("Pizza", name=char(), Meta={"managed": False})
        now("Pizza", other=char(), Meta={"managed": False})
        (operation,) = detect(NOTHING, was.state)["shop"][0].operations
        assert operation.options["managed"] is False
        assert detect(was.state, now.state) == {}

    def test_a_field_that_goes_up_to_a_new_parent_is_gone_before(self) -> None:
        was, now = Moment(), Moment()
        was("Dish")
        was("Pizza", was.models[0], name=char())
        now("Dish", name=char(default=""))
        now("Pizza", now.models[0])
        changes = detect(was.state, now.state)
        assert operations(changes) == ["Remove field name from pizza", "Add field name to dish"]


class TestRenaming:
    def test_a_model_is_renamed_if_the_answer_is_yes(self) -> None:
        was, now = Moment(), Moment()
        was("Pizza", name=char(), base=models.ForeignKey("self", CASCADE, null=True))
        was(
            "Order", pizza=models.ForeignKey("Pizza", CASCADE), pizzas=models.ManyToManyField("Pizza", related_name="+")
        )
        now("Pie", name=char(), base=models.ForeignKey("self", CASCADE, null=True))
        now("Order", pizza=models.ForeignKey("Pie", CASCADE), pizzas=models.ManyToManyField("Pie", related_name="+"))
        asking = Asking(ask_rename_model=True)
        changes = detect(was.state, now.state, asking)
        assert asking.asked == [("rename model", "Pizza", "Pie")]
        assert operations(changes) == ["Rename model Pizza to Pie"]
        assert detect(folded(was.state, changes), now.state) == {}

    def test_and_else_it_is_another_one(self) -> None:
        was, now = Moment(), Moment()
        was("Pizza", name=char())
        now("Pie", name=char())
        assert operations(detect(was.state, now.state)) == ["Delete model Pizza", "Create model Pie"]

    def test_nobody_is_asked_about_models_with_other_fields(self) -> None:
        was, now = Moment(), Moment()
        was("Pizza", name=char())
        now("Pie", size=char())
        asking = Asking(ask_rename_model=True)
        detect(was.state, now.state, asking)
        assert asking.asked == []

    def test_each_model_is_renamed_once(self) -> None:
        was, now = Moment(), Moment()
        was("A", name=char())
        was("B", name=char())
        now("C", name=char())
        now("D", name=char())
        changes = detect(was.state, now.state, MigrationQuestioner({"ask_rename_model": True}))
        assert operations(changes) == ["Rename model A to C", "Rename model B to D"]

    def test_a_field_is_renamed_if_the_answer_is_yes(self) -> None:
        asking = Asking(ask_rename=True)
        meta = {"unique_together": [("name", "size")], "ordering": ["name"]}
        new_meta = {"unique_together": [("title", "size")], "ordering": ["title"]}
        size = {"size": models.IntegerField()}
        changes = change({"name": char(), **size}, {"title": char(), **size}, asking, meta, new_meta)
        assert asking.asked == [("rename", "Pizza", "name", "title")]
        assert operations(changes) == ["Rename field name on pizza to title"]

    def test_a_field_is_replaced_if_the_answer_is_no(self) -> None:
        changes = change({"name": char()}, {"title": char(null=True)})
        assert operations(changes) == ["Remove field name from pizza", "Add field title to pizza"]

    def test_nobody_is_asked_about_fields_of_another_kind(self) -> None:
        asking = Asking(ask_rename=True)
        change({"name": char()}, {"title": models.IntegerField(null=True)}, asking)
        assert asking.asked == []

    def test_a_renamed_field_may_keep_its_column(self) -> None:
        changes = change({"name": char()}, {"title": char(db_column="name")}, Asking(ask_rename=True))
        assert operations(changes) == ["Alter field name on pizza", "Rename field name on pizza to title"]

    def test_names_of_indexes_follow_those_of_their_fields(self) -> None:
        index = {"indexes": [models.Index(fields=["name"])]}
        new_index = {"indexes": [models.Index(fields=["title"])]}
        changes = change({"name": char()}, {"title": char()}, Asking(ask_rename=True), index, new_index)
        assert [type(each).__name__ for each in changes["shop"][0].operations] == ["RenameField", "RenameIndex"]

    def test_keys_follow_the_field_that_they_name(self) -> None:
        was, now = Moment(), Moment()
        for moment, name in ((was, "code"), (now, "number")):
            moment("Pizza", **{name: char(unique=True)})
            moment("Order", pizza=models.ForeignKey("Pizza", CASCADE, to_field=name))
        changes = detect(was.state, now.state, MigrationQuestioner({"ask_rename": True}))
        assert operations(changes) == ["Rename field code on pizza to number"]


class TestFields:
    def test_fields_are_removed_added_and_altered(self) -> None:
        changes = change(
            {"a": char(), "b": char()}, {"b": models.CharField(max_length=30), "c": models.IntegerField(default=1)}
        )
        assert operations(changes) == [
            "Remove field a from pizza",
            "Add field c to pizza",
            "Alter field b on pizza",
        ]

    def test_a_new_field_without_a_default_gets_one_for_the_rows_there_are(self) -> None:
        asking = Asking(ask_not_null_addition=3)
        changes = change({}, {"size": models.IntegerField()}, asking)
        assert asking.asked == [("addition", "Pizza", "size")]
        (operation,) = changes["shop"][0].operations
        assert operation.field.default == 3
        assert operation.preserve_default is False

    @pytest.mark.parametrize(
        "field",
        [
            models.IntegerField(null=True),
            models.IntegerField(default=1),
            models.IntegerField(db_default=1),
            models.CharField(max_length=3, blank=True),
            models.ManyToManyField("self"),
        ],
        ids=repr,
    )
    def test_nobody_is_asked_where_the_rows_have_a_value(self, field: Any) -> None:
        asking = Asking()
        change({}, {"size": field}, asking)
        assert asking.asked == []

    def test_a_new_moment_of_creation_is_asked_for(self) -> None:
        import datetime

        asking = Asking(ask_auto_now_add_addition=datetime.datetime(2020, 1, 1))
        changes = change({}, {"made": models.DateTimeField(auto_now_add=True)}, asking)
        assert changes["shop"][0].operations[0].preserve_default is False
        assert asking.asked == [("auto_now_add", "Pizza", "made")]

    def test_a_unique_field_with_a_callable_default_is_asked_about(self) -> None:
        import uuid

        asking = Asking()
        change({}, {"code": models.UUIDField(unique=True, default=uuid.uuid4)}, asking)
        assert asking.asked == [("unique", "Pizza", "code")]

    def test_a_field_that_may_not_be_null_any_more_gets_a_value_where_it_is(self) -> None:
        asking = Asking(ask_not_null_alteration=3)
        changes = change({"size": models.IntegerField(null=True)}, {"size": models.IntegerField()}, asking)
        assert asking.asked == [("alteration", "Pizza", "size")]
        (operation,) = changes["shop"][0].operations
        assert (operation.field.default, operation.preserve_default) == (3, False)

    def test_or_none_if_the_answer_is_that_there_are_none(self) -> None:
        changes = change({"size": models.IntegerField(null=True)}, {"size": models.IntegerField()})
        (operation,) = changes["shop"][0].operations
        assert not operation.field.has_default()
        assert operation.preserve_default is True

    @pytest.mark.parametrize("turned", [False, True])
    def test_a_key_that_becomes_a_many_to_many_relation_is_replaced(self, turned: bool) -> None:
        pair = [models.ForeignKey("self", CASCADE, null=True), models.ManyToManyField("self")]
        old, new = reversed(pair) if turned else pair
        changes = change({"near": old}, {"near": new})
        assert operations(changes) == ["Remove field near from pizza", "Add field near to pizza"]

    def test_a_relation_that_gets_a_model_of_its_own_between_is_replaced(self) -> None:
        was, now = Moment(), Moment()
        for moment in (was, now):
            moment("Topping")
        was("Pizza", toppings=models.ManyToManyField("Topping"))
        now("Pizza", toppings=models.ManyToManyField("Topping", through="Amount"))
        now("Amount", pizza=models.ForeignKey("Pizza", CASCADE), topping=models.ForeignKey("Topping", CASCADE))
        changes = detect(was.state, now.state)
        assert operations(changes) == [
            "Create model Amount",
            "Remove field toppings from pizza",
            "Add field toppings to pizza",
        ]

    def test_fields_can_exchange_their_columns(self) -> None:
        changes = change(
            {"a": char(db_column="x"), "b": char(db_column="y")}, {"a": char(db_column="y"), "b": char(db_column="x")}
        )
        assert operations(changes) == ["Alter field a on pizza", "Alter field b on pizza", "Alter field a on pizza"]

    def test_a_field_can_take_the_column_of_one_that_goes(self) -> None:
        changes = change({"a": char(db_column="x")}, {"b": models.IntegerField(null=True, db_column="x")})
        assert operations(changes) == ["Remove field a from pizza", "Add field b to pizza"]

    def test_another_default_or_text_is_noted_too(self) -> None:
        changes = change({"a": char()}, {"a": char(default="x", help_text="new")})
        assert operations(changes) == ["Alter field a on pizza"]

    def test_a_key_to_another_model_waits_for_that(self) -> None:
        was, now = Moment(), Moment()
        was("Pizza", base=models.ForeignKey("self", CASCADE, null=True))
        now("Pizza", base=models.ForeignKey("Zebra", CASCADE, null=True))
        now("Zebra")
        assert operations(detect(was.state, now.state)) == ["Create model Zebra", "Alter field base on pizza"]


class TestMeta:
    def test_options_that_no_table_knows_of(self) -> None:
        changes = change({}, {}, None, {"ordering": ["id"]}, {"verbose_name": "pie", "get_latest_by": "id"})
        (operation,) = changes["shop"][0].operations
        assert operation == ops.AlterModelOptions("pizza", {"get_latest_by": "id", "verbose_name": "pie"})

    def test_the_name_of_the_table(self) -> None:
        changes = change({}, {}, None, {}, {"db_table": "pies"})
        assert operations(changes) == ["Rename table for pizza to pies"]
        changes = change({}, {}, None, {"db_table": "pies"}, {})
        assert changes["shop"][0].operations[0].table is None

    def test_managers_that_migrations_are_to_know(self) -> None:
        was, now = Moment(), Moment()
        was("Pizza")
        now("Pizza", objects=Known())
        changes = detect(was.state, now.state)
        assert [type(each).__name__ for each in changes["shop"][0].operations] == ["AlterModelManagers"]
        assert detect(folded(was.state, changes), now.state) == {}

    def test_unique_together_goes_before_its_fields_and_comes_after_them(self) -> None:
        a, b, c = models.IntegerField(), models.IntegerField(), models.IntegerField(default=1)
        changes = change(
            {"a": a, "b": b},
            {"b": b.clone(), "c": c},
            None,
            {"unique_together": [("a", "b")]},
            {"unique_together": [("b", "c")]},
        )
        names = [type(each).__name__ for each in changes["shop"][0].operations]
        assert names == ["AlterUniqueTogether", "RemoveField", "AddField", "AlterUniqueTogether"]

    def test_indexes_and_constraints_go_before_fields_and_come_after_them(self) -> None:
        old = {
            "indexes": [models.Index(fields=["a"], name="one")],
            "constraints": [models.UniqueConstraint(fields=["a"], name="two")],
        }
        new = {
            "indexes": [models.Index(fields=["c"], name="one")],
            "constraints": [models.CheckConstraint(condition=models.Q(c__gt=0), name="two")],
        }
        changes = change({"a": models.IntegerField()}, {"c": models.BigIntegerField(default=1)}, None, old, new)
        names = [type(each).__name__ for each in changes["shop"][0].operations]
        assert names == ["RemoveIndex", "RemoveConstraint", "RemoveField", "AddField", "AddIndex", "AddConstraint"]

    def test_an_index_with_another_name_is_renamed(self) -> None:
        a = {"a": models.IntegerField()}
        old = {"indexes": [models.Index(fields=["a"], name="one")]}
        new = {"indexes": [models.Index(fields=["a"], name="two")]}
        assert operations(change(a, {"a": models.IntegerField()}, None, old, new)) == [
            "Rename index one on pizza to two"
        ]

    def test_indexes_that_exchange_their_names_are_made_anew(self) -> None:
        def both(one: str, two: str) -> Any:
            return {"indexes": [models.Index(fields=["a"], name=one), models.Index(fields=["b"], name=two)]}

        fields = ({name: models.IntegerField() for name in "ab"} for _ in range(2))
        changes = change(*fields, None, both("x", "y"), both("y", "x"))
        names = [type(each).__name__ for each in changes["shop"][0].operations]
        assert names == ["RemoveIndex", "RemoveIndex", "AddIndex", "AddIndex"]

    def test_an_index_can_go_to_another_model_with_its_name(self) -> None:
        was, now = Moment(), Moment()
        index = {"indexes": [models.Index(fields=["a"], name="one")]}
        was("Zebra", a=models.IntegerField(), Meta=index)
        was("Ape", a=models.IntegerField())
        now("Zebra", a=models.IntegerField())
        now("Ape", a=models.IntegerField(), Meta=index)
        names = [type(each).__name__ for each in detect(was.state, now.state)["shop"][0].operations]
        assert names == ["RemoveIndex", "AddIndex"]


class Known(models.Manager):
    use_in_migrations = True


class TestSeveralApps:
    def test_migrations_depend_on_those_of_the_apps_that_they_need(self) -> None:
        now = Moment()
        now("shop.Order", user=models.ForeignKey("users.User", CASCADE))
        now("users.User")
        changes = detect(NOTHING, now.state)
        assert changes["shop"][0].dependencies == [("users", "0001_initial")]
        assert changes["users"][0].dependencies == []

    def test_apps_that_need_each_other_are_split_once(self) -> None:
        now = Moment()
        now("shop.Order", user=models.ForeignKey("users.User", CASCADE))
        now("shop.Pizza")
        now("users.User", favourite=models.ForeignKey("shop.Pizza", CASCADE))
        changes = detect(NOTHING, now.state)
        assert {label: [each.name for each in found] for label, found in changes.items()} == {
            "shop": ["0001_initial", "0002_order"],
            "users": ["0001_initial"],
        }
        assert changes["shop"][1].dependencies == [("shop", "0001_initial"), ("users", "0001_initial")]

    def test_models_of_two_apps_that_point_to_each_other(self) -> None:
        now = Moment()
        now("shop.Pizza", chef=models.ForeignKey("staff.Chef", CASCADE, null=True))
        now("staff.Chef", best=models.ForeignKey("shop.Pizza", CASCADE, null=True, related_name="+"))
        changes = detect(NOTHING, now.state)
        assert sum(len(found) for found in changes.values()) == 3
        assert detect(folded(NOTHING, changes), now.state) == {}

    def test_what_is_there_already_is_depended_on_by_the_last_migration_of_its_app(self) -> None:
        was, now = Moment(), Moment()
        for moment in (was, now):
            moment("users.User")
        now("shop.Order", user=models.ForeignKey("users.User", CASCADE))
        graph = MigrationGraph()
        graph.add_node(("users", "0007_more"), Migration("0007_more", "users"))
        changes = MigrationAutodetector(was.state, now.state).changes(graph)
        assert changes["shop"][0].dependencies == [("users", "0007_more")]

    def test_apps_without_migrations_are_left_out_unless_they_are_named(self) -> None:
        now = Moment()
        now("shop.Pizza")
        now("plain.Thing")
        old = ProjectState(real_apps=["plain"])
        assert list(detect(old, now.state)) == ["shop"]
        assert sorted(detect(old, now.state, convert_apps={"plain"})) == ["plain", "shop"]

    def test_a_key_to_an_app_without_migrations_depends_on_its_first(self) -> None:
        now = Moment()
        now("shop.Pizza", thing=models.ForeignKey("plain.Thing", CASCADE))
        now("plain.Thing")
        changes = detect(ProjectState(real_apps=["plain"]), now.state)
        assert changes["shop"][0].dependencies == [("plain", "__first__")]

    def test_only_apps_that_were_named_and_what_they_need_are_looked_after(self) -> None:
        now = Moment()
        now("shop.Order", user=models.ForeignKey("users.User", CASCADE))
        now("users.User")
        now("blog.Post")
        assert sorted(detect(NOTHING, now.state, trim_to_apps={"shop"})) == ["shop", "users"]
        assert sorted(detect(NOTHING, now.state, trim_to_apps={"blog"})) == ["blog"]

    def test_deleting_waits_for_the_keys_of_other_apps(self) -> None:
        was, now = Moment(), Moment()
        was("a.User")
        was("z.Order", user=models.ForeignKey("a.User", CASCADE))
        now("z.Order")
        changes = detect(was.state, now.state)
        assert changes["a"][0].dependencies == [("z", "0001_initial")]
        assert operations(changes, "a") == ["Delete model User"]

    @pytest.mark.parametrize("renamed", [False, True])
    def test_a_model_goes_after_the_migrations_of_other_apps_that_know_it(self, renamed: bool) -> None:
        was, now = Moment(), Moment()
        was("a.User", name=char())
        now("z.Order")
        if renamed:
            now("a.Person", name=char())
        was("z.Order")
        user = Migration("0001_initial", "a")
        user.operations = [ops.CreateModel("User", [("id", models.AutoField(primary_key=True))])]
        order = Migration("0001_initial", "z")
        order.dependencies = [user.key]
        key = ("user", models.ForeignKey("a.User", CASCADE))
        order.operations = [ops.CreateModel("Order", [("id", models.AutoField(primary_key=True)), key])]
        later = Migration("0002_no_user", "z")
        later.dependencies = [order.key]
        later.operations = [ops.RemoveField("order", "user")]
        other = Migration("0001_initial", "b")
        graph = MigrationGraph()
        for migration in (user, order, later, other):
            graph.add_node(migration.key, migration)
        for migration in (order, later):
            graph.add_dependency(migration, migration.key, migration.dependencies[0])
        questioner = MigrationQuestioner({"ask_rename_model": renamed})
        changes = MigrationAutodetector(was.state, now.state, questioner).changes(graph)
        assert changes["a"][0].dependencies == [("a", "0001_initial"), ("z", "0002_no_user")]

    def test_tables_that_exchange_their_names_cannot_be_had_in_one_go(self) -> None:
        was, now = Moment(), Moment()
        was("A", Meta={"db_table": "x"})
        was("B", Meta={"db_table": "y"})
        now("A", Meta={"db_table": "y"})
        now("B", Meta={"db_table": "x"})
        with pytest.raises(CircularDependencyError, match="in two goes"):
            detect(was.state, now.state)


class TestNames:
    def changes(self, leaf: str | None, name: str | None = None) -> Any:
        was, now = Moment(), Moment()
        was("Pizza")
        now("Pizza", size=models.IntegerField(null=True))
        graph = MigrationGraph()
        if leaf is not None:
            graph.add_node(("shop", leaf), Migration(leaf, "shop"))
        return MigrationAutodetector(was.state, now.state).changes(graph, migration_name=name)["shop"]

    def test_a_migration_is_called_after_what_it_does(self) -> None:
        (migration,) = self.changes("0041_x")
        assert migration.name == "0042_pizza_size"
        assert migration.dependencies == [("shop", "0041_x")]
        assert migration.initial is None

    def test_or_as_somebody_says(self) -> None:
        assert self.changes("0041_x", "sizes")[0].name == "0042_sizes"

    def test_after_a_squashed_migration_the_numbers_go_on(self) -> None:
        assert self.changes("0001_squashed_0012_more")[0].name == "0013_pizza_size"

    def test_after_a_name_without_a_number_they_begin(self) -> None:
        assert self.changes("custom")[0].name == "0001_pizza_size"

    def test_an_app_gets_no_first_migration_if_the_answer_is_no(self) -> None:
        now = Moment()
        now("shop.Order", user=models.ForeignKey("users.User", CASCADE))
        now("users.User")

        class Questioner(MigrationQuestioner):
            def ask_initial(self, app_label: str) -> bool:
                return app_label == "shop"

        changes = detect(NOTHING, now.state, Questioner())
        assert list(changes) == ["shop"]
        assert changes["shop"][0].dependencies == [("users", "__first__")]

    @pytest.mark.parametrize(
        ("name", "number"), [("0003_x", 3), ("0001_squashed_0004_y", 4), ("x", None), ("12", 12), ("0001_initial", 1)]
    )
    def test_numbers_of_names(self, name: str, number: int | None) -> None:
        assert MigrationAutodetector.parse_number(name) == number


# --- primary keys that are replaced -------------------------------------------------------------------------------


def fk(to: str = "Pizza", **options: Any) -> Any:
    return models.ForeignKey(to, CASCADE, null=True, related_name="+", **options)


def keyed(pizza: Any, order: Any, key: str, kept: bool = False) -> ProjectState:
    """Pizzas with a number or a name for a key, a proxy of them, and orders; fields are made by functions."""
    now = Moment()
    names: dict[str, Any] = {"name": char(unique=True)} if key == "id" else {"name": char(primary_key=True)}
    if kept and key == "name":
        names["id"] = models.BigIntegerField(unique=True)
    now("Pizza", **names, **pizza())
    now("Special", now.models[0], Meta={"proxy": True})
    now("Order", **order())
    return now.state


REFERRING = {
    "order.pizza": (dict, lambda: {"pizza": fk()}),
    "order.special": (dict, lambda: {"special": fk("Special")}),
    "order.loose": (dict, lambda: {"loose": fk(db_constraint=False)}),
    "order.pizzas": (dict, lambda: {"pizzas": models.ManyToManyField("Pizza", related_name="+")}),
    "pizza.better": (lambda: {"better": fk("self")}, dict),
    "pizza.similar": (lambda: {"similar": models.ManyToManyField("self")}, dict),
    "pizza.orders": (lambda: {"orders": models.ManyToManyField("Order", related_name="+")}, dict),
}


@pytest.mark.parametrize("kept", [False, True], ids=["gone", "kept"])
@pytest.mark.parametrize("keys", [("id", "name"), ("name", "id")], ids="-".join)
@pytest.mark.parametrize("name", REFERRING)
def test_a_key_whose_values_others_hold_is_not_replaced(name: str, keys: tuple[str, str], kept: bool) -> None:
    before, after = (keyed(*REFERRING[name], key, kept) for key in keys)
    with pytest.raises(ReferredKeyError, match=f"is '{keys[0]}' and is to be '{keys[1]}'.*: shop.{name}\\. Nothing"):
        detect(before, after, Asking(ask_not_null_addition=1))


@pytest.mark.parametrize("name", REFERRING)
def test_a_key_is_replaced_when_others_let_go_of_it_or_begin_to_refer_to_it(name: str) -> None:
    without, with_it = (dict, dict), REFERRING[name]
    for one, other in ((without, with_it), (with_it, without), (without, without)):
        before, after = keyed(*one, "id"), keyed(*other, "name")
        assert folded(before, detect(before, after)) == after


def test_a_key_is_replaced_where_others_name_the_new_one_already() -> None:
    def named() -> dict[str, Any]:
        return {"pizza": fk(to_field="name")}

    before, after = keyed(dict, named, "id"), keyed(dict, REFERRING["order.pizza"][1], "name")
    assert operations(detect(before, after)) == [
        "Remove field id from pizza",
        "Alter field name on pizza",
        "Alter field pizza on order",
    ]
