"""What changes in the database, for the kitchen board: told by the signals of the models.

The receivers write the news into the database, too, in the transaction of what they tell of. So what is rolled back
never was in the news, every process of a server has the same, and they are still there after a restart. What comes from
a fixture (then `raw` is True) is no news.
"""

from __future__ import annotations

from typing import Any

from example_app.models import Customer, News, Order, Pizza
from webframe.db import transaction
from webframe.db.models import Model
from webframe.db.models.signals import m2m_changed, post_save
from webframe.dispatch import receiver

# How many are kept at least.
KEPT = 200

# Other actions come before something is done, and a change is news only when it has been made.
DONE = {"post_add": "with", "post_remove": "without"}


@receiver(post_save, sender=Customer)
@receiver(post_save, sender=Order)
def note_save(
    sender: type[Model], instance: Any, created: bool, raw: bool, update_fields: frozenset[str] | None, **kwargs: Any
) -> None:
    if raw:
        return
    if created:
        tell("post_save", f"{instance}: new {sender._meta.verbose_name}")
    else:
        changed = (f"{name} {_shown(instance, name)}" for name in sorted(update_fields or ["something"]))
        tell("post_save", f"{instance}: {', '.join(changed)}")


@receiver(m2m_changed, sender=Pizza.toppings.through)
def note_toppings(
    sender: type[Model],
    instance: Any,
    action: str,
    model: type[Model],
    pk_set: set[int] | None,
    raw: bool,
    **kwargs: Any,
) -> None:
    if action in DONE and pk_set and not raw:
        names = ", ".join(str(each) for each in model.objects.filter(pk__in=pk_set))
        tell("m2m_changed", f"{instance}: {DONE[action]} {names}")


def tell(signal: str, text: str) -> None:
    """Add to the news, and forget the oldest now and then."""
    news = News.objects.create(signal=signal, text=text if len(text) <= 200 else f"{text[:199]}…")
    if news.pk % 50 == 0:
        # Not in this transaction: two that forgot the same news would keep each other waiting until both are done.
        transaction.on_commit(lambda: forget(news.pk - KEPT), robust=True)


def forget(last: int) -> None:
    """Delete the news up to one of them."""
    News.objects.filter(pk__lte=last).delete()


def latest_news(count: int = 30) -> list[News]:
    """The last changes, the newest first."""
    return list(News.objects.all()[:count])


def _shown(instance: Any, name: str) -> str:
    display = getattr(instance, f"get_{name}_display", None)
    return str(display() if display else getattr(instance, name, "changed"))
