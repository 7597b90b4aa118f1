"""States: what they say of models, how they change, and what is shared between them."""

from __future__ import annotations

from typing import Any

import pytest

from webframe.core.exceptions import FieldDoesNotExist
from webframe.db import models
from webframe.db.migrations.errors import InvalidStateError
from webframe.db.migrations.state import ModelState, ProjectState
from webframe.db.models import CheckConstraint, F, Index, Q, UniqueConstraint
from webframe.db.models.functions import Lower

from .history import key

CASCADE = models.CASCADE


def pizza(*fields: tuple[str, Any], **options: Any) -> ModelState:
    plain = [key(), ("name", models.CharField(max_length=50)), ("price", models.IntegerField(default=7))]
    return ModelState("shop", "Pizza", [*plain, *fields], options)


def topping(*fields: tuple[str, Any], **options: Any) -> ModelState:
    return ModelState("shop", "Topping", [key(), *fields], options)


def project(*states: ModelState) -> ProjectState:
    state = ProjectState()
    for each in states:
        state.add_model(each)
    return state


class TestModelState:
    def test_fields_of_a_model_are_refused(self, define: Any) -> None:
        Pizza = define("Pizza", name=models.CharField(max_length=5))
        with pytest.raises(ValueError, match="clone"):
            ModelState("shop", "Pizza", [("name", Pizza._meta.get_field("name"))])

    def test_targets_are_named_by_strings(self, define: Any) -> None:
        Pizza = define("Pizza")
        with pytest.raises(ValueError, match="to='tests.pizza'"):
            ModelState("shop", "Topping", [("on", models.ForeignKey(Pizza, CASCADE))])
        field = models.ManyToManyField("shop.other", through=Pizza)
        with pytest.raises(ValueError, match="through='tests.pizza'"):
            ModelState("shop", "Topping", [("on", field)])

    def test_indexes_have_names(self) -> None:
        with pytest.raises(ValueError, match="name="):
            pizza(indexes=[Index(fields=["name"])])

    def test_it_cannot_be_changed_in_place(self) -> None:
        state = pizza()
        with pytest.raises(TypeError):
            state.fields["size"] = models.IntegerField()  # type: ignore[index]
        with pytest.raises(TypeError):
            state.options["ordering"] = ["name"]  # type: ignore[index]
        assert state.clone() is state

    def test_equal_states(self) -> None:
        assert pizza() == pizza()
        assert pizza() != pizza(ordering=["name"])
        assert pizza() != pizza(("size", models.IntegerField()))
        assert pizza(("size", models.IntegerField())) != pizza(("size", models.IntegerField(null=True)))
        assert pizza(unique_together=("name", "price")) == pizza(unique_together=[["name", "price"]])

    def test_what_is_not_there_is_named_with_what_comes_near(self) -> None:
        state = pizza(indexes=[Index(fields=["name"], name="by_name")])
        with pytest.raises(FieldDoesNotExist, match="shop.Pizza has no field 'prise'.*price"):
            state.get_field("prise")
        with pytest.raises(InvalidStateError, match="by_name"):
            state.get_index_by_name("by_names")
        with pytest.raises(InvalidStateError, match="no constraint 'x'"):
            state.get_constraint_by_name("x")

    def test_references_are_parents_targets_and_models_between(self) -> None:
        fields = [
            ("link", models.OneToOneField("Parent", CASCADE, parent_link=True, primary_key=True)),
            ("other", models.ForeignKey("self", CASCADE)),
            ("many", models.ManyToManyField("crm.Customer", through="crm.Visit")),
        ]
        state = ModelState("shop", "Child", fields, bases=("shop.parent",))
        wanted = {("shop", "parent"), ("shop", "child"), ("crm", "customer"), ("crm", "visit")}
        assert state.references == wanted


