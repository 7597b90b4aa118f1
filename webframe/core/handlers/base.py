"""From a request to its response, written once for both protocols.

`BaseHandler.get_response` is one coroutine: middleware, view, errors. What
differs between the places it runs in is handed to it as an `Edge`, which knows
how to run user code and how to send a signal there. In plain code nothing ever
suspends, so `waiting.step` runs the same coroutine without an event loop.

`respond_plainly` is the straight path of plain code, for speed; as soon as
anything out of the ordinary happens it goes on in the shared code.

`finish` is the other end of a request's life: whatever waited for the last
byte, then `request_finished`, exactly once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import GeneratorType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from werkzeug.exceptions import HTTPException

from webframe._lazy import LateModule
from webframe.conf import settings
from webframe.core.exceptions import ClientDisconnected, HTTPError, MiddlewareError, SuspiciousOperation
from webframe.core.handlers.endpoints import Endpoint, status_of
from webframe.core.handlers.streaming import run_to_its_end, was_cancelled
from webframe.core.signals import got_request_exception, request_finished
from webframe.dispatch import Signal
from webframe.http.errors import error_response
from webframe.http.places import served_path
from webframe.http.request import Request
from webframe.http.response import Response, make_response
from webframe.waiting import is_async, step, wait
from webframe.workers import run_in_any_case

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

logger = logging.getLogger("webframe.request")
security_logger = logging.getLogger("webframe.security")

Outcome = Response | BaseException

# What `request.view_args` stands for while it is None.
NO_VALUES: dict[str, Any] = {}


class Edge(Protocol):
    """How user code is run and signals are sent in one kind of place."""

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run user code, plain or async, and return its result."""

    async def emit(self, signal: Signal[...], sender: Any, **named: Any) -> None:
        """Send a signal; the first error of a receiver is raised."""

    async def call_in_any_case(self, function: Callable[[], Any]) -> None:
        """Run user code at the end of a request, plain code even if the task is cancelled."""

    async def emit_to_all(self, signal: Signal[...], sender: Any) -> None:
        """Send a signal to every receiver, whatever the others do; then the first error is raised.

        A cancellation of the task keeps no plain receiver from being called.
        """


class PlainEdge:
    """In a plain thread: nothing suspends."""

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return wait(function(*args, **kwargs)) if is_async(function) else function(*args, **kwargs)

    async def emit(self, signal: Signal[...], sender: Any, **named: Any) -> None:
        signal.send(sender, **named)

    call_in_any_case = call

    async def emit_to_all(self, signal: Signal[...], sender: Any) -> None:
        _raise_first(signal.send_robust(sender))


class LoopEdge:
    """On an event loop: plain code goes to the worker of the request."""

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if is_async(function):
            return await function(*args, **kwargs)
        return await run_to_its_end(function, *args, **kwargs)

    async def emit(self, signal: Signal[...], sender: Any, **named: Any) -> None:
        await signal.asend(sender, **named)

    async def call_in_any_case(self, function: Callable[[], Any]) -> None:
        await (function() if is_async(function) else run_in_any_case(function))

    async def emit_to_all(self, signal: Signal[...], sender: Any) -> None:
        _raise_first(await signal.asend_in_any_case(sender))


PLAIN = PlainEdge()
LOOP = LoopEdge()


def _raise_first(responses: list[tuple[Any, Any]]) -> None:
    for _, answer in responses:
        if isinstance(answer, Exception):
            raise answer


