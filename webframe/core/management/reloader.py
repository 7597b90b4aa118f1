"""Starting the server anew when a file changes.

Two processes: the one that was started holds the listening socket and does
nothing but start the other, and start it again whenever that ends with RELOAD.
The other imports the app and serves, in its main thread, while a thread beside
it looks at the files.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

from webframe.core.management.errors import CommandError

# The exit code with which the serving process asks for the next one; the same as in werkzeug's reloader.
RELOAD = 3

# How a process knows that it is the serving one: "first:7" or "again:7", where 7 is the listening socket. No setting.
VARIABLE = "_WEBFRAME_SERVING"

# Seconds between two looks at the files.
INTERVAL = 0.5
# Seconds that a process has to end by itself before it is made to.
PATIENCE = 10

# Folders without code of the project; hidden ones and virtual environments are passed over too.
SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules"})


class Serving(NamedTuple):
    """What the serving process was handed."""

    # None where sockets cannot be handed on (Windows): the process opens its own.
    listening: socket.socket | None
    # Whether it is the first one, whose mistakes end the command instead of waiting to be corrected.
    first: bool


def handed_over() -> Serving | None:
    """What this process was handed when it is the serving one, else None."""
    value = os.environ.pop(VARIABLE, "")
    if not value:
        return None
    turn, _, descriptor = value.partition(":")
    return Serving(socket.socket(fileno=int(descriptor)) if descriptor else None, turn == "first")


def supervise(listening: socket.socket, *, forget: Mapping[str, str]) -> None:
    """Start the serving process, again and again, until it ends for good.

    It does not inherit the variables in `forget`: it reads the files they came
    from itself. Its exit code becomes ours when it is not 0.
    """
    turn = "first"
    while (code := _run_once(listening, turn, forget)) == RELOAD:
        turn = "again"
    if code < 0:
        raise CommandError(f"The server was ended by {signal.Signals(-code).name}.")
    if code:
        sys.exit(code)


@contextmanager
def ended_by_signal(*, for_good: bool) -> Iterator[None]:
    """Let Ctrl-C end the block quietly, and SIGTERM do the same where signals can be handled at all.

    When the process ends `for_good` afterwards, it is not told again while it
    shuts the app down: the other process cannot know whether it has heard.
    """

    def interrupt(signum: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, interrupt) if in_main_thread else None
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, signal.SIG_IGN if for_good else before)


def _run_once(listening: socket.socket, turn: str, forget: Mapping[str, str]) -> int:
    """Run the serving process to its end and return its exit code."""
    descriptors = [listening.fileno()] if os.name == "posix" else []
    environ = {name: value for name, value in os.environ.items() if forget.get(name) != value}
    environ[VARIABLE] = ":".join([turn, *map(str, descriptors)])
    process = subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env=environ, pass_fds=descriptors)
    try:
        return process.wait()
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """See that the process ends; after Ctrl-C at a terminal it has heard by itself."""
    try:
        if not _ends_within(process, 1):
            process.terminate()
            _ends_within(process, PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


class Watcher:
    """Notices changes of the project's Python files, of all modules that were imported from elsewhere, and of `files`.

    What was installed with Python or pip is not watched. A new file counts as a
    change, so that a missing module is found once it is written; a file that is
    gone does not, because editors replace files when they save.
    """

    def __init__(self, folder: Path, files: Iterable[Path] = ()) -> None:
        self._folder = folder
        self._files = list(files)
        self._installed = tuple(f"{os.path.realpath(path)}{os.sep}" for path in set(sysconfig.get_paths().values()))
        # What each file looked like when it was last seen.
        self._seen = {path: _look(path) for path in self._project_files()}
        # The process that started this one: when it is gone, nobody could stop us any more.
        self._parent = os.getppid()

    def find_change(self) -> str | None:
        """Return the path of a file that changed since the last call, or None."""
        for path in self._project_files():
            if self._is_changed(path, None):
                return path
        for path in self._module_files():
            # A module imported since is not a change.
            if self._is_changed(path, self._seen.setdefault(path, _look(path))):
                return path
        return None

    def start(self, stop: Callable[[], None]) -> threading.Event:
        """Watch in a thread; at a change, set the event that is returned and call `stop`."""
        changed = threading.Event()
        threading.Thread(target=self._watch, args=(stop, changed), name="webframe-reloader", daemon=True).start()
        return changed

    def _watch(self, stop: Callable[[], None], changed: threading.Event) -> None:
        while (path := self.find_change()) is None and os.getppid() == self._parent:
            time.sleep(INTERVAL)
        if path is not None:
            print(f"{os.path.relpath(path)} changed.", file=sys.stderr, flush=True)
            changed.set()
        stop()
        # Only reached by a process that does not end, because of a thread of the app that never returns.
        time.sleep(PATIENCE)
        os._exit(RELOAD)

    def _is_changed(self, path: str, before: tuple[int, int] | None) -> bool:
        before, now = self._seen.get(path, before), _look(path)
        if now is None or now == before:
            return False
        self._seen[path] = now
        return True

    def _project_files(self) -> Iterator[str]:
        yield from map(str, self._files)
        for folder, names, files in os.walk(self._folder):
            names[:] = [name for name in names if not _is_skipped(folder, name)]
            yield from (os.path.join(folder, name) for name in files if name.endswith(".py"))

    def _module_files(self) -> Iterator[str]:
        for module in list(sys.modules.values()):
            # Not getattr(): some modules make up whatever they are asked for.
            path = getattr(module, "__dict__", {}).get("__file__")
            if isinstance(path, str) and not os.path.realpath(path).startswith(self._installed):
                yield path


def _is_skipped(folder: str, name: str) -> bool:
    return name.startswith(".") or name in SKIPPED_FOLDERS or os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))


def _look(path: str) -> tuple[int, int] | None:
    """What tells one state of a file from the next; None when there is no such file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
