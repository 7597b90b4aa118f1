"""What type checkers know of managers, and what they do not object to. Read by mypy and basedpyright, never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedExpression=false

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, ClassVar, Self, TypeVar, assert_type

from webframe.db import models
from webframe.db.models.base import ModelBase
from webframe.db.models.querysets.raw import RawQuerySet

Kind = TypeVar("Kind", bound=models.Model)


class Pizza(models.Model):
    name = models.CharField(max_length=40)
    price = models.IntegerField()
    cook = models.ForeignKey("Cook", on_delete=models.CASCADE)

    def is_cheap(self) -> bool:
        return bool(self.price < 5)


# --- the manager that nobody has written --------------------------------------------------------------------------

assert_type(Pizza.objects, models.Manager[Pizza])
assert_type(Pizza.objects.model, Any)


def of_rows() -> None:
    assert_type(Pizza.objects.get(pk=1), Pizza)
    assert_type(Pizza.objects.get_or_404(pk=1), Pizza)
    assert_type(Pizza.objects.first(), Pizza | None)
    assert_type(Pizza.objects.last(), Pizza | None)
    assert_type(Pizza.objects.latest("price"), Pizza)
    assert_type(Pizza.objects.create(name="Margherita"), Pizza)
    assert_type(Pizza.objects.get_or_create(name="Margherita"), tuple[Pizza, bool])
    assert_type(Pizza.objects.update_or_create({"price": 5}, name="Margherita"), tuple[Pizza, bool])
    assert_type(Pizza.objects.bulk_create([Pizza()], batch_size=10), list[Pizza])
    assert_type(Pizza.objects.in_bulk([1]), dict[Any, Pizza])
    assert_type(Pizza.objects.iterator(), Iterator[Pizza])
    assert_type(Pizza.objects.raw("SELECT 1"), RawQuerySet[Pizza])
    assert_type(Pizza.objects.count(), int)
    assert_type(Pizza.objects.exists(), bool)
    assert_type(Pizza.objects.update(price=5), int)
    assert_type(Pizza.objects.aggregate(models.Max("price")), dict[str, Any])
    for pizza in Pizza.objects.all():
        assert_type(pizza, Pizza)
    for pizza in Pizza.objects.raw("SELECT 1"):
        assert_type(pizza, Pizza)
    Pizza.objects.get(pk=1).is_cheap(1)  # type: ignore[call-arg]
    Pizza.objects.first().is_cheap()  # type: ignore[union-attr]
    Pizza.objects.filter().fisrt()  # type: ignore[attr-defined]
    for _ in Pizza.objects.count():  # type: ignore[attr-defined]
        pass


def of_querysets(pizzas: models.QuerySet[Pizza]) -> None:
    assert_type(Pizza.objects.all(), models.QuerySet[Pizza])
    assert_type(Pizza.objects.filter(price__lt=5), models.QuerySet[Pizza])
    assert_type(Pizza.objects.exclude(price__lt=5).order_by("name"), models.QuerySet[Pizza])
    assert_type(Pizza.objects.annotate(models.Count("toppings")), models.QuerySet[Pizza])
    assert_type(Pizza.objects.select_related("cook").using("other").distinct(), models.QuerySet[Pizza])
    assert_type(pizzas.union(pizzas, all=True), models.QuerySet[Pizza])
    assert_type(pizzas | pizzas, models.QuerySet[Pizza])
    assert_type(pizzas[0], Pizza)
    assert_type(pizzas[:3], models.QuerySet[Pizza])
    assert_type(list(pizzas), list[Pizza])
    assert_type(pizzas.get(), Pizza)
    assert_type(pizzas.first(), Pizza | None)
    assert_type(pizzas.get_or_create(name="Margherita"), tuple[Pizza, bool])
    for values in (pizzas.values("name"), Pizza.objects.values("name")):
        assert_type(values, models.QuerySet[dict[str, Any]])
    for tuples in (pizzas.values_list("name", "price"), Pizza.objects.values_list("name", "price")):
        assert_type(tuples, models.QuerySet[tuple[Any, ...]])
    for flat in (pizzas.values_list("name", flat=True), Pizza.objects.values_list("name", flat=True)):
        assert_type(flat, models.QuerySet[Any])
    assert_type(pizzas.values("name").first(), dict[str, Any] | None)


async def of_async_code(pizzas: models.QuerySet[Pizza]) -> None:
    assert_type(await Pizza.objects.aget(), Pizza)
    assert_type(await Pizza.objects.aget_or_404(pk=1), Pizza)
    assert_type(await Pizza.objects.afirst(), Pizza | None)
    assert_type(await Pizza.objects.acreate(name="Margherita"), Pizza)
    assert_type(await Pizza.objects.aget_or_create(name="Margherita"), tuple[Pizza, bool])
    assert_type(await Pizza.objects.acount(), int)
    assert_type(await Pizza.objects.alist(), list[Pizza])
    assert_type(await Pizza.objects.ain_bulk(), dict[Any, Pizza])
    assert_type(await Pizza.objects.abulk_create([]), list[Pizza])
    assert_type(Pizza.objects.aiterator(chunk_size=10), AsyncGenerator[Pizza, None])
    assert_type(await pizzas.aget(), Pizza)
    assert_type(await pizzas.alast(), Pizza | None)
    assert_type(await pizzas.alist(), list[Pizza])
    assert_type(await pizzas.aget_or_create(name="Margherita"), tuple[Pizza, bool])
    async for pizza in pizzas:
        assert_type(pizza, Pizza)
    async with aclosing(Pizza.objects.order_by("name").aiterator()) as rows:
        async for pizza in rows:
            assert_type(pizza, Pizza)


def of_any_model(model: type[models.Model], kind: type[Kind], made_by: ModelBase) -> Kind:
    assert_type(model.objects.get(), models.Model)
    assert_type(kind.objects.get(), Kind)
    made_by.objects.all().anything()
    return kind.objects.all()[0]


# --- managers and querysets of one's own --------------------------------------------------------------------------


class DishQuerySet(models.QuerySet["Dish"]):
    def cheap(self) -> Self:
        return self.filter(price__lt=5)


class DishManager(models.Manager["Dish"]):
    def get_queryset(self) -> DishQuerySet:
        return DishQuerySet(self.model, using=self._db)

    def named(self, name: str) -> Dish:
        return self.get(name=name)


class Dish(models.Model):
    objects = DishManager()
    declared: ClassVar[models.Manager[Dish]] = models.Manager()
    made = models.Manager["Dish"]()
    from_queryset = DishQuerySet.as_manager()
    from_class = models.Manager.from_queryset(DishQuerySet)()


async def of_ones_own() -> None:
    assert_type(Dish.objects, DishManager)
    assert_type(Dish.objects.named("Soup"), Dish)
    assert_type(Dish.objects.get(), Dish)
    assert_type(await Dish.objects.aget(), Dish)
    assert_type(Dish.objects.all(), DishQuerySet)
    assert_type(Dish.objects.filter(price=1).cheap().get(), Dish)
    assert_type(Dish.objects.db_manager("other"), DishManager)
    assert_type(Dish.declared, models.Manager[Dish])
    assert_type(Dish.made.get(), Dish)
    Dish.objects.named(1)  # type: ignore[arg-type]
    # What is made at run time may have any method.
    Dish.from_queryset.filter().cheap()
    Dish.from_class.cheap().get().anything()


# --- who has not said what the rows are, may do anything with them ------------------------------------------------


class BareQuerySet(models.QuerySet):
    def names(self) -> Self:
        return self.values("name")

    def best(self) -> Plate:
        best: Plate = self.order_by("-price").first()
        return best


class BareManager(models.Manager):
    def __init__(self, queryset_class: type[BareQuerySet] = BareQuerySet) -> None:
        super().__init__()
        self._queryset_class = queryset_class

    def get_queryset(self) -> Any:
        return BareQuerySet(self.model)

    def bulk_create(self, objs: list[Any], **kwargs: Any) -> list[Any]:
        return [*objs]

    def get_or_create(self, name: str) -> tuple[Any, bool]:
        return super().get_or_create(name=name)


class OtherManager(models.Manager):
    def get_queryset(self) -> models.QuerySet:
        return super().get_queryset().filter(price=1)


class Crockery(models.Model):
    objects = OtherManager()

    class Meta:
        abstract = True


class Plate(Crockery):
    pass


class Bowl(Crockery):
    objects = BareManager()
    plain = models.Manager()


class DeepBowl(Bowl):
    objects = OtherManager()


class Cup(models.Model):
    objects = models.Manager()


class DeclaredCup(models.Model):
    objects: ClassVar[models.Manager] = models.Manager()
    anything: ClassVar[Any] = models.Manager()


class Calzone(Pizza):
    objects = OtherManager()


def of_anything(rows: models.QuerySet) -> models.QuerySet:
    assert_type(Plate.objects, OtherManager)
    assert_type(DeepBowl.objects, OtherManager)
    assert_type(Calzone.objects, OtherManager)
    Bowl.objects.filter().names()
    Bowl.objects.names().names()
    Bowl.plain.get().anything()
    Cup.objects.first().anything()
    Cup.objects.values("name")[0]["name"].upper()
    DeclaredCup.objects.first().anything()
    DeclaredCup.anything.anything()
    rows.first().anything()
    rows[0].anything()
    of_anything(Pizza.objects.all())
    of_anything(Bowl.objects.all())
    manager: models.Manager = Pizza.objects
    manager.anything()
    # Whichever they are.
    Pizza._default_manager.anything().anything()
    Pizza._base_manager.get().anything()
    return rows.values("name")


# --- what no class names ------------------------------------------------------------------------------------------


def of_attributes() -> None:
    pizza = Pizza.objects.get()
    pizza.slices.all()
    pizza.cook_id = pizza.id
    for annotated in Pizza.objects.annotate(number=models.Count("slices")):
        assert_type(annotated.number, Any)