class BaseHandler:
    """The request core; `WSGIHandler` and `ASGIHandler` are its two edges."""

    # The sender of request_started and request_finished; each edge is its own.
    sender: ClassVar[type[BaseHandler]]

    # What is sent at the end of a request's life.
    at_end: ClassVar[Signal[...]] = request_finished

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.sender = cls

    def respond_plainly(self, request: Request, endpoint: Endpoint) -> Response:
        """The straight path of plain code, as `get_response` would go it.

        Whatever is out of the ordinary (an early answer, a replaced response,
        any error) is handed over to the shared code below.
        """
        generators: list[Any] = []
        generator = outcome = None
        try:
            if endpoint.plain_middleware:
                generators = [function(request) for function in endpoint.plain_middleware]
                for generator in generators:
                    outcome = next(generator)
                    if outcome is not None:
                        opened = generators[: generators.index(generator) + 1]
                        return step(self._ascend(request, endpoint, PLAIN, _layers(opened), outcome))
                generator = None
            values = request.view_args
            response = make_response(endpoint.view(request, **values) if values else endpoint.view(request))
        except BaseException as error:
            # Without the middleware that raised it: that one is at its end.
            opened = generators if generator is None else generators[: generators.index(generator)]
            meaning = _meaning_of(error, endpoint, generator)
            try:
                return step(self._ascend(request, endpoint, PLAIN, _layers(opened), meaning))
            finally:
                meaning = None  # the error's traceback has this frame: without it all would wait for the collector
        while generators:
            generator = generators.pop()
            try:
                answer = generator.send(response)
                step(_Layer(generator).conclude(answer))
            except StopIteration as stop:
                if stop.value is None:
                    continue
                answer = stop.value
            except BaseException as error:
                answer = error
            return step(self._ascend(request, endpoint, PLAIN, _layers(generators), answer))
        return response

    async def get_response(self, request: Request, endpoint: Endpoint, edge: Edge) -> Response:
        """Take a request through middleware, view and error handling to its response.

        Every `Exception` becomes a response, unless errors are to be passed on
        (PROPAGATE_EXCEPTIONS). SystemExit, cancellation and their like pass
        through the middleware and are raised again. A CancelledError where nobody
        has cancelled the request is an error like any other.
        """
        opened: list[Any] = []
        generator: Any = None
        try:
            for function, is_async in endpoint.policy.middleware:
                generator = function(request)
                outcome = await anext(generator) if is_async else next(generator)
                opened.append(generator)
                if outcome is not None:
                    return await self._ascend(request, endpoint, edge, _layers(opened), outcome)
            generator = None
            values = request.view_args or NO_VALUES
            if endpoint.is_async:
                outcome = await endpoint.view(request, **values)
            elif endpoint.is_quick:
                outcome = endpoint.view(request, **values)
            else:
                outcome = await edge.call(endpoint.view, request, **values)
            response = make_response(outcome)
        except GeneratorExit:
            raise
        except BaseException as error:
            meaning = _meaning_of(error, endpoint, generator)
            try:
                return await self._ascend(request, endpoint, edge, _layers(opened), meaning)
            finally:
                meaning = None
        while opened:
            generator = opened.pop()
            try:
                if type(generator) is GeneratorType or not hasattr(generator, "asend"):
                    answer = generator.send(response)
                else:
                    answer = await generator.asend(response)
                await _Layer(generator).conclude(answer)
            except StopIteration as stop:
                answer = stop.value
            except StopAsyncIteration:
                continue
            except GeneratorExit:
                raise
            except BaseException as error:
                answer = error
            if answer is None:
                continue
            return await self._ascend(request, endpoint, edge, _layers(opened), answer)
        return response

    async def recover(self, request: Request, endpoint: Endpoint, edge: Edge, error: BaseException) -> Response:
        """Answer an error of a response that was already made, such as a header that must not be sent."""
        return await self._ascend(request, endpoint, edge, [], error)

    async def _ascend(
        self, request: Request, endpoint: Endpoint, edge: Edge, opened: list[_Layer], outcome: Any
    ) -> Response:
        """Take what came out (a value or an error) back through the middleware already entered."""
        settled = await self._settle(request, endpoint, edge, outcome)
        traceback = None
        while opened:
            layer = opened.pop()
            try:
                if isinstance(settled, BaseException):
                    traceback = settled.__traceback__
                    answer = await layer.throw(settled)
                else:
                    answer = await layer.send(settled)
                if answer is _ENDED:
                    if isinstance(settled, BaseException):
                        raise MiddlewareError(
                            f"{layer.name} caught {settled!r} but gave no response: yield one, or raise it again."
                        ) from settled
                    continue
                await layer.conclude(answer)
                settled = await self._settle(request, endpoint, edge, answer)
            except GeneratorExit:
                raise
            except BaseException as error:
                if error is settled:
                    error.__traceback__ = traceback  # the way through the middleware tells nothing about it
                else:
                    settled = await self._settle(request, endpoint, edge, error)
        if isinstance(settled, Response):
            return settled
        if isinstance(settled, Exception):
            return await self._fail(request, endpoint, edge, settled)
        raise settled

    async def _settle(self, request: Request, endpoint: Endpoint, edge: Edge, outcome: Any) -> Outcome:
        """Make a response of a value, an HTTP error or an error with a registered handler; other errors stay errors."""
        try:
            if not isinstance(outcome, BaseException):
                return make_response(outcome)
            request.failed = True
            outcome = explained(outcome, endpoint)
            handler = endpoint.handler_for(outcome)
            if handler is not None:
                return make_response(await edge.call(handler, request, outcome))
        except GeneratorExit:
            raise
        except BaseException as failure:
            request.failed = True
            outcome = explained(failure, endpoint)
        if isinstance(outcome, (HTTPException, HTTPError)):
            log_http_error(request, outcome)
            return error_response(outcome, request)
        if isinstance(outcome, ClientDisconnected):
            logger.info("The client went away: %s %r", request.method, served_path(request))
            return error_response(400, request)  # which nobody will read
        return outcome  # type: ignore[no-any-return]

    async def _fail(self, request: Request, endpoint: Endpoint, edge: Edge, error: Exception) -> Response:
        """Answer an error that nobody handled: the signal inside the except block, then the log, then a 500."""
        traceback = error.__traceback__
        try:
            raise error
        except Exception:
            error.__traceback__ = traceback
            if isinstance(error, TypeError) and str(error).startswith("The view returned"):
                error.add_note(f"The view is {endpoint.described}.")
            if got_request_exception.active:
                await self._tell(request, edge)
            if endpoint.policy.propagate:
                raise
            log_server_error(request, error)
        for handlers in endpoint.policy.error_handlers:
            if 500 in handlers and not settings.DEBUG:  # the page with the source is what a developer needs
                try:
                    return make_response(await edge.call(handlers[500], request, error))
                except Exception as failure:
                    log_server_error(request, failure)
                    error = failure
                    break
        return endpoint.policy.server_error(request, error)

    async def _tell(self, request: Request, edge: Edge) -> None:
        try:
            await edge.emit(got_request_exception, None, request=request)
        except Exception:
            logger.exception("A receiver of got_request_exception failed; the request is answered all the same.")

    def has_end(self, request: Request) -> bool:
        """Whether `finish` would do anything."""
        if request_finished.active and not request.is_mounted or request.has_work_left:
            return True
        response = request.response
        return response is not None and bool(response.needs_closing)

    async def finish(self, request: Request, response: Response | None, edge: Edge) -> None:
        """End a request's life: background work, closers, then the signal; each whatever the others do.

        A request that ended before request_started was sent, or within it, has
        closers only, and gives back the connections to databases that receivers used.
        Runs once for each request, however often it is called.
        The first error of a receiver is raised at the end.
        """
        if request.finished:
            return
        request.finished = True
        interruption: BaseException | None = None
        while request.has_work_left:  # what runs here may register more
            for function in request.take_work():
                interruption = await self._run_guarded(edge, function) or interruption
        if response is not None and response.needs_closing:
            close = response.aclose if response.is_async_body else response.close
            interruption = await self._run_guarded(edge, close) or interruption
        try:
            if not request.started:
                if request.holder is not None:
                    request.holder.end(request)
            elif self.at_end.active and not request.is_mounted:
                await edge.emit_to_all(self.at_end, self.sender)
        finally:
            if interruption is not None:
                raise interruption

    async def _run_guarded(self, edge: Edge, function: Callable[[], Any]) -> BaseException | None:
        """Run a function whatever it raises; SystemExit and its like are returned, to be raised when all is done."""
        try:
            await edge.call_in_any_case(function)
        except GeneratorExit:
            raise
        except Exception:
            logger.exception("%r failed after the response; what else is to be done goes on.", function)
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError) or was_cancelled():
                return error
            logger.exception("%r awaited what was cancelled; what else is to be done goes on.", function)
        return None


