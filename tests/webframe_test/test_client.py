"""Test clients: the same answers over both protocols, errors in the test, nothing that leaks."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import httpx
import pytest

from webframe import Request, Webframe, redirect
from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.core.signals import got_request_exception, request_finished, request_started
from webframe.test import AsyncClient, Client, capture_signals, override_settings
from webframe.test.client import ASGITransport, LoopTransport, WSGITransport

ClientFor = Callable[..., Client]


@pytest.fixture
def strict(app: Webframe, protocol: str) -> Client:
    """A client that raises what nobody handled."""
    return Client(app, protocol=protocol)


def both(app: Webframe, rule: str) -> Callable[[Callable[[Request], Any]], None]:
    """Adds a view twice: plain at the rule, async at ``/async`` and the rule."""

    def add(view: Callable[[Request], Any]) -> None:
        async def asynchronous(request: Request) -> Any:
            await asyncio.sleep(0)
            return view(request)

        app.get(rule)(view)
        app.get(f"/async{rule}", name=f"async_{view.__name__}")(asynchronous)

    return add


# -- what the app is told


def test_the_app_sees_the_request_as_from_a_server(app: Webframe, strict: Client) -> None:
    @app.post("/notes/<name>")
    def notes(request: Request, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "page": request.args["page"],
            "host": request.host,
            "scheme": request.scheme,
            "address": request.remote_addr,
            "body": request.json,
            "length": request.content_length,
            "header": request.headers["X-Note"],
        }

    response = strict.post("/notes/a%2Fb c?page=ü", json=[1], headers={"X-Note": "new"})
    assert response.status_code == 404  # an encoded slash is a slash, as with any server
    assert strict.post("/notes/a b?page=ü", json=[1], headers={"X-Note": "new"}).json() == {
        "name": "a b",
        "page": "ü",
        "host": "testserver",
        "scheme": "http",
        "address": "127.0.0.1",
        "body": [1],
        "length": 3,
        "header": "new",
    }


@pytest.mark.parametrize("path", ["/é", "/日本", "/%E6%97%A5", "/a%20b", "/ä/../ö"])
def test_paths_that_are_not_ascii_arrive(app: Webframe, strict: Client, path: str) -> None:
    @app.get("/<path:rest>")
    def show(request: Request, rest: str) -> str:
        return "/" + rest

    assert strict.get(path).text == httpx.URL("http://testserver").join(path).path


def test_a_host_that_is_not_ascii_arrives_encoded(app: Webframe, strict: Client) -> None:
    @app.get("/")
    def show(request: Request) -> str:
        return request.host

    with override_settings(ALLOWED_HOSTS=["*"]):
        assert strict.get("https://bücher.example/").text == "xn--bcher-kva.example"


def test_forms_and_files_arrive(app: Webframe, strict: Client, tmp_path: Path) -> None:
    @app.post("/")
    def take(request: Request) -> dict[str, Any]:
        return {"form": dict(request.form), "file": request.files["menu"].read().decode()}

    (tmp_path / "menu.txt").write_text("pizza")
    with (tmp_path / "menu.txt").open("rb") as file:
        response = strict.post("/", data={"for": "Ada"}, files={"menu": file})
    assert response.json() == {"form": {"for": "Ada"}, "file": "pizza"}


def test_several_headers_of_one_name_arrive_and_come_back(app: Webframe, strict: Client) -> None:
    @app.get("/")
    def show(request: Request) -> Any:
        return request.headers["Accept"], 200, [("X-Two", "1"), ("X-Two", "2")]

    response = strict.get("/", headers=[("Accept", "a/a"), ("Accept", "b/b")])
    assert response.text.replace(" ", "") == "a/a,b/b"
    assert response.headers.get_list("X-Two") == ["1", "2"]


def test_header_names_with_underscores_do_not_pass_for_others(app: Webframe, strict: Client) -> None:
    @app.get("/")
    def show(request: Request) -> str:
        return request.headers.get("X-User", "nobody")

    assert strict.get("/", headers={"X_User": "admin"}).text == "nobody"


def test_head_has_no_body_but_the_headers_of_one(app: Webframe, strict: Client) -> None:
    @both(app, "/")
    def index(request: Request) -> str:
        return "hello"

    for path in "/", "/async/":
        response = strict.head(path)
        assert (response.content, response.headers["Content-Length"]) == (b"", "5")


# -- what the test gets


def test_cookies_are_kept_and_sent_back(app: Webframe, strict: Client) -> None:
    @app.get("/")
    def count(request: Request) -> Any:
        number = int(request.cookies.get("number", 0)) + 1
        return str(number), 200, {"Set-Cookie": f"number={number}"}

    assert [strict.get("/").text for _ in range(3)] == ["1", "2", "3"]
    strict.cookies.clear()
    assert strict.get("/", headers={"Cookie": "number=7"}).text == "8"


def test_redirects_are_followed_if_asked_and_remembered(app: Webframe, strict: Client) -> None:
    app.get("/one")(lambda request: redirect("/two"))
    app.get("/two", name="two")(lambda request: redirect("/three", 307))
    app.get("/three", name="three")(lambda request: "arrived")
    assert strict.get("/one").status_code == 302
    assert strict.get("/one").redirect_chain == []
    response = strict.get("/one", follow_redirects=True)
    assert (response.text, response.url.path) == ("arrived", "/three")
    assert response.redirect_chain == [("/two", 302), ("/three", 307)]
    assert [each.status_code for each in response.history] == [302, 307]
    assert response.client is response.history[0].client is strict
    with strict.stream("GET", "/three") as response:
        assert response.client is strict


def test_authorization_is_not_sent_to_another_host(app: Webframe, strict: Client) -> None:
    @app.get("/<path:rest>")
    def show(request: Request, rest: str) -> Any:
        if rest == "away":
            return redirect("http://localhost/arrived")
        return redirect("/arrived") if rest == "near" else request.headers.get("Authorization", "nothing")

    options: dict[str, Any] = {"auth": ("ada", "secret"), "follow_redirects": True}
    assert strict.get("/near", **options).text.startswith("Basic ")
    assert strict.get("/away", **options).text == "nothing"


def test_requests_follow_each_other_in_one_client_and_clients_side_by_side(app: Webframe, protocol: str) -> None:
    @both(app, "/")
    def show(request: Request) -> str:
        return request.args["n"]

    def ask(client: Client, answers: list[str], start: int) -> None:
        for number in range(start, start + 20):
            answers.append(client.get("/async/" if number % 2 else "/", params={"n": number}).text)

    answers: list[list[str]] = [[] for _ in range(8)]
    with Client(app, protocol=protocol) as shared:
        threads = [
            threading.Thread(target=ask, args=(shared if n % 2 else Client(app, protocol=protocol), answers[n], n * 20))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [[str(number) for number in range(n * 20, n * 20 + 20)] for n in range(8)]


# -- errors


class Broken(Exception):
    pass


def test_an_error_that_nobody_handled_is_raised_in_the_test(app: Webframe, protocol: str, strict: Client) -> None:
    @both(app, "/")
    def fail(request: Request) -> str:
        raise Broken

    for path in "/", "/async/":
        with capture_signals(request_started, request_finished) as sent, pytest.raises(Broken):
            strict.get(path)
        assert sent.names == ["request_started", "request_finished"]
        lenient = Client(app, protocol=protocol, raise_app_exceptions=False)
        assert lenient.get(path).status_code == 500


def test_an_error_that_was_handled_is_not_raised(app: Webframe, strict: Client) -> None:
    app.errorhandler(Broken)(lambda request, error: ("handled", 418))

    @both(app, "/")
    def fail(request: Request) -> str:
        raise Broken

    assert [strict.get(path).status_code for path in ("/", "/async/", "/nowhere")] == [418, 418, 404]


def test_an_error_is_raised_even_where_the_test_has_muted_the_signal(app: Webframe, strict: Client) -> None:
    @app.get("/")
    def fail(request: Request) -> str:
        raise Broken

    with got_request_exception.muted(), pytest.raises(Broken):
        strict.get("/")


def test_an_error_that_leaves_the_app_is_raised_in_any_case(app: Webframe, protocol: str) -> None:
    @both(app, "/")
    def fail(request: Request) -> str:
        raise Broken

    client = Client(app, protocol=protocol, raise_app_exceptions=False)
    with override_settings(PROPAGATE_EXCEPTIONS=True):
        for path in "/", "/async/":
            with pytest.raises(Broken):
                client.get(path)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_what_ends_programs_is_raised_and_the_client_goes_on(app: Webframe, strict: Client, error: Any) -> None:
    @both(app, "/")
    def leave(request: Request) -> str:
        raise error

    app.get("/ok")(lambda request: "ok")
    for path in "/", "/async/":
        with pytest.raises(type(error)):
            strict.get(path)
        assert strict.get("/ok").text == "ok"


def test_the_error_of_a_request_within_a_request_is_the_inner_clients_alone(app: Webframe, strict: Client) -> None:
    @app.get("/fail")
    def fail(request: Request) -> str:
        raise Broken

    @app.get("/")
    def ask(request: Request) -> str:
        with pytest.raises(Broken):
            Client(app, protocol=strict.protocol).get("/fail")
        return "went on"

    assert strict.get("/").text == "went on"


def test_a_receiver_of_request_finished_that_fails_fails_the_test(app: Webframe, strict: Client) -> None:
    def fail(sender: Any, **kwargs: Any) -> None:
        raise Broken

    both(app, "/")(lambda request: "hello")
    for path in "/", "/async/":
        with request_finished.connected_to(fail), pytest.raises(Broken):
            strict.get(path)
        assert strict.get(path).text == "hello"


def test_apps_of_others_work_too(protocol: str) -> None:
    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("299 Odd", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode("latin-1")]

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 299, "headers": [[b"content-type", b"text/plain"]]})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    with Client(wsgi if protocol == "wsgi" else asgi, protocol=protocol) as client:
        response = client.get("/é")
    assert (response.status_code, response.text) == (299, "/é")


def test_a_wsgi_app_may_begin_late_write_or_change_its_mind() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        yield b""
        write = start_response("200 OK", [])
        write(b"written, ")
        try:
            raise Broken
        except Broken:
            start_response("503 Broken", [("X-Why", "late")], sys.exc_info())
        yield b"yielded"

    response = Client(app).get("/")
    assert (response.status_code, response.reason_phrase, response.text) == (503, "Broken", "written, yielded")


def test_a_wsgi_app_that_fails_after_its_first_byte_is_an_error() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"first"
        try:
            raise Broken
        except Broken:
            start_response("500 Broken", [], sys.exc_info())
        yield b"never"

    with pytest.raises(Broken):
        Client(app).get("/")


def test_apps_that_never_answer_are_errors_that_say_so() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        pass

    async def wrong(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": b"hello"})

    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"hel", "more_body": True})

    with pytest.raises(RuntimeError, match="without a response"):
        Client(lambda environ, start_response: []).get("/")
    with pytest.raises(RuntimeError, match="without a response"):
        Client(silent, protocol="asgi").get("/")
    with pytest.raises(RuntimeError, match=r"http.response.body.* before"):
        Client(wrong, protocol="asgi").get("/")
    with pytest.raises(httpx.RemoteProtocolError, match="before its response was complete"):
        Client(half, protocol="asgi").get("/")


# -- nothing leaks

variable: ContextVar[str] = ContextVar("variable", default="unset")


def test_context_variables_are_seen_by_the_app_and_do_not_come_back(app: Webframe, strict: Client) -> None:
    @both(app, "/")
    def change(request: Request) -> str:
        before = variable.get()
        variable.set("changed")
        return before

    def by_receiver(sender: Any, **kwargs: Any) -> None:
        variable.set("changed by a receiver")

    token = variable.set("of the test")
    try:
        with request_started.connected_to(by_receiver):
            assert strict.get("/").text == "changed by a receiver"
        for path in "/", "/async/":
            assert strict.get(path).text == "of the test"
            assert variable.get() == "of the test"
    finally:
        variable.reset(token)


def test_context_variables_do_not_come_back_from_streams_either(app: Webframe, strict: Client) -> None:
    @app.get("/")
    def stream(request: Request) -> Any:
        def pieces() -> Any:
            for piece in "ab":
                yield variable.get() + piece
                variable.set("changed")

        return pieces()

    assert strict.get("/").text == "unseta" + "changedb"
    assert variable.get() == "unset"


def test_no_one_listens_when_the_request_is_over(app: Webframe, strict: Client) -> None:
    both(app, "/")(lambda request: "hello")
    for path in "/", "/async/":
        strict.get(path)
        assert not got_request_exception.has_listeners()


# -- async code


def test_an_async_client_is_served_in_the_tests_own_loop(app: Webframe) -> None:
    @app.get("/")
    async def show(request: Request) -> str:
        return str(asyncio.get_running_loop() is loop)

    @app.get("/plain")
    def plain(request: Request) -> str:
        return "plain"

    async def ask() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        async with AsyncClient(app) as client:
            assert (await client.get("/")).text == "True"
            assert (await client.get("/plain")).text == "plain"

    loop: Any = None
    asyncio.run(ask())


def test_many_requests_at_once_do_not_hear_each_other(app: Webframe) -> None:
    @app.get("/<int:number>")
    async def show(request: Request, number: int) -> str:
        await asyncio.sleep(0.001 * (number % 3))
        if number % 5 == 0:
            raise Broken(number)
        return str(number)

    async def ask() -> list[Any]:
        async with AsyncClient(app) as client:
            return await asyncio.gather(*(client.get(f"/{n}") for n in range(30)), return_exceptions=True)

    for number, answer in enumerate(asyncio.run(ask())):
        assert answer.args == (number,) if number % 5 == 0 else answer.text == str(number)


def test_a_plain_client_in_async_code_says_what_to_use(app: Webframe) -> None:
    async def ask() -> None:
        with pytest.raises(SynchronousOnlyOperation, match="AsyncClient"):
            Client(app, protocol="asgi").get("/")
        with pytest.raises(SynchronousOnlyOperation, match="AsyncClient"):
            Client(app, protocol="asgi").__enter__()
        with Client(app) as client:
            assert client.get("/").text == "hello"

    app.get("/")(lambda request: "hello")
    asyncio.run(ask())


# -- making one


def test_without_an_app_it_talks_to_the_one_that_the_command_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from webframe import Webframe\nmine = Webframe(__name__)\nmine.get('/')(lambda request: 'found')\n"
    (tmp_path / "found_app.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *sys.path])
    monkeypatch.setenv("WEBFRAME_APP", "found_app:mine")

    async def ask() -> str:
        async with AsyncClient() as client:
            return (await client.get("/")).text

    for protocol in "wsgi", "asgi":
        client = Client(protocol=protocol)
        assert (client.get("/").text, client.protocol) == ("found", protocol)
        assert client.app is sys.modules["found_app"].mine
    assert asyncio.run(ask()) == "found"


def test_a_protocol_that_is_none_is_refused(app: Webframe) -> None:
    with pytest.raises(ValueError, match="'wsgi' or 'asgi', not 'WSGI'"):
        Client(app, protocol="WSGI")


def test_options_are_those_of_httpx(app: Webframe, protocol: str) -> None:
    @app.get("/shop/<path:rest>")
    def show(request: Request, rest: str) -> str:
        return f"{request.host} {rest} {request.headers['X-One']}"

    client = Client(app, protocol=protocol, base_url="http://localhost/shop", headers={"X-One": "1"})
    assert client.get("menu").text == "localhost menu 1"


def test_transports_can_be_mounted_in_clients_of_httpx(app: Webframe) -> None:
    app.get("/")(lambda request: request.host)
    other = Webframe("other")
    other.get("/")(lambda request: "other")
    mounts: Any = {"all://testserver": WSGITransport(app), "all://localhost": LoopTransport(ASGITransport(other))}
    with httpx.Client(mounts=mounts, trust_env=False) as client:
        assert [client.get(f"http://{host}/").text for host in ("testserver", "localhost")] == ["testserver", "other"]


@pytest.mark.parametrize("name", ["raise_app_exceptions", "raise_request_exception"])
def test_whether_errors_are_raised_can_be_changed_later(app: Webframe, protocol: str, name: str) -> None:
    @both(app, "/")
    def fail(request: Request) -> str:
        raise Broken

    client = Client(app, protocol=protocol)
    setattr(client, name, False)
    assert client.get("/").status_code == 500 and getattr(client, name) is False
    setattr(client, name, True)
    with pytest.raises(Broken):
        client.get("/")


async def test_whether_errors_are_raised_can_be_changed_later_for_async_clients_too(app: Webframe) -> None:
    @app.get("/")
    def fail(request: Request) -> str:
        raise Broken

    client = AsyncClient(app)
    client.raise_request_exception = False
    assert (await client.get("/")).status_code == 500


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda client: client.get("/", {"page": 2}), r"not \{'page': 2\} behind it. Say params="),
        (lambda client: client.post("/", {"a": "1"}), "Say data= for a form, json= for JSON"),
        (lambda client: client.post("/", data={}, follow=True), "has no argument 'follow'.*Say follow_redirects=True"),
        (lambda client: client.put("/", content_type="text/plain"), 'Say headers={"Content-Type": ...}'),
        (lambda client: client.get("/", HTTP_X_FORWARDED_FOR="::1"), 'Say headers={"X-Forwarded-For": ...}'),
        (lambda client: client.get("/", folow_redirects=True), "Say one of .*follow_redirects"),
    ],
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_arguments_of_djangos_client_are_refused_with_what_to_write_instead(kind, call, message) -> None:
    with pytest.raises(TypeError, match=message):
        call(kind(Webframe("notes")))
