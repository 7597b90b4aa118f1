"""What went wrong, as data for the debug page: errors with their causes, frames with source and variables, the request.

Everything here is text already: bounded, without known secrets, whatever the
objects it came from do when they are asked. `page.py` only has to escape it.
"""

from __future__ import annotations

import linecache
import os
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import NamedTuple

from webframe.debug.surroundings import Pair, changed_settings, describe_request, loaded_versions
from webframe.debug.values import attempt, hide_secrets, shorten, show, text_of
from webframe.http.request import Request
from webframe.template import globals as globals_of_templates

# Lines of source shown before and after the one that failed, and how much of a line.
LINES_AROUND = 5
LONGEST_LINE = 400

# Frames shown of one error: a recursion has a thousand, of which the first and the last tell the story.
FIRST_FRAMES = 20
LAST_FRAMES = 10

# Errors shown of one chain of causes, members of one group, and groups in groups.
LONGEST_CHAIN = 10
MOST_MEMBERS = 10
DEEPEST_GROUP = 5

MOST_VARIABLES = 60

# The longest message of an error: some carry a whole document.
LONGEST_MESSAGE = 4000

# Characters of values on one page; beyond it only the names are shown. A phone has to lay it out.
ROOM_FOR_VALUES = 500_000


@dataclass(slots=True)
class Line:
    """A line of source; `marked` is the part of it that failed, empty where that is not known."""

    number: int
    before: str
    marked: str = ""
    after: str = ""
    is_current: bool = False


@dataclass(slots=True)
class Frame:
    """One call: where it was, the source around it and its variables."""

    function: str
    file: str
    place: str
    line: int
    is_library: bool
    lines: list[Line]
    variables: list[Pair] = field(default_factory=list)
    console: str = ""
    is_open: bool = False

    @property
    def code(self) -> str:
        """The line that failed, for when the frame is closed."""
        return next((f"{line.before}{line.marked}{line.after}".strip() for line in self.lines if line.is_current), "")


@dataclass(slots=True)
class Run:
    """Calls that follow each other, all of the project or all of libraries; or a number of calls left out."""

    frames: list[Frame]
    is_library: bool = False
    left_out: int = 0

    @property
    def is_open(self) -> bool:
        return any(frame.is_open for frame in self.frames)

    @property
    def packages(self) -> str:
        """The libraries these calls are in: "werkzeug, webframe"."""
        return ", ".join(dict.fromkeys(_package(frame.file) for frame in self.frames))


@dataclass(slots=True)
class Problem:
    """One error: the one that was not handled, a cause of it, or a member of a group."""

    kind: str
    message: str
    hint: str
    notes: list[str]
    runs: list[Run]
    # How this error led to the one above it, in words; empty for the first.
    link: str = ""
    syntax: Frame | None = None
    members: list[list[Problem]] = field(default_factory=list)
    members_left_out: int = 0

    @property
    def open_frame(self) -> Frame | None:
        return next((frame for run in self.runs for frame in run.frames if frame.is_open), None)


@dataclass(slots=True)
class Report:
    """Everything that the page shows."""

    problems: list[Problem]
    method: str
    url: str
    path: str
    request: list[tuple[str, list[Pair]]]
    timeline: list[Pair]
    settings: list[Pair]
    versions: list[Pair]
    text: str


def make_report(
    request: Request,
    error: BaseException,
    timeline: Iterable[tuple[float, str]] = (),
    keep: Callable[[FrameType], str] | None = None,
) -> Report:
    """Look at an error and at the request that met it; `keep` takes a frame and gives the id of its console."""
    return Report(
        problems=_Examination(keep).chain(error),
        method=attempt(lambda: str(request.method), lambda _: "?"),
        url=attempt(lambda: shorten(hide_secrets(request.url), 2000), lambda _: ""),
        path=attempt(lambda: shorten(hide_secrets(request.full_path.rstrip("?")), 200), lambda _: ""),
        request=describe_request(request),
        timeline=[(f"{seconds * 1000:.1f} ms", text) for seconds, text in timeline],
        settings=changed_settings(),
        versions=loaded_versions(),
        text=plain_text(error),
    )


def plain_text(error: BaseException) -> str:
    """Return the traceback as Python prints it, without known secrets and the middle of a very long one."""
    text = attempt(
        lambda: "".join(traceback.format_exception(error)),
        lambda another: f"{type(error).__name__}\n(Its traceback cannot be shown: {type(another).__name__})\n",
    )
    lines = text.splitlines()
    if len(lines) > 500:
        lines[150:-300] = ["", f"  [{len(lines) - 450} lines left out]", ""]
    return "".join(f"{hide_secrets(shorten(line, 2000))}\n" for line in lines)


