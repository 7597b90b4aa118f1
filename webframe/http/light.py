"""A werkzeug response that costs little as long as it is what nearly all are: a text with a status and a type.

`LightResponse` behaves like werkzeug's `Response` and is held against it by tests. It has no `Headers` object until
somebody asks for one, and `to_wsgi` and `to_asgi` put it in the form in which the two protocols send it, after checking
what must not be sent. Where a subclass changes how werkzeug sends a response, werkzeug's own way is taken.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Self

from werkzeug import Response as WerkzeugResponse
from werkzeug.datastructures import Headers
from werkzeug.http import remove_entity_headers
from werkzeug.wsgi import ClosingIterator

from webframe.http.wire import (
    BODILESS,
    PLAIN_PATH,
    STATUS_LINES,
    EncodedStream,
    check_status_line,
    checked_fields,
    checked_value,
    content_type_fields,
    content_types,
    encode_chunk,
    encode_chunks,
    field_names,
    make_headers,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Body = str | bytes | Iterable[str] | Iterable[bytes] | AsyncIterable[str] | AsyncIterable[bytes] | None
HeaderFields = Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]]

# What a subclass may have its own opinion about: one that defines any of these always takes werkzeug's way.
_HOOKS = frozenset(
    "__call__ automatically_set_content_length autocorrect_location_header call_on_close close direct_passthrough "
    "get_app_iter get_wsgi_headers get_wsgi_response headers is_sequence iter_encoded response set_data status "
    "status_code".split()
)

# Fields that decide about others, or that werkzeug may rewrite.
_DECIDING = frozenset({b"content-length", b"location", b"content-location"})


class LightResponse(WerkzeugResponse):
    """werkzeug's `Response`, made and sent faster, for both protocols.

    Changing class attributes (`default_mimetype` and so on) once the class
    exists has no effect; make a subclass.
    """

    # Whether the class leaves everything as it is, so that the short ways may be taken.
    _is_light: ClassVar[bool] = True
    # Which of _HOOKS the class defines.
    _overridden: ClassVar[frozenset[str]] = frozenset()

    # What a light response shares with its class, and keeps in the instance only where it differs.
    _status = "200 OK"
    _status_code = 200
    _content_type: str | None = "text/plain; charset=utf-8"
    # Length of the body at construction: what Content-Length says, even if the body is replaced later.
    _length: int | None = None
    # Fields beside Content-Type and Content-Length that it has from the beginning, as WSGI and as ASGI wants them; they
    # are known to be good, and decide about no others.
    _more: tuple[tuple[tuple[str, str], ...], tuple[tuple[bytes, bytes], ...]] | None = None
    # None until somebody asks for `headers`.
    _headers: Headers | None = None
    direct_passthrough = False
    _on_close: Any = ()
    # The body that was closed last.
    _closed: Any = None

    def __init__(
        self,
        response: Body = None,
        status: int | str | HTTPStatus | None = None,
        headers: HeaderFields | None = None,
        mimetype: str | None = None,
        content_type: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        if headers is None and self._is_light and not direct_passthrough:
            if type(response) is str:
                response = response.encode()
            if type(response) is bytes or not isinstance(response, (str, bytes, bytearray)):
                if content_type is not None:
                    if type(content_type) is not str or content_type not in content_type_fields:
                        content_type = checked_value("Content-Type", str(content_type))
                        content_type_fields[content_type]  # now it is known
                    self._content_type = content_type
                elif mimetype is not None:
                    self._content_type = content_types[mimetype]
                if response is None:
                    self.response = []
                elif type(response) is bytes:
                    self.response = [response]
                    self._length = len(response)
                else:
                    self.response = response  # type: ignore[assignment]  # async bodies
                if status is not None:
                    if type(status) is int and status in STATUS_LINES:
                        self._status = STATUS_LINES[status]
                        self._status_code = status
                    else:
                        self.status = status
                return
        super().__init__(response, status, headers, mimetype, content_type, direct_passthrough)  # type: ignore[arg-type]  # async bodies

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        bases = cls.__mro__[: cls.__mro__.index(LightResponse)]
        cls._overridden = _HOOKS.intersection(name for base in bases for name in vars(base))
        cls._is_light = not cls._overridden and cls.default_status in STATUS_LINES
        if cls._is_light:
            cls._status, cls._status_code = STATUS_LINES[cls.default_status], cls.default_status
            cls._content_type = None if cls.default_mimetype is None else content_types[cls.default_mimetype]

    # -- status and headers

    @property
    def status(self) -> str:
        """The status with its name, as in "404 NOT FOUND"; may be set to a number."""
        return self._status

    @status.setter
    def status(self, value: str | int | HTTPStatus) -> None:
        line = STATUS_LINES.get(value) if type(value) is int else None
        if line is not None:
            self._status, self._status_code = line, value  # type: ignore[assignment]  # an int, by the line above
        else:
            line, code = self._clean_status(value)
            check_status_line(line)
            self._status, self._status_code = line, code

    @property
    def headers(self) -> Headers:
        """The headers, made when first asked for."""
        headers = self._headers
        if headers is None:
            headers = self._headers = make_headers(self._first_fields())
        return headers

    @headers.setter
    def headers(self, value: Headers | HeaderFields) -> None:
        self._headers = value if isinstance(value, Headers) else Headers(value)

    def _first_fields(self) -> list[tuple[str, str]]:
        """The headers as long as nobody has asked for them."""
        fields = []
        if self._content_type is not None:
            fields.append(("Content-Type", self._content_type))
        if self._length is not None:
            fields.append(("Content-Length", str(self._length)))
        if self._more is not None:
            fields += self._more[0]
        return fields

    @property
    def has_headers(self) -> bool:
        """Whether anybody has asked for `headers`, and so may have changed them."""
        return self._headers is not None

    @classmethod
    def force_type(cls, response: WerkzeugResponse, environ: WSGIEnvironment | None = None) -> Self:
        """Turn a werkzeug response into one of this class, in place."""
        if isinstance(response, LightResponse):
            response.headers  # noqa: B018  # made now: from here on `cls` says what is light
        forced = super().force_type(response, environ)
        assert isinstance(forced, cls)
        headers = forced.__dict__.pop("headers", None)
        if headers is not None:
            forced.headers = headers
        return forced

    # -- body

    @property
    def is_async_body(self) -> bool:
        """Whether the body is an async iterable."""
        body = self.response
        return type(body) is not list and hasattr(body, "__aiter__") and not hasattr(body, "__iter__")

    def iter_encoded(self) -> Any:
        """The chunks of the body as bytes; raises `TypeError` if it is an async iterable."""
        if self.is_async_body:
            raise TypeError(
                f"The body {self.response!r} is an async iterable, which plain code cannot read. "
                f"Read it with 'async for chunk in response.response'."
            )
        return super().iter_encoded()

    def calculate_content_length(self) -> int | None:
        """The length of the body in bytes, or None for a stream, which unlike werkzeug's method this never collects."""
        return super().calculate_content_length() if self.is_sequence else None

    # -- closing

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Call a plain function after the last byte; for one that may be async, use `request.on_close`."""
        if self._on_close:
            self._on_close.append(func)
        else:
            self._on_close = [func]
        return func

    @property
    def needs_closing(self) -> bool:
        """Whether `close` (or `aclose`) would do anything."""
        if self._on_close or not self._is_light and "close" in self._overridden:
            return True
        body = self.response
        return type(body) is not list and (hasattr(body, "close") or hasattr(body, "aclose"))

    def close(self) -> None:
        """Close the body, if it can be closed, and call what `call_on_close` registered; each of them once.

        All of them are called; the first error is raised at the end.
        """
        body, closers = self.response, self._on_close
        self._on_close = ()
        if body is not self._closed and hasattr(body, "close"):
            self._closed = body
            closers = [body.close, *closers]
        failure: Exception | None = None
        for close in closers:
            try:
                close()
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure

    async def aclose(self) -> None:
        """Like `close`, also for a body that is an async generator."""
        try:
            if hasattr(self.response, "aclose"):
                await self.response.aclose()
        finally:
            self.close()

    # -- sending

    def to_wsgi(
        self, method: str, environ: WSGIEnvironment | None = None
    ) -> tuple[str, list[tuple[str, str]], Iterable[bytes]]:
        """Return the status line, a new list of headers and the body, as they are sent to a request of this method.

        The body is a new list, or an iterable of bytes; for an async body it is
        an async iterable. It is never closed by itself: call `close` or
        `aclose` of the response when all is sent. Raises `ValueError` for a
        header that must not be sent.

        `environ` is handed to the werkzeug methods that a subclass overrides;
        without it they see the method only.
        """
        if self._headers is None and self._status_code not in BODILESS:
            body, content_type, length = self.response, self._content_type, self._length
            if length is not None and content_type is not None and type(body) is list and len(body) == 1:
                chunk = body[0]
                if type(chunk) is bytes:
                    headers = [("Content-Type", content_type), ("Content-Length", str(length))]
                    if self._more is not None:
                        headers += self._more[0]
                    return self._status, headers, [b"" if method == "HEAD" else chunk]
        return self._prepare(method, environ)

    def to_asgi(
        self, method: str, environ: WSGIEnvironment | None = None
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes | Iterable[bytes] | AsyncIterable[bytes]]:
        """Like `to_wsgi`: the status as a number, headers as bytes, the body as bytes where it is known as a whole."""
        if self._headers is None and self._status_code not in BODILESS:
            body, content_type, length = self.response, self._content_type, self._length
            if length is not None and content_type is not None and type(body) is list and len(body) == 1:
                chunk = body[0]
                if type(chunk) is bytes:
                    headers = [content_type_fields[content_type], (b"content-length", b"%d" % length)]
                    if self._more is not None:
                        headers += self._more[1]
                    return self._status_code, headers, b"" if method == "HEAD" else chunk
        status, fields, chunks = self._prepare(method, environ)
        code = self._status_code if status is self._status else int(status[:3])
        headers = [(field_names[name], value.encode("latin-1")) for name, value in fields]
        if type(chunks) is list:
            return code, headers, chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return code, headers, chunks

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        status, headers, body = self.to_wsgi(environ["REQUEST_METHOD"], environ)
        start_response(status, headers)
        return ClosingIterator(body, self.close) if self.needs_closing else body

    def _prepare(self, method: str, environ: Any) -> tuple[str, list[tuple[str, str]], Any]:
        """What `to_wsgi` returns, for every kind of response."""
        if environ is None:
            environ = {"REQUEST_METHOD": method}
        if self._is_light:
            return self._status, self._header_list(environ), self._chunks(method)
        overridden = self._overridden
        if "get_wsgi_response" in overridden:
            body, status, headers = self.get_wsgi_response(environ)
            check_status_line(status)
            headers = checked_fields(headers)
            return status, headers, self._closing(body)
        if "get_wsgi_headers" in overridden:
            headers = checked_fields(self.get_wsgi_headers(environ).to_wsgi_list())
        else:
            headers = self._header_list(environ)
        body = self._closing(self.get_app_iter(environ)) if "get_app_iter" in overridden else self._chunks(method)
        return self._status, headers, body

    def _header_list(self, environ: WSGIEnvironment) -> list[tuple[str, str]]:
        """What werkzeug's `get_wsgi_headers` gives, from one look at the headers where none is out of the ordinary."""
        headers = self._first_fields() if self._headers is None and self._is_light else list(self.headers)
        has_length = has_location = False
        all_ordinary = True
        for name, value in headers:
            field = field_names[name]
            if field in _DECIDING:
                if field == b"content-length":
                    has_length = True
                elif has_location or name != "Location" or self._may_change(value):
                    return checked_fields(super().get_wsgi_headers(environ).to_wsgi_list())
                else:
                    has_location = True
            if not (value.isascii() and value.isprintable() and value.strip() is value):  # `is_ordinary`, for speed
                all_ordinary = False
        if not all_ordinary:
            headers = [(name, checked_value(name, value)) for name, value in headers]
        if self._status_code in BODILESS:
            if self._status_code == 304:
                remove_entity_headers(headers)
            elif has_length:
                headers = [(name, value) for name, value in headers if field_names[name] != b"content-length"]
        elif not has_length and self.automatically_set_content_length and self.is_sequence:
            length = sum(len(encode_chunk(chunk)) for chunk in self.iter_encoded())
            headers.append(("Content-Length", str(length)))
        return headers

    def _may_change(self, location: str) -> bool:
        """Whether werkzeug might send another Location: escaped, or absolute."""
        return PLAIN_PATH.fullmatch(location) is None or self.autocorrect_location_header

    def _chunks(self, method: str) -> Any:
        if method == "HEAD" or self._status_code in BODILESS:
            return [b""]
        body: Any = self.response
        if type(body) is list and len(body) == 1 and type(body[0]) is bytes and self._is_light:
            return [body[0]]
        if self.direct_passthrough:
            return body
        if self.is_async_body:
            return EncodedStream(body)
        if "iter_encoded" in self._overridden:
            body = self.iter_encoded()
        if isinstance(body, (list, tuple)):
            # Some servers never send the headers of a body without a chunk.
            return [encode_chunk(chunk) for chunk in body] or [b""]
        return encode_chunks(iter(body))

    def _closing(self, body: Any) -> Any:
        """Take over the duty to close a body that a subclass has made for sending."""
        if hasattr(body, "close"):
            self.call_on_close(body.close)
        return body
