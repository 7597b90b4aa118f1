"""The pizzeria's own signal, `order_placed`, and the two who wait for it.

One receiver is plain, the other async; whoever sends the signal need not know. Both take ``**kwargs``, because a
signal may be sent with more one day.
"""

from __future__ import annotations

import asyncio
from typing import Any

from example_app.orders import Order, Status, orders
from webframe.dispatch import Signal, receiver

COURIERS = ("Chiara", "Luca", "Noor", "Sam")


@Signal.define
def order_placed(sender: type[Order], *, order: Order) -> None:
    """Sent when an order has been placed, before the customer gets an answer.

    ``sender`` is `Order`, ``order`` the new order. Responses of receivers are ignored; an error is an error of the
    request.
    """


@receiver(order_placed, sender=Order)
def estimate(sender: type[Order], order: Order, **kwargs: Any) -> None:
    """Say how long it will take: ten minutes, and two for each pizza not baked yet."""
    waiting = sum(other.pizzas for other in orders.latest() if other.status is Status.RECEIVED)
    orders.change(order.number, minutes=10 + 2 * waiting)


@receiver(order_placed, sender=Order)
async def book_courier(sender: type[Order], order: Order, **kwargs: Any) -> None:
    """Find somebody who brings it."""
    await asyncio.sleep(0.02)  # stands for a question to some service elsewhere
    orders.change(order.number, courier=COURIERS[order.number % len(COURIERS)])
