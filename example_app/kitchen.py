"""What the kitchen sees and does: the orders to be baked, the news of the whole app, and what is on each pizza.

The board asks for news every second. A stream of events would be kept open instead, and a plain gunicorn worker serves
one request at a time: the first board on a wall would close the shop. Short questions work on every server, and an
answer that has not changed is a 304 without a body.
"""

from __future__ import annotations

import os
from typing import Any

from example_app import orders
from example_app.board import board
from example_app.models import Line, Order, Pizza, Topping
from example_app.news import latest_news
from webframe import Group, Request, Response, redirect, render
from webframe.db import transaction
from webframe.db.models import DecimalField, F, Sum

# In degrees Celsius.
OVEN_REACHES = 500

Status = Order.Status

kitchen = Group("/kitchen", name="kitchen")


class OvenError(Exception):
    """The oven cannot do this."""


@kitchen.get("", name="board")
def show_board(request: Request) -> str:
    return render("kitchen.html", menu=Pizza.objects.all(), **what_happens())


@kitchen.get("/live")
def live(request: Request) -> Response:
    """The part of the board that changes."""
    response = Response(render("board.html", **what_happens()))
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    return response


@kitchen.post("/orders/<int:number>/bake")
def bake(request: Request, number: int) -> Response:
    """Put an order into the oven. What the oven cannot do is an error that nobody handles, on purpose."""
    for line in orders.find(number).lines.all():
        if line.pizza.heat > OVEN_REACHES:
            orders.move(number, Status.RECEIVED, Status.BURNT)
            raise OvenError(f"{line.pizza.name} needs {line.pizza.heat} °C, but the oven reaches {OVEN_REACHES} °C.")
    orders.move(number, Status.RECEIVED, Status.BAKING)
    return redirect(request.url_for("kitchen.board"), 303)


@kitchen.post("/orders/<int:number>/serve")
def serve(request: Request, number: int) -> Response:
    orders.move(number, Status.BAKING, Status.READY)
    return redirect(request.url_for("kitchen.board"), 303)


@kitchen.get("/pizzas/<slug:slug>")
def toppings(request: Request, slug: str) -> str:
    """What is on a pizza, to be changed."""
    pizza = Pizza.objects.get_or_404(slug=slug)
    return render("toppings.html", pizza=pizza, chosen=set(pizza.toppings.all()), toppings=Topping.objects.all())


@kitchen.post("/pizzas/<slug:slug>")
def change_toppings(request: Request, slug: str) -> Response:
    """Put other toppings onto a pizza; `set` finds out what is to be added and what to be removed.

    Of two cooks who change the same pizza one waits for the other.
    """
    with transaction.atomic():
        pizza = Pizza.objects.select_for_update().get_or_404(slug=slug)
        pizza.toppings.set(Topping.objects.filter(name__in=request.form.getlist("toppings")))
    return redirect(request.url_for("kitchen.board"), 303)


def what_happens() -> dict[str, Any]:
    """All that changes on the board."""
    sold = Line.objects.exclude(order__status=Status.BURNT).aggregate(
        pizzas=Sum("quantity"), takings=Sum(F("quantity") * F("unit_price"), output_field=DecimalField())
    )
    # Orders and news are those of the whole pizzeria, requests those that came to this process of the server.
    return {
        "orders": orders.latest(),
        "sold": sold,
        "news": latest_news(),
        "visits": board.latest(),
        "process": os.getpid(),
    }