class _Examination:
    """Walks through one error and what led to it, with an eye on how much there is to see."""

    def __init__(self, keep: Callable[[FrameType], str] | None) -> None:
        self._keep = keep
        # Errors already described, by identity: chains can be circular.
        self._seen: set[int] = set()
        self._room = ROOM_FOR_VALUES

    def chain(self, error: BaseException, depth: int = 0) -> list[Problem]:
        """Describe the error, then what it was raised from, and so on."""
        problems: list[Problem] = []
        link = ""
        following: BaseException | None = error
        while following is not None and id(following) not in self._seen and len(problems) < LONGEST_CHAIN:
            self._seen.add(id(following))
            problem = self._examine(following, depth)
            problem.link = link
            problems.append(problem)
            if following.__cause__ is not None:
                link, following = "Raised from", following.__cause__
            elif following.__context__ is not None and not following.__suppress_context__:
                link, following = "Raised while handling", following.__context__
            else:
                following = None
        return problems

    def _examine(self, error: BaseException, depth: int) -> Problem:
        notes = getattr(error, "__notes__", None)
        problem = Problem(
            kind=_kind(error),
            message=_message(error.msg if isinstance(error, SyntaxError) else error),
            hint=_hint(error),
            notes=[_message(note) for note in notes[:20]] if isinstance(notes, list) else [],
            runs=self._runs(error.__traceback__),
            syntax=_syntax_frame(error) if isinstance(error, SyntaxError) else None,
        )
        if isinstance(error, BaseExceptionGroup) and depth < DEEPEST_GROUP:
            for member in error.exceptions[:MOST_MEMBERS]:
                described = self.chain(member, depth + 1)
                if described:
                    problem.members.append(described)
            problem.members_left_out = max(0, len(error.exceptions) - MOST_MEMBERS)
        return problem

    def _runs(self, trace: TracebackType | None) -> list[Run]:
        """Return the calls, the innermost first, in runs."""
        steps = list(_steps(trace))
        left_out = len(steps) - FIRST_FRAMES - LAST_FRAMES
        if left_out > 1:
            del steps[FIRST_FRAMES:-LAST_FRAMES]
        frames = [self._frame(step) for step in steps]
        _open_one(frames)

        runs: list[Run] = []
        for index, frame in enumerate(reversed(frames)):
            if left_out > 1 and index == LAST_FRAMES:
                runs.append(Run([], left_out=left_out))
            if not runs or runs[-1].left_out or runs[-1].is_library != frame.is_library:
                runs.append(Run([], frame.is_library))
            runs[-1].frames.append(frame)
        return runs

    def _frame(self, step: TracebackType) -> Frame:
        frame, code = step.tb_frame, step.tb_frame.f_code
        line = step.tb_lineno or code.co_firstlineno
        return Frame(
            function=code.co_name if code.co_qualname == "<module>" else code.co_qualname,
            file=code.co_filename,
            place=_place(code.co_filename),
            line=line,
            is_library=_is_library(code.co_filename),
            lines=attempt(lambda: _source(frame, line, None if _is_template(frame) else _span(step)), lambda _: []),
            variables=attempt(lambda: self._variables(frame), lambda _: []),
            console=self._keep(frame) if self._keep is not None else "",
        )

    def _variables(self, frame: FrameType) -> list[Pair]:
        given = globals_of_templates if _is_template(frame) else {}
        chosen = [
            (name, value)
            for name, value in frame.f_locals.items()
            if not (name.startswith("__") and name.endswith("__") or isinstance(value, ModuleType))
            and not (name in given and value is given[name])
        ]
        shown = []
        for name, value in chosen[:MOST_VARIABLES]:
            text = show(value, name) if self._room > 0 else "(not shown: the page is full)"
            self._room -= len(text)
            shown.append((name, text))
        if len(chosen) > MOST_VARIABLES:
            shown.append(("...", f"{len(chosen) - MOST_VARIABLES} more"))
        return shown


