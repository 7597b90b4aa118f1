"""What went wrong, as data."""

from __future__ import annotations

import json
import linecache
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import jinja2
import pytest
from werkzeug.test import EnvironBuilder

from webframe import template
from webframe.debug.report import (
    FIRST_FRAMES,
    LAST_FRAMES,
    LONGEST_CHAIN,
    LONGEST_MESSAGE,
    MOST_MEMBERS,
    MOST_VARIABLES,
    Frame,
    Problem,
    Report,
    make_report,
    plain_text,
)
from webframe.debug.values import HIDDEN
from webframe.http.request import Request
from webframe.test.settings import override_settings


def caught(function: Callable[..., object], *args: Any) -> Exception:
    try:
        function(*args)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def report_of(error: BaseException, **options: Any) -> Report:
    return make_report(Request(EnvironBuilder("/pizza").get_environ()), error, **options)


def problem_of(function: Callable[..., object], *args: Any) -> Problem:
    return report_of(caught(function, *args)).problems[0]


def frames_of(problem: Problem) -> list[Frame]:
    return [frame for run in problem.runs for frame in run.frames]


def divide(dividend: int, divisor: int) -> float:
    password = "hunter2"
    assert password
    # before

    return dividend / divisor  # after


class TestErrors:
    def test_an_error_has_a_kind_and_a_message(self) -> None:
        problem = problem_of(divide, 1, 0)
        assert (problem.kind, problem.message, problem.link) == ("ZeroDivisionError", "division by zero", "")

    def test_the_kind_of_an_error_tells_its_module(self) -> None:
        assert problem_of(json.loads, "{").kind == "json.decoder.JSONDecodeError"

    def test_notes_are_shown(self) -> None:
        error = caught(divide, 1, 0)
        error.add_note("The oven was cold.")
        assert report_of(error).problems[0].notes == ["The oven was cold."]

    def test_odd_notes_are_no_obstacle(self) -> None:
        error = caught(divide, 1, 0)
        error.__notes__ = 3  # type: ignore[assignment]  # what others do to it
        assert report_of(error).problems[0].notes == []

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="Python suggests names from 3.12 on")
    def test_pythons_hint_is_shown(self) -> None:
        def misspell(request: object) -> object:
            return requets  # type: ignore[name-defined]  # noqa: F821  # the mistake to be shown

        problem = problem_of(misspell, 1)
        assert problem.message == "name 'requets' is not defined"
        assert problem.hint == "Did you mean: 'request'?"

    def test_a_very_long_message_is_shortened(self) -> None:
        def fail() -> None:
            raise ValueError("x" * 10**6)

        assert len(problem_of(fail).message) <= LONGEST_MESSAGE

    def test_secrets_in_a_message_are_hidden_in_the_text_too(self) -> None:
        def connect() -> None:
            address = "".join(["postgresql://ada:", "lovelace", "@localhost/engine"])
            raise OSError(f"No answer from {address}")

        report = report_of(caught(connect))
        assert report.problems[0].message == f"No answer from postgresql://ada:{HIDDEN}@localhost/engine"
        assert f"OSError: No answer from postgresql://ada:{HIDDEN}@localhost/engine" in report.text

    def test_notes_that_have_no_text_are_no_obstacle(self) -> None:
        class Odd:
            def __str__(self) -> str:
                raise ValueError

        error = ValueError("no")
        error.__notes__ = [Odd()]  # type: ignore[list-item]  # what others do to it
        assert report_of(error).problems[0].notes == ["<str() of it raised ValueError>"]

    def test_an_error_without_a_traceback_is_described(self) -> None:
        problem = report_of(ValueError("no")).problems[0]
        assert (problem.kind, problem.message, problem.runs) == ("ValueError", "no", [])

    def test_causes_and_contexts_follow(self) -> None:
        def fail() -> None:
            try:
                try:
                    divide(1, 0)
                except ZeroDivisionError:
                    raise KeyError("pizza")  # noqa: B904  # raised while handling is what is tested
            except KeyError as error:
                raise LookupError("No pizza") from error

        problems = report_of(caught(fail)).problems
        assert [(problem.link, problem.kind) for problem in problems] == [
            ("", "LookupError"),
            ("Raised from", "KeyError"),
            ("Raised while handling", "ZeroDivisionError"),
        ]

    def test_a_suppressed_context_is_not_shown(self) -> None:
        def fail() -> None:
            try:
                divide(1, 0)
            except ZeroDivisionError:
                raise LookupError("No pizza") from None

        assert len(report_of(caught(fail)).problems) == 1

    def test_a_circle_of_causes_ends(self) -> None:
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        assert [problem.message for problem in report_of(first).problems] == ["first", "second"]

    def test_a_long_chain_of_causes_ends(self) -> None:
        error = ValueError("last")
        for number in range(100):
            following = ValueError(number)
            following.__cause__ = error
            error = following
        assert len(report_of(error).problems) == LONGEST_CHAIN

    def test_the_members_of_a_group_are_described(self) -> None:
        group = ExceptionGroup("two", [caught(divide, 1, 0), ExceptionGroup("inner", [ValueError("deep")])])
        problem = report_of(group).problems[0]
        assert [[each.kind for each in chain] for chain in problem.members] == [
            ["ZeroDivisionError"],
            ["ExceptionGroup"],
        ]
        assert problem.members[1][0].members[0][0].message == "deep"

    def test_large_and_deep_groups_are_cut(self) -> None:
        large = report_of(ExceptionGroup("many", [ValueError(number) for number in range(100)])).problems[0]
        assert (len(large.members), large.members_left_out) == (MOST_MEMBERS, 100 - MOST_MEMBERS)
        deep: Exception = ValueError("bottom")
        for _ in range(100):
            deep = ExceptionGroup("deep", [deep])
        assert report_of(deep).problems

    def test_an_error_whose_text_raises_is_described(self) -> None:
        class Odd(Exception):
            def __str__(self) -> str:
                raise ValueError

        report = report_of(Odd())
        assert report.problems[0].message == "<str() of it raised ValueError>"
        assert "Odd" in report.text

    def test_a_syntax_error_shows_the_line_that_was_never_run(self, tmp_path: Path) -> None:
        path = tmp_path / "broken.py"
        path.write_text("x = 1\ny = (2 +* 3)\n")
        problem = problem_of(compile, path.read_text(), str(path), "exec")
        assert problem.message == "invalid syntax"
        assert problem.syntax is not None
        (current,) = [line for line in problem.syntax.lines if line.is_current]
        assert (current.number, current.before, current.marked, current.after) == (2, "y = (2 +", "*", " 3)")
        assert [line.number for line in problem.syntax.lines] == [1, 2]

    def test_a_syntax_error_without_a_file_shows_its_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # As Python 3.13 has it where the program is that of "python -c".
        monkeypatch.setitem(linecache.cache, "<string>", (13, None, ["import this\n"], "<string>"))
        problem = problem_of(compile, "def f(:\n  pass", "<string>", "exec")
        assert problem.syntax is not None
        assert [line.before + line.marked + line.after for line in problem.syntax.lines] == ["def f(:"]

    @pytest.mark.parametrize(
        "details",
        [
            (None, None, None, None),
            ("<x>", 0, 0, ""),
            ("<x>", -5, -5, "y"),
            ("<x>", 10**9, 1, "y"),
            ("<x>", 1, 10**9, "y"),
            ("<x>", 1, 1, "y", 1, -1),
            ("<x>", 1, 2, "y", 0, 0),
        ],
    )
    def test_odd_details_of_a_syntax_error_are_no_obstacle(self, details: tuple[Any, ...]) -> None:
        assert report_of(SyntaxError("odd", details)).problems[0].message == "odd"


