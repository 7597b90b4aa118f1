"""The console of the debug page: what it runs, and for whom it does not."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from webframe import workers
from webframe.debug import console
from webframe.debug.console import CONSOLE_PATH, ERRORS_KEPT, LONGEST_OUTPUT, TOKEN_HEADER, FrameStore, console_view
from webframe.http.request import Request
from webframe.http.response import Response
from webframe.test.settings import override_settings

assert workers  # what has the console wait for awaitables


@pytest.fixture(autouse=True)
def debug_on() -> Iterator[None]:
    with override_settings(DEBUG=True):
        yield
    console.store.clear()


def frame_with(**names: Any) -> FrameType:
    """A frame whose variables are these."""
    try:
        exec("raise ValueError", {"module_name": "global"}, names)
    except ValueError as error:
        trace = error.__traceback__
        assert trace is not None and trace.tb_next is not None
        return trace.tb_next.tb_frame
    raise AssertionError


def post(
    protocol: str = "wsgi",
    *,
    peer: str | None = "127.0.0.1",
    host: str | None = "localhost:8000",
    token: str | None = "",
    headers: dict[str, str] | None = None,
    method: str = "POST",
    body: bytes | None = None,
    **content: Any,
) -> Request:
    """A request to the console as the page sends it; an empty token stands for the right one."""
    fields = {"Content-Type": "application/json", **(headers or {})}
    if host is not None:
        fields["Host"] = host
    if token is not None:
        fields[TOKEN_HEADER] = token or console._token.of_this_process()
    body = json.dumps(content).encode() if body is None else body
    if protocol == "wsgi":
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": CONSOLE_PATH,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
        }
        if peer is not None:
            environ["REMOTE_ADDR"] = peer
        for name, value in fields.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        return Request(environ)
    scope = {
        "type": "http",
        "method": method,
        "path": CONSOLE_PATH,
        "raw_path": CONSOLE_PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": None if peer is None else (peer, 50000),
        "headers": [(name.lower().encode(), value.encode()) for name, value in fields.items()],
    }
    return Request.from_scope(scope, io.BytesIO(body))


@pytest.fixture(params=["wsgi", "asgi"])
def protocol(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def frame() -> str:
    """The id of a frame with variables x and y that is kept."""
    return console.store.keeper()(frame_with(x=1, y=[2, 3]))


def answer(response: Response) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(response.get_data())
    return content


class TestWhoMayUseIt:
    def run(self, frame: str, protocol: str, **options: Any) -> Response:
        ran: list[int] = []
        key = console.store.keeper()(frame_with(ran=ran))
        response = console_view(post(protocol, frame=key, source="ran.append(1)", **options))
        assert ran == ([1] if response.status_code == 200 else [])
        return response

    @pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
    def test_a_loopback_peer_may(self, frame: str, protocol: str, peer: str) -> None:
        assert self.run(frame, protocol, peer=peer).status_code == 200

    @pytest.mark.parametrize(
        "peer",
        [
            "10.0.0.1",
            "192.168.1.5",
            "8.8.8.8",
            "::2",
            "fe80::1",
            "0.0.0.0",
            "",
            None,
            "localhost",
            "127.0.0.1, 8.8.8.8",
        ],
    )
    def test_any_other_peer_may_not(self, frame: str, protocol: str, peer: str | None) -> None:
        assert self.run(frame, protocol, peer=peer).status_code == 403

    @pytest.mark.parametrize(
        "host",
        [
            "localhost",
            "localhost:8000",
            "LOCALHOST:8000",
            "127.0.0.1:8000",
            "127.1.2.3",
            "[::1]:8000",
            "app.localhost:5000",
        ],
    )
    def test_a_loopback_host_is_right(self, frame: str, protocol: str, host: str) -> None:
        assert self.run(frame, protocol, host=host).status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            "example.org",
            "localhost.example.org",
            "notlocalhost",
            "example.org:8000",
            "127.0.0.1.example.org",
            "127.0.0.1@example.org",
            "example.org@localhost",
            "localhost/x",
            "localhost#",
            "localhost:port",
            "10.0.0.1",
            "[::2]",
            "[::1",
            "0.0.0.0",
            "testserver",
            "2130706433",
            "",
            None,
        ],
    )
    def test_any_other_host_is_wrong(self, frame: str, protocol: str, host: str | None) -> None:
        assert self.run(frame, protocol, host=host).status_code == 403

    @pytest.mark.parametrize("name", ["Origin", "Referer"])
    def test_the_page_itself_may_ask(self, frame: str, protocol: str, name: str) -> None:
        page = "http://localhost:8000" + ("/pizza?x=1" if name == "Referer" else "")
        assert self.run(frame, protocol, headers={name: page}).status_code == 200

    @pytest.mark.parametrize("name", ["Origin", "Referer"])
    @pytest.mark.parametrize(
        "page",
        [
            "http://example.org",
            "http://localhost:9000",
            "http://localhost",
            "http://localhost:8000.example.org",
            "http://localhost:8000@example.org",
            "http://127.0.0.1:8000",
            "null",
            "",
            "file:///localhost:8000",
            "http://[",
        ],
    )
    def test_another_page_may_not(self, frame: str, protocol: str, name: str, page: str) -> None:
        assert self.run(frame, protocol, headers={name: page}).status_code == 403

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    def test_a_browser_that_says_another_site_asks_is_believed(self, frame: str, protocol: str, site: str) -> None:
        assert self.run(frame, protocol, headers={"Sec-Fetch-Site": site}).status_code == 403

    @pytest.mark.parametrize(
        "header",
        ["Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Anything", "x-forwarded", "X-Real-IP", "Via"]
        + ["CF-Connecting-IP", "True-Client-IP"],
    )
    def test_a_forwarded_request_may_not(self, frame: str, protocol: str, header: str) -> None:
        assert self.run(frame, protocol, headers={header: "127.0.0.1"}).status_code == 403
        assert self.run(frame, protocol, headers={header: ""}).status_code == 403

    def test_a_trusted_proxy_makes_nobody_local(self, frame: str, protocol: str) -> None:
        with override_settings(TRUSTED_PROXIES=["*"]):
            headers = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost"}
            assert self.run(frame, protocol, peer="8.8.8.8", headers=headers).status_code == 403

    @pytest.mark.parametrize("token", [None, "wrong", "ä", "x" * 100_000])
    def test_without_the_token_nobody_may(
        self, frame: str, protocol: str, token: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        response = self.run(frame, protocol, token=token)
        assert response.status_code == 403
        assert answer(response)["token"] is False

    def test_no_refusal_tells_the_token(self, frame: str, protocol: str) -> None:
        for options in ({"token": "wrong"}, {"peer": "8.8.8.8"}, {"host": "example.org"}):
            response = self.run(frame, protocol, **options)
            assert console._token.of_this_process().encode() not in response.get_data()
            assert not any(name.lower().startswith("access-control") for name, _ in response.headers)

    def test_without_debug_it_is_not_there(self, frame: str, protocol: str) -> None:
        with override_settings(DEBUG=False):
            assert self.run(frame, protocol).status_code == 404

    def test_only_a_post_runs_anything(self, frame: str, protocol: str) -> None:
        for method in ("GET", "HEAD", "PUT", "OPTIONS", "DELETE"):
            response = self.run(frame, protocol, method=method)
            assert (response.status_code, response.headers["Allow"]) == (405, "POST")

    def test_refusals_are_logged(
        self, frame: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logging.getLogger("webframe"), "propagate", True)
        self.run(frame, "wsgi", peer="8.8.8.8")
        assert "the peer is 8.8.8.8" in caplog.text


class TestToken:
    def test_it_is_long_and_random(self) -> None:
        first, second = console._Token(), console._Token()
        assert len(first.of_this_process()) == 32
        assert first.of_this_process() == first.of_this_process() != second.of_this_process()

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_a_forked_process_has_another_one(self) -> None:
        token = console._Token()
        mine = token.of_this_process()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, token.of_this_process().encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        with open(reading, "rb") as pipe:
            theirs = pipe.read().decode()
        assert len(theirs) == 32 and theirs != mine

    def test_it_is_announced_in_the_log_once(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(console, "_token", console._Token())
        monkeypatch.setattr(logging.getLogger("webframe"), "propagate", True)
        console.announce()
        console.announce()
        (record,) = caplog.records
        assert console._token.of_this_process() in record.getMessage()


class TestRequests:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"3",
            b'"x"',
            b"{}",
            b'{"frame": 1, "source": "1"}',
            b'{"frame": "a-0"}',
            b"\xff",
            b"[" * 100_000,
        ]
        + [json.dumps({"frame": "a-0", "source": "x" * 60_000}).encode()],
    )
    def test_what_is_no_question_is_a_bad_request(self, protocol: str, body: bytes) -> None:
        assert console_view(post(protocol, body=body)).status_code == 400

    @pytest.mark.parametrize("key", ["", "x", "-", "x-0", "x-x", "x--1", "x-²", "0" * 10_000])
    def test_a_frame_that_is_gone_is_not_found(self, protocol: str, key: str) -> None:
        response = console_view(post(protocol, frame=key, source="1"))
        assert response.status_code == 404
        assert "This frame is gone" in answer(response)["error"]

    def test_the_number_of_a_frame_must_exist(self, frame: str) -> None:
        error = frame.partition("-")[0]
        for number in ("1", "-1", "99999", "0x0", "٠" * 9):
            assert console_view(post(frame=f"{error}-{number}", source="1")).status_code == 404

    def test_the_answer_is_for_no_cache(self, frame: str) -> None:
        response = console_view(post(frame=frame, source="x"))
        assert response.headers["Cache-Control"] == "no-store"
        assert response.mimetype == "application/json"
        assert answer(response) == {"output": "1\n", "more": False}


class TestRunning:
    def run(self, frame: str, source: str) -> str:
        content = answer(console_view(post(frame=frame, source=source)))
        assert content["more"] is False
        output: str = content["output"]
        return output

    def test_an_expression_shows_its_value(self, frame: str) -> None:
        assert self.run(frame, "x + 1") == "2\n"
        assert self.run(frame, "_ * 2") == "4\n"
        assert self.run(frame, "None") == ""
        assert self.run(frame, "module_name") == "'global'\n"

    def test_statements_run_and_what_they_assign_stays(self, frame: str) -> None:
        assert self.run(frame, "z = x + 10") == ""
        assert self.run(frame, "z") == "11\n"

    def test_several_lines_end_with_the_value_of_the_last(self, frame: str) -> None:
        assert self.run(frame, "total = 0\nfor n in y:\n    total += n\ntotal") == "5\n"

    def test_functions_and_comprehensions_see_the_frame(self, frame: str) -> None:
        assert self.run(frame, "[n + x for n in y if n > x]") == "[3, 4]\n"
        self.run(frame, "def add(n):\n    return n + x")
        assert self.run(frame, "add(5)") == "6\n"

    def test_frames_do_not_share_names(self, frame: str) -> None:
        other = console.store.keeper()(frame_with(x=5))
        self.run(frame, "x = 100")
        assert self.run(other, "x") == "5\n"

    def test_what_is_printed_is_the_answer(self, frame: str) -> None:
        source = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.stdout.flush()"
        assert self.run(frame, source) == "out\nerr\n"

    def test_an_error_is_printed_without_our_own_frames(self, frame: str) -> None:
        output = self.run(frame, "def f():\n    return 1 / 0\nf()")
        assert output.startswith('Traceback (most recent call last):\n  File "<console ')
        assert "    return 1 / 0\n" in output
        assert output.endswith("ZeroDivisionError: division by zero\n")
        assert "console.py" not in output

    def test_a_syntax_error_is_printed(self, frame: str) -> None:
        assert "SyntaxError: invalid syntax" in self.run(frame, "x +* 1")
        assert "null bytes" in self.run(frame, "x\0")

    @pytest.mark.parametrize("source", ["exit()", "raise SystemExit(3)", "raise GeneratorExit", "raise BaseException"])
    def test_nothing_ends_the_server(self, frame: str, source: str) -> None:
        assert "Traceback" in self.run(frame, source)

    def test_a_value_whose_repr_raises_is_an_error(self, frame: str) -> None:
        self.run(frame, "class Odd:\n    def __repr__(self):\n        raise LookupError")
        assert "LookupError" in self.run(frame, "Odd()")

    def test_a_recursion_is_an_error(self, frame: str) -> None:
        self.run(frame, "def f():\n    f()")
        assert "RecursionError" in self.run(frame, "f()")

    def test_endless_output_is_cut(self, frame: str) -> None:
        assert len(self.run(frame, "'x' * 10 ** 6")) <= LONGEST_OUTPUT

    @pytest.mark.parametrize("source", ["for n in y:", "def f(", "x = [1,\n", "'''", "if x:\n    print(", "x + \\"])
    def test_an_unfinished_statement_asks_for_more(self, frame: str, source: str) -> None:
        assert answer(console_view(post(frame=frame, source=source))) == {"output": "", "more": True}

    @pytest.mark.parametrize("source", ["", "  \n\n", "# nothing", "pass"])
    def test_nothing_does_nothing(self, frame: str, source: str) -> None:
        assert self.run(frame, source) == ""

    def test_awaitables_are_waited_for(self, frame: str) -> None:
        assert self.run(frame, "import asyncio\nawait asyncio.sleep(0, result='slept')") == "'slept'\n"
        assert self.run(frame, "later = await asyncio.sleep(0, result=5)\nlater") == "5\n"
        assert self.run(frame, "async def f():\n    print('within')\nawait f()") == "within\n"

    def test_other_threads_print_where_they_always_do(self, frame: str, capsys: pytest.CaptureFixture[str]) -> None:
        begin, end = threading.Event(), threading.Event()

        def elsewhere() -> None:
            begin.wait(5)
            print("elsewhere")
            end.set()

        thread = threading.Thread(target=elsewhere)
        thread.start()
        key = console.store.keeper()(frame_with(begin=begin, end=end))
        assert self.run(key, "begin.set()\nend.wait(5)\nprint('here')") == "here\n"
        thread.join()
        assert capsys.readouterr().out == "elsewhere\n"

    def test_the_streams_are_put_back(self, frame: str) -> None:
        before = sys.stdout, sys.stderr
        self.run(frame, "1/0")
        assert (sys.stdout, sys.stderr) == before


class TestStore:
    def test_the_frames_of_the_last_errors_are_kept(self) -> None:
        store = FrameStore()
        keys = [store.keeper()(frame_with(n=number)) for number in range(ERRORS_KEPT + 3)]
        assert [store.find(key) is not None for key in keys] == [False] * 3 + [True] * ERRORS_KEPT
        assert len(set(keys)) == len(keys)

    def test_all_frames_of_one_error_are_kept_together(self) -> None:
        store = FrameStore(kept=1)
        keep = store.keeper()
        keys = [keep(frame_with(n=number)) for number in range(50)]
        assert all(store.find(key) is not None for key in keys) and len(set(keys)) == 50

    def test_what_is_let_go_is_let_go(self) -> None:
        import gc
        import weakref

        class Thing:
            pass

        store = FrameStore(kept=1)
        thing = Thing()
        reference = weakref.ref(thing)
        store.keeper()(frame_with(thing=thing))
        del thing
        gc.collect()
        assert reference() is not None
        store.keeper()
        gc.collect()
        assert reference() is None