def may_have_been_heard(signal: Signal[...], request: Request) -> bool:
    """Whether any receiver can have heard a signal whose sending was cancelled: not while all waited for a worker."""
    if request.lease is None or request.lease.worker is not None:
        return True
    return any(registration.inline for registration in signal.registrations())


def apply_conditions(request: Request, response: Response) -> None:
    """Let a response with an ETag or a Last-Modified be 304, 412 or 206, if that is what the request asks for."""
    if response.status_code == 200 and request.method in ("GET", "HEAD"):
        if response.conditional or not _VALIDATORS.isdisjoint([name for name, _ in response.headers]):
            response.make_conditional(request)


# The header fields that a request can hold its conditions against, as they are spelt.
_VALIDATORS = frozenset({"ETag", "Etag", "etag", "Last-Modified", "last-modified"})


class _Layer:
    """One middleware at work on one request: a generator of either kind behind one interface."""

    __slots__ = ("generator", "is_async")

    def __init__(self, generator: Any) -> None:
        self.generator = generator
        self.is_async = hasattr(generator, "asend")
        if not self.is_async and not hasattr(generator, "send"):
            raise MiddlewareError(f"A middleware must be a generator function, but {generator!r} came out of one.")

    @property
    def name(self) -> str:
        return f"Middleware {getattr(self.generator, '__qualname__', self.generator)}"

    async def send(self, value: Response | None) -> Any:
        """Resume the generator; what it yields, or what it returns, or _ENDED."""
        try:
            return await self.generator.asend(value) if self.is_async else self.generator.send(value)
        except (StopIteration, StopAsyncIteration) as stop:
            return _ending(stop)

    async def throw(self, error: BaseException) -> Any:
        """Raise an error at the generator's yield; what it answers, or _ENDED."""
        try:
            return await self.generator.athrow(error) if self.is_async else self.generator.throw(error)
        except (StopIteration, StopAsyncIteration) as stop:
            return _ending(stop)

    async def conclude(self, answer: Any) -> None:
        """Let a generator that has given its answer run to its end."""
        if answer is None:
            raise MiddlewareError(f"{self.name} yielded twice without a response: hand the request on only once.")
        if await self.send(None) is not _ENDED:
            raise MiddlewareError(f"{self.name} yielded again after its answer: return after it.")