class TestFromModel:
    def test_fields_options_and_names(self, define: Any) -> None:
        Pizza = define(
            "Pizza",
            name=models.CharField("what it is called", max_length=50),
            price=models.IntegerField(default=7),
            Meta={
                "ordering": ["name"],
                "verbose_name": "pie",
                "unique_together": ("name", "price"),
                "indexes": [Index(fields=["name"])],
                "constraints": [UniqueConstraint(fields=["price"], name="%(class)s_once")],
            },
        )
        state = ModelState.from_model(Pizza)
        assert state.key == ("tests", "pizza")
        assert list(state.fields) == ["id", "name", "price"]
        assert state.fields["name"].deconstruct()[3] == {"verbose_name": "what it is called", "max_length": 50}
        assert state.fields["id"].deconstruct()[3] == {"verbose_name": "ID", "primary_key": True, "auto_created": True}
        assert state.options["ordering"] == ["name"]
        assert state.options["unique_together"] == {("name", "price")}
        assert state.options["indexes"] == [Index(fields=["name"], name=Pizza._meta.indexes[0].name)]
        assert state.options["constraints"][0].name == "pizza_once"
        assert "apps" not in state.options and "app_label" not in state.options
        assert state.bases == (models.Model,) and state.managers == ()

    def test_every_kind_of_field_comes_through(self, define: Any) -> None:
        fields = {
            "a": models.DecimalField(max_digits=5, decimal_places=2),
            "b": models.BooleanField(db_default=True),
            "c": models.DateTimeField(auto_now=True),
            "d": models.JSONField(default=dict),
            "e": models.UUIDField(unique=True),
            "f": models.CharField(max_length=1, choices=[("x", "X"), ("y", "Y")]),
            "g": models.GenericIPAddressField(protocol="IPv4"),
            "h": models.BinaryField(null=True),
            "i": models.SlugField(),
            "j": models.DurationField(db_column="jj"),
        }
        Thing = define("Thing", **fields)
        state = ModelState.from_model(Thing)
        rendered = project(state).apps.get_model("tests", "Thing")
        assert ModelState.from_model(rendered) == state
        for name, field in fields.items():
            assert rendered._meta.get_field(name).deconstruct() == field.deconstruct()

    def test_relations_are_as_they_were_given(self, define: Any) -> None:
        define("Topping")
        define(
            "Pizza",
            best=models.ForeignKey("Topping", CASCADE, related_name="%(class)s_best"),
            like=models.ForeignKey("self", CASCADE, null=True),
            friends=models.ManyToManyField("self"),
            fans=models.ManyToManyField("self", symmetrical=False, related_name="idols"),
            hidden=models.ManyToManyField("Topping", related_name="+"),
            Meta={"default_related_name": "pizzas"},
        )
        state = ProjectState.from_apps(define.registry)
        given = {name: field.deconstruct()[3] for name, field in state.models["tests", "pizza"].fields.items()}
        assert given["best"] == {"to": "tests.topping", "on_delete": CASCADE, "related_name": "%(class)s_best"}
        assert given["like"] == {"to": "tests.pizza", "on_delete": CASCADE, "null": True}
        assert given["friends"] == {"to": "tests.pizza", "symmetrical": True}
        assert given["fans"] == {"to": "tests.pizza", "related_name": "idols"}
        assert given["hidden"] == {"to": "tests.topping", "related_name": "+"}
        assert ProjectState.from_apps(state.apps) == state

    def test_parents_and_proxies(self, define: Any) -> None:
        class Priced:
            """A class without fields."""

        Dated = define("Dated", on=models.DateField(), Meta={"abstract": True})
        Food = define("Food", Dated, name=models.CharField(max_length=5))
        Cake = type(models.Model)(
            "Cake",
            (Food, Priced),
            {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "tests", "apps": define.registry})},
        )
        Special = define("Special", Cake, Meta={"proxy": True, "abstract": False})
        assert ModelState.from_model(Food).bases == (models.Model,)
        assert list(ModelState.from_model(Food).fields) == ["id", "on", "name"]
        state = ModelState.from_model(Cake)
        assert state.bases == ("tests.food", Priced)
        assert state.fields["food_ptr"].deconstruct()[3] == {
            "to": "tests.food",
            "on_delete": CASCADE,
            "primary_key": True,
            "auto_created": True,
            "parent_link": True,
        }
        assert ModelState.from_model(Special).bases == ("tests.cake",)
        assert ModelState.from_model(Special).options["proxy"] is True
        assert ModelState.from_model(Special).fields == {}

    def test_managers_that_migrations_use(self, define: Any) -> None:
        one = define("One", objects=models.Manager())
        two = define("Two", some=Known(1), others=models.Manager(), objects=Unknown())
        three = define("Three", best=Unknown())
        assert ModelState.from_model(one).managers == ()
        ((name, manager),) = ModelState.from_model(two).managers
        assert (name, manager, manager.model) == ("some", Known(1), None)
        ((name, manager),) = ModelState.from_model(three).managers
        assert name == "best" and type(manager) is models.Manager


