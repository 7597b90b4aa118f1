"""The console of the debug page: runs Python in the frames of recent errors, for the developer alone.

Whoever may use it can do anything that this process can. So all of this must
hold: DEBUG is on; the peer that opened the connection has a loopback address;
nothing in the request says that a proxy forwarded it; Host is a name of the
loopback interface, so that no foreign name made to point here will do; Origin
and Referer, where present, are this very host; and the token of this process is
shown. The token is not on the page: it is written to the log, which is the
terminal while developing, because a tunnel, another user of this machine, or a
proxy that leaves no trace looks like the developer in every other respect.

The frames of the last errors are kept with everything they refer to, in this
process only.
"""

from __future__ import annotations

import ast
import codeop
import contextlib
import inspect
import io
import ipaddress
import json
import linecache
import logging
import os
import secrets
import sys
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from hmac import compare_digest
from itertools import count
from types import FrameType
from typing import Any, TextIO
from urllib.parse import urlsplit

from webframe.conf import settings
from webframe.debug.values import shorten
from webframe.http.request import Request
from webframe.http.response import Response
from webframe.waiting import wait

# Below the root path of the application.
CONSOLE_PATH = "/__webframe__/console"

# The request header with the token. That it is a header of our own also means that no browser sends it to us from
# another site without asking us first.
TOKEN_HEADER = "X-Webframe-Console"

# How many errors have their frames kept.
ERRORS_KEPT = 10

# The longest answer, in characters, and the longest input.
LONGEST_OUTPUT = 50_000
LONGEST_SOURCE = 50_000

# Headers, beside X-Forwarded-*, by which proxies and tunnels give themselves away.
_PROXY_HEADERS = frozenset(
    {
        "cf-connecting-ip",
        "client-ip",
        "fastly-client-ip",
        "forwarded",
        "true-client-ip",
        "via",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "x-original-host",
        "x-real-ip",
    }
)

logger = logging.getLogger("webframe.server")


def routes() -> list[tuple[str, Callable[[Request], Response], list[str]]]:
    """Return what an application serves beside its own routes while DEBUG is on: (path, view, methods)."""
    return [(CONSOLE_PATH, console_view, ["POST"])]


def console_view(request: Request) -> Response:
    """Run what was typed on the debug page, and answer with what it printed.

    Takes a POST of ``{"frame": "...", "source": "..."}`` and gives
    ``{"output": "...", "more": false}``; `more` says that the source ends in the
    middle of a statement. 403 and the reason for whoever may not.
    """
    if not settings.DEBUG:
        return _answer(404, error="The console is there only while DEBUG is on.")
    reason = refusal(request)
    if reason is not None:
        logger.warning("The debug console was refused: %s", reason)
        return _answer(403, error=reason)
    if request.method != "POST":
        return _answer(405, {"Allow": "POST"}, error="The console takes POST.")
    shown = request.headers.get(TOKEN_HEADER, "")
    if not compare_digest(shown.encode("utf-8", "surrogatepass"), _token.of_this_process().encode()):
        logger.warning("The debug console was refused: wrong token. It is %s", _token.of_this_process())
        return _answer(403, error="This is not the token of this process; see its log.", token=False)
    try:
        asked = json.loads(request.get_data())
        frame, source = asked["frame"], asked["source"]
        if not isinstance(frame, str) or not isinstance(source, str) or len(source) > LONGEST_SOURCE:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        return _answer(400, error='The console takes a JSON object: {"frame": "...", "source": "..."}.')
    console = store.find(frame)
    if console is None:
        return _answer(
            404,
            error=f"This frame is gone. The last {ERRORS_KEPT} errors of a process are kept; cause it once more.",
        )
    output, more = console.run(source)
    return _answer(200, output=output, more=more)


def refusal(request: Request) -> str | None:
    """Say why this request may not use the console, whatever token it shows; None if it may."""
    peer = _peer(request)
    if not _is_loopback_address(peer):
        return f"The console is for the machine that it runs on, and the peer is {peer or 'unknown'}."
    for name in request.headers.keys():
        name = name.lower().replace("_", "-")
        if name.startswith("x-forwarded") or name in _PROXY_HEADERS:
            return f"The console is not for requests that a proxy forwarded, and there is a header {name}."
    host = request.headers.get("Host", "")
    if not _is_loopback_host(host):
        return f"The console is for http://localhost and its like, and the Host is {host!r}."
    for name in ("Origin", "Referer"):
        page = request.headers.get(name)
        if page is not None and _host_of(page) != host.lower():
            return f"The console is for its own page, and the {name} is {page!r}."
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if request.method == "POST" and site not in ("same-origin", "none"):
        return f"The console is for its own page, and the request is {site}."
    return None


def announce() -> None:
    """Write the token to the log, the first time in each process."""
    if _token.is_new():
        logger.warning("The consoles on the debug page open with the token %s", _token.of_this_process())


