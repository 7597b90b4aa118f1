"""Operations on models, forwards, backwards and forwards again: the schema as reflected, and the rows."""

from __future__ import annotations

from typing import Any

from webframe.db import models
from webframe.db.migrations.operations import (
    AddField,
    AlterModelManagers,
    AlterModelOptions,
    AlterModelTable,
    AlterUniqueTogether,
    CreateModel,
    DeleteModel,
    RenameModel,
)
from webframe.db.models import CheckConstraint, Index, Q, UniqueConstraint

from ..schema_helpers import tables
from .history import History, key, pizza, round_trip, topping, with_pizzas

CASCADE = models.CASCADE


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

    def test_a_table_with_a_name_of_its_own_keeps_it(self, history: History) -> None:
        history.do(
            topping(), pizza(("tops", models.ManyToManyField("shop.topping", db_table="layers")), db_table="pizzas")
        )
        ham = history.model("Topping").objects.create(name="ham")
        history.model("Pizza").objects.create(name="Margherita").tops.add(ham)
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