def _steps(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_template(frame: FrameType) -> bool:
    """Whether this is one of the frames that Jinja2 makes up, with the line of the template but columns of its own."""
    return "__jinja_exception__" in frame.f_globals


def _open_one(frames: list[Frame]) -> None:
    """Open the innermost call of the project, or the innermost of all where there is none."""
    for frame in reversed(frames):
        if not frame.is_library:
            frame.is_open = True
            return
    if frames:
        frames[-1].is_open = True


def _kind(error: BaseException) -> str:
    cls = type(error)
    return cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"


def _message(error: object) -> str:
    return hide_secrets(shorten(text_of(error), LONGEST_MESSAGE))


def _hint(error: BaseException) -> str:
    """Return what newer Pythons add to the message when they print it: "Did you mean: ...?"."""
    if not isinstance(error, NameError | AttributeError | ImportError):
        return ""

    def print_it() -> str:
        printed = traceback.TracebackException(type(error), error, error.__traceback__, limit=0, compact=True)
        return next(printed.format_exception_only(), "")

    beginning = f"{type(error).__name__}: {text_of(error)}"
    first = attempt(print_it, lambda _: "").strip()
    return first.removeprefix(beginning).lstrip(". ") if first.startswith(beginning) else ""


class Span(NamedTuple):
    """What failed within a line, in bytes as Python counts; `end` is None where it goes on in the next line."""

    line: int
    begin: int
    end: int | None


def _span(step: TracebackType) -> Span | None:
    positions = step.tb_frame.f_code.co_positions()
    first, last, begin, end = next(islice(positions, step.tb_lasti // 2, None), (None, None, None, None))
    if first is None or begin is None:
        return None
    return Span(first, begin, end if first == last else None)


def _source(frame: FrameType, number: int, span: Span | None) -> list[Line]:
    """Return the lines around one, from the file or from whatever loaded the module."""
    filename = frame.f_code.co_filename
    linecache.checkcache(filename)
    linecache.lazycache(filename, frame.f_globals)
    return _lines(linecache.getlines(filename), number, span)


def _lines(source: list[str], number: int, span: Span | None) -> list[Line]:
    if not 0 < number <= len(source):
        return []
    first = max(1, number - LINES_AROUND)
    lines = []
    for each, text in enumerate(source[first - 1 : number + LINES_AROUND], first):
        text = text.rstrip("\r\n\f").expandtabs(4)[:LONGEST_LINE]
        lines.append(Line(each, text, is_current=each == number))
    current = lines[number - first]
    raw = source[number - 1].rstrip("\r\n")
    if span is not None and span.line == number and "\t" not in raw and len(raw) <= LONGEST_LINE:
        encoded = raw.encode()
        begin, end = span.begin, len(encoded) if span.end is None else span.end
        current.before, current.marked, current.after = (
            part.decode(errors="replace") for part in (encoded[:begin], encoded[begin:end], encoded[end:])
        )
    _dedent(lines)
    return lines


def _dedent(lines: list[Line]) -> None:
    """Take away the indentation that all lines share: a phone is narrow."""
    full = [line for line in lines if (line.before + line.marked).strip()]
    shared = min((len(line.before) - len(line.before.lstrip(" ")) for line in full), default=0)
    for line in lines:
        line.before = line.before[shared:]


def _syntax_frame(error: SyntaxError) -> Frame | None:
    """Return the place of a syntax error, which was never run and so has no frame of its own."""
    if not isinstance(error.filename, str) or not isinstance(error.lineno, int):
        return None
    # Python 3.13 knows the program of "python -c" by the name of whatever is compiled of a text.
    source = [] if error.filename == "<string>" else linecache.getlines(error.filename)
    text = error.text if isinstance(error.text, str) else ""
    span = None
    if isinstance(error.offset, int) and error.offset > 0:
        # Here Python counts characters, from one.
        begin = len(text[: error.offset - 1].encode())
        is_single = error.end_lineno in (None, error.lineno) and isinstance(error.end_offset, int)
        end = len(text[: max(error.end_offset or 0, error.offset + 1) - 1].encode()) if is_single else None
        span = Span(error.lineno, begin, end)
    lines = _lines(source, error.lineno, span)
    if not lines and text:
        span = span._replace(line=1) if span is not None else None
        lines = _lines([text], 1, span)
        lines[0].number = error.lineno
    place = _place(error.filename)
    return Frame("", error.filename, place, error.lineno, is_library=False, lines=lines, is_open=True)


_OWN_FOLDER = str(Path(__file__).parents[1]) + os.sep


def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    known = {paths[name].rstrip(os.sep) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    # Longest first, because site-packages lies within the standard library.
    return tuple(sorted({*known, _OWN_FOLDER}, key=len, reverse=True))


_LIBRARIES = _library_folders()


def _is_library(filename: str) -> bool:
    return filename.startswith((*_LIBRARIES, "<frozen "))


def _place(filename: str) -> str:
    """Return the name of a file as it is known: within its library, or within the folder we were started from."""
    for folder in _LIBRARIES:
        if filename.startswith(folder):
            inside = filename[len(folder) :]
            return f"webframe/{inside}" if folder == _OWN_FOLDER else inside
    here = attempt(os.getcwd, lambda _: "")  # the folder may have been deleted
    return filename.removeprefix(here.rstrip(os.sep) + os.sep) if here else filename


def _package(filename: str) -> str:
    """Return the name of the library a file belongs to."""
    first = _place(filename).partition(os.sep)[0]
    return first.removesuffix(".py")
