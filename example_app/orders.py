"""Orders: checking what somebody would like, placing it, and moving it on.

Nothing here knows of requests. `Draft` checks what came from a form or from JSON alike. What belongs together is
written in one transaction, so that no reader ever sees half an order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from example_app.models import LONGEST_NAME, Customer, Line, Order, Pizza
from example_app.signals import order_placed
from webframe.core.exceptions import Http404
from webframe.db import transaction

# Of one kind, and in one order.
MOST_OF_A_KIND = 10
MOST_PIZZAS = 20


class Draft:
    """What somebody would like to order: checked, with a message in `errors` for each field that is wrong.

    `quantities` are numbers or digits, by the slug of the pizza; what is empty or 0 is not ordered.
    """

    def __init__(self, name: object, quantities: Mapping[str, object]) -> None:
        self.errors: dict[str, str] = {}
        self.menu: dict[str, Pizza] = {pizza.slug: pizza for pizza in Pizza.objects.all()}
        self.name = self._check_name(name)
        # Not saved, and of no order yet.
        self.lines = self._check_lines(quantities)

    @property
    def total(self) -> Decimal:
        return sum((line.price for line in self.lines), Decimal())

    def _check_name(self, name: object) -> str:
        text = " ".join(name.split()) if isinstance(name, str) else ""
        if not text:
            self.errors["name"] = "Please tell us your name, so that we can call you."
        elif len(text) > LONGEST_NAME:
            self.errors["name"] = f"Please shorten the name to {LONGEST_NAME} characters; it has {len(text)}."
        elif not text.isprintable():
            self.errors["name"] = "The name has characters in it that we cannot print on a label."
        return text

    def _check_lines(self, quantities: Mapping[str, object]) -> list[Line]:
        lines = []
        for slug, quantity in quantities.items():
            digits = str(quantity).strip()
            pizza = self.menu.get(slug)
            if pizza is None:
                self.errors["pizzas"] = f"There is no {slug[:LONGEST_NAME]!r} on the menu."
            elif digits and (not re.fullmatch("[0-9]{1,2}", digits) or int(digits) > MOST_OF_A_KIND):
                self.errors[slug] = f"{pizza.name}: how many? A number from 0 to {MOST_OF_A_KIND}, please."
            elif digits and int(digits):
                lines.append(Line(pizza=pizza, quantity=int(digits), unit_price=pizza.price))
        pizzas = sum(line.quantity for line in lines)
        if not lines and not self.errors.keys() - {"name"}:
            self.errors["pizzas"] = "There is no pizza in your cart yet."
        elif pizzas > MOST_PIZZAS:
            self.errors["pizzas"] = f"Our oven holds {MOST_PIZZAS} pizzas, and these are {pizzas}."
        return lines


@transaction.atomic
def place(draft: Draft) -> Order:
    """Make an order of a draft without errors: with all its lines, or not at all.

    The receivers of `order_placed` are part of it; those that wait for the commit are called when all of it is done.
    """
    customer, _ = Customer.objects.get_or_create(name=draft.name)
    order: Order = Order.objects.create(customer=customer)
    for line in draft.lines:
        line.order = order
    Line.objects.bulk_create(draft.lines)
    order_placed.send(Order, order=order)
    return order


def find(number: int) -> Order:
    """The order of that number, with all that is shown of it. Raises `Http404` if there is none."""
    order: Order | None = _with_lines().filter(pk=number).first()
    if order is None:
        raise Http404(f"We have no order number {number}.")
    return order


def latest(count: int = 20) -> list[Order]:
    """The last orders, the newest first."""
    return list(_with_lines()[:count])


@transaction.atomic
def move(number: int, before: str, after: str) -> bool:
    """Change the status of an order; of two who do so at once, only the first one does. Whether this was the one."""
    order: Order = Order.objects.select_for_update().get_or_404(pk=number)
    if order.status != before:
        return False
    # Not with update(), which is one statement, but sends no signals.
    order.status = after
    order.save(update_fields=["status"])
    return True


def _with_lines() -> Any:
    return Order.objects.select_related("customer").prefetch_related("lines__pizza")
