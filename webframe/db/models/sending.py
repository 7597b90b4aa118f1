"""Sending the signals of models: the one place that does it, so that the rules of who sends what stand here.

    if post_save.active:
        emit_model(post_save, type(instance), instance=instance, created=True, ...)

Whoever sends often asks `active` first: as long as nobody listens to a signal at
all, it costs one look at an attribute, and no arguments are collected. How
receivers are called (in order, and async ones one after another in a
transaction) is the signal's own business: see `ModelSignal`.

The classes that a ManyToManyField makes for its rows have rules of their own: they
are prepared and instantiated like others, but never save or delete anything
that anybody hears of, whichever way their rows are written.
"""

from __future__ import annotations

from typing import Any

from webframe.db.models.signals import post_delete, post_save, pre_delete, pre_save
from webframe.dispatch import Signal

# What the rows of a ManyToManyField's own table do without a sound.
_UNHEARD_OF = frozenset({pre_save, post_save, pre_delete, post_delete})


def emit(signal: Signal[...], sender: type[Any], **named: Any) -> None:
    """Send a signal to everybody who listens to `sender`; the first error of a receiver is passed on."""
    if signal.active:
        signal.send(sender, **named)


def emit_model(signal: Signal[...], model: type[Any], **named: Any) -> None:
    """Like `emit`, for the signals of saving and deleting: a class that a ManyToManyField made does not send them."""
    if signal.active and not model._meta.auto_created:
        signal.send(model, **named)


def listens(model: type[Any], *signals: Signal[...]) -> bool:
    """Whether anybody would hear one of the signals if `model` sent it now."""
    for signal in signals:
        if signal.active and not (signal in _UNHEARD_OF and model._meta.auto_created) and signal.has_listeners(model):
            return True
    return False
