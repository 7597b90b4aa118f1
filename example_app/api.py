"""The same pizzeria for programs: the menu and orders as JSON."""

from __future__ import annotations

from typing import Any

from example_app.menu import MENU
from example_app.orders import Draft, Order, orders
from example_app.signals import order_placed
from webframe import Group, Request, abort
from webframe.core.exceptions import Http404

api = Group("/api", name="api")

Answer = tuple[dict[str, Any], int] | tuple[dict[str, Any], int, dict[str, str]]


@api.get("/menu")
async def menu(request: Request) -> dict[str, Any]:
    return {
        "pizzas": [
            {"slug": pizza.slug, "name": pizza.name, "toppings": pizza.toppings, "price": pizza.price}
            for pizza in MENU.values()
        ]
    }


@api.post("/orders")
def order(request: Request) -> Answer:
    """Place an order: ``{"name": "Ada", "pizzas": {"margherita": 2}}``."""
    wanted = request.json
    if not isinstance(wanted, dict) or not isinstance(wanted.get("pizzas"), dict):
        abort(400, 'Send an object such as {"name": "Ada", "pizzas": {"margherita": 2}}.')
    draft = Draft(wanted.get("name"), wanted["pizzas"])
    if draft.errors:
        return {"errors": draft.errors}, 400
    placed = orders.place(draft)
    order_placed.send(Order, order=placed)
    address = request.url_for("api.show", number=placed.number)
    return described(orders.get(placed.number)), 201, {"Location": address}


@api.get("/orders/<int:number>")
def show(request: Request, number: int) -> dict[str, Any]:
    return described(orders.get(number))


@api.errorhandler(404)
def no_such_order(request: Request, error: Http404) -> Answer:
    return {"error": error.description}, 404


def described(order: Order) -> dict[str, Any]:
    return {
        "number": order.number,
        "name": order.name,
        "pizzas": {line.pizza.slug: line.quantity for line in order.lines},
        "total": order.total,
        "status": order.status,
        "minutes": order.minutes,
        "courier": order.courier,
    }
