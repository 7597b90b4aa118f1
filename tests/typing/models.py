"""What type checkers know of models and querysets. Read by mypy and basedpyright, never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=error

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, assert_type

from webframe.db import models
from webframe.db.models.query import QuerySet, RawQuerySet
from webframe.db.models.related.managers import NullableReverseManager
from webframe.db.models.related.many_managers import ManyRelatedManager
from webframe.db.models.twins import twin


class Pizza(models.Model):
    def price(self, size: int, *, discount: float = 0) -> float:
        return size * (1 - discount)

    aprice = twin(price)


# --- twins take what the plain methods take, and give it later ----------------------------------------------------


async def of_instances(pizza: Pizza) -> None:
    assert_type(await pizza.asave(), None)
    assert_type(await pizza.asave(force_insert=True, using="other", update_fields=["name"]), None)
    assert_type(await pizza.adelete(), tuple[int, dict[str, int]])
    assert_type(await pizza.arefresh_from_db(fields=["name"]), None)
    assert_type(await pizza.afull_clean(exclude={"name"}), None)
    assert_type(await pizza.aclean_fields(), None)
    assert_type(await pizza.avalidate_unique(), None)
    assert_type(await pizza.avalidate_constraints(), None)
    await pizza.asave(force=True)  # type: ignore[call-arg]
    await pizza.asave(using=1)  # type: ignore[arg-type]
    await pizza.adelete("other", True, True)  # type: ignore[call-arg]
    assert_type(await pizza.aprice(30, discount=0.1), float)
    await pizza.aprice("large")  # type: ignore[arg-type]
    assert_type(await Pizza.aprice(pizza, 30), float)


async def of_querysets(pizzas: QuerySet, raw: RawQuerySet) -> None:
    assert_type(await pizzas.acount(), int)
    assert_type(await pizzas.aexists(), bool)
    assert_type(await pizzas.acontains(1), bool)
    assert_type(await pizzas.aget_or_create({"size": 1}, name="x"), tuple[Any, bool])
    assert_type(await pizzas.aupdate_or_create(name="x"), tuple[Any, bool])
    assert_type(await pizzas.aupdate(name="x"), int)
    assert_type(await pizzas.adelete(), tuple[int, dict[str, int]])
    assert_type(await pizzas.abulk_create([], batch_size=10), list[Any])
    assert_type(await pizzas.abulk_update([], ["name"]), int)
    assert_type(await pizzas.ain_bulk([1], field_name="pk"), dict[Any, Any])
    assert_type(await pizzas.aaggregate(), dict[str, Any])
    assert_type(await pizzas.aexplain(), str)
    await pizzas.acount(1)  # type: ignore[call-arg]
    await pizzas.abulk_create([], batch_size="x")  # type: ignore[arg-type]
    await pizzas.aearliest(1)  # type: ignore[arg-type]
    assert_type(pizzas.aiterator(chunk_size=100), AsyncGenerator[Any, None])
    assert_type(await pizzas.alist(), list[Any])
    async for _ in pizzas:
        pass
    async for _ in raw.aiterator():
        pass
    pizzas.aiterator(chunk_size="x")  # type: ignore[arg-type]
    assert_type(await models.aprefetch_related_objects([], "toppings"), None)


async def of_relations(slices: NullableReverseManager, toppings: ManyRelatedManager) -> None:
    assert_type(await slices.aadd(1, 2, bulk=False), None)
    assert_type(await slices.aremove(1), None)
    assert_type(await slices.aset([1], clear=True), None)
    assert_type(await slices.aclear(bulk=False), None)
    assert_type(await toppings.aadd(1, through_defaults={"size": 1}), None)
    assert_type(await toppings.aset([1], through_defaults={"size": 1}), None)
    assert_type(await toppings.aget_or_create({}, through_defaults={}, name="x"), tuple[Any, bool])
    await toppings.aclear(bulk=True)  # type: ignore[call-arg]
    await slices.aadd(1, through_defaults={})  # type: ignore[call-arg]
