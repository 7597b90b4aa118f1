"""The page for an error while developing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import jinja2
import pytest

from webframe import debug, template
from webframe.debug import console, debug_response
from webframe.debug.values import HIDDEN
from webframe.http.request import Request
from webframe.http.response import Response
from webframe.test.settings import override_settings

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(autouse=True)
def debug_on() -> Iterator[None]:
    with override_settings(DEBUG=True):
        yield
    console.store.clear()


@pytest.fixture(params=["wsgi", "asgi"])
def protocol(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def request_for(
    protocol: str = "wsgi",
    path: str = "/pizza",
    *,
    peer: str = "127.0.0.1",
    root_path: str = "",
    query: str = "",
    **headers: str,
) -> Request:
    headers = {"host": "localhost:8000", "accept": BROWSER, **headers}
    if protocol == "wsgi":
        return Request(
            {
                "REQUEST_METHOD": "GET",
                "PATH_INFO": path,
                "SCRIPT_NAME": root_path,
                "QUERY_STRING": query,
                "SERVER_NAME": "localhost",
                "SERVER_PORT": "8000",
                "SERVER_PROTOCOL": "HTTP/1.1",
                "REMOTE_ADDR": peer,
                "wsgi.url_scheme": "http",
                **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
            }
        )
    return Request.from_scope(
        {
            "type": "http",
            "method": "GET",
            "path": root_path + path,
            "raw_path": (root_path + path).encode(),
            "root_path": root_path,
            "query_string": query.encode(),
            "scheme": "http",
            "server": ("127.0.0.1", 8000),
            "client": (peer, 50000),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        },
        None,
    )


def fail(secret: str = "hunter2") -> None:
    raise LookupError('There is no <b>pizza</b> & no "pasta"')


def error_of(function: Callable[..., object], *args: Any) -> Exception:
    try:
        function(*args)
    except Exception as error:
        return error
    raise AssertionError


def page_of(error: BaseException, request: Request | None = None, **options: Any) -> str:
    response = debug_response(request or request_for(), error, **options)
    assert response.mimetype == "text/html", response.get_data(as_text=True)
    return response.get_data(as_text=True)


class Outline(HTMLParser):
    """Collects the elements of a page and complains of what is not closed."""

    void = frozenset({"meta", "link", "br", "input", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


class TestResponse:
    def test_a_browser_gets_a_page(self, protocol: str) -> None:
        response = debug_response(request_for(protocol), error_of(fail))
        assert response.status_code == 500
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert response.get_data(as_text=True).startswith("<!doctype html>")

    @pytest.mark.parametrize(
        "accept", ["*/*", "application/json", "text/plain", "text/plain, text/html;q=0.5", "", "{"]
    )
    def test_others_get_a_traceback(self, protocol: str, accept: str) -> None:
        response = debug_response(request_for(protocol, accept=accept), error_of(fail))
        assert response.status_code == 500
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        text = response.get_data(as_text=True)
        assert text.startswith("Traceback") and 'LookupError: There is no <b>pizza</b> & no "pasta"' in text

    def test_it_is_for_no_cache_and_no_frame(self) -> None:
        headers = debug_response(request_for(), error_of(fail)).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"

    def test_a_page_that_cannot_be_made_becomes_a_traceback(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Odd(Request):
            @property
            def root_path(self) -> str:  # type: ignore[override]  # broken on purpose
                raise LookupError("no path")

        request = Odd(request_for().environ)
        response = debug_response(request, error_of(fail))
        assert (response.status_code, response.mimetype) == (500, "text/plain")
        assert "LookupError: There is no" in response.get_data(as_text=True)


class TestPage:
    def test_it_is_well_formed_and_escapes_everything(self, protocol: str) -> None:
        evil = "\"'><script>alert(1)</script>{{ 7 * 7 }}"

        def raise_evil() -> None:
            error = LookupError(evil)
            error.add_note(evil)
            raise error

        exec_names: dict[str, Any] = {evil: evil}
        code = compile("def f():\n    raise_evil()\nf()", evil, "exec")
        error = error_of(exec, code, {**exec_names, "raise_evil": raise_evil})
        # What a URL or a header may hold of it once a server has read it.
        harmless = evil.replace(" ", "+")
        request = request_for(protocol, "/" + harmless, query="q=" + harmless, user_agent=evil)
        page = page_of(error, request, timeline=[(0.1, evil)])
        outline = Outline(page)
        assert len(outline.of("script")) == 1
        assert "<script>alert" not in page
        assert "49" not in re.findall(r"script&gt;(\d+)", page)

    def test_it_shows_what_happened(self) -> None:
        page = page_of(error_of(fail), timeline=[(0.0123, "request_started")])
        assert "<h1>LookupError</h1>" in page
        assert "There is no &lt;b&gt;pizza&lt;/b&gt; &amp; no &#34;pasta&#34;" in page
        assert "raise LookupError(" in page
        assert "hunter2&#34;" in page  # in the source of fail(): what is written there is not hidden
        assert f"<dt>secret</dt><dd>{HIDDEN}</dd>" in page
        assert "12.3 ms" in page and "request_started" in page
        assert "<title>LookupError at /pizza</title>" in page

    def test_it_needs_nothing_from_elsewhere(self) -> None:
        outline = Outline(page_of(error_of(fail)))
        addresses = [
            attributes[name]
            for _, attributes in outline.elements
            for name in ("src", "href", "action", "data", "poster", "srcset")
            if attributes.get(name)
        ]
        assert all(str(address).startswith(("#", "data:")) for address in addresses)
        assert "@import" not in files("webframe.debug").joinpath("page.css").read_text()
        assert "url(" not in files("webframe.debug").joinpath("page.css").read_text()

    def test_its_policy_lets_only_its_own_style_and_script_through(self) -> None:
        response = debug_response(request_for(), error_of(fail))
        policy = response.headers["Content-Security-Policy"]
        outline = Outline(response.get_data(as_text=True))
        (style,), (script,) = outline.of("style"), outline.of("script")
        assert f"style-src 'nonce-{style['nonce']}'" in policy
        assert f"script-src 'nonce-{script['nonce']}'" in policy
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert not [
            name for _, attributes in outline.elements for name in attributes if name == "style" or name[:2] == "on"
        ]

    def test_each_page_has_its_own_nonce(self) -> None:
        error = error_of(fail)
        policies = {debug_response(request_for(), error).headers["Content-Security-Policy"] for _ in range(3)}
        assert len(policies) == 3

    def test_anchors_lead_somewhere(self) -> None:
        outline = Outline(page_of(error_of(fail), timeline=[(0, "x")]))
        ids = {attributes["id"] for _, attributes in outline.elements if attributes.get("id")}
        assert {str(link["href"])[1:] for link in outline.of("a")} <= ids

    def test_groups_and_causes_make_a_page(self) -> None:
        def raise_from() -> None:
            try:
                fail()
            except LookupError as error:
                raise KeyError("x") from error

        group = ExceptionGroup("two", [error_of(raise_from), ExceptionGroup("inner", [ValueError("deep")])])
        page = page_of(group)
        Outline(page)
        assert "<small>Raised from</small> LookupError" in page
        assert page.index("two (2 sub-exceptions)") < page.index("KeyError") < page.index("deep")

    def test_a_recursion_makes_a_small_page(self) -> None:
        def ping(number: int) -> None:
            pong(number)

        def pong(number: int) -> None:
            ping(number)

        page = page_of(error_of(ping, 0))
        Outline(page)
        assert "calls left out" in page
        assert len(page) < 300_000

    def test_a_syntax_error_makes_a_page(self) -> None:
        page = page_of(error_of(compile, "def f(:", "broken.py", "exec"))
        Outline(page)
        assert "<mark>:</mark>" in page

    def test_an_error_without_a_traceback_makes_a_page(self) -> None:
        Outline(page_of(ValueError()))

    def test_text_that_utf8_cannot_say_makes_a_page(self) -> None:
        page = page_of(ValueError("caf\udce9"))
        assert "caf\\udce9" in page

    def test_an_error_in_a_template_makes_a_page(self) -> None:
        page = page_of(error_of(template.render_string, "{{ 1 // 0 }}"))
        assert "top-level template code" in page

    def test_a_render_hook_does_not_see_it(self) -> None:
        seen: list[jinja2.Template] = []
        template.install_render_hook(lambda rendered, context: seen.append(rendered))
        try:
            page_of(error_of(fail))
        finally:
            template.remove_render_hook()
        assert seen == []


class TestConsole:
    def frames(self, page: str) -> list[str | None]:
        return [each["data-frame"] for each in Outline(page).of("details") if "data-frame" in each]

    def test_a_local_developer_has_one_in_each_frame(self, protocol: str) -> None:
        frames = self.frames(page_of(error_of(fail), request_for(protocol)))
        assert len(frames) == 2
        assert all(console.store.find(str(frame)) for frame in frames)

    def test_the_token_is_not_on_the_page(self, protocol: str) -> None:
        response = debug_response(request_for(protocol), error_of(fail))
        assert console._token.of_this_process() not in response.get_data(as_text=True) + str(response.headers)

    @pytest.mark.parametrize(
        "options",
        [{"peer": "192.168.1.5"}, {"host": "example.org"}, {"x_forwarded_for": "127.0.0.1"}, {"via": "1.1 x"}],
    )
    def test_nobody_else_has_one_and_no_frame_is_kept(self, protocol: str, options: dict[str, str]) -> None:
        page = page_of(error_of(fail), request_for(protocol, **options))
        assert self.frames(page) == []
        assert not console.store._errors

    def test_a_page_reached_from_another_site_has_none(self) -> None:
        assert self.frames(page_of(error_of(fail), request_for(referer="https://example.org/"))) == []

    def test_its_address_is_below_the_root_path(self, protocol: str) -> None:
        (body,) = Outline(page_of(error_of(fail), request_for(protocol, root_path="/shop"))).of("body")
        assert body["data-console"] == "/shop/__webframe__/console"

    def test_without_debug_there_is_none(self) -> None:
        with override_settings(DEBUG=False):
            assert self.frames(page_of(error_of(fail))) == []

    def test_an_application_serves_what_routes_says(self) -> None:
        assert debug.routes() == [("/__webframe__/console", console.console_view, ["POST"])]


def test_the_response_is_a_response() -> None:
    assert isinstance(debug_response(request_for(), ValueError()), Response)
