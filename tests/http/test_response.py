import asyncio
import copy
import gc
import pickle
import subprocess
import sys
from datetime import timedelta
from http import HTTPStatus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, NotFound, TooManyRequests
from werkzeug.test import create_environ, run_wsgi_app
from werkzeug.utils import redirect as werkzeug_redirect
from werkzeug.wrappers import Response as WerkzeugResponse

from webframe.core.exceptions import BadRequest
from webframe.http.request import Request
from webframe.http.response import (
    JSONResponse,
    Response,
    StreamingResponse,
    abort,
    make_response,
    redirect,
)


class Stock(WerkzeugResponse):
    default_mimetype = "text/html"


def answer(response, method="GET"):
    """What a WSGI server would make of the response."""
    chunks, status, headers = run_wsgi_app(response, create_environ(method=method))
    body = b"".join(chunks)
    if hasattr(chunks, "close"):
        chunks.close()
    return status, list(headers), body


def wsgi(response, method="GET"):
    status, headers, body = response.to_wsgi(method)
    return status, headers, b"".join(body)


def asgi(response, method="GET"):
    status, headers, body = response.to_asgi(method)
    return status, headers, body if isinstance(body, bytes) else b"".join(body)


def request(method="GET", *, protocol="wsgi", headers=()):
    if protocol == "wsgi":
        return Request(create_environ(method=method, headers=list(headers)))
    fields = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": method, "path": "/", "query_string": b"", "headers": fields}
    return Request.from_scope(scope, None)


# --- the same as werkzeug's ---------------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8"), max_size=8)
chunks = st.one_of(texts, st.binary(max_size=8))
values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_categories=["Cc"]), max_size=8).map(
    lambda value: value.strip(" ")
)
names = st.sampled_from(
    ["X-One", "x-one", "X-Two", "Content-Type", "content-length", "Expires", "Vary", "ETag", "Allow"]
)
mimetypes = st.sampled_from(["text/plain", "application/json", "text/css", "image/svg+xml", "a/b", ""])
content_types = st.sampled_from(["text/plain", "text/html; charset=latin-1", "a/b; c=d", "", 7])
statuses = st.one_of(
    st.sampled_from([None, 200, 201, 204, 301, 304, 404, 418, 500, 799, 100, 101, 999]),
    st.sampled_from(["200 OK", "404", "204 Nothing", "304 x", " 201 Made "]),
    st.sampled_from(list(HTTPStatus)),
)
addresses = st.one_of(
    st.sampled_from(
        ["/", "/a/b", "/a//b", "/a?b=c", "/a?", "//x.org/ä", "https://dömäin.example/ü?ß#€", "/ä b", "a", ""]
    ),
    texts.filter(lambda text: text.isprintable() and not any(char in text for char in "/\\[]:@")),
)
bodies = st.one_of(
    st.tuples(st.just("as it is"), st.one_of(st.none(), chunks, st.binary(max_size=8).map(bytearray))),
    st.tuples(st.just("list"), st.lists(chunks, max_size=3)),
    st.tuples(st.just("tuple"), st.lists(chunks, max_size=3)),
    st.tuples(st.just("iterator"), st.lists(chunks, max_size=3)),
)
BUILDERS = {"as it is": lambda value: value, "list": list, "tuple": tuple, "iterator": iter}
header_sets = st.one_of(
    st.none(),
    st.just({}),
    st.dictionaries(names, values, max_size=2),
    st.lists(st.tuples(names, values), max_size=3),
    st.lists(st.tuples(names, values), max_size=2).map(Headers),
)
changes = st.one_of(
    st.tuples(st.sampled_from(["status", "status_code"]), statuses.filter(lambda status: status is not None)),
    st.tuples(st.just("data"), chunks),
    st.tuples(st.just("response"), st.one_of(chunks.map(lambda chunk: [chunk]), st.lists(chunks, max_size=2))),
    st.tuples(st.just("mimetype"), mimetypes),
    st.tuples(st.just("content_type"), st.sampled_from(["text/plain", "a/b; c=d"])),
    st.tuples(st.just("content_length"), st.one_of(st.none(), st.integers(0, 99))),
    st.tuples(st.sampled_from(["location", "content_location"]), addresses),
    st.tuples(st.just("automatically_set_content_length"), st.booleans()),
    st.tuples(st.just("headers"), st.lists(st.tuples(names, values), max_size=2)),
    st.tuples(st.just("set"), st.tuples(names, values)),
    st.tuples(st.just("add"), st.tuples(names, values)),
    st.tuples(st.just("remove"), names),
    st.tuples(st.just("location twice"), st.tuples(addresses, addresses)),
    st.tuples(st.just("clear"), st.none()),
    st.tuples(st.just("cookie"), st.tuples(st.sampled_from(["a", "session_id"]), values, st.booleans())),
    st.tuples(st.just("delete cookie"), st.just("a")),
    st.tuples(st.just("vary"), st.sampled_from(["Cookie", "Accept"])),
    st.tuples(st.just("etag"), st.none()),
    st.tuples(st.just("append"), chunks),
    st.tuples(st.just("write"), st.binary(max_size=4)),
    st.tuples(st.sampled_from(["freeze", "make_sequence", "get_data", "copy"]), st.none()),
    st.tuples(st.just("conditional"), st.sampled_from(["*", '"a"', ""])),
)


