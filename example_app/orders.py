"""Orders: checking what somebody would like, and keeping what was ordered.

Nothing here knows of requests. `Draft` checks what came from a form or from JSON alike; `orders` keeps the orders.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any

from example_app.menu import MENU, Pizza
from webframe.core.exceptions import Http404

# Of one kind, and in one order.
MOST_OF_A_KIND = 10
MOST_PIZZAS = 20

LONGEST_NAME = 40


class Status(Enum):
    """How far an order is."""

    RECEIVED = "received"
    BAKING = "in the oven"
    READY = "ready"
    BURNT = "burnt"


@dataclass(frozen=True, slots=True)
class Line:
    """So many of one pizza."""

    pizza: Pizza
    quantity: int

    @property
    def price(self) -> Decimal:
        return self.pizza.price * self.quantity


@dataclass(frozen=True, slots=True)
class Order:
    """An order; it never changes, `OrderBook.change` puts another in its place."""

    number: int
    name: str
    lines: tuple[Line, ...]
    status: Status = Status.RECEIVED
    # What the receivers of order_placed find out.
    minutes: int | None = None
    courier: str | None = None

    @property
    def pizzas(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def total(self) -> Decimal:
        return sum((line.price for line in self.lines), Decimal())


class Draft:
    """What somebody would like to order: checked, with a message in `errors` for each field that is wrong.

    `quantities` are numbers or digits, by the slug of the pizza; what is empty or 0 is not ordered.
    """

    def __init__(self, name: object, quantities: Mapping[str, object]) -> None:
        self.errors: dict[str, str] = {}
        self.name = self._check_name(name)
        self.lines = tuple(self._check_lines(quantities))

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
            if slug not in MENU:
                self.errors["pizzas"] = f"There is no {slug[:LONGEST_NAME]!r} on the menu."
            elif digits and (not re.fullmatch("[0-9]{1,2}", digits) or int(digits) > MOST_OF_A_KIND):
                self.errors[slug] = f"{MENU[slug].name}: how many? A number from 0 to {MOST_OF_A_KIND}, please."
            elif digits and int(digits):
                lines.append(Line(MENU[slug], int(digits)))
        pizzas = sum(line.quantity for line in lines)
        if not lines and not self.errors.keys() - {"name"}:
            self.errors["pizzas"] = "There is no pizza in your cart yet."
        elif pizzas > MOST_PIZZAS:
            self.errors["pizzas"] = f"Our oven holds {MOST_PIZZAS} pizzas, and these are {pizzas}."
        return lines


class OrderBook:
    """The orders of this process, the latest `length` of them; may be used from any thread."""

    def __init__(self, length: int = 500) -> None:
        self._length = length
        # The orders by number, the oldest first, and the number of the last one; under the lock.
        self._orders: dict[int, Order] = {}
        self._last_number = 0
        # Held for a few dictionary operations at most, so that async code may take it, too.
        self._lock = threading.Lock()

    def place(self, draft: Draft) -> Order:
        """Make an order of a draft without errors."""
        with self._lock:
            self._last_number += 1
            order = self._orders[self._last_number] = Order(self._last_number, draft.name, draft.lines)
            if len(self._orders) > self._length:
                del self._orders[next(iter(self._orders))]
        return order

    def get(self, number: int) -> Order:
        """The order of that number. Raises `Http404` if there is none."""
        order = self._orders.get(number)
        if order is None:
            raise Http404(f"We have no order number {number}.")
        return order

    def change(self, number: int, **changes: Any) -> Order:
        """Change an order, and return it as it is now."""
        with self._lock:
            order = self._orders[number] = replace(self.get(number), **changes)
        return order

    def move(self, number: int, before: Status, after: Status) -> Order:
        """Change the status of an order; of two who do so at once, only the first one does."""
        with self._lock:
            order = self.get(number)
            if order.status is before:
                order = self._orders[number] = replace(order, status=after)
        return order

    def latest(self, count: int = 20) -> list[Order]:
        """The last orders, the newest first."""
        with self._lock:
            return list(self._orders.values())[: -count - 1 : -1]


orders = OrderBook()
