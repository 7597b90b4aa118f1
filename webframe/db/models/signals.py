"""The signals of models, whose senders may be named before they exist.

    post_save.connect(index, sender="shop.Pizza")

waits until the app "shop" has defined `Pizza`. A name that never comes to
anything is found by `webframe check` (signals.E001).

The declarations are at the end. As everywhere, parameters are what a signal is
sent with, and the docstring says when. Who sends them is told in `sending.py`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Coroutine, Hashable, Iterator
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any, ParamSpec, TextIO

from webframe._calls import await_in_turn
from webframe._overrides import Connected, Override
from webframe._registrations import EVERYONE, Registration, name_of
from webframe.apps.config import AppConfig
from webframe.apps.registry import Apps, split_model_name
from webframe.apps.registry import apps as installed_apps
from webframe.conf import close_match
from webframe.core.checks import CheckMessage, Error, register
from webframe.db import transaction
from webframe.dispatch import Receiver, Responses, Signal
from webframe.waiting import wait

if TYPE_CHECKING:
    from typing_extensions import ParamSpec as ParamSpecWithDefault

    from webframe._calls import AwaitOne, CallEach, Named

    # What a model and a query are, is told further up.
    Model = Any
    QuerySet = Any

    P = ParamSpecWithDefault("P", default=...)
else:
    P = ParamSpec("P")
DefinedP = ParamSpec("DefinedP")


class ModelSignal(Signal[P]):
    """A signal whose sender is a model: the class, or its name as in "shop.Pizza".

    The label of the app is taken as it is written, the model's name in upper or
    lower case. Names are looked up in `apps`, unless another registry is given.

    It knows of transactions: receivers may wait for the commit, and within a
    transaction async receivers are awaited one after another, because they share
    its connection.
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
        include_subclasses: bool = False,
        on_commit: bool = False,
    ) -> None:
        """Like `Signal.connect`; for a model not yet defined it is done as soon as there is one.

        Until then the receiver is kept alive. Raises `ValueError` at once for a
        string that cannot be the name of a model.

        With `include_subclasses` the sender may be an abstract model: children,
        proxies and descendants are heard, also those defined later.

        With `on_commit` the receiver is called after the outermost transaction of
        the alias `using` has been committed, at once where there is none, and
        never if the transaction, or the savepoint that it was sent in, is rolled
        back. It is not among the responses of `send`. Raises `ValueError` for a
        signal that is not sent with `using`.
        """
        self._check_on_commit(on_commit)

        def connect(sender: object) -> None:
            self._enter(
                self._new_registration(
                    receiver,
                    sender,
                    weak,
                    dispatch_uid,
                    priority,
                    inline,
                    include_subclasses=include_subclasses,
                    on_commit=on_commit,
                )
            )

        if not isinstance(sender, str):
            return connect(sender)
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
        include_subclasses: bool = False,
        on_commit: bool = False,
    ) -> Override:
        """Like `Signal.connected_to`; raises `LookupError` for the name of a model that is not defined."""
        self._check_on_commit(on_commit)
        registration = self._new_registration(
            receiver,
            _model_of(sender, apps),
            weak,
            dispatch_uid,
            priority,
            inline,
            include_subclasses=include_subclasses,
            on_commit=on_commit,
        )
        return Connected(self, self._count_override, registration)

    # Called, while the lock is held, whenever somebody is connected or disconnected, or an override begins or ends.
    watchers: tuple[Callable[[], None], ...] = ()

    def _changed(self, sender_id: int) -> None:
        super()._changed(sender_id)
        for watcher in self.watchers:
            watcher()

    def concerns(self) -> frozenset[int] | None:
        """The identities of the models that anybody listens to; None: it may be any of them. Takes no lock."""
        senders = frozenset(self._senders)
        if self._override_count or self._family_count or EVERYONE in senders:
            return None
        return senders

    def _check_on_commit(self, on_commit: bool) -> None:
        # A signal that was not declared may be sent with anything.
        declared = self.keywords - {"signal", "sender"}
        if on_commit and declared and "using" not in declared:
            raise ValueError(
                f"{self} is sent without `using`, so there is no transaction whose commit a receiver could wait for. "
                "Leave out on_commit."
            )

    def _await_each(
        self, one: AwaitOne, receivers: list[Receiver], sender: object, named: Named
    ) -> Coroutine[Any, Any, Responses]:
        if len(receivers) > 1 and transaction.is_open(named.get("using")):
            return await_in_turn(one, receivers, self, sender, named)
        return super()._await_each(one, receivers, sender, named)

    def _call_later(
        self,
        each: CallEach,
        one: AwaitOne,
        receivers: tuple[list[Receiver], list[Receiver]],
        sender: object,
        named: Named,
    ) -> None:
        plain, awaited = receivers

        def call() -> None:
            each(plain, self, sender, named)
            if awaited:
                wait(self._await_each(one, awaited, sender, named))

        transaction.on_commit(call, using=named.get("using"))