def apply(response, change, value):
    match change:
        case "headers":
            response.headers = Headers(value)
        case "set":
            response.headers[value[0]] = value[1]
        case "add":
            response.headers.add(*value)
        case "remove":
            response.headers.remove(value)
        case "location twice":
            response.headers.add("location", value[0])
            response.headers.add("Location", value[1])
        case "clear":
            response.headers.clear()
        case "cookie":
            response.set_cookie(value[0], value[1], max_age=timedelta(hours=1), secure=value[2], samesite="lax")
        case "delete cookie":
            response.delete_cookie(value)
        case "vary":
            response.vary.add(value)
        case "etag":
            response.add_etag()
        case "append":
            if isinstance(response.response, list):
                response.response.append(value)
        case "write":
            response.stream.write(value)
        case "conditional" if response.is_sequence:
            response.headers["Date"] = "today"
            response.make_conditional(create_environ(headers={"If-None-Match": value} if value else None))
        case "freeze" | "make_sequence" | "get_data":
            getattr(response, change)()
        case "copy":
            response.__dict__.update(copy.copy(response).__dict__)
        case "conditional":
            pass
        case _:
            setattr(response, change, copy.copy(value))


def outcome(build, deliver):
    """The answer, or the type of the error on the way to it."""
    try:
        return deliver(build())
    except Exception as error:
        return type(error)


@settings(max_examples=300)
@given(
    bodies,
    statuses,
    header_sets,
    st.one_of(st.none(), mimetypes),
    st.one_of(st.none(), content_types),
    st.lists(changes, max_size=4),
    st.sampled_from(["GET", "HEAD", "POST"]),
)
@example(("as it is", "a"), None, None, None, None, [("response", [b"other"])], "GET")
@example(("as it is", None), None, None, None, None, [("append", b"x")], "GET")
@example(("as it is", "ä"), 304, None, None, None, [("set", ("Expires", "0")), ("etag", None)], "GET")
def test_a_response_is_what_werkzeug_would_make_of_it(body, status, headers, mimetype, content_type, steps, method):
    kind, content = body

    def builder(response_class):
        def build():
            response = response_class(
                BUILDERS[kind](copy.copy(content)), status, copy.copy(headers), mimetype, content_type
            )
            for step in steps:
                apply(response, *step)
            return response

        return build

    def look(response):
        found = answer(response, method)
        return found, response.status_code, response.is_sequence, response.mimetype, response.is_json

    expected = outcome(builder(Stock), look)
    assert outcome(builder(Response), look) == expected
    if not isinstance(expected, type):
        (line, fields, data), code, *_ = expected
        assert wsgi(builder(Response)(), method) == (line, fields, data)
        lowered = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields]
        assert asgi(builder(Response)(), method) == (code, lowered, data)


@given(addresses)
def test_a_location_is_sent_as_werkzeug_sends_it(address):
    def build(response_class):
        response = response_class("", 302)
        response.location = address
        return response

    assert outcome(lambda: build(Response), answer) == outcome(lambda: build(Stock), answer)


@given(st.from_regex(r"/?(?:/[A-Za-z0-9._~-]{0,3})*/?(?:\?[A-Za-z0-9._~=&-]{0,4})?", fullmatch=True))
def test_a_plain_path_is_sent_as_werkzeug_sends_it(address):
    test_a_location_is_sent_as_werkzeug_sends_it.hypothesis.inner_test(address)


