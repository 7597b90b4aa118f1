"""`run`: both servers, in a process of their own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from webframe import Webframe
from webframe.core.management.server import (
    address,
    choose_protocol,
    is_debug_expected,
    is_loopback,
    listen,
    make_server,
)

from ... import interrupts

APP = """
import time
from webframe import Webframe
from webframe.conf import settings

PAUSE = 0
app = Webframe(__name__)

@app.get("/")
def index(request):
    return {"word": "WORD", "debug": settings.DEBUG, "protocol": "asgi" if request.scope else "wsgi"}

@app.get("/slow")
def slow(request):
    print("slow begins", flush=True)
    time.sleep(1.5)
    return "WORD"

@app.post("/echo")
def echo(request):
    return request.data

@app.on_shutdown
def say_goodbye():
    time.sleep(PAUSE)
    print("goodbye", flush=True)
"""


class Server:
    """A `webframe run` in a process of its own, with everything it says."""

    def __init__(self, folder: Any, *arguments: str, **variables: str) -> None:
        self.lines: list[str] = []
        with interrupts.heeded():
            self.process = subprocess.Popen(
                folder.command(*arguments),
                env=folder.environ(**variables),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """Wait until what was said matches."""
        end = time.monotonic() + seconds
        while (found := re.search(pattern, self.output, re.MULTILINE)) is None:
            ended = self.process.poll() is not None and not self._reader.is_alive()
            assert not ended and time.monotonic() < end, f"{pattern!r} was not said in:\n{self.output}"
            time.sleep(0.02)
        return found

    @property
    def url(self) -> str:
        return self.wait_for(r"on (http://\S+)/$")[1]

    def end(self, how: int = signal.SIGINT) -> int:
        """End it; returns the exit code. Ctrl-C at a terminal is sent to all processes, other signals to one."""
        if how == signal.SIGINT:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        code = self.process.wait(30)
        self._reader.join(30)
        return code


@pytest.fixture
def serve(folder: Any) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def serve(*arguments: str, **variables: str) -> Server:
        servers.append(Server(folder, *arguments, **variables))
        return servers[-1]

    yield serve
    for server in servers:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)
        assert server.process.stdout is not None
        server.process.stdout.close()


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(
    folder: Any, serve: Callable[..., Server], protocol: str, reload: str, how: signal.Signals
) -> None:
    # A shut-down that takes its time is waited for.
    folder.write("served.py", APP.replace("PAUSE = 0", "PAUSE = 1.2") if reload == "--reload" else APP)
    server = serve("--app", "served", "run", "--port", "0", "--protocol", protocol, reload)
    answer = httpx.get(server.url)
    assert answer.json() == {"word": "WORD", "debug": True, "protocol": protocol}
    assert server.end(how) == 0
    assert "Traceback" not in server.output
    assert "Serving served:app on http://127.0.0.1:" in server.lines[0]
    assert f"{protocol.upper()}, " in server.lines[1]
    assert "Ctrl-C" in server.lines[2]
    assert re.search(r'"GET / HTTP/1.1" 200', server.output)
    assert server.output.count("goodbye") == 1


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
def test_it_starts_anew_when_a_file_changes_and_waits_while_it_is_broken(
    folder: Any, serve: Callable[..., Server], protocol: str
) -> None:
    folder.write("served.py", APP)
    server = serve("--app", "served", "run", "--port", "0", "--protocol", protocol)
    url = server.url
    assert httpx.get(url).json()["word"] == "WORD"

    folder.write("served.py", APP.replace("WORD", "CHANGED"))
    server.wait_for("^served.py changed.\n(.*\n)*Serving again.")
    assert httpx.get(url, timeout=30).json()["word"] == "CHANGED"

    folder.write("served.py", APP + "\n1 / 0\n")
    server.wait_for("^ZeroDivisionError: division by zero\nWaiting for a change.")
    answer = httpx.get(url, timeout=30)
    assert answer.status_code == 500
    assert "The app cannot be loaded." in answer.text
    assert "ZeroDivisionError" not in answer.text

    folder.write("served.py", APP.replace("WORD", "MENDED"))
    server.wait_for("Serving again.\n(.*\n)*served.py changed.\n(.*\n)*Serving again.")
    assert httpx.get(url, timeout=30).json()["word"] == "MENDED"
    assert server.end() == 0


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, None], ids=["Ctrl-C", "SIGTERM", "change"])
@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
def test_requests_under_way_are_answered_before_it_ends_or_starts_anew(
    folder: Any, serve: Callable[..., Server], protocol: str, how: signal.Signals | None, reload: str
) -> None:
    if how is None and reload == "--no-reload":
        pytest.skip("Nothing watches the files.")
    folder.write("served.py", APP)
    server = serve("--app", "served", "run", "--port", "0", "--protocol", protocol, reload)
    url = server.url
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx.get, f"{url}/slow", timeout=30)
        server.wait_for("slow begins")
        if how is None:
            folder.write("served.py", APP.replace("WORD", "CHANGED"))
            assert answer.result(30).text == "WORD"
            server.wait_for("Serving again.")
            assert "goodbye" in server.output
        else:
            assert server.end(how) == 0
            assert answer.result(30).text == "WORD"
            assert server.output.count("goodbye") == 1


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
def test_who_serves_in_a_process_of_their_own_gets_their_handler_of_sigterm_back(protocol: str) -> None:
    def handler(signum: int, frame: Any) -> None:
        raise AssertionError("nobody has told the process to end")

    before = signal.signal(signal.SIGTERM, handler)
    try:
        with listen("127.0.0.1", 0) as listening:
            server = make_server(protocol, Webframe("embedded"), listening)
            stopper = threading.Timer(0.3, server.stop)
            stopper.start()
            server.serve()
            stopper.join()
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_start_up_that_fails_is_waited_for_too(folder: Any, serve: Callable[..., Server]) -> None:
    folder.write("served.py", APP + "\n@app.on_startup\ndef fail(): raise RuntimeError('no oven')\n")
    server = serve("--app", "served", "run", "--port", "0", "--protocol", "asgi")
    server.wait_for("Error: The app did not start; what went wrong is said above.\nWaiting for a change.")
    assert "no oven" in server.output
    folder.write("served.py", APP)
    server.wait_for("^Serving again.")
    assert httpx.get(server.url, timeout=30).json()["word"] == "WORD"
    assert server.end() == 0


def test_without_reload_a_start_up_that_fails_ends_the_command(folder: Any) -> None:
    folder.write("served.py", APP + "\n@app.on_startup\ndef fail(): raise RuntimeError('no oven')\n")
    result = folder.run("--app", "served", "run", "--port", "0", "--protocol", "asgi", "--no-reload")
    assert result.returncode == 1
    assert "no oven" in result.stderr
    assert result.stderr.endswith("Error: The app did not start; what went wrong is said above.\n")


def test_env_files_are_read_anew(folder: Any, serve: Callable[..., Server]) -> None:
    folder.write("served.py", APP.replace('"WORD"', "settings.WORD"))
    folder.write(".env", "WEBFRAME_WORD=first\n")
    folder.write(".webframeenv", "WEBFRAME_APP=served\nPORT=0\n")
    server = serve("run")
    assert httpx.get(server.url).json()["word"] == "first"
    folder.write(".env", "WEBFRAME_WORD=second\n")
    server.wait_for("^.env changed.\n(.*\n)*Serving again.")
    assert httpx.get(server.url, timeout=30).json()["word"] == "second"
    assert server.end() == 0


@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
def test_a_wrong_app_is_one_line_and_exit_code_2(folder: Any, reload: str) -> None:
    folder.write("served.py", APP)
    result = folder.run("--app", "served:ap", "run", "--port", "0", reload)
    assert result.returncode == 2
    assert result.stderr == ("Error: --app 'served:ap': module 'served' has no attribute 'ap'. Did you mean 'app'?\n")
    assert result.stdout == ""


@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
def test_a_broken_app_is_its_traceback_and_exit_code_1(folder: Any, reload: str) -> None:
    path = folder.write("served.py", "1 / 0")
    result = folder.run("--app", "served", "run", "--port", "0", reload)
    assert result.returncode == 1
    assert result.stderr.startswith(f'Traceback (most recent call last):\n  File "{path}", line 1')
    assert result.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_a_broken_settings_module_is_its_traceback_and_exit_code_1(folder: Any) -> None:
    folder.write("served.py", APP)
    path = folder.write("served_settings.py", "1 / 0")
    result = folder.run("--app", "served", "run", "--port", "0", WEBFRAME_SETTINGS_MODULE="served_settings")
    assert result.returncode == 1
    assert f'File "{path}", line 1' in result.stderr
    assert result.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert "management" not in result.stderr


@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
def test_a_port_in_use_is_one_line(folder: Any, reload: str) -> None:
    folder.write("served.py", APP)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = folder.run("--app", "served", "run", reload, PORT=str(port))
    assert result.returncode == 1
    assert result.stderr == (
        f"Error: Cannot listen on 127.0.0.1 port {port}: it is in use. "
        "Stop what uses it, or choose another with --port; 0 is any free one.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "text", "debug"),
    [
        (["--no-debug"], {}, "", False),
        (["--debug"], {"WEBFRAME_DEBUG": "false"}, "", True),
        ([], {"WEBFRAME_DEBUG": "false"}, "", False),
        ([], {}, "DEBUG=False", False),
        (["--host", "0.0.0.0"], {}, "", False),
        (["--host", "0.0.0.0", "--debug"], {}, "", True),
    ],
)
def test_debug_is_what_was_asked_for_and_on_only_where_nobody_else_can_connect(
    folder: Any, serve: Callable[..., Server], arguments: list[str], variables: dict[str, str], text: str, debug: bool
) -> None:
    folder.write("served.py", APP.replace("Webframe(__name__)", f"Webframe(__name__, {text})"))
    server = serve("--app", "served", "run", "--port", "0", "--no-reload", *arguments, **variables)
    assert httpx.get(server.url).json()["debug"] is debug
    assert server.end() == 0
    assert f"debug {'on' if debug else 'off'}, reload off" in server.lines[1]
    warned = "Warning: DEBUG is on and 0.0.0.0 can be reached from elsewhere" in server.output
    assert warned == (debug and "0.0.0.0" in arguments)


def exchange(url: str, request: bytes) -> bytes:
    """Send bytes as they are and return the whole answer."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 4\r\n", b"200"),
        (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"400"),
        (b"Content-Length: 4\r\nContent-Length: 5\r\n", b"400"),
        (b"Content-Length: four\r\n", b"400"),
        (b"Content-Length: -4\r\n", b"400"),
        (b"Transfer-Encoding: gzip, chunked\r\n", b"501"),
    ],
)
def test_a_request_whose_end_is_in_doubt_is_refused(wsgi_url: str, headers: bytes, status: bytes) -> None:
    answer = exchange(wsgi_url, b"POST /echo HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\nbody")
    assert answer.split(b" ", 2)[1] == status
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(("length", "told", "status"), [(b"4", 1, b"200"), (b"four", 0, b"400")])
def test_a_client_that_asks_whether_to_go_on_is_told_once_and_not_when_it_is_refused(
    wsgi_url: str, length: bytes, told: int, status: bytes
) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: " + length
    answer = exchange(wsgi_url, head + b"\r\n\r\nbody")
    assert answer.count(b"HTTP/1.1 100 Continue\r\n") == told
    assert b"HTTP/1.1 " + status in answer