class _Ended:
    def __repr__(self) -> str:
        return "<ended>"


_ENDED = _Ended()


_NEVER_YIELDED = "{} returned without a yield: hand the request on with 'yield'."


def _meaning_of(error: BaseException, endpoint: Endpoint, generator: Any) -> Any:
    """What an error on the way in means: itself, unless it is the end of a generator.

    Then it is a middleware that never yielded, or a view that let it escape.
    """
    if not isinstance(error, (StopIteration, StopAsyncIteration)):
        return error
    if generator is not None:
        value = _value_of(error)
        return MiddlewareError(_NEVER_YIELDED.format(_Layer(generator).name)) if value is None else value
    explained = RuntimeError(f"The view {endpoint.described} raised {type(error).__name__}.")
    explained.__cause__ = error
    return explained


def explained(error: BaseException, endpoint: Endpoint) -> BaseException:
    """What an error means: itself, unless it is a cancellation that nobody has asked for."""
    if isinstance(error, Exception) or not isinstance(error, asyncio.CancelledError) or was_cancelled():
        return error
    return uncalled_for(error, endpoint)


def uncalled_for(error: BaseException, endpoint: Endpoint) -> Exception:
    """The error that a CancelledError is where nobody has cancelled the request."""
    meaning = RuntimeError(
        f"CancelledError came out of {endpoint.described}, though nobody has cancelled the request: a task or future "
        f"that its code awaited was cancelled. If that may happen, catch the error there."
    )
    meaning.__cause__ = error
    return meaning


def _value_of(stop: StopIteration | StopAsyncIteration) -> Any:
    """What a plain generator returned."""
    return getattr(stop, "value", None)


def _ending(stop: StopIteration | StopAsyncIteration) -> Any:
    """What a generator answered by its end."""
    value = _value_of(stop)
    return _ENDED if value is None else value


def _layers(generators: list[Any]) -> list[_Layer]:
    return [_Layer(generator) for generator in generators]


def log_http_error(request: Request, error: HTTPException | HTTPError) -> None:
    """Log a 4xx under webframe.request, or webframe.security if suspicious: once, and only if anybody reads it."""
    if isinstance(error, SuspiciousOperation):
        if security_logger.isEnabledFor(logging.WARNING):
            security_logger.warning("%s: %s", type(error).__name__, error, extra={"request": request})
    elif logger.isEnabledFor(logging.WARNING):
        status = status_of(error)
        if status >= 400:
            level = logging.WARNING if status < 500 else logging.ERROR
            logger.log(
                level,
                "%d: %s %r",
                status,
                request.method,
                served_path(request),
                extra={"request": request, "status_code": status},
            )


def log_server_error(request: Request, error: BaseException) -> None:
    """Log an unhandled error with its traceback under webframe.request."""
    if logger.isEnabledFor(logging.ERROR):
        logger.error(
            "500: %s %r",
            request.method,
            served_path(request),
            exc_info=(type(error), error, error.__traceback__),
            extra={"request": request, "status_code": 500},
        )