def override(response_class):
    """Subclasses that change how werkzeug sends a response, each in its own way."""

    class Headed(response_class):
        def get_wsgi_headers(self, environ):
            headers = super().get_wsgi_headers(environ)
            headers["X-Method"] = environ["REQUEST_METHOD"]
            return headers

    class Iterated(response_class):
        def get_app_iter(self, environ):
            return [b"<", *super().get_app_iter(environ), b">"]

    class Encoded(response_class):
        def iter_encoded(self):
            return (chunk.upper() for chunk in super().iter_encoded())

    class Whole(response_class):
        def get_wsgi_response(self, environ):
            chunks, _, headers = super().get_wsgi_response(environ)
            return chunks, "299 Special", [*headers, ("X-Whole", "yes")]

    class Closed(response_class):
        closings = 0

        def close(self):
            super().close()
            type(self).closings += 1

    class Mixin:
        def get_wsgi_headers(self, environ):
            return Headers({"X-Only": "this"})

    class Mixed(Mixin, response_class):
        pass

    class Defaults(response_class):
        default_status = 202
        default_mimetype = "text/css"

    class Typeless(response_class):
        default_mimetype = None

    class Named(response_class):
        default_status = "203 Not quite"

    class Lengthless(response_class):
        automatically_set_content_length = False

    class Absolute(response_class):
        autocorrect_location_header = True

    return [Headed, Iterated, Encoded, Whole, Closed, Mixed, Defaults, Typeless, Named, Lengthless, Absolute]


@pytest.mark.parametrize("ours, theirs", list(zip(override(Response), override(Stock), strict=True)))
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_subclass_has_its_way(ours, theirs, method):
    for arguments in [("text",), (None,), ("text", 204), (["a", "b"], 404), (iter("ab"),)]:
        arguments = [list(arguments[0]), *arguments[1:]] if not isinstance(arguments[0], str | None) else arguments
        mine, stock = ours(*arguments), theirs(*arguments)
        for response in (mine, stock):
            response.headers["Location"] = "/x"
        assert answer(mine, method) == answer(stock, method)
    if hasattr(ours, "closings"):
        assert ours.closings >= 5


def test_a_subclass_of_a_subclass_has_its_way():
    class Headed(Response):
        def get_wsgi_headers(self, environ):
            return Headers({"X-Only": "this"})

    class Below(Headed):
        pass

    assert Below("a").to_wsgi("GET") == ("200 OK", [("X-Only", "this")], [b"a"])
    assert Below("a").to_asgi("GET") == (200, [(b"x-only", b"this")], b"a")


def test_get_wsgi_headers_of_a_subclass_sees_the_environ_it_is_given():
    class Headed(Response):
        def get_wsgi_headers(self, environ):
            return Headers({"X-Path": environ.get("PATH_INFO", "unknown")})

    assert Headed("a").to_wsgi("GET", {"REQUEST_METHOD": "GET", "PATH_INFO": "/p"})[1] == [("X-Path", "/p")]
    assert Headed("a").to_wsgi("GET")[1] == [("X-Path", "unknown")]


def test_the_response_of_a_subclass_that_makes_the_body_is_closed_with_the_response():
    closed = []

    class Body:
        def __iter__(self):
            return iter([b"made"])

        def close(self):
            closed.append("body")

    class Iterated(Response):
        def get_app_iter(self, environ):
            return Body()

    response = Iterated("a")
    assert list(response.to_wsgi("GET")[2]) == [b"made"]
    assert response.needs_closing
    response.close()
    assert closed == ["body"]


@given(st.builds(lambda text, status: (text, status), chunks, st.sampled_from([200, 201, 404, 204])))
def test_a_response_survives_copying_and_pickling(arguments):
    response = Response(*arguments)
    assert answer(copy.copy(response)) == answer(response)
    assert answer(pickle.loads(pickle.dumps(response))) == answer(response)


def test_force_type_keeps_what_a_werkzeug_response_is():
    stock = WerkzeugResponse("a", 404, {"X-One": "1"}, mimetype="text/css")
    expected = answer(stock)
    response = Response.force_type(stock)
    assert type(response) is Response
    assert answer(response) == expected


def test_force_type_to_a_subclass_that_changes_headers_takes_effect():
    class Headed(Response):
        def get_wsgi_headers(self, environ):
            return Headers({"X-Only": "this"})

    assert Headed.force_type(Response("a")).to_wsgi("GET")[1] == [("X-Only", "this")]