class Known(models.Manager):
    use_in_migrations = True

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Unknown(models.Manager):
    pass


class TestProjectState:
    def test_a_clone_changes_by_itself(self) -> None:
        state = project(pizza())
        clone = state.clone()
        clone.add_field("shop", "pizza", "size", models.IntegerField())
        clone.add_model(topping())
        assert list(state.models) == [("shop", "pizza")]
        assert "size" not in state.models["shop", "pizza"].fields
        assert clone != state and state == project(pizza())

    def test_what_is_there_already_or_not_at_all_is_refused(self) -> None:
        state = project(pizza(indexes=[Index(fields=["name"], name="by_name")]), topping())
        with pytest.raises(InvalidStateError, match="shop.Pizza at this point of the migrations already"):
            state.add_model(pizza())
        with pytest.raises(InvalidStateError, match="no model shop.Piza.*Pizza"):
            state.remove_model("shop", "Piza")
        with pytest.raises(InvalidStateError, match="already"):
            state.rename_model("shop", "Pizza", "Topping")
        with pytest.raises(InvalidStateError, match="field 'name'"):
            state.add_field("shop", "pizza", "name", models.IntegerField())
        with pytest.raises(FieldDoesNotExist):
            state.remove_field("shop", "pizza", "size")
        with pytest.raises(FieldDoesNotExist):
            state.alter_field("shop", "pizza", "size", models.IntegerField())
        with pytest.raises(InvalidStateError, match="already"):
            state.rename_field("shop", "pizza", "name", "price")
        with pytest.raises(InvalidStateError, match="by_name"):
            state.add_index("shop", "pizza", Index(fields=["price"], name="by_name"))
        with pytest.raises(InvalidStateError):
            state.remove_constraint("shop", "pizza", "x")

    def test_a_renamed_model_is_renamed_everywhere(self) -> None:
        state = project(
            pizza(("similar", models.ForeignKey("self", CASCADE)), ("other", models.ForeignKey("Pizza", CASCADE))),
            topping(("on", models.ForeignKey("pizza", CASCADE)), ("many", models.ManyToManyField("shop.Pizza"))),
            ModelState("shop", "Calzone", [], bases=("shop.pizza",)),
            ModelState("crm", "Order", [key(), ("of", models.ManyToManyField("shop.x", through="shop.Pizza"))]),
        )
        state.rename_model("shop", "Pizza", "Pie")
        assert list(state.models)[0] == ("shop", "pie")
        pie = state.models["shop", "pie"]
        assert pie.name == "Pie"
        assert pie.fields["similar"].remote_field.model == "self"
        assert pie.fields["other"].remote_field.model == "shop.Pie"
        assert state.models["shop", "topping"].references == {("shop", "pie")}
        assert state.models["shop", "calzone"].bases == ("shop.pie",)
        assert state.models["crm", "order"].fields["of"].remote_field.through == "shop.Pie"

    def test_a_renamed_field_is_renamed_everywhere(self) -> None:
        state = project(
            pizza(
                ("code", models.IntegerField(unique=True)),
                ordering=["-code", "name", F("code").asc(), Lower("name")],
                get_latest_by="code",
                unique_together=[("name", "code")],
                indexes=[
                    Index(fields=["-code"], name="a", include=["name", "code"]),
                    Index(Lower(F("code") + F("name")), "-code", name="b", condition=~Q(code__in=[1, 2])),
                ],
                constraints=[
                    CheckConstraint(condition=Q(Q(code=F("code")) | Q(name="code"), price__gt=1), name="c"),
                    UniqueConstraint("code", Lower("name"), name="d"),
                ],
            ),
            topping(("on", models.ForeignKey("shop.pizza", CASCADE, to_field="code"))),
        )
        state.rename_field("shop", "pizza", "code", "sign")
        found = state.models["shop", "pizza"]
        assert list(found.fields) == ["id", "name", "price", "sign"]
        assert found.options["ordering"] == ["-sign", "name", F("sign").asc(), Lower("name")]
        assert found.options["get_latest_by"] == "sign"
        assert found.options["unique_together"] == {("name", "sign")}
        assert found.options["indexes"] == [
            Index(fields=["-sign"], name="a", include=["name", "sign"]),
            Index(Lower(F("sign") + F("name")), "-sign", name="b", condition=~Q(sign__in=[1, 2])),
        ]
        assert found.options["constraints"] == [
            CheckConstraint(condition=Q(Q(sign=F("sign")) | Q(name="code"), price__gt=1), name="c"),
            UniqueConstraint("sign", Lower("name"), name="d"),
        ]
        assert state.models["shop", "topping"].fields["on"].to_field == "sign"

    def test_a_removed_field_takes_what_needs_it_along(self) -> None:
        state = project(
            pizza(
                unique_together=[("name", "price"), ("name", "id")],
                indexes=[Index(fields=["price"], name="a"), Index(Lower("name"), name="b", condition=Q(price=1))],
                constraints=[CheckConstraint(condition=Q(name="price"), name="c")],
            )
        )
        state.remove_field("shop", "pizza", "price")
        options = state.models["shop", "pizza"].options
        assert options["unique_together"] == {("name", "id")}
        assert options["indexes"] == []
        assert [each.name for each in options["constraints"]] == ["c"]

    def test_options_not_given_are_as_by_default(self) -> None:
        state = project(pizza(ordering=["name"], verbose_name="pie", db_table="x"))
        state.alter_model_options("shop", "pizza", {"verbose_name": "P"}, ["ordering", "verbose_name"])
        options = state.models["shop", "pizza"].options
        assert (options["verbose_name"], "ordering" in options, options["db_table"]) == ("P", False, "x")

    def test_a_value_can_be_taken_out_of_an_option(self) -> None:
        state = project(pizza(unique_together=[("name", "price"), ("name", "id")]))
        state.remove_model_options("shop", "pizza", "unique_together", ("name", "id"))
        assert state.models["shop", "pizza"].options["unique_together"] == {("name", "price")}

    def test_a_default_for_the_rows_there_are_does_not_stay(self) -> None:
        state = project(pizza())
        state.add_field("shop", "pizza", "size", models.IntegerField(default=1), preserve_default=False)
        state.alter_field("shop", "pizza", "price", models.IntegerField(default=1), preserve_default=False)
        fields = state.models["shop", "pizza"].fields
        assert not fields["size"].has_default() and not fields["price"].has_default()

    def test_relations_say_who_refers_to_whom(self) -> None:
        state = project(
            pizza(("top", models.ForeignKey("topping", CASCADE)), ("tops", models.ManyToManyField("shop.Topping"))),
            topping(),
        )
        fields = state.models["shop", "pizza"].fields
        wanted = {("shop", "pizza"): {"top": fields["top"], "tops": fields["tops"]}}
        assert state.relations == {("shop", "pizza"): {}, ("shop", "topping"): wanted}
        state.remove_field("shop", "pizza", "top")
        assert list(state.relations["shop", "topping"]["shop", "pizza"]) == ["tops"]

    def test_whether_a_field_is_referred_to(self) -> None:
        state = project(
            pizza(("code", models.IntegerField(unique=True))),
            topping(("on", models.ForeignKey("shop.pizza", CASCADE, to_field="code"))),
            ModelState("shop", "Box", [key(), ("with_", models.ManyToManyField("shop.topping"))]),
        )
        assert state.is_referenced("shop", "pizza", "code")
        assert not state.is_referenced("shop", "pizza", "name")
        assert not state.is_referenced("shop", "box", "id")
        assert state.is_referenced("shop", "topping", "id")

    def test_the_key_of_what_a_proxy_stands_for(self) -> None:
        state = project(pizza(), ModelState("shop", "Special", [], {"proxy": True}, ("shop.pizza",)))
        assert state.get_concrete_model_key("shop.Special") == ("shop", "pizza")
        assert state.get_concrete_model_key("shop.Pizza") == ("shop", "pizza")
