"""What a view answers with: `Response` and its kin, `make_response` for everything else, `redirect` and `abort`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Iterable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from markupsafe import escape
from werkzeug import Response as WerkzeugResponse
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.urls import iri_to_uri

from webframe.core.exceptions import BadRequest
from webframe.http.json import get_provider
from webframe.http.light import HeaderFields, LightResponse
from webframe.http.wire import PLAIN_PATH, STATUS_LINES

if TYPE_CHECKING:
    from werkzeug import Request as WerkzeugRequest


class Response(LightResponse):
    """What is sent to the client: status, headers and body.

    The body is text (sent as UTF-8), bytes, a list of them, or an iterable of
    them, plain or async, which is sent as it comes. The parameters are
    werkzeug's; without `mimetype` or `content_type` a response is HTML.
    """

    default_mimetype: str | None = "text/html"

    conditional: bool = False
    """Whether `make_conditional` should be called before the response is sent; the core does so."""

    def set_cookie(
        self,
        key: str,
        value: str = "",
        max_age: timedelta | int | None = None,
        expires: str | datetime | int | float | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = None,
        partitioned: bool = False,
    ) -> None:
        """Set a cookie; the parameters are werkzeug's.

        Raises `ValueError` for a name or a domain that would add attributes or
        headers of its own, or that is not ASCII.
        """
        if _COOKIE_NAME.fullmatch(key) is None:
            raise ValueError(
                f"The cookie {key!r} cannot be set: a name is visible ASCII without '=', ',', ';', '\"' and '\\'."
            )
        for attribute, text in (("domain", domain), ("expires", expires)):
            if isinstance(text, str) and _ATTRIBUTE_END.search(text) is not None:
                raise ValueError(
                    f"The cookie {key!r} cannot be set: its {attribute} {text!r} holds characters that end it."
                )
        super().set_cookie(
            key, value, max_age, expires, path, domain, secure, httponly, samesite, partitioned=partitioned
        )

    def make_conditional(
        self,
        request_or_environ: WerkzeugRequest | Mapping[str, Any],
        accept_ranges: bool | str = False,
        complete_length: int | None = None,
    ) -> Response:
        """Make the response 304, 412 or 206 if the request's conditions ask for it; returns the response itself.

        Unlike werkzeug's method this adds no Date, which servers do (several
        of them without looking whether there is one).
        """
        had_date = "Date" in self.headers
        super().make_conditional(conditions_of(request_or_environ), accept_ranges, complete_length)
        if not had_date:
            self.headers.remove("Date")
        return self


# RFC 6265 asks for a token; browsers and servers send and take a little more.
_COOKIE_NAME = re.compile(r"[!#-+\--:<>-\[\]-~]+")
_ATTRIBUTE_END = re.compile(r"[\x00-\x1f;\x7f]")


_CONDITIONAL_HEADERS = ("Range", "If-Range", "If-Modified-Since", "If-None-Match", "If-Match", "If-Unmodified-Since")


def conditions_of(request_or_environ: WerkzeugRequest | Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides about a conditional answer, as the smallest environ that werkzeug's functions take.

    `request_or_environ` is a request of either protocol or an environ.
    """
    if isinstance(request_or_environ, Mapping):
        names = ("HTTP_" + name.upper().replace("-", "_") for name in _CONDITIONAL_HEADERS)
        return {name: request_or_environ[name] for name in ("REQUEST_METHOD", *names) if name in request_or_environ}
    conditions = {"REQUEST_METHOD": request_or_environ.method}
    for name in _CONDITIONAL_HEADERS:
        value = request_or_environ.headers.get(name)
        if value is not None:
            conditions["HTTP_" + name.upper().replace("-", "_")] = value
    return conditions


class StreamingResponse(Response):
    """A response whose body is sent as it comes, from an iterable of text and bytes, plain or async.

    Unlike a `Response` with such a body it never collects the whole body in
    memory because somebody reads `data`; that raises `RuntimeError`.
    """

    implicit_sequence_conversion = False

    def __init__(
        self,
        response: Iterable[str] | Iterable[bytes] | AsyncIterable[str] | AsyncIterable[bytes],
        status: int | str | HTTPStatus | None = None,
        headers: HeaderFields | None = None,
        mimetype: str | None = None,
        content_type: str | None = None,
    ) -> None:
        if isinstance(response, (str, bytes, bytearray)) or not (
            hasattr(response, "__iter__") or hasattr(response, "__aiter__")
        ):
            raise TypeError(
                f"A StreamingResponse is made of an iterable of chunks, but {type(response).__name__} was given. "
                f"Use Response for a body that is known as a whole."
            )
        super().__init__(response, status, headers, mimetype, content_type)


class JSONResponse(Response):
    """A response whose body is data, written as JSON by the provider that the setting JSON_PROVIDER names."""

    default_mimetype = "application/json"

    def __init__(
        self,
        data: Any,
        status: int | str | HTTPStatus | None = None,
        headers: HeaderFields | None = None,
        mimetype: str | None = None,
        content_type: str | None = None,
    ) -> None:
        provider = get_provider()
        if mimetype is None:
            mimetype = provider.mimetype
        super().__init__(provider.encode(data), status, headers, mimetype, content_type)