def _model_of(sender: object, apps: Apps | None) -> object:
    if not isinstance(sender, str):
        return sender
    return (apps or installed_apps).get_registered_model(*split_model_name(sender))


class _Waiting:
    """A receiver that waits for its sender to be defined."""

    def __init__(self, signal: Signal, receiver: Receiver, sender: str, connect: Callable[[object], None]) -> None:
        self.signal = signal
        self.receiver = receiver
        self.sender = sender
        self.connect = connect

    def __call__(self, model: type[Any]) -> None:
        self.connect(model)


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


# --- what models send ---------------------------------------------------------------------------------------------


@ModelSignal.define
def pre_init(sender: type[Model], *, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Sent when an instance of a model is about to be made, before it has any state.

    ``sender`` is the class that is called. ``args`` lists the positional
    arguments; for a row of the database those are its values in the order of the
    fields. ``kwargs`` is the very dictionary that the instance is made of: what a
    receiver changes there is changed in the instance, and afterwards it is empty.
    Responses are ignored, an error ends the construction.
    """


@ModelSignal.define
def post_init(sender: type[Model], *, instance: Model) -> None:
    """Sent when an instance of a model has been made, whether it is new or comes from the database.

    Its values are set; ``_state`` is still that of a new instance: ``adding`` is
    True and ``db`` is None for rows of the database, too. Responses are ignored, an
    error is passed on to whoever makes the instance.
    """


@ModelSignal.define
def pre_save(
    sender: type[Model], *, instance: Model, raw: bool, using: str, update_fields: frozenset[str] | None
) -> None:
    """Sent before an instance is written, outside of the transaction that writes it.

    ``sender`` is the class of the instance: a proxy for a proxy, the child where
    tables are inherited. ``raw`` is True while fixtures are loaded: then other
    rows may be missing, and a receiver should leave the database alone. ``using``
    is the alias of the database, ``update_fields`` the names given to `save`, or
    None. Changes of the instance are written; an error keeps it from being written.
    Responses are ignored.
    """


@ModelSignal.define
def post_save(
    sender: type[Model],
    *,
    instance: Model,
    created: bool,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
) -> None:
    """Sent after an instance has been written, outside of the transaction that wrote it.

    ``created`` says whether a row was inserted; the others are those of `pre_save`.
    Where no transaction surrounds the call of `save`, the row is committed by now, and
    an error of a receiver does not take it back. Responses are ignored.
    """


@ModelSignal.define
def pre_delete(sender: type[Model], *, instance: Model, using: str, origin: Model | QuerySet) -> None:
    """Sent for each instance that is about to be deleted, before any row of them is touched.

    ``origin`` is the instance or queryset whose `delete` was called, the same for
    everything that is deleted along with it. This happens in the transaction of the
    deletion: an error undoes all of it. Responses are ignored.
    """


@ModelSignal.define
def post_delete(sender: type[Model], *, instance: Model, using: str, origin: Model | QuerySet) -> None:
    """Sent for each instance whose row has been deleted; its key is still set.

    The arguments are those of `pre_delete`, and so is the transaction: an error
    undoes the deletion. Responses are ignored.
    """


@ModelSignal.define
def m2m_changed(
    sender: type[Model],
    *,
    instance: Model,
    action: str,
    reverse: bool,
    model: type[Model],
    pk_set: set[Any] | None,
    using: str,
    raw: bool,
) -> None:
    """Sent before and after a many-to-many relation of an instance changes.

    ``sender`` is the class in the middle, ``Pizza.toppings.through``. ``instance``
    is the object whose relation is changed, ``model`` the class at the other end,
    and ``reverse`` whether that end declares the field. ``action`` is one of
    ``"pre_add"``, ``"post_add"``, ``"pre_remove"``, ``"post_remove"``,
    ``"pre_clear"`` and ``"post_clear"``. ``pk_set`` has the keys that are added, less
    those related already, or those that are to be removed; it is None for the two
    of clear. It is the same set before and after: what a receiver takes out of it
    before is neither added nor removed. ``raw`` is True while fixtures are loaded.

    This happens in the transaction of the change: an error undoes it. Responses
    are ignored.
    """


@Signal.define
def class_prepared(sender: type[Model]) -> None:
    """Sent when a model has been defined and registered, before what waits for it is done.

    ``sender`` is the class; abstract ones do not send. A sender cannot be given by
    name: whoever listens has to be connected before the models are imported.
    Responses are ignored, an error is passed on to where the class is defined.
    """


# --- what migrations send ------------------------------------------------------------------------------------------


@Signal.define
def pre_migrate(
    sender: AppConfig,
    *,
    app_config: AppConfig,
    verbosity: int,
    interactive: bool,
    stdout: TextIO,
    using: str,
    plan: list[tuple[Any, bool]],
    apps: Apps,
) -> None:
    """Sent before `migrate` does anything, once for each installed app that has models, in their order.

    ``sender`` and ``app_config`` are the configuration of the app. ``verbosity``
    says how much is to be told, on ``stdout``; ``interactive`` whether somebody can
    be asked. ``using`` is the alias of the database. ``plan`` lists what will be
    done as pairs of a migration and whether it is undone; it is empty where nothing
    is to be done. ``apps`` has the models as the migrations that are applied left
    them: never use the real ones, whose tables may look otherwise. Responses are
    ignored, an error ends the command.
    """


@Signal.define
def post_migrate(
    sender: AppConfig,
    *,
    app_config: AppConfig,
    verbosity: int,
    interactive: bool,
    stdout: TextIO,
    using: str,
    plan: list[tuple[Any, bool]],
    apps: Apps,
) -> None:
    """Sent when `migrate` or `flush` is through, once for each installed app that has models, in their order.

    The arguments are those of `pre_migrate`; ``plan`` has been done, and ``apps`` has
    the models as they are now. It is sent even where there was nothing to do, so a
    receiver must not mind being called again. Responses are ignored, an error ends
    the command.
    """


class _SyncdbSignal(Signal[P]):
    """A signal of `syncdb`: it is still sent, and warns whoever connects."""

    def _new_registration(self, *args: Any, **keywords: Any) -> Registration:
        registration = super()._new_registration(*args, **keywords)
        # From here: connect() or connected_to(), then whoever called that, perhaps by way of @receiver.
        level = 3
        while sys._getframe(level - 1).f_globals.get("__name__") == "webframe.dispatch":
            level += 1
        warnings.warn(
            f"The signal {self.name} is deprecated: connect to {self.name.replace('syncdb', 'migrate')}, whose sender "
            f"is the AppConfig.",
            DeprecationWarning,
            stacklevel=level,
        )
        return registration


@_SyncdbSignal.define
def pre_syncdb(
    sender: ModuleType, *, app: ModuleType, create_models: list[type[Model]], verbosity: int, interactive: bool, db: str
) -> None:
    """Sent right after the `pre_migrate` of each app; deprecated, connect to that.

    ``sender`` and ``app`` are the module that holds the models of the app.
    ``create_models`` are the models, of all apps, whose tables will be made without
    migrations. ``db`` is the alias of the database. Responses are ignored, an error
    ends the command.
    """


@_SyncdbSignal.define
def post_syncdb(
    sender: ModuleType,
    *,
    app: ModuleType,
    created_models: list[type[Model]],
    verbosity: int,
    interactive: bool,
    db: str,
) -> None:
    """Sent right after the `post_migrate` of each app; deprecated, connect to that.

    ``created_models`` are the models, of all apps, whose tables have been made
    without migrations; after `flush`, all models. The others are those of
    `pre_syncdb`. Responses are ignored, an error ends the command.
    """
