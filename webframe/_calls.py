"""How receivers are called: one loop for each way of waiting, one function for each way of taking errors.

Sending is the choice of one function of each pair. `call_each` and `try_each`
call plain receivers one after another; `await_one` and `try_one` await one async
receiver, and `await_each` runs either of them for several at the same time. The
second of each pair logs an error and makes it the response.
"""

from __future__ import annotations

from contextvars import copy_context

from webframe._registrations import name_of
from webframe.workers import carry_back

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import ContextVar
    from typing import Any

    from webframe._registrations import Receiver

    Responses = list[tuple[Receiver, Any]]
    Named = dict[str, Any]
    CallEach = Callable[[list[Receiver], object, object, Named], Responses]
    AwaitOne = Callable[[Receiver, object, object, Named], Coroutine[Any, Any, Any]]


def call_each(receivers: list[Receiver], signal: object, sender: object, named: Named) -> Responses:
    responses = []
    for receiver in receivers:
        responses.append((receiver, receiver(signal=signal, sender=sender, **named)))
    return responses


def try_each(receivers: list[Receiver], signal: object, sender: object, named: Named) -> Responses:
    responses: Responses = []
    for receiver in receivers:
        try:
            response = receiver(signal=signal, sender=sender, **named)
        except Exception as error:
            _log(error, receiver, signal)
            response = error
        responses.append((receiver, response))
    return responses


async def await_one(receiver: Receiver, signal: object, sender: object, named: Named) -> Any:
    return await receiver(signal=signal, sender=sender, **named)


async def try_one(receiver: Receiver, signal: object, sender: object, named: Named) -> Any:
    try:
        return await receiver(signal=signal, sender=sender, **named)
    except Exception as error:
        _log(error, receiver, signal)
        return error


async def await_each(
    one: AwaitOne, receivers: list[Receiver], signal: object, sender: object, named: Named
) -> Responses:
    """Await receivers concurrently; context variables that they set are set for the others and for the caller too.

    Those of `own_variables` are not.
    """
    if len(receivers) == 1:
        # Nobody to run beside it: awaited right here it costs a fraction, and its context is ours anyway.
        return [(receivers[0], await one(receivers[0], signal, sender, named))]
    from asyncio import TaskGroup

    context = copy_context()
    error = None
    try:
        async with TaskGroup() as group:
            tasks = [
                group.create_task(_apart(one(receiver, signal, sender, named)), context=context)
                for receiver in receivers
            ]
    except BaseExceptionGroup as errors:
        if len(errors.exceptions) > 1:
            raise
        error = errors.exceptions[0]
    finally:
        carry_back(context)
    if error is not None:
        raise error  # out here, where it does not get the group that it came in for its context
    return [(receiver, task.result()) for receiver, task in zip(receivers, tasks, strict=True)]


# Context variables that each of the receivers that are awaited concurrently has for itself: what it is in the middle
# of, as a transaction.
own_variables: list[ContextVar[Any]] = []


async def _apart(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await (_Apart(coroutine) if own_variables else coroutine)


class _Apart:
    """Awaits a coroutine that has `own_variables` for itself, although others share its context."""

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[Any], Any] = self._coroutine.send
        argument: Any = None
        own = [variable.get() for variable in own_variables]
        while True:
            of_others = _exchange(own)
            try:
                waited_for = step(argument)
            except StopIteration as stop:
                return stop.value
            finally:
                own = _exchange(of_others)
            try:
                argument = yield waited_for
                step = self._coroutine.send
            except BaseException as error:
                step, argument = self._coroutine.throw, error


def _exchange(values: list[Any]) -> list[Any]:
    """Set `own_variables`; returns what they were."""
    before = [variable.get() for variable in own_variables]
    for variable, old, new in zip(own_variables, before, values, strict=True):
        if old is not new:
            variable.set(new)
    return before


async def await_in_turn(
    one: AwaitOne, receivers: list[Receiver], signal: object, sender: object, named: Named
) -> Responses:
    """Await receivers one after another, in order; the first error ends it."""
    return [(receiver, await one(receiver, signal, sender, named)) for receiver in receivers]


def _log(error: Exception, receiver: Receiver, signal: object) -> None:
    import logging

    try:
        text = str(error)
    except Exception:
        text = "an error that cannot be printed"
    logging.getLogger("webframe.dispatch").error(
        "%s failed to hear %s: %s: %s", name_of(receiver), signal, type(error).__name__, text, exc_info=error
    )
