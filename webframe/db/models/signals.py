"""Signals sent by models, whose senders may be named before they exist.

    post_save.connect(index, sender="shop.Pizza")

waits until the app "shop" has defined `Pizza`. A name that never comes to
anything is found by `webframe check` (signals.E001).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, ParamSpec

from webframe._overrides import Override
from webframe._registrations import name_of
from webframe.apps.registry import Apps, split_model_name
from webframe.apps.registry import apps as installed_apps
from webframe.conf import close_match
from webframe.core.checks import CheckMessage, Error, register
from webframe.dispatch import Receiver, Signal

if TYPE_CHECKING:
    from typing_extensions import ParamSpec as ParamSpecWithDefault

    P = ParamSpecWithDefault("P", default=...)
else:
    P = ParamSpec("P")
DefinedP = ParamSpec("DefinedP")


class ModelSignal(Signal[P]):
    """A signal whose sender is a model: the class, or its name as in "shop.Pizza".

    The label of the app is taken as it is written, the model's name in upper or
    lower case. Names are looked up in `apps`, unless another registry is given.
    """

    if TYPE_CHECKING:

        @classmethod
        def define(cls, function: Callable[DefinedP, object]) -> ModelSignal[DefinedP]: ...

    def connect(
        self,
        receiver: Receiver,
        sender: object = None,
        weak: bool = True,
        dispatch_uid: Hashable = None,
        apps: Apps | None = None,
        *,
        priority: int = 0,
        inline: bool = False,
    ) -> None:
        """Like `Signal.connect`; for a model not yet defined it is done as soon as there is one.

        Until then the receiver is kept alive. Raises `ValueError` at once for a
        string that cannot be the name of a model.
        """
        connect = partial(
            super().connect, receiver, weak=weak, dispatch_uid=dispatch_uid, priority=priority, inline=inline
        )
        if not isinstance(sender, str):
            return connect(sender=sender)
        key = split_model_name(sender)
        self._check(receiver, sender)
        (apps or installed_apps).lazy_model_operation(_Waiting(self, receiver, sender, connect), key)

    def disconnect(  # type: ignore[override]  # nobody can say yet whether anything will have been removed
        self,
        receiver: Receiver | None = None,
        sender: object = None,
        dispatch_uid: Hashable = None,
        apps: Apps | None = None,
    ) -> bool | None:
        """Like `Signal.disconnect`; for the name of a model it takes its turn behind connects and returns None."""
        disconnect = super().disconnect
        if not isinstance(sender, str):
            return disconnect(receiver, sender, dispatch_uid)
        (apps or installed_apps).lazy_model_operation(
            lambda model: disconnect(receiver, model, dispatch_uid), split_model_name(sender)
        )
        return None

    def muted(self, receiver: Receiver | None = None, sender: object = None, *, apps: Apps | None = None) -> Override:
        """Like `Signal.muted`; raises `LookupError` for the name of a model that is not defined."""
        return super().muted(receiver, _model_of(sender, apps))

    def connected_to(
        self,
        receiver: Receiver,
        sender: object = None,
        weak: bool = False,
        dispatch_uid: Hashable = None,
        apps: Apps | None = None,
        *,
        priority: int = 0,
        inline: bool = False,
    ) -> Override:
        """Like `Signal.connected_to`; raises `LookupError` for the name of a model that is not defined."""
        sender = _model_of(sender, apps)
        return super().connected_to(receiver, sender, weak, dispatch_uid, priority=priority, inline=inline)


def _model_of(sender: object, apps: Apps | None) -> object:
    if not isinstance(sender, str):
        return sender
    return (apps or installed_apps).get_registered_model(*split_model_name(sender))


class _Waiting:
    """A receiver that waits for its sender to be defined."""

    def __init__(self, signal: Signal, receiver: Receiver, sender: str, connect: Callable[..., None]) -> None:
        self.signal = signal
        self.receiver = receiver
        self.sender = sender
        self.connect = connect

    def __call__(self, model: type[Any]) -> None:
        self.connect(sender=model)


@register("models")
def senders_exist(**kwargs: Any) -> list[CheckMessage]:
    """signals.E001: a receiver is connected for a model that is not defined."""
    known = [
        f"{label}.{model.__name__}" for label, models in installed_apps.all_models.items() for model in models.values()
    ]
    return [
        Error(
            f"{_described(waiting.receiver)} is connected to {waiting.signal.name} for {waiting.sender!r}, "
            f"and there is no such model.",
            hint=close_match(waiting.sender, known).strip() or "Define the model, or install the app that does.",
            obj=name_of(waiting.receiver),
            id="signals.E001",
        )
        for waiting in _receivers_in_vain()
    ]


def _receivers_in_vain() -> Iterator[_Waiting]:
    for operations in installed_apps.pending_operations.values():
        for operation in operations:
            if isinstance(operation.function, _Waiting):
                yield operation.function


def _described(receiver: Receiver) -> str:
    if isinstance(receiver, MethodType):
        return f"The bound method {receiver.__qualname__!r}"
    name = getattr(receiver, "__qualname__", None)
    return f"The function {name!r}" if isinstance(name, str) else f"An instance of {type(receiver).__qualname__!r}"
