"""Signals: who hears of it when something happens.

    pizza_done = Signal()

    @receiver(pizza_done)
    def eat(sender, size, **kwargs): ...

    pizza_done.send(Kitchen, size=30)

Receivers may be plain or ``async def``, and so may the code that sends; the four
sends differ in who waits and in what becomes of errors.

`_receivers.py` keeps who is connected and decides whom to call, `_registrations.py`
has what is known of one receiver, `_overrides.py` what holds only within a
with-block.
"""

from __future__ import annotations

import sys
from _weakrefset import WeakSet  # as threading, which has loaded it, does
from collections.abc import Callable, Iterable
from threading import RLock

from webframe._calls import await_each, await_one, call_each, try_each, try_one
from webframe._overrides import Connected, Muted, Override
from webframe._receivers import Receivers
from webframe._registrations import Registration, key_of, live, name_of
from webframe.waiting import refuse_on_loop, wait
from webframe.workers import run as run_in_worker
from webframe.workers import run_in_any_case

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Hashable
    from typing import Any, Generic, TypeVar

    from typing_extensions import ParamSpec

    from webframe._calls import AwaitOne, CallEach, Named
    from webframe._calls import Responses as Responses
    from webframe._registrations import Receiver as Receiver

    # The parameters of a whole call of `send`, sender included; a bare `Signal()` takes anything.
    P = ParamSpec("P", default=...)
    DefinedP = ParamSpec("DefinedP")
    F = TypeVar("F", bound=Callable[..., Any])
    Run = Callable[..., Coroutine[Any, Any, Any]]
else:
    # What checkers have read above costs more to import than all the rest. These stand for it at run time.
    Receiver, Responses, P = Callable, list, None

    class Generic:
        def __class_getitem__(cls, parameters):
            return cls


__all__ = ["Receiver", "Registration", "Responses", "Signal", "all_signals", "receiver"]


