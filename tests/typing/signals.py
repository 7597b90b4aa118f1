"""What type checkers know of signals. Read by mypy and basedpyright, never run.

A line that ends in a comment to ignore an error must be an error: both checkers
complain of comments that ignore nothing.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=error

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type

from webframe.core.signals import request_started, setting_changed
from webframe.db.models.signals import ModelSignal, class_prepared, post_save
from webframe.dispatch import Registration, Responses, Signal, all_signals, receiver


class Pizza:
    pass


# --- a bare signal takes anything ---------------------------------------------------------------------------------

pizza_done = Signal()
assert_type(pizza_done.send(Pizza, size=3), Responses)
assert_type(pizza_done.send_robust(sender=Pizza), list[tuple[Callable[..., Any], Any]])
assert_type(pizza_done.has_listeners(Pizza), bool)
assert_type(pizza_done.disconnect(), bool)
assert_type(pizza_done.registrations(), list[Registration])
assert_type(pizza_done.name, str)
assert_type(ModelSignal(), ModelSignal)


# --- a defined signal takes what it was defined with --------------------------------------------------------------


@Signal.define
def order_taken(sender: type[Pizza], *, table: int, guests: int = 2) -> None:
    """Sent when an order has been taken."""


assert_type(order_taken.send(Pizza, table=1), Responses)
assert_type(order_taken.send(sender=Pizza, table=1, guests=4), Responses)
order_taken.send(Pizza, tabel=1)  # type: ignore[call-arg]
order_taken.send(Pizza)  # type: ignore[call-arg]
order_taken.send(table=1)  # type: ignore[call-arg]
order_taken.send(Pizza, table="1")  # type: ignore[arg-type]
order_taken.send(Signal, table=1)  # type: ignore[arg-type]
order_taken.send_robust(Pizza, table=1, geusts=4)  # type: ignore[call-arg]


async def send_and_wait() -> None:
    assert_type(await order_taken.asend(Pizza, table=1), Responses)
    assert_type(await order_taken.asend_robust(Pizza, table=1), Responses)
    await order_taken.asend(Pizza, tabel=1)  # type: ignore[call-arg]
    await order_taken.asend_robust(Pizza, tabel=1)  # type: ignore[call-arg]
    await pizza_done.asend(Pizza, anything=1)


@ModelSignal.define
def pizza_saved(sender: type[Pizza], *, instance: Pizza) -> None:
    """Sent when a pizza has been saved."""


assert_type(pizza_saved.send(Pizza, instance=Pizza()), Responses)
pizza_saved.send(Pizza, instnace=Pizza())  # type: ignore[call-arg]
pizza_saved.connect(print, sender="shop.Pizza", weak=False)

post_save.send(Pizza, instance=Pizza(), created=True, raw=False, using="default", update_fields=None)
post_save.send(Pizza, instance=Pizza(), created=True, raw=False, using="default")  # type: ignore[call-arg]
post_save.connect(print, sender=Pizza, on_commit=True, include_subclasses=True)
request_started.connect(print, sender=Pizza, include_subclasses=True)
request_started.connect(print, on_commit=True)  # type: ignore[call-arg]
class_prepared.connect(print, on_commit=True)  # type: ignore[call-arg]

request_started.send(Pizza, environ={})
request_started.send(Pizza, enviorn={})  # type: ignore[call-arg]
setting_changed.send(Pizza, setting="DEBUG", value=True, enter=True)
setting_changed.send(Pizza, setting="DEBUG", value=True)  # type: ignore[call-arg]


# --- receivers keep their types -----------------------------------------------------------------------------------


@receiver(order_taken, sender=Pizza, priority=1)
def lay_the_table(sender: type[Pizza], table: int, **kwargs: Any) -> str:
    return f"table {table}"


@receiver([order_taken, pizza_done])
async def take_note(**kwargs: Any) -> int:
    return 1


assert_type(lay_the_table(Pizza, 1), str)

order_taken.connect(lay_the_table, sender=Pizza, weak=False, dispatch_uid=("table", 1), priority=1, inline=True)
order_taken.connect("lay_the_table")  # type: ignore[arg-type]

with order_taken.muted(lay_the_table), order_taken.connected_to(take_note, sender=Pizza):
    order_taken.send(Pizza, table=1)

for signal in all_signals():
    signal.send(Pizza, whatever=1)