class TestFrames:
    def test_the_innermost_call_comes_first_and_is_open(self) -> None:
        frames = frames_of(problem_of(divide, 1, 0))
        assert [frame.function for frame in frames] == ["divide", "caught"]
        assert [frame.is_open for frame in frames] == [True, False]

    def test_a_frame_shows_the_source_and_marks_what_failed(self) -> None:
        frame = frames_of(problem_of(divide, 1, 0))[0]
        (current,) = [line for line in frame.lines if line.is_current]
        assert current.number == frame.line
        assert (current.before, current.marked, current.after) == ("    return ", "dividend / divisor", "  # after")
        assert frame.code == "return dividend / divisor  # after"
        assert any("# before" in line.before for line in frame.lines)

    def test_source_that_is_deeply_indented_is_moved_to_the_left(self) -> None:
        class Inner:
            def fail(self) -> None:
                raise ValueError

        frame = frames_of(problem_of(Inner().fail))[0]
        assert frame.function.endswith("Inner.fail")
        assert min(len(line.before) - len(line.before.lstrip()) for line in frame.lines if line.before) == 0

    def test_columns_count_characters_not_bytes(self) -> None:
        def fail() -> None:
            print("größe", {"u": 1}["ü"])

        (current,) = [line for line in frames_of(problem_of(fail))[0].lines if line.is_current]
        assert current.marked == '{"u": 1}["ü"]'

    def test_calls_in_libraries_are_gathered_and_closed(self) -> None:
        problem = problem_of(json.loads, "{")
        assert [(run.is_library, run.packages) for run in problem.runs if run.is_library] == [(True, "json")]
        assert problem.open_frame is not None and problem.open_frame.function == "caught"
        assert problem.runs[0].frames[0].place == "json/decoder.py"

    def test_missing_source_is_no_obstacle(self) -> None:
        names: dict[str, Any] = {}
        exec(compile("def fail():\n    raise ValueError", "/nowhere/at/all.py", "exec"), names)
        frame = frames_of(problem_of(names["fail"]))[0]
        assert (frame.file, frame.line, frame.lines) == ("/nowhere/at/all.py", 2, [])

    def test_source_comes_from_the_loader_where_there_is_no_file(self) -> None:
        class Loader:
            def get_source(self, name: str) -> str:
                return "def fail():\n    raise ValueError\n"

        names: dict[str, Any] = {"__loader__": Loader(), "__name__": "generated"}
        exec(compile(Loader().get_source(""), "<loaded for the test>", "exec"), names)
        assert frames_of(problem_of(names["fail"]))[0].code == ""
        exec(compile(Loader().get_source(""), "loaded_for_the_test.py", "exec"), names)
        assert frames_of(problem_of(names["fail"]))[0].code == "raise ValueError"

    def test_an_error_in_a_template_shows_the_template(self) -> None:
        def show_template() -> None:
            template.render_string("{% set size = 30 %}\n{{ name // 0 }}", name=1)

        frame = frames_of(problem_of(show_template))[0]
        assert (frame.function, frame.file, frame.line) == ("top-level template code", "<template>", 2)
        assert frame.variables == [("name", "1"), ("size", "30")]

    def test_the_line_of_a_template_is_shown_without_a_mark(self, tmp_path: Path) -> None:
        (tmp_path / "page.html").write_text("<p>\n  {{ 1 // 0 }} and a line that goes on and on\n</p>")
        environment = jinja2.Environment(loader=jinja2.FileSystemLoader(tmp_path))
        frame = frames_of(problem_of(environment.get_template("page.html").render))[0]
        (current,) = [line for line in frame.lines if line.is_current]
        assert (current.before, current.marked) == ("  {{ 1 // 0 }} and a line that goes on and on", "")

    def test_the_middle_of_a_recursion_is_left_out(self) -> None:
        def ping(number: int) -> None:
            pong(number + 1)

        def pong(number: int) -> None:
            ping(number + 1)

        problem = problem_of(ping, 0)
        assert len(frames_of(problem)) == FIRST_FRAMES + LAST_FRAMES
        (gap,) = [run for run in problem.runs if run.left_out]
        assert gap.left_out > 500
        assert len(plain_text(caught(ping, 0)).splitlines()) < 600

    def test_just_enough_frames_are_all_shown(self) -> None:
        def down(number: int) -> None:
            if number:
                down(number - 1)
            raise ValueError

        # caught() and the last call of down() are frames too.
        problem = problem_of(down, FIRST_FRAMES + LAST_FRAMES - 1)
        assert len(frames_of(problem)) == FIRST_FRAMES + LAST_FRAMES + 1
        assert not any(run.left_out for run in problem.runs)

    def test_a_deleted_working_folder_is_no_obstacle(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        tmp_path.rmdir()
        assert frames_of(problem_of(divide, 1, 0))[0].place == __file__


class TestVariables:
    def test_variables_are_shown_and_secrets_are_not(self) -> None:
        frame = frames_of(problem_of(divide, 1, 0))[0]
        assert frame.variables == [("dividend", "1"), ("divisor", "0"), ("password", HIDDEN)]

    def test_modules_and_dunder_names_are_left_out(self) -> None:
        names: dict[str, Any] = {"__name__": "x", "json": json, "number": 1}
        frames = frames_of(report_of(caught(exec, compile("1/0", "x.py", "exec"), names)).problems[0])
        assert frames[0].variables == [("number", "1")]

    def test_many_variables_are_cut(self) -> None:
        names: dict[str, Any] = {f"name{number}": number for number in range(1000)}
        frame = frames_of(problem_of(exec, compile("1/0", "x.py", "exec"), names))[0]
        assert len(frame.variables) == MOST_VARIABLES + 1
        assert frame.variables[-1] == ("...", f"{1000 - MOST_VARIABLES} more")

    def test_a_page_has_room_for_so_much(self) -> None:
        def down(number: int) -> None:
            long = ["x" * 299] * 15  # to be shown
            more = [long] * 15  # noqa: F841
            if number:
                down(number - 1)
            raise ValueError

        group = ExceptionGroup("many", [caught(down, 25) for _ in range(30)])
        for _ in range(2):
            group = ExceptionGroup("more", [group, *[caught(down, 25) for _ in range(9)]])
        total = 0

        def count(problem: Problem) -> None:
            nonlocal total
            total += sum(len(value) for frame in frames_of(problem) for _, value in frame.variables)
            for chain in problem.members:
                for member in chain:
                    count(member)

        count(report_of(group).problems[0])
        assert total < 700_000


class TestSurroundings:
    def report(self, error: BaseException | None = None, **options: Any) -> dict[str, dict[str, str]]:
        request = Request(EnvironBuilder(**options).get_environ())
        return {title: dict(pairs) for title, pairs in make_report(request, error or ValueError()).request}

    def test_the_request_is_described(self) -> None:
        builder = EnvironBuilder("/pizza?size=30&token=abc", method="PUT", environ_base={"REMOTE_ADDR": "127.0.0.1"})
        request = Request(builder.get_environ())
        request.route, request.view_args = SimpleNamespace(name="pizza", rule="/pizza/<int:pk>"), {"pk": 3}
        report = make_report(request, ValueError())
        assert (report.method, report.path) == ("PUT", f"/pizza?size=30&token={HIDDEN}")
        assert report.url == f"http://localhost/pizza?size=30&token={HIDDEN}"
        described = {title: dict(pairs) for title, pairs in report.request}
        assert described["Query"] == {"size": "30", "token": HIDDEN}
        assert described["Route"] == {
            "client": "127.0.0.1",
            "protocol": "WSGI",
            "route": "/pizza/<int:pk>",
            "endpoint": "pizza",
            "pk": "3",
        }

    def test_an_asgi_request_is_described(self) -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/pizza",
            "raw_path": b"/pizza",
            "root_path": "",
            "query_string": b"a=1",
            "headers": [(b"host", b"localhost"), (b"cookie", b"session=abc")],
            "client": ("127.0.0.1", 5),
            "server": ("127.0.0.1", 80),
            "scheme": "http",
        }
        report = make_report(Request.from_scope(scope, None), ValueError())
        described = {title: dict(pairs) for title, pairs in report.request}
        assert described["Route"]["protocol"] == "ASGI"
        assert {name.lower(): value for name, value in described["Headers"].items()}["cookie"] == HIDDEN

    def test_headers_with_secrets_are_hidden(self) -> None:
        headers = self.report(
            headers={"Cookie": "a=b", "Authorization": "Basic x", "X-Api-Key": "k", "X-Forwarded-For": "1.2.3.4"}
        )["Headers"]
        assert headers["Cookie"] == headers["Authorization"] == headers["X-Api-Key"] == HIDDEN
        assert headers["X-Forwarded-For"] == "1.2.3.4"

    def test_a_form_is_shown_if_the_view_has_read_it(self) -> None:
        request = Request(EnvironBuilder(method="POST", data={"name": "Ada", "password": "x"}).get_environ())
        assert "Form" not in dict(make_report(request, ValueError()).request)
        assert request.form["name"] == "Ada"
        assert dict(dict(make_report(request, ValueError()).request)["Form"]) == {"name": "Ada", "password": HIDDEN}

    def test_a_body_that_nobody_read_is_left_alone(self) -> None:
        body = BytesIO(b"name=Ada")
        environ = EnvironBuilder(
            method="POST", input_stream=body, content_length=8, content_type="application/x-www-form-urlencoded"
        ).get_environ()
        make_report(Request(environ), ValueError())
        assert body.tell() == 0

    def test_a_malformed_request_is_no_obstacle(self) -> None:
        environ = EnvironBuilder("/").get_environ()
        environ.update(QUERY_STRING="%ff&&&=\xff", HTTP_HOST="a b/c?", HTTP_COOKIE="\xff;;=", REQUEST_METHOD="X\x00")
        assert make_report(Request(environ), ValueError()).problems

    def test_settings_that_differ_from_the_defaults_are_shown(self) -> None:
        with override_settings(DEBUG=True, SECRET_KEY="s3cret", MY_COLOUR="green", TIME_ZONE="UTC"):
            shown = dict(report_of(ValueError()).settings)
        assert shown["DEBUG"] == "True"
        assert shown["SECRET_KEY"] == HIDDEN
        assert shown["MY_COLOUR"] == "'green'"
        assert "TIME_ZONE" not in shown

    def test_the_password_of_a_database_is_hidden(self) -> None:
        with override_settings(DATABASES={"default": "postgresql://ada:lovelace@localhost/engine"}):
            assert "lovelace" not in dict(report_of(ValueError()).settings)["DATABASES"]

    def test_versions_are_shown(self) -> None:
        versions = dict(report_of(ValueError()).versions)
        assert versions["Python"] == ".".join(map(str, sys.version_info[:3]))
        assert "werkzeug" in versions

    def test_the_timeline_is_shown_in_milliseconds(self) -> None:
        assert report_of(ValueError(), timeline=[(0.0123, "request_started")]).timeline == [
            ("12.3 ms", "request_started")
        ]


def test_the_plain_text_is_pythons_own() -> None:
    error = caught(divide, 1, 0)
    text = plain_text(error)
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ZeroDivisionError: division by zero\n")


def test_frames_are_handed_over_to_be_kept_and_get_their_ids() -> None:
    kept: list[FrameType] = []

    def keep(frame: FrameType) -> str:
        kept.append(frame)
        return f"id-{len(kept) - 1}"

    problem = report_of(caught(divide, 1, 0), keep=keep).problems[0]
    assert [frame.console for frame in frames_of(problem)] == ["id-1", "id-0"]
    assert kept[1].f_code is divide.__code__