class Signal(Receivers, Generic[P]):
    """Something that happens, and that receivers can be connected to.

    >>> pizza_done = Signal()
    >>> def eat(sender, size, **kwargs):
    ...     return "yum" * size
    >>> pizza_done.connect(eat)
    >>> [response for receiver, response in pizza_done.send("the kitchen", size=2)]
    ['yumyum']

    `use_caching` is taken for the sake of code written for Django: lookups are
    always cached here. A signal that is the value of a module's attribute finds
    its name by itself.
    """

    def __init__(self, use_caching: bool = False, *, name: str | None = None, doc: str | None = None) -> None:
        super().__init__()
        self._name = name
        # The module in which the signal was made.
        self.module: str = _calling_module()
        self.__doc__ = doc
        with _all_signals_lock:
            _all_signals.add(self)

    @classmethod
    def define(cls, function: Callable[DefinedP, object]) -> Signal[DefinedP]:
        """Declare a signal by a function that is never called.

        Its parameters are what the signal is sent with (first ``sender``, then
        keyword-only arguments) and its docstring is the signal's. Type checkers
        hold each `send` to it, and `connect` each receiver.

        >>> @Signal.define
        ... def pizza_done(sender: type, *, size: int) -> None:
        ...     "Sent when a pizza leaves the oven."
        >>> pizza_done.__doc__
        'Sent when a pizza leaves the oven.'
        """
        code = function.__code__
        parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if parameters[:1] != ("sender",) or code.co_argcount != 1 or code.co_posonlyargcount or "signal" in parameters:
            raise TypeError(
                f"{name_of(function)} cannot define a signal. Give it a first parameter 'sender', keyword-only "
                "parameters after it, and none called 'signal', which every receiver gets anyway."
            )
        signal: Signal[Any] = cls(name=function.__qualname__, doc=function.__doc__)
        signal.module = function.__module__
        signal.keywords |= frozenset(parameters)
        return signal

    # --- connecting ---------------------------------------------------------------------------------------------

    def connect(
        self,
        receiver: Receiver,
        sender: object = None,
        weak: bool = True,
        dispatch_uid: Hashable = None,
        *,
        priority: int = 0,
        inline: bool = False,
        include_subclasses: bool = False,
    ) -> None:
        """Call `receiver` whenever `sender` sends, or anybody if `sender` is None.

        Connecting the same receiver for the same sender again does nothing; with
        a `dispatch_uid` any other receiver under that uid counts as the same.
        The receiver is held weakly unless ``weak=False``, the sender always.
        A higher `priority` is called earlier. `inline` says that a plain receiver
        never blocks: `asend` calls it in place, where others go to a worker.
        With `include_subclasses` a sender that is a class stands for every class
        that inherits from it, too, now or later.

        Raises `TypeError` for what cannot be called and `ValueError` for what
        does not take every keyword that the signal is sent with.
        """
        self._enter(
            self._new_registration(
                receiver, sender, weak, dispatch_uid, priority, inline, include_subclasses=include_subclasses
            )
        )

    def disconnect(
        self, receiver: Receiver | None = None, sender: object = None, dispatch_uid: Hashable = None
    ) -> bool:
        """Undo a `connect` with the same arguments; False if there was none.

        What was connected with a `dispatch_uid` is known by that and its sender alone.
        """
        if receiver is None and not dispatch_uid:
            return False
        with self.lock:
            self._forget_the_dead()
            registration = self._registrations.get(key_of(receiver, sender, dispatch_uid))
            if registration is None:
                return False
            self._remove(registration)
            return True

    def muted(self, receiver: Receiver | None = None, sender: object = None) -> Override:
        """A context manager within which nobody is called, or not `receiver`, or nobody when `sender` sends.

        It concerns only the thread or task that runs the block, and those it starts.
        """
        return Muted(self, self._count_override, receiver, sender)

    def connected_to(
        self,
        receiver: Receiver,
        sender: object = None,
        weak: bool = False,
        dispatch_uid: Hashable = None,
        *,
        priority: int = 0,
        inline: bool = False,
        include_subclasses: bool = False,
    ) -> Override:
        """A context manager within which `receiver` is connected; takes what `connect` takes.

        It concerns only the thread or task that runs the block, and those it starts.
        """
        registration = self._new_registration(
            receiver, sender, weak, dispatch_uid, priority, inline, include_subclasses=include_subclasses
        )
        return Connected(self, self._count_override, registration)

    # --- sending ------------------------------------------------------------------------------------------------

    if TYPE_CHECKING:
        # The whole call, sender included, as the signal was declared.
        def send(self, *args: P.args, **named: P.kwargs) -> Responses: ...
        def send_robust(self, *args: P.args, **named: P.kwargs) -> Responses: ...
        async def asend(self, *args: P.args, **named: P.kwargs) -> Responses: ...
        async def asend_robust(self, *args: P.args, **named: P.kwargs) -> Responses: ...

    else:

        def send(self, /, sender: Any, **named: Any) -> Responses:
            """Call everybody connected to `sender`, in the order in which they were connected.

            Returns a list of (receiver, response) pairs: first of the plain
            receivers, then of the async ones, which run concurrently once all plain
            ones are done. The first error ends the sending and is passed on; errors
            of several async receivers come as an `ExceptionGroup`.

            On a running event loop nobody could wait for async receivers: then
            `SynchronousOnlyOperation` is raised before anybody is called.
            """
            if not self.active:
                return []
            return self._send(call_each, await_one, sender, named)

        def send_robust(self, /, sender: Any, **named: Any) -> Responses:
            """Like `send`, but an error does not keep the others from being called: it is logged, and is the response.

            What is not an `Exception`, such as `KeyboardInterrupt`, is passed on nevertheless.
            """
            if not self.active:
                return []
            return self._send(try_each, try_one, sender, named)

        async def asend(self, /, sender: Any, **named: Any) -> Responses:
            """Like `send`, for use in async code.

            Plain receivers run first, in a worker thread; those connected with
            ``inline=True`` in place.
            """
            if not self.active:
                return []
            return await self._asend(call_each, await_one, sender, named)

        async def asend_robust(self, /, sender: Any, **named: Any) -> Responses:
            """Like `send_robust`, for use in async code."""
            if not self.active:
                return []
            return await self._asend(try_each, try_one, sender, named)

    def _send(self, each: CallEach, one: AwaitOne, sender: object, named: Named) -> Responses:
        plan = self._plan_for_all
        if plan is None or self._graveyard:
            plan = self._plan_for(sender)
            if plan.is_empty:
                return []
        # Everybody is held before anybody is called: who hears of this is settled now.
        receivers = live(plan.plain)
        if plan.plain_only:
            return each(receivers, self, sender, named)
        awaited = live(plan.awaited)
        later = plan.later and (live(plan.later[0]), live(plan.later[1]))
        if awaited or (later and later[1]):
            refuse_on_loop(f"Sending {self} to async receivers", "asend() or asend_robust()")
        responses = each(receivers, self, sender, named)
        if awaited:
            responses += wait(self._await_each(one, awaited, sender, named))
        if later:
            self._call_later(each, one, later, sender, named)
        return responses

    async def asend_in_any_case(self, sender: object) -> Responses:
        """Like `asend_robust`, for a signal without arguments, though the task may be cancelled meanwhile.

        That keeps no plain receiver from being called; async ones are cancelled while they are awaited.
        """
        return await self._asend(try_each, try_one, sender, {}, run_in_any_case)

    async def _asend(
        self, each: CallEach, one: AwaitOne, sender: object, named: Named, run: Run = run_in_worker
    ) -> Responses:
        plan = self._plan_for(sender)
        stretches = []
        for inline, holders in plan.stretches:
            stretches.append((inline, live(holders)))
        awaited = live(plan.awaited)
        later = plan.later and (live(plan.later[0]), live(plan.later[1]))
        responses: Responses = []
        for inline, receivers in stretches:
            if inline:
                responses += each(receivers, self, sender, named)
            else:
                responses += await run(each, receivers, self, sender, named)
        if awaited:
            responses += await self._await_each(one, awaited, sender, named)
        if later:
            await run_in_worker(self._call_later, each, one, later, sender, named)
        return responses

    def _await_each(
        self, one: AwaitOne, receivers: list[Receiver], sender: object, named: Named
    ) -> Coroutine[Any, Any, Responses]:
        """How several async receivers are awaited: all at the same time."""
        return await_each(one, receivers, self, sender, named)

    def _call_later(
        self,
        each: CallEach,
        one: AwaitOne,
        receivers: tuple[list[Receiver], list[Receiver]],
        sender: object,
        named: Named,
    ) -> None:
        """Arrange for plain and async receivers connected with ``on_commit`` to be called.

        A signal of this class knows of no transactions and lets nobody connect so.
        """
        raise NotImplementedError(f"{self} has no transaction whose end it could wait for.")

    # --- looking ------------------------------------------------------------------------------------------------

    def has_listeners(self, sender: object = None) -> bool:
        """Whether anybody would be called if `sender` sent; without one, whether anybody listens to all senders."""
        if not self.active:
            return False
        plan = self._plan_for(sender)
        return any(live(holders) for holders in (plan.plain, plan.awaited, *(plan.later or ())))

    def calls_inline_only(self, sender: object = None) -> bool:
        """Whether `asend` would neither leave the event loop's thread nor await anything."""
        return not self.active or self._plan_for(sender).inline_only

    def registrations(self) -> list[Registration]:
        """Everything connected, in the order in which it would be called; overrides are not among it."""
        return sorted(self.receivers, key=lambda registration: (registration.is_async, -registration.priority))

    @property
    def receivers(self) -> list[Registration]:
        """A new list of all registrations; assign a list of them to replace all, an empty one to connect nobody.

        This serves code that mutes a signal in this way; `muted` does it without concerning other threads.
        """
        with self.lock:
            self._forget_the_dead()
            return list(self._registrations.values())

    @receivers.setter
    def receivers(self, registrations: Iterable[Registration]) -> None:
        replacements = list(registrations)
        strangers = [stranger for stranger in replacements if not isinstance(stranger, Registration)]
        if strangers:
            raise TypeError(
                f"{self}.receivers takes registrations that were read from it, not {name_of(strangers[0])}. "
                "Use connect() for a receiver."
            )
        with self.lock:
            self._replace(replacements)

    @property
    def name(self) -> str:
        """The attribute of its module that holds the signal, unless it was made with a name."""
        if self._name is None:
            attributes = dict(vars(sys.modules[self.module])) if self.module in sys.modules else {}
            self._name = next((name for name, value in attributes.items() if value is self), None)
        return self._name or _UNNAMED

    def __set_name__(self, owner: type, name: str) -> None:
        if owner.__module__ == self.module and self.name == _UNNAMED:
            self._name = f"{owner.__qualname__}.{name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.module}.{self.name}>"


