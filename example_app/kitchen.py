"""What the kitchen sees: the orders to be baked, and the requests of the whole app as they come and go.

The board asks for news every second. A stream of events would be kept open instead, and a plain gunicorn worker serves
one request at a time: the first board on a wall would close the shop. Short questions work on every server, and an
answer that has not changed is a 304 without a body.
"""

from __future__ import annotations

from example_app.board import board
from example_app.orders import Status, orders
from webframe import Group, Request, Response, redirect, render

# In degrees Celsius.
OVEN_REACHES = 500

kitchen = Group("/kitchen", name="kitchen")


class OvenError(Exception):
    """The oven cannot do this."""


@kitchen.get("", name="board")
def show_board(request: Request) -> str:
    return render("kitchen.html", orders=orders.latest(), visits=board.latest())


@kitchen.get("/live")
def live(request: Request) -> Response:
    """The part of the board that changes."""
    response = Response(render("board.html", orders=orders.latest(), visits=board.latest()))
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    return response


@kitchen.post("/orders/<int:number>/bake")
def bake(request: Request, number: int) -> Response:
    """Put an order into the oven. What the oven cannot do is an error that nobody handles, on purpose."""
    for line in orders.get(number).lines:
        if line.pizza.heat > OVEN_REACHES:
            orders.move(number, Status.RECEIVED, Status.BURNT)
            raise OvenError(f"{line.pizza.name} needs {line.pizza.heat} °C, but the oven reaches {OVEN_REACHES} °C.")
    orders.move(number, Status.RECEIVED, Status.BAKING)
    return redirect(request.url_for("kitchen.board"), 303)


@kitchen.post("/orders/<int:number>/serve")
async def serve(request: Request, number: int) -> Response:
    orders.move(number, Status.BAKING, Status.READY)
    return redirect(request.url_for("kitchen.board"), 303)
