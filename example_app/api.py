"""The same pizzeria for programs: the menu and orders as JSON."""

from __future__ import annotations

from typing import Any

from example_app import orders
from example_app.models import Order, Pizza
from webframe import Group, Request, abort
from webframe.core.exceptions import Http404

api = Group("/api", name="api")

Answer = tuple[dict[str, Any], int] | tuple[dict[str, Any], int, dict[str, str]]


@api.get("/menu")
def menu(request: Request) -> dict[str, Any]:
    return {"pizzas": [pizza_as_json(each) for each in Pizza.objects.prefetch_related("toppings")]}


@api.get("/menu/<slug:slug>")
def pizza(request: Request, slug: str) -> dict[str, Any]:
    return pizza_as_json(Pizza.objects.get_or_404(slug=slug))


@api.post("/orders")
def order(request: Request) -> Answer:
    """Place an order: ``{"name": "Ada", "pizzas": {"margherita": 2}}``."""
    wanted = request.json
    if not isinstance(wanted, dict) or not isinstance(wanted.get("pizzas"), dict):
        abort(400, 'Send an object such as {"name": "Ada", "pizzas": {"margherita": 2}}.')
    draft = orders.Draft(wanted.get("name"), wanted["pizzas"])
    if draft.errors:
        return {"errors": draft.errors}, 400
    placed = orders.place(draft)
    address = request.url_for("api.show", number=placed.pk)
    return order_as_json(orders.find(placed.pk)), 201, {"Location": address}


@api.get("/orders/<int:number>")
def show(request: Request, number: int) -> dict[str, Any]:
    return order_as_json(orders.find(number))


@api.errorhandler(404)
def not_found(request: Request, error: Http404) -> Answer:
    return {"error": error.description}, 404


def pizza_as_json(pizza: Pizza) -> dict[str, Any]:
    return {
        "slug": pizza.slug,
        "name": pizza.name,
        "toppings": [topping.name for topping in pizza.toppings.all()],
        "vegetarian": pizza.vegetarian,
        "price": pizza.price,
    }


def order_as_json(order: Order) -> dict[str, Any]:
    return {
        "number": order.pk,
        "name": order.customer.name,
        "placed": order.placed,
        "pizzas": {line.pizza.slug: line.quantity for line in order.lines.all()},
        "total": order.total,
        "status": order.get_status_display(),
        "minutes": order.minutes,
        "courier": order.courier or None,
    }