def test_other_versions_of_what_is_below_are_served_the_public_way():
    code = """
import json.encoder
from werkzeug.datastructures import Headers
class Kept(Headers):
    pass
known = Headers.__init__
def init(self, defaults=None):
    known(self, defaults)
    self.version = 4
Headers.__init__ = init
json.encoder.c_make_encoder = None
from webframe.http import wire
from webframe.http.response import JSONResponse
response = JSONResponse({"a": [1.5, "\u00e4"]})
response.headers["X-One"] = "1"
print(response.headers.version, response.to_wsgi("GET")[1:])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    body = '{"a":[1.5,"ä"]}'.encode()
    fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("X-One", "1")]
    assert (done.stdout.strip(), done.stderr) == (f"4 {(fields, [body])}", "")


# --- serving ------------------------------------------------------------------------------------------------------


def test_the_headers_exist_only_when_somebody_asks_for_them():
    response = Response("a", 404, mimetype="application/json")
    response.to_wsgi("GET")
    response.to_asgi("GET")
    assert not response.has_headers
    assert list(response.headers) == [("Content-Type", "application/json"), ("Content-Length", "1")]
    assert response.has_headers


def test_a_response_leaves_no_reference_cycle():
    def garbage():
        gc.collect()
        gc.disable()
        try:
            for _ in range(100):
                response = Response("a")
                response.headers["X-One"] = "1"
                response.to_wsgi("GET")
            del response
            return gc.collect()
        finally:
            gc.enable()

    # Other threads may leave something at one time; a cycle would be two objects a response or more, each time.
    assert min(garbage() for _ in range(3)) < 100


@pytest.mark.parametrize("touch", [False, True])
def test_a_response_may_be_served_twice_and_what_is_sent_may_be_changed(touch):
    response = Response("a")
    if touch:
        response.headers["X-One"] = "1"
    for serve in (response.to_wsgi, response.to_asgi):
        first = serve("GET")
        first[1].append(("X-Server", "1"))
        if isinstance(first[2], list):
            first[2].append(b"!")
        second = serve("GET")
        assert ("X-Server", "1") not in second[1]
        assert second[2] in ([b"a"], b"a")


def test_the_body_is_a_plain_list_with_at_least_one_chunk():
    for response in (
        Response("a"),
        Response(),
        Response("", 204),
        Response([]),
        Response(["a", "b"]),
        Response(("a",)),
    ):
        for method in ("GET", "HEAD"):
            body = response.to_wsgi(method)[2]
            assert type(body) is list
            assert body
            assert type(response.to_asgi(method)[2]) is bytes


@pytest.mark.parametrize("status", [100, 199, 204, 304])
def test_a_status_without_body_sends_none(status):
    response = Response("text", status)
    assert response.to_wsgi("GET")[2] == [b""]
    assert response.to_asgi("GET")[2] == b""
    assert "Content-Length" not in dict(response.to_wsgi("GET")[1])


def test_head_keeps_the_content_length():
    response = Response("text")
    assert wsgi(response, "HEAD") == (
        "200 OK",
        [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", "4")],
        b"",
    )
    assert asgi(response, "HEAD")[1:] == (
        [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"4")],
        b"",
    )


def test_not_modified_sends_no_header_about_the_body():
    response = Response("text", 304, {"Expires": "0", "ETag": '"a"', "Content-Language": "en"})
    assert response.to_wsgi("GET")[1] == [("Expires", "0"), ("ETag", '"a"')]


def test_a_stream_is_encoded_as_it_comes():
    def chunks():
        yield b"a"
        yield "ä"
        yield bytearray(b"c")

    status, headers, body = Response(chunks()).to_wsgi("GET")
    assert list(body) == [b"a", "ä".encode(), b"c"]
    assert headers == [("Content-Type", "text/html; charset=utf-8")]


def test_a_chunk_that_is_neither_text_nor_bytes_is_named():
    with pytest.raises(TypeError, match="holds 7"):
        list(Response(iter([7])).to_wsgi("GET")[2])


def test_direct_passthrough_hands_the_body_on():
    body = iter([b"a"])
    assert Response(body, direct_passthrough=True).to_wsgi("GET")[2] is body


def test_as_a_wsgi_application_it_closes_when_the_server_does():
    closed = []
    response = Response("a")
    response.call_on_close(lambda: closed.append(1))
    chunks, _, _ = run_wsgi_app(response, create_environ())
    assert list(chunks) == [b"a"]
    chunks.close()
    assert closed == [1]


# --- async bodies -------------------------------------------------------------------------------------------------


def agenerate(log):
    async def chunks():
        try:
            yield "a"
            yield b"b"
        finally:
            log.append("closed")

    return chunks()


async def drain(body):
    return [chunk async for chunk in body]


def test_an_async_body_stays_async_and_is_encoded(protocol):
    response = Response(agenerate([]), mimetype="text/plain")
    assert response.is_async_body
    assert response.needs_closing
    body = (response.to_wsgi if protocol == "wsgi" else response.to_asgi)("GET")[2]
    assert asyncio.run(drain(body)) == [b"a", b"b"]


def test_an_async_body_is_closed_by_aclose_or_by_closing_what_is_sent():
    async def half(close):
        log = []
        response = Response(agenerate(log))
        response.call_on_close(lambda: log.append("called"))
        body = response.to_asgi("GET")[2]
        assert await anext(body) == b"a"
        await (body.aclose() if close == "body" else response.aclose())
        return log

    assert asyncio.run(half("response")) == ["closed", "called"]
    assert asyncio.run(half("body")) == ["closed"]


def test_a_head_request_does_not_start_an_async_body():
    log = []

    async def serve():
        response = Response(agenerate(log))
        assert response.to_asgi("HEAD")[2] == b""
        await response.aclose()

    asyncio.run(serve())
    assert log == []


def test_plain_code_that_reads_an_async_body_is_told_how_to():
    response = Response(aiter_once := agenerate([]))
    with pytest.raises(TypeError, match="async for chunk"):
        response.get_data()
    assert response.calculate_content_length() is None
    asyncio.run(aiter_once.aclose())


# --- closing ------------------------------------------------------------------------------------------------------


class CloseMe:
    def __init__(self):
        self.closed = 0

    def __iter__(self):
        return iter([b"a"])

    def close(self):
        self.closed += 1


def test_close_calls_the_body_and_every_function_once():
    body, log = CloseMe(), []
    response = Response(body)
    assert response.needs_closing
    assert response.call_on_close(lambda: log.append(1))
    response.call_on_close(lambda: log.append(2))
    response.close()
    response.close()
    assert (body.closed, log) == (1, [1, 2])


def test_close_closes_a_new_body_too():
    first, second = CloseMe(), CloseMe()
    response = Response(first)
    response.close()
    response.response = second
    response.close()
    assert (first.closed, second.closed) == (1, 1)


def test_close_goes_on_after_an_error_and_raises_the_first():
    log = []
    response = Response("a")
    for number in (1, 2, 3):

        def closer(number=number):
            log.append(number)
            if number < 3:
                raise OSError(number)

        response.call_on_close(closer)
    with pytest.raises(OSError, match="1"):
        response.close()
    assert log == [1, 2, 3]


def test_a_text_needs_no_closing():
    assert not Response("a").needs_closing
    assert not Response(["a"]).needs_closing
    assert not Response(iter("a")).needs_closing
    response = Response("a")
    response.call_on_close(print)
    assert response.needs_closing


def test_it_closes_as_a_context_manager():
    body = CloseMe()
    with Response(body):
        pass
    assert body.closed == 1


# --- what must not be sent ----------------------------------------------------------------------------------------

BAD_VALUES = ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"]


def put(response, name, value):
    """Put a header past the checks of `Headers`, as a careless library might."""
    response.headers._list.append((name, value))


@pytest.mark.parametrize("value", [*BAD_VALUES, "snow ☃"])
def test_a_header_value_that_would_end_early_is_refused_before_anything_is_sent(protocol, value):
    response = Response("a")
    put(response, "X-One", value)
    with pytest.raises(ValueError, match="X-One cannot be sent"):
        response.to_wsgi("GET") if protocol == "wsgi" else response.to_asgi("GET")


CONTROL_CHARACTERS = [chr(code) for code in (*range(1, 32), 127) if chr(code) not in "\t\r\n"]


@pytest.mark.parametrize("character", CONTROL_CHARACTERS, ids=ascii)
def test_a_header_value_with_a_control_character_is_refused_before_a_server_does(protocol, character):
    for value in f"a{character}b", character, f"a{character}", f"{character}a":
        response = Response("a", headers={"X-One": value})
        with pytest.raises(ValueError, match="X-One cannot be sent: .* control character"):
            response.to_wsgi("GET") if protocol == "wsgi" else response.to_asgi("GET")
        with pytest.raises(ValueError, match="control character"):
            Response("a", content_type=f"text/{value}")


@pytest.mark.parametrize("value", [" a b", "a b ", "\ta b\t", " \t a b \t "], ids=repr)
def test_white_space_around_a_header_value_is_not_sent(value):
    response = Response("a", headers={"X-One": value, "X-Two": "a\tb", "X-Three": " ", "Location": value})
    fields = dict(response.to_wsgi("GET")[1])
    assert (fields["X-One"], fields["X-Two"], fields["X-Three"]) == ("a b", "a\tb", "")
    assert fields["Location"] == fields["Location"].strip()
    assert (b"x-one", b"a b") in response.to_asgi("GET")[1]
    for _ in range(2):
        typed = Response("a", content_type=f"text/plain{value}")
        assert typed.to_wsgi("GET")[1][0] == ("Content-Type", f"text/plain{value}".strip())
        assert (b"content-type", f"text/plain{value}".strip().encode()) in typed.to_asgi("GET")[1]


@pytest.mark.parametrize("name", ["X\r\nX-Evil", "X: Y", "X Y", "", "X\0", "Ünï", "X\n"])
def test_a_header_name_that_is_none_is_refused(protocol, name):
    response = Response("a")
    response.headers.add(name, "b")
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be sent"):
            response.to_wsgi("GET") if protocol == "wsgi" else response.to_asgi("GET")


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_header_ends_early(name, value):
    for build in (
        lambda response: put(response, name, value),
        lambda response: response.headers.add(name, value),
        lambda response: response.set_cookie(name, value, domain=value or None),
        lambda response: response.set_cookie("a", value, path=value),
        lambda response: response.delete_cookie(name),
        lambda response: setattr(response, "location", value),
        lambda response: setattr(response, "content_type", value),
        lambda response: setattr(response, "mimetype", value),
        lambda response: setattr(response, "status", value),
    ):
        response = Response("a")
        try:
            build(response)
            status, fields, _ = response.to_wsgi("GET")
            response.to_asgi("GET")
        except ValueError:
            continue
        for text in [status, *(part for field in fields for part in field)]:
            assert not {"\r", "\n", "\0", *CONTROL_CHARACTERS} & set(text)
            text.encode("latin-1")
        assert all(sent == sent.strip(" \t") for _, sent in fields)


@given(st.text(max_size=12))
def test_no_content_type_given_at_construction_ends_early(value):
    for keyword in ("content_type", "mimetype"):
        for _ in range(2):
            try:
                response = Response("a", **{keyword: value})
            except ValueError:
                continue
            assert not set("\r\n\0") & set(response.to_wsgi("GET")[1][0][1])


def test_a_subclass_cannot_send_what_must_not_be_sent(protocol):
    class Headed(Response):
        def get_wsgi_headers(self, environ):
            headers = Headers()
            headers._list.append(("X-One", "a\r\nb"))
            return headers

    class Whole(Response):
        def get_wsgi_response(self, environ):
            return [b"a"], "200 OK\r\nX-Evil: 1", []

    for response in (Headed("a"), Whole("a")):
        with pytest.raises(ValueError, match="cannot be sent"):
            response.to_wsgi("GET") if protocol == "wsgi" else response.to_asgi("GET")


@pytest.mark.parametrize("status", ["200 OK\r\nX-Evil: 1", "200 \0", "200 ☃", "OK", 0, True, 99, -1, 1000, 10**30])
def test_a_status_line_that_must_not_be_sent_is_refused(status):
    with pytest.raises(ValueError, match="status"):
        Response("a", status)
    with pytest.raises(ValueError, match="status"):
        Response("a").status = status


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "a\r\nb", "a\0", "ä", "a,b", '"a"', "a\\"])
def test_a_cookie_name_that_would_not_come_back_is_refused(name):
    with pytest.raises(ValueError, match="cookie"):
        Response("a").set_cookie(name, "b")


@pytest.mark.parametrize("extra", [{"domain": "x.org; Secure"}, {"expires": "now; Secure"}, {"expires": "a\r\nb: c"}])
def test_a_cookie_attribute_cannot_bring_another_one(extra):
    with pytest.raises(ValueError, match="cookie 'a' cannot be set"):
        Response("a").set_cookie("a", "b", **extra)


def test_a_cookie_value_of_any_text_is_ascii_on_the_wire():
    response = Response("a")
    response.set_cookie("a", 'ä;\r\n"')
    value = dict(response.to_wsgi("GET")[1])["Set-Cookie"]
    assert value.isascii()
    assert value.startswith('a="\\303\\244\\073\\015\\012\\""')


def test_tables_that_clients_might_fill_stay_small():
    from webframe.http import wire

    for number in range(2000):
        response = Response("a", content_type=f"a/b{number}")
        response.headers[f"X-{number}"] = "1"
        Response("a", mimetype=f"c/d{number}").to_asgi("GET")
        assert response.to_asgi("GET")[1][2] == (f"x-{number}".encode(), b"1")
    for table in (wire.field_names, wire.content_type_fields, wire.content_types):
        assert len(table) <= table.LIMIT


# --- conditional --------------------------------------------------------------------------------------------------


def test_make_conditional_takes_the_requests_of_both_protocols(protocol):
    def build():
        response = Response("text")
        response.set_etag("a")
        return response

    asked = request(protocol=protocol, headers=[("If-None-Match", 'W/"a"')])
    response = build()
    assert response.make_conditional(asked) is response
    assert response.status_code == 304
    assert build().make_conditional(request(protocol=protocol, headers=[("If-None-Match", '"b"')])).status_code == 200
    assert build().make_conditional(request(protocol=protocol, headers=[("If-Match", '"b"')])).status_code == 412
    posted = request("POST", protocol=protocol, headers=[("If-None-Match", '"a"')])
    assert build().make_conditional(posted).status_code == 200


def test_a_conditional_answer_has_no_date_of_its_own_and_collects_no_stream():
    response = Response(iter("ab"), headers={"ETag": '"a"'})
    response.make_conditional(request())
    assert response.to_wsgi("GET")[1] == [("ETag", '"a"'), ("Content-Type", "text/html; charset=utf-8")]
    assert not response.is_sequence
    assert response.calculate_content_length() is None
    assert Response(["a", "b"]).calculate_content_length() == 2


# --- kinds --------------------------------------------------------------------------------------------------------


def test_a_json_response_is_compact_json():
    response = JSONResponse({"a": [1, None, "ä"]}, 201)
    body = '{"a":[1,null,"ä"]}'.encode()
    assert wsgi(response) == (
        "201 CREATED",
        [("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
        body,
    )
    assert response.get_json() == {"a": [1, None, "ä"]}


def test_a_json_response_takes_headers_and_another_media_type():
    response = JSONResponse([], headers={"X-One": "1"}, mimetype="application/problem+json")
    assert response.to_wsgi("GET")[1] == [
        ("X-One", "1"),
        ("Content-Type", "application/problem+json"),
        ("Content-Length", "2"),
    ]


@pytest.mark.parametrize("body", ["text", b"bytes", 7, None])
def test_a_streaming_response_wants_chunks(body):
    with pytest.raises(TypeError, match="iterable of chunks"):
        StreamingResponse(body)


def test_a_streaming_response_is_not_collected_by_accident():
    response = StreamingResponse(iter("ab"), 202, {"X-One": "1"}, mimetype="text/plain")
    with pytest.raises(RuntimeError):
        response.get_data()
    assert b"".join(response.to_wsgi("GET")[2]) == b"ab"
    assert response.status_code == 202


# --- make_response ------------------------------------------------------------------------------------------------


class Title(str):
    pass


class Fields(dict):
    pass


def shown(value):
    response = make_response(value)
    return response.status_code, response.mimetype, response.get_data()


@pytest.mark.parametrize(
    "value, expected",
    [
        ("ä", (200, "text/html", "ä".encode())),
        (b"a", (200, "text/html", b"a")),
        (bytearray(b"a"), (200, "text/html", b"a")),
        (memoryview(b"a"), (200, "text/html", b"a")),
        (Markup("<b>"), (200, "text/html", b"<b>")),
        (Title("t"), (200, "text/html", b"t")),
        ({"a": 1}, (200, "application/json", b'{"a":1}')),
        ([1], (200, "application/json", b"[1]")),
        (Fields(a=1), (200, "application/json", b'{"a":1}')),
        (iter(["a", b"b"]), (200, "text/html", b"ab")),
        ((c for c in "ab"), (200, "text/html", b"ab")),
        (("a", 201), (201, "text/html", b"a")),
        (("a", "404 Gone fishing"), (404, "text/html", b"a")),
        (("a", HTTPStatus.CREATED), (201, "text/html", b"a")),
        (({"a": 1}, 201), (201, "application/json", b'{"a":1}')),
        (([], 202, {}), (202, "application/json", b"[]")),
        (("", 204), (204, "text/html", b"")),
        ((None, 204), (204, None, b"")),
        (("a", {"Content-Type": "a/b"}), (200, "a/b", b"a")),
        (("a", None, [("Content-Type", "a/b")]), (200, "a/b", b"a")),
        (("a", 201, Headers({"Content-Type": "a/b"})), (201, "a/b", b"a")),
        ((iter("a"), 201), (201, "text/html", b"a")),
    ],
)
def test_what_a_view_returns_becomes_a_response(value, expected):
    status, mimetype, data = shown(value)
    assert (status, data) == (expected[0], expected[2])
    assert expected[1] in (mimetype, None)


def test_a_response_is_itself_and_takes_status_and_headers_from_a_tuple():
    response = Response("a", headers={"X-One": "1", "X-Two": "2"})
    assert make_response(response) is response
    assert make_response((response, 404, {"X-One": "3"})) is response
    assert response.status_code == 404
    assert dict(response.headers)["X-One"] == "3"
    assert dict(response.headers)["X-Two"] == "2"


def test_several_values_of_one_header_in_a_tuple_are_kept():
    response = make_response(("a", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]))
    assert response.headers.getlist("Set-Cookie") == ["a=1", "b=2"]


def test_a_werkzeug_response_becomes_one_of_ours():
    response = make_response(werkzeug_redirect("/ä"))
    assert type(response) is Response
    assert dict(response.to_wsgi("GET")[1])["Location"] == "/%C3%A4"
    assert make_response((WerkzeugResponse("a"), 404)).status_code == 404


def test_an_async_iterator_becomes_a_stream():
    body = agenerate([])
    response = make_response(body)
    assert response.is_async_body
    assert asyncio.run(drain(response.to_asgi("GET")[2])) == [b"a", b"b"]


class BothWays:
    """Like a queryset: rows for plain and for async code."""

    def __iter__(self):
        return iter(["a"])

    async def __aiter__(self):
        yield "a"


@pytest.mark.parametrize(
    "value, message",
    [
        (BothWays(), "a value of type BothWays"),
        (None, "The view returned None"),
        (404, 'return "", 404'),
        (4.5, "a value of type float"),
        (object(), "a value of type object"),
        ({1, 2}, "a value of type set"),
        ((), "a tuple of 0"),
        (("a",), "a tuple of 1"),
        (("a", 200, {}, 1), "a tuple of 4"),
        (("a", 4.5), "headers are 4.5"),
        (("a", 4.5, {}), "status is 4.5"),
        (("a", 200, "b"), "headers are 'b'"),
        ((("a", 200), 200), "a tuple within a tuple"),
        ((None, {}), "The view returned None"),
        (NotFound(), "Raise it instead"),
        (NotFound, "a value of type type"),
    ],
)
def test_what_is_no_answer_is_refused_with_advice(value, message):
    with pytest.raises(TypeError, match="^The view returned") as caught:
        make_response(value)
    assert message in str(caught.value)


def test_a_coroutine_that_was_not_awaited_is_named():
    async def view():
        return "a"

    with pytest.raises(TypeError, match="not awaited"):
        make_response(view())


# --- redirect and abort -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location, sent",
    [
        ("/", "/"),
        ("/notes/7?a=b", "/notes/7?a=b"),
        ("/ä ö?ü=ß#€", "/%C3%A4%20%C3%B6?%C3%BC=%C3%9F#%E2%82%AC"),
        ("https://dömäin.example/", "https://xn--dmin-moa0i.example/"),
        ('/"><script>', "/%22%3E%3Cscript%3E"),
    ],
)
def test_a_redirect_sends_a_uri(protocol, location, sent):
    response = redirect(location)
    status, headers, body = wsgi(response) if protocol == "wsgi" else asgi(response)
    assert response.status_code == 302
    assert dict(headers).get("Location", dict(headers).get(b"location")) in (sent, sent.encode())
    assert b"<script>" not in body
    body.decode("ascii")


@pytest.mark.parametrize("location", ["/a\r\nSet-Cookie: a=b", "/a\n", "\t/a", "/a\0", "/a\x7f"])
def test_a_redirect_with_control_characters_is_a_bad_request(location):
    with pytest.raises(BadRequest, match="control characters"):
        redirect(location)


@pytest.mark.parametrize("location", ["http://[::1", "http://a:99999/", "http://" + "a" * 70 + ".example/"])
def test_a_redirect_to_what_is_no_address_is_a_bad_request(location):
    with pytest.raises(BadRequest, match="malformed"):
        redirect(location)


@given(st.text(max_size=20))
def test_a_redirect_to_any_text_is_a_response_or_a_bad_request(location):
    try:
        response = redirect(location)
    except BadRequest:
        return
    assert dict(response.to_wsgi("GET")[1])["Location"].isascii()


def test_a_redirect_has_a_status_that_redirects():
    for code in (301, 302, 303, 307, 308):
        assert redirect("/", code).status_code == code
    with pytest.raises(ValueError, match="Use one of 301, 302, 303, 307, 308"):
        redirect("/", 200)


def test_abort_raises_the_error_of_the_status():
    with pytest.raises(NotFound) as caught:
        abort(404, "No such note.")
    assert caught.value.description == "No such note."
    with pytest.raises(TooManyRequests) as caught:
        abort(429, retry_after=30)
    assert caught.value.get_headers()[-1] == ("Retry-After", "30")
    with pytest.raises(HTTPException) as caught:
        abort(402, "Pay.")
    assert (caught.value.code, caught.value.description) == (402, "Pay.")


def test_abort_with_a_response_answers_with_it():
    response = Response("a", 409)
    with pytest.raises(HTTPException) as caught:
        abort(response)
    assert caught.value.response is response


@pytest.mark.parametrize("status", [200, 302, 99, 600])
def test_abort_takes_errors_only(status):
    with pytest.raises(ValueError, match="400 to 599"):
        abort(status)


@pytest.mark.parametrize("status", ["404", None, NotFound])
def test_abort_says_what_it_takes(status):
    with pytest.raises(TypeError, match=r"abort\(\) takes a status such as 404, or a response, not"):
        abort(status)


# --- importing ----------------------------------------------------------------------------------------------------


def test_importing_responses_loads_nothing_that_not_everybody_needs():
    code = (
        "import sys, webframe.http.response, webframe.http.files, webframe.http.errors, webframe.static\n"
        "print([name for name in ('asyncio', 'jinja2', 'sqlalchemy', 'click', 'asgiref') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
