"""Orders: checking what somebody would like, and keeping what was ordered."""

from dataclasses import dataclass
from itertools import count

from menu import MENU

from webframe.core.exceptions import Http404


@dataclass
class Order:
    number: int
    name: str
    pizza: dict
    status: str = "received"
    minutes: int | None = None
    courier: str | None = None


# By number. To put an order in is a single step, and so is the next number: threads cannot get in each other's way.
ORDERS = {}
numbers = count(1)


def check(form):
    """What is wrong with a form: messages by the name of the field."""
    errors = {}
    if not form.get("name", "").strip():
        errors["name"] = "Please tell us your name."
    if form.get("pizza") not in MENU:
        errors["pizza"] = "Please choose a pizza from the menu."
    return errors


def place(form):
    order = Order(next(numbers), form["name"].strip(), MENU[form["pizza"]])
    ORDERS[order.number] = order
    return order


def find(number):
    if number not in ORDERS:
        raise Http404(f"We have no order number {number}.")
    return ORDERS[number]