class FrameStore:
    """The consoles of the frames of the last errors, by their ids."""

    def __init__(self, kept: int = ERRORS_KEPT) -> None:
        self._kept = kept
        # The consoles of each error, oldest error first, under the lock.
        self._errors: OrderedDict[str, list[Console]] = OrderedDict()
        self._lock = threading.Lock()

    def keeper(self) -> Callable[[FrameType], str]:
        """Make room for one more error, letting go of the oldest; return what keeps a frame of it and gives its id."""
        error = secrets.token_hex(8)
        consoles: list[Console] = []
        with self._lock:
            self._errors[error] = consoles
            while len(self._errors) > self._kept:
                self._errors.popitem(last=False)

        def keep(frame: FrameType) -> str:
            consoles.append(Console(frame))
            return f"{error}-{len(consoles) - 1}"

        return keep

    def find(self, frame: str) -> Console | None:
        """Return the console of the frame with this id, if it is still there."""
        error, _, index = frame.partition("-")
        with self._lock:
            consoles = self._errors.get(error, [])
        return consoles[int(index)] if index.isdecimal() and len(index) < 6 and int(index) < len(consoles) else None

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._errors.clear()


class Console:
    """Runs Python where a frame was, with its names; what is assigned stays for the next input."""

    def __init__(self, frame: FrameType) -> None:
        # One dictionary for both, because functions and comprehensions that are typed in look for the frame's
        # variables among their globals. Filled at first use: most frames are never looked into.
        self._frame = frame
        self._names: dict[str, Any] | None = None

    def run(self, source: str) -> tuple[str, bool]:
        """Run statements, or show the value of an expression; return what was printed and whether more is expected.

        As in Python's own shell an error is printed and ends nothing, `_` is the
        last value shown, and an `await` is waited for.
        """
        source = source.rstrip()
        if not source:
            return "", False
        if _is_incomplete(source):
            return "", True
        if not _running.acquire(timeout=5):
            return "The console is still busy with something else.\n", False
        try:
            with _captured() as output:
                self._run(source)
            return shorten(output.getvalue(), LONGEST_OUTPUT), False
        finally:
            _running.release()

    def _run(self, source: str) -> None:
        if self._names is None:
            self._names = {**self._frame.f_globals, **self._frame.f_locals}
        filename = f"<console {next(_inputs)}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        try:
            tree = ast.parse(source, filename)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            self._evaluate(compile(tree, filename, "exec", _AWAIT, dont_inherit=True))
            if isinstance(last, ast.Expr):
                expression = ast.Expression(last.value)
                value = self._evaluate(compile(expression, filename, "eval", _AWAIT, dont_inherit=True))
                if value is not None:
                    self._names["_"] = value
                    print(repr(value))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: exit() must not end the server
            _print_error(error)

    def _evaluate(self, code: Any) -> Any:
        value = eval(code, self._names)
        return wait(value) if code.co_flags & inspect.CO_COROUTINE else value


store = FrameStore()


class _Token:
    """A random word, another one in each process; a forked child makes its own."""

    def __init__(self) -> None:
        self._process = 0
        self._value = ""

    def is_new(self) -> bool:
        return self._process != os.getpid()

    def of_this_process(self) -> str:
        if self.is_new():
            self._value = secrets.token_urlsafe(24)
            self._process = os.getpid()
        return self._value


_token = _Token()

# Lets `await` stand at the top level.
_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

# Numbers the inputs, so that tracebacks find their lines.
_inputs = count(1)

# Held by the one console that runs: sys.stdout belongs to the whole process.
_running = threading.Lock()

# Where this context prints to while its console runs. Other threads and tasks print where they always do.
_output: ContextVar[io.StringIO | None] = ContextVar("webframe.debug.console.output", default=None)


class _Fork(io.TextIOBase):
    """Stands in for a stream and takes what the console prints aside."""

    def __init__(self, original: TextIO) -> None:
        self._original = original

    def write(self, text: str) -> int:
        return (_output.get() or self._original).write(text)

    def flush(self) -> None:
        if _output.get() is None:
            self._original.flush()


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    output = io.StringIO()
    token = _output.set(output)
    try:
        with contextlib.redirect_stdout(_Fork(sys.stdout)), contextlib.redirect_stderr(_Fork(sys.stderr)):
            yield output
    finally:
        _output.reset(token)


def _is_incomplete(source: str) -> bool:
    try:
        return codeop.compile_command(source, "<console>", "exec") is None
    except (SyntaxError, ValueError, OverflowError):
        return False  # it will be shown when it is run


def _print_error(error: BaseException) -> None:
    """Print the traceback from the first line that was typed in, without ours above it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def _peer(request: Request) -> str:
    """Return the address at the other end of the connection, whatever the headers say."""
    scope = request.scope
    if scope is None:
        return str(request.environ.get("REMOTE_ADDR") or "")
    client = scope.get("client")
    return str(client[0]) if client else ""


def _is_loopback_address(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def _is_loopback_host(host: str) -> bool:
    try:
        parsed = urlsplit(f"//{host}")
        name = parsed.hostname or ""
        valid = parsed.netloc == host and parsed.username is None and (parsed.port is None or parsed.port > 0)
    except ValueError:
        return False
    return valid and (name == "localhost" or name.endswith(".localhost") or _is_loopback_address(name))


def _host_of(page: str) -> str | None:
    try:
        parsed = urlsplit(page)
    except ValueError:
        return None
    return parsed.netloc.lower() if parsed.scheme in ("http", "https") else None


def _answer(status: int, headers: Mapping[str, str] | None = None, **content: Any) -> Response:
    return Response(
        json.dumps(content),
        status,
        {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
        mimetype="application/json",
    )