@pytest.fixture(scope="module")
def wsgi_url(folder_at: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one WSGI server for all requests that are in doubt."""
    folder = folder_at(tmp_path_factory.mktemp("served"))
    app = str(folder.write("served.py", APP))
    server = Server(folder, "--app", app, "run", "-p", "0", "--protocol", "wsgi", "--no-reload")
    yield server.url
    server.end()
    assert server.process.stdout is not None
    server.process.stdout.close()


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("192.0.2.1", False), ("example.org", False), ("", False)],
)  # fmt: skip
def test_only_loopback_addresses_are_for_this_machine_alone(
    host: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEBFRAME_DEBUG", raising=False)
    assert is_loopback(host) is expected
    assert is_debug_expected(host) is expected


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("true", True), ("False", False), ("0", False)])
def test_the_variable_decides_before_the_address(text: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBFRAME_DEBUG", text)
    assert is_debug_expected("127.0.0.1") is expected
    assert is_debug_expected("0.0.0.0") is expected


def test_uvicorn_is_chosen_where_it_is_installed() -> None:
    pytest.importorskip("uvicorn")
    assert choose_protocol("auto") == "asgi"
    assert choose_protocol("wsgi") == "wsgi"


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1", "x" * 70])
def test_a_host_that_is_not_ours_is_one_line(host: str) -> None:
    from webframe.core.management import CommandError

    with pytest.raises(CommandError) as caught:
        listen(host, 0)
    assert "with --host" in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_address_of_ipv6_is_written_in_brackets() -> None:
    try:
        listening = listen("::1", 0)
    except Exception:
        pytest.skip("IPv6 is switched off here")
    with listening:
        assert address(listening, "::1") == f"http://[::1]:{listening.getsockname()[1]}/"
        assert address(listening, "::").startswith("http://[::1]:")


def test_every_address_is_shown_as_this_machine() -> None:
    with listen("0.0.0.0", 0) as listening:
        assert address(listening, "0.0.0.0") == f"http://127.0.0.1:{listening.getsockname()[1]}/"


def test_the_processes_end_with_their_parent(folder: Any, serve: Callable[..., Server]) -> None:
    folder.write("served.py", APP + "\nimport os\nprint('process', os.getpid(), flush=True)\n")
    server = serve("--app", "served", "run", "--port", "0", "--reload")
    child = int(server.wait_for(r"^process (\d+)$")[1])
    assert server.url
    server.process.kill()
    server.process.wait(30)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the serving process goes on without its parent")
