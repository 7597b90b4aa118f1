"""The pizzeria's own signal, `order_placed`, and two who listen when somebody orders.

One receiver is plain and belongs to the order: if it fails, there is no order. The other is async and waits for the
commit: couriers are not to be booked for an order that is rolled back. Both take ``**kwargs``, because a signal may be
sent with more one day.
"""

from __future__ import annotations

import asyncio
from typing import Any

from example_app.models import Line, Order
from webframe.db.models import Sum
from webframe.db.models.signals import post_save
from webframe.dispatch import Signal, receiver
from webframe.workers import run

COURIERS = ("Chiara", "Luca", "Noor", "Sam")


@Signal.define
def order_placed(sender: type[Order], *, order: Order) -> None:
    """Sent when an order has been written with all its lines, in the transaction that writes them.

    ``sender`` is `Order`, ``order`` the new order. Responses of receivers are ignored; an error takes the order back.
    """


@receiver(order_placed, sender=Order)
def estimate(sender: type[Order], order: Order, **kwargs: Any) -> None:
    """Say how long it will take: ten minutes, and two for each pizza not baked yet."""
    waiting = Line.objects.filter(order__status=Order.Status.RECEIVED).aggregate(pizzas=Sum("quantity"))["pizzas"]
    order.minutes = min(10 + 2 * waiting, 32767)
    order.save(update_fields=["minutes"])


@receiver(post_save, sender=Order, on_commit=True)
async def book_courier(sender: type[Order], instance: Order, created: bool, **kwargs: Any) -> None:
    """Find somebody who brings it."""
    if created:
        await asyncio.sleep(0.02)  # stands for a question to some service elsewhere
        instance.courier = COURIERS[instance.pk % len(COURIERS)]
        await run(instance.save, update_fields=["courier"])