def make_response(value: Any) -> Response:
    """Make a response of what a view returned.

    ==============================  ==========================================================
    text, bytes                     an HTML page
    dict, list                      JSON
    iterator, async iterator        an HTML page that is sent as it comes
    (body, status)                  `body` is any of the above or a response
    (body, headers)                 headers replace those of the same name
    (body, status, headers)
    response                        itself; one of werkzeug's becomes one of ours
    ==============================  ==========================================================

    Raises `TypeError` for everything else.
    """
    kind = type(value)
    if kind is str or kind is bytes:
        return Response(value)
    if kind is dict or kind is list:
        return JSONResponse(value)
    if isinstance(value, Response):
        return value
    if isinstance(value, tuple):
        return _from_tuple(value)
    return _from_body(value, None)


def _from_tuple(value: tuple[Any, ...]) -> Response:
    status: Any = None
    headers: Any = None
    if len(value) == 3:
        body, status, headers = value
    elif len(value) == 2 and isinstance(value[1], (int, str)):
        body, status = value
    elif len(value) == 2:
        body, headers = value
    else:
        raise TypeError(f"The view returned a tuple of {len(value)}. {_TUPLES}")
    if status is not None and not isinstance(status, (int, str)):
        raise TypeError(f"The view returned a tuple whose status is {status!r}. {_TUPLES}")
    if headers is not None and not isinstance(headers, (Mapping, Headers, list, tuple)):
        raise TypeError(f"The view returned a tuple whose headers are {headers!r}. {_TUPLES}")
    if isinstance(body, tuple):
        raise TypeError(f"The view returned a tuple within a tuple. {_TUPLES}")
    # "return None, 204" is explicit enough; a bare None is a forgotten return.
    response = Response(None, status) if body is None and status is not None else _from_body(body, status)
    if headers:
        # By way of Headers, which keeps several values of one name.
        response.headers.update(Headers(headers))
    return response


_TUPLES = "Return (body, status), (body, headers) or (body, status, headers)."


def _from_body(body: Any, status: int | str | None) -> Response:
    if isinstance(body, (str, bytes)):
        return Response(body, status)
    if isinstance(body, (dict, list)):
        return JSONResponse(body, status)
    if isinstance(body, WerkzeugResponse):
        response = body if isinstance(body, Response) else Response.force_type(body)
        if status is not None:
            response.status = status
        return response
    if isinstance(body, (bytearray, memoryview)):
        return Response(bytes(body), status)
    # What has both ways to be iterated, such as a queryset, is no stream of text.
    if hasattr(body, "__next__") or (hasattr(body, "__aiter__") and not hasattr(body, "__iter__")):
        return Response(body, status)
    raise TypeError(f"The view returned {_described(body)}")


def _described(value: Any) -> str:
    """What is wrong with a value that is no answer, and what to do."""
    if value is None:
        return 'None. Perhaps a return is missing; for an empty answer, return "", 204.'
    if hasattr(value, "__await__"):
        if hasattr(value, "close"):
            value.close()
        return f"{type(value).__name__} {value!r}, which was not awaited. Await it, and make the view 'async def'."
    if isinstance(value, HTTPException):
        return f"the error {value!r}. Raise it instead."
    if isinstance(value, int) and value in STATUS_LINES:
        return f'{value!r}. For a status, return "", {int(value)}.'
    return (
        f"a value of type {type(value).__qualname__}, which is no answer. Return text, bytes, a dict, a list, an "
        f"iterator or a Response, alone or in a tuple with status and headers."
    )


_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECT = """\
<!doctype html>
<html lang="en">
<title>Redirect</title>
<p>Please go to <a href="{address}">{address}</a>.</p>
"""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def redirect(location: str, code: int = 302) -> Response:
    """Send the client to another address: a path of this site or a whole URL.

    Never hand on an address that came from the client without asking
    `webframe.http.urls.is_safe_url`. Raises `BadRequest` for one that is
    malformed or holds control characters.
    """
    if code not in _REDIRECTS:
        raise ValueError(
            f"A redirect cannot have the status {code!r}. Use one of {', '.join(map(str, sorted(_REDIRECTS)))}."
        )
    if _CONTROL.search(location) is not None:
        raise BadRequest("The address to go to holds control characters.")
    try:
        address = location if PLAIN_PATH.fullmatch(location) is not None else iri_to_uri(location)
    except ValueError:
        raise BadRequest("The address to go to is malformed.") from None
    shown = escape(address)
    response = Response(_REDIRECT.format(address=shown), code)
    response.headers["Location"] = address
    return response


def abort(status: int | WerkzeugResponse, description: str | None = None, **details: Any) -> NoReturn:
    """End the request with an HTTP error, or with a response.

    `details` are the further parameters of werkzeug's exception for that
    status, such as ``retry_after`` of 429 and 503.
    """
    if isinstance(status, WerkzeugResponse):
        raise HTTPException(response=status)
    if not isinstance(status, int):
        raise TypeError(f"abort() takes a status such as 404, or a response, not {status!r}.")
    exception = default_exceptions.get(status)
    if exception is not None:
        raise exception(description=description, **details)
    if not 400 <= status <= 599:
        raise ValueError(f"abort() ends a request with an error, from 400 to 599; {status} is none. Return a response.")
    error = HTTPException(description, **details)
    error.code = status
    raise error