def receiver(signal: Signal | Iterable[Signal], **keywords: Any) -> Callable[[F], F]:
    """Connect the decorated function to a signal, or to several; takes the keywords of `Signal.connect`.

    The function stays as it is, so that it can be decorated again.
    """
    signals = [signal] if isinstance(signal, Signal) else list(signal) if isinstance(signal, Iterable) else [signal]
    for one in signals:
        if not isinstance(one, Signal):
            raise TypeError(f"@receiver takes a Signal or several of them, not {one!r}.")

    def connect(function: F) -> F:
        for one in signals:
            one.connect(function, **keywords)
        return function

    return connect


def all_signals() -> list[Signal]:
    """Every signal that exists, by module and name."""
    with _all_signals_lock:
        signals = list(_all_signals)
    return sorted(signals, key=lambda signal: (signal.module, signal.name))


def _calling_module() -> str:
    """The name of the module in which a signal is being made, whatever subclass it is of."""
    frame = sys._getframe(2)
    while frame.f_back and (frame.f_code.co_name == "__init__" or frame.f_globals.get("__name__") == "typing"):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "__main__"))


_UNNAMED = "(unnamed)"
# Every signal that exists, and what guards the set while it is read.
_all_signals: WeakSet[Signal[...]] = WeakSet()
_all_signals_lock = RLock()
