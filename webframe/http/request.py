"""One Request for both protocols: werkzeug's, with every attribute computed when it is first read.

Making a request stores the WSGI environ, or the ASGI scope and the body, and nothing else. Whatever is read is computed
from them once and then a plain attribute, which may also be assigned or deleted. What the attributes mean is werkzeug's
affair, with the exceptions listed in docs/reference/request.md: proxies are believed only if trusted, and what is
malformed or too large is refused. Calling the view, and running what `on_close` registers, is the core's affair.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, Self, cast

from werkzeug.datastructures import FileStorage, ImmutableMultiDict, MultiDict
from werkzeug.formparser import FormDataParser
from werkzeug.sansio.utils import get_host
from werkzeug.wrappers import Request as WerkzeugRequest

from webframe._instead import REQUEST, mark_absent
from webframe.conf import settings
from webframe.core.exceptions import HTTPError
from webframe.http import hosts
from webframe.http.body import open_body
from webframe.http.environ import Scope, ScopeEnviron, decode_path, split_path
from webframe.http.forms import URLENCODED, FormParser
from webframe.http.headers import ASGIHeaders, WSGIHeaders
from webframe.http.json import get_provider
from webframe.http.lazy import all_lazy, lazy
from webframe.http.limits import Limits
from webframe.http.parsing import KEEP_ENCODED, parse_content_length, parse_cookies, parse_urlencoded
from webframe.http.places import Place, staying
from webframe.utils import log
from webframe.workers import Lease, current_lessee

if TYPE_CHECKING:
    from contextvars import ContextVar

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import Headers


@all_lazy
class Request(WerkzeugRequest):
    """A request, from a WSGI environ or, made by `from_scope`, from an ASGI scope."""

    form_data_parser_class: type[FormDataParser] = FormParser

    # The ASGI scope; None under WSGI.
    scope: Scope | None = None

    # Set by the core when it has found the route: what was decided about it (`Endpoint`), and the values in the path.
    route: Any = None
    view_args: dict[str, Any] | None = None

    # Whether an app around this one has sent request_started and will send request_finished.
    is_mounted = False

    # The request that the app around this one has passed on.
    outer: Request | None = None

    # Where it is in the apps around the mounts that it has gone through (`http/places.py`); () in the app that serves.
    around: Place = ()

    # The worker that its plain code runs in; None until there is some.
    lease: Lease | None = None

    # Who has its connections to databases; None until it uses one.
    holder: Any = None

    # What the core has made of it so far: whether request_started was sent, the response, whether all is over.
    started = False
    response: Any = None
    finished = False

    # Whether an error was raised on the way to the response, though the response may be an answer to it.
    failed = False

    # What on_close() and add_background_task() were given, for the core to run; None as long as there is nothing.
    _closers: list[partial[Any]] | None = None
    _background: list[partial[Any]] | None = None

    # The whole body, once it was read with `get_data`; on the class, because werkzeug's methods ask for it.
    _cached_data: Any = None

    # Why the form was refused, for those who ask for it again.
    _refusal: tuple[type[HTTPError], str] | None = None

    shallow = False

    def __init__(self, environ: WSGIEnvironment) -> None:
        self.environ = environ

    @classmethod
    def from_scope(cls, scope: Scope, stream: IO[bytes] | None = None) -> Self:
        """Make a request of an ASGI scope and a readable binary file with the whole body; None is an empty body."""
        request = cls.__new__(cls)
        request.scope = scope
        if stream is not None:
            request.input_stream = stream
        return request

    # -- for the time after the response

    def on_close(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Have a function called, plain or async, when the last byte of the response has been sent.

        The last one registered is called first. What they raise is logged and stops none of the others.
        """
        work = staying(self, function, *args, **kwargs) if self.around else partial(function, *args, **kwargs)
        if self._closers is None:
            self._closers = []
        self._closers.append(work)

    def add_background_task(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Have a function called, plain or async, after the response has been sent and before the closers run.

        Tasks are called in the order in which they were added.
        """
        work = staying(self, function, *args, **kwargs) if self.around else partial(function, *args, **kwargs)
        if self._background is None:
            self._background = []
        self._background.append(work)

    @property
    def has_work_left(self) -> bool:
        """Whether anything was registered by `on_close` or `add_background_task` and has not been taken to be run."""
        return self._closers is not None or self._background is not None

    def take_work(self) -> list[Callable[[], Any]]:
        """What is to be run after the response, in order: background tasks, then closers, the last one first."""
        calls: list[Callable[[], Any]] = [*(self._background or ()), *reversed(self._closers or ())]
        self._background = self._closers = None
        return calls

    # -- the route

    @property
    def endpoint(self) -> str | None:
        """The name of the route; None where none was found."""
        return None if self.route is None else self.route.name or None

    @property
    def url_rule(self) -> str | None:
        """The rule of the route, such as "/notes/<int:pk>"; None where none was found."""
        return None if self.route is None else self.route.rule or None

    def url_for(self, name: str, /, **values: Any) -> str:
        """The address of a route of the app that has this request now; see `Webframe.url_for`."""
        url: str = self.route.url_for_at(len(self.around))(name, **values)
        return url

    # -- the request line

    @lazy
    def method(self) -> str:
        """The method in upper case, such as "GET"."""
        scope = self.scope
        method: str = self.environ.get("REQUEST_METHOD", "GET") if scope is None else scope.get("method", "GET")
        return method.upper()

    @lazy
    def path(self) -> str:
        """The path below `root_path`, decoded; always begins with a single slash. Routes are matched against it."""
        scope = self.scope
        if scope is None:
            path: str = self.environ.get("PATH_INFO") or ""
            if not path.isascii():
                path = decode_path(self.environ, "PATH_INFO")
        elif scope.get("root_path"):
            path = split_path(scope)[1]
        else:
            path = scope["path"]
        if path[:1] == "/" != path[1:2]:
            return path
        return "/" + path.lstrip("/")

    @lazy
    def root_path(self) -> str:
        """The path below which the application is mounted, decoded, without a slash at its end."""
        scope = self.scope
        root_path = decode_path(self.environ, "SCRIPT_NAME") if scope is None else split_path(scope)[0]
        root_path = root_path.rstrip("/")
        forwarded = self._forwarded
        if forwarded is not None and not f"{root_path}/".startswith(f"{forwarded.prefix}/"):
            return forwarded.prefix + root_path
        return root_path

    @lazy
    def query_string(self) -> bytes:
        """What follows the "?" in the URL, as it was sent; `args` has it parsed."""
        scope = self.scope
        if scope is not None:
            query: bytes = scope.get("query_string", b"")
            return query
        text: str = self.environ.get("QUERY_STRING", "")
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:  # never from a server; see decode_path
            return text.encode(errors="replace")

    @lazy
    def full_path(self) -> str:
        """The path with the query string; bytes in it that are not UTF-8 are percent-encoded."""
        return f"{self.path}?{self.query_string.decode(errors=KEEP_ENCODED)}"

    @lazy
    def args(self) -> MultiDict[str, str]:
        """The parsed query string. `BadRequest` if it is not UTF-8, 413 if it has too many fields."""
        query = self.query_string
        if not query:
            return self.parameter_storage_class()
        return parse_urlencoded(query, self.parameter_storage_class, self.limits.max_fields, "query string")

    # -- headers

    @lazy
    def environ(self) -> WSGIEnvironment:
        """The WSGI environ; under ASGI a dictionary that is built from the scope when it is first touched."""
        return ScopeEnviron(cast(Scope, self.scope), self.input_stream)

    @lazy
    def headers(self) -> Headers:
        """The header fields, read only, looked up where the server left them."""
        scope = self.scope
        return WSGIHeaders(self.environ) if scope is None else ASGIHeaders(scope["headers"])

    @lazy
    def cookies(self) -> ImmutableMultiDict[str, str]:
        """The cookies that the client sent."""
        in_place = self.scope is None and "headers" not in self.__dict__
        header = self.environ.get("HTTP_COOKIE") if in_place else self.headers.get("Cookie")
        cookies = parse_cookies(header, self.dict_storage_class)
        return cast("ImmutableMultiDict[str, str]", cookies)

    @lazy
    def content_type(self) -> str | None:  # type: ignore[override]  # typed as a descriptor in werkzeug
        """The Content-Type header field; None if there is none."""
        if self.scope is not None:
            return self.headers.get("Content-Type")
        content_type: str | None = self.environ.get("CONTENT_TYPE")
        return content_type

    @lazy
    def mimetype(self) -> str:
        """The content type without parameters, in lower case; empty if there is none."""
        content_type = self.content_type
        return content_type.partition(";")[0].strip(" \t").lower() if content_type else ""

    @lazy
    def content_length(self) -> int | None:
        """The length that the client promises; None for a chunked body. `BadRequest` if it is not a plain number."""
        if self.scope is not None:
            headers = self.headers
            return parse_content_length(headers.get("Content-Length"), headers.get("Transfer-Encoding"))
        environ = self.environ
        return parse_content_length(environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING"))

    # -- who asks, and whom

    @lazy
    def remote_addr(self) -> str | None:
        """The address of the client: of the direct peer, or what trusted proxies tell about it."""
        forwarded = self._forwarded
        return self._peer if forwarded is None else forwarded.client or self._peer

    @lazy
    def access_route(self) -> list[str]:
        """The addresses from the client to the last proxy, as far as the proxies are trusted."""
        forwarded = self._forwarded
        if forwarded is not None and forwarded.route:
            return self.list_storage_class(forwarded.route)
        return self.list_storage_class([] if self.remote_addr is None else [self.remote_addr])

    @lazy
    def scheme(self) -> str:
        """The scheme that the client used, such as "https"."""
        forwarded = self._forwarded
        if forwarded is not None and forwarded.scheme is not None:
            return forwarded.scheme
        scope = self.scope
        source, key = (self.environ, "wsgi.url_scheme") if scope is None else (scope, "scheme")
        scheme: str = source.get(key, "http")
        return scheme

    @lazy
    def server(self) -> tuple[str, int | None] | None:
        """The address of the server: (name, port), (path, None) for a unix socket, None if it is not known."""
        scope = self.scope
        if scope is not None:
            server = scope.get("server")
            return None if server is None else (server[0], server[1])
        name = self.environ.get("SERVER_NAME")
        if name is None:
            return None
        port = str(self.environ.get("SERVER_PORT", ""))
        return name, int(port) if port.isdecimal() else None

    @lazy
    def host(self) -> str:
        """The host that the client asked for, with its port unless that is the usual one; empty if malformed."""
        forwarded = self._forwarded
        raw = self.headers.get("Host")
        if forwarded is not None and forwarded.host is not None:
            raw = forwarded.host
            hosts.check_host(raw)
        return get_host(self.scheme, raw, self.server, self.trusted_hosts)

    def check_host(self) -> None:
        """Raise `DisallowedHost` unless the host that the client asked for is well-formed and in ALLOWED_HOSTS."""
        forwarded = self._forwarded
        raw: str | bytes | None
        if forwarded is not None and forwarded.host is not None:
            raw = forwarded.host
        elif self.scope is None:
            raw = self.environ.get("HTTP_HOST")
        else:
            # Not decoded, since the handler asks `hosts.accepted` for the bytes. Two Host fields make a malformed one.
            values = [value for name, value in self.scope["headers"] if name == b"host"]
            raw = b",".join(values) if values else None
        hosts.check_host(raw)

    @lazy
    def id(self) -> str:
        """32 random hexadecimal digits, or what a trusted proxy wrote into the header that REQUEST_ID_HEADER names."""
        name = settings.REQUEST_ID_HEADER
        if name and hosts.is_trusted_proxy(self._peer):
            value = self.headers.get(name, "")
            if SANE_ID.fullmatch(value):
                return value
        return os.urandom(16).hex()

    @lazy
    def _peer(self) -> str | None:
        """The address at the other end of the connection; None or empty for a unix socket."""
        scope = self.scope
        if scope is None:
            peer: str | None = self.environ.get("REMOTE_ADDR")
            return peer
        client = scope.get("client")
        return client[0] if client else None

    @lazy
    def _forwarded(self) -> hosts.Forwarded | None:
        if hosts.trusted_proxies() is None:
            return None
        return hosts.forwarded(self._peer, self.headers.get)

    # -- the body

    @lazy
    def limits(self) -> Limits:
        """What this request may have at most; the core replaces it for routes with limits of their own."""
        return Limits.from_settings()

    @lazy
    def max_content_length(self) -> int | None:
        """Bytes the body may have; None is no limit."""
        return self.limits.for_content_type(self.content_type)

    @lazy
    def max_form_memory_size(self) -> int | None:
        """Bytes a text field of a multipart form may have; None is no limit."""
        return self.limits.max_form_memory_size

    @lazy
    def max_form_parts(self) -> int:
        """Parts a multipart form may have, fields and files together."""
        return self.limits.max_fields + self.limits.max_files

    @lazy
    def input_stream(self) -> IO[bytes]:
        """The body as the server gives it, without limits and maybe without an end. Use `stream`."""
        stream: IO[bytes] = BytesIO() if self.scope is not None else self.environ["wsgi.input"]
        return stream

    @lazy
    def stream(self) -> IO[bytes]:
        """The body as a stream that ends where the body ends and is no longer than the limits allow.

        It can be read once: by you, by `data` and `json`, or by `form` and `files`.
        """
        raw = self.input_stream
        if type(raw) is BytesIO and "max_content_length" not in self.__dict__:
            remaining = raw.getbuffer().nbytes - raw.tell()
            if (self.scope is not None or remaining == self.content_length) and self.limits.allow(remaining):
                return raw  # in memory, as long as promised, and allowed whatever it is
        maximum = self.max_content_length
        if maximum is None:
            maximum = sys.maxsize - 1
        if self.scope is not None:
            return open_body(self.input_stream, None, maximum, True)
        terminated = bool(self.environ.get("wsgi.input_terminated"))
        return open_body(self.input_stream, self.content_length, maximum, terminated)

    @lazy
    def want_form_data_parsed(self) -> bool:
        """Whether there is a content type, and so perhaps a form."""
        return bool(self.content_type)

    def make_form_data_parser(self) -> FormDataParser:
        """Make what parses a body that is no urlencoded form; to be replaced by subclasses that know more kinds."""
        parser = super().make_form_data_parser()
        if isinstance(parser, FormParser):
            parser.limits = self.limits
        return parser

    @lazy
    def form(self) -> ImmutableMultiDict[str, str]:
        """The fields of the form in the body; empty if the body is no form.

        `BadRequest` if it is malformed, `RequestDataTooBig` if it goes over one of the limits.
        """
        form: ImmutableMultiDict[str, str] = self._form_and_files[0]
        return form

    @lazy
    def files(self) -> ImmutableMultiDict[str, FileStorage]:
        """The files of the form in the body; they are closed when the request ends."""
        files: ImmutableMultiDict[str, FileStorage] = self._form_and_files[1]
        return files

    @lazy
    def _form_and_files(self) -> tuple[Any, Any]:  # werkzeug's types leave no room for another storage class
        if self._refusal is not None:
            kind, message = self._refusal
            raise kind(message)
        storage = self.parameter_storage_class
        try:
            is_urlencoded = self.content_type == URLENCODED
            if not is_urlencoded and not self.want_form_data_parsed:
                return storage(), storage()
            if is_urlencoded or self.mimetype == URLENCODED:
                # The kind of form that browsers send unless there are files in it needs no parser object.
                self.stream = stream = self._get_stream_for_parsing()
                return parse_urlencoded(stream.read(), storage, self.limits.max_fields, "form"), storage()
            parser, stream = self.make_form_data_parser(), self._get_stream_for_parsing()
            parsed = parser.parse(stream, self.mimetype, self.content_length, self.mimetype_params)
        except HTTPError as error:
            # The body is gone: whoever asks again must not find an empty form. The error itself would be a cycle.
            self._refusal = type(error), error.description
            raise
        self.stream, form, files = parsed
        if files:
            self.on_close(_close_all, files)
        return form, files

    def _load_form_data(self) -> None:
        if "form" not in self.__dict__:
            self.form = self._form_and_files[0]

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        from tempfile import SpooledTemporaryFile

        return cast(IO[bytes], SpooledTemporaryFile(max_size=self.limits.spool_size, mode="rb+"))

    if not TYPE_CHECKING:  # the overloads of the base class describe it

        def get_json(self, force=False, silent=False, cache=True):
            if self.content_type != "application/json" or not cache or "_cached_json" in self.__dict__:
                return super().get_json(force, silent, cache)
            # What werkzeug's method comes to in the usual case.
            data = self.get_data()
            try:
                value = self.json_module.loads(data)
            except ValueError as error:
                value = None if silent else self.on_json_loading_failed(error)
                self._cached_json = (..., value) if silent else (value, ...)
            else:
                self._cached_json = (value, value)
            return value

    @lazy
    def json_module(self) -> Any:
        """What `json` is parsed with: the provider of the setting JSON_PROVIDER, within the limits of the request."""
        return _JSONWithin(self.limits.json_max_depth)


mark_absent(Request, REQUEST)

# The request that is being answered in this context; None outside of any.
current_request = cast("ContextVar[Request | None]", current_lessee)


def _id_of_current_request() -> str | None:
    request = current_request.get()
    return None if request is None else request.id


log.id_of_current_request = _id_of_current_request

# Visible ASCII, and not so much of it that a log line drowns.
SANE_ID = re.compile(r"[!-~]{1,128}")


class _JSONWithin:
    """The JSON provider, in the form in which werkzeug wants it and with the depth limit of a request."""

    __slots__ = ("_max_depth",)

    def __init__(self, max_depth: int) -> None:
        self._max_depth = max_depth

    def loads(self, data: bytes) -> Any:
        return get_provider().loads(data, max_depth=self._max_depth)


def _close_all(files: MultiDict[str, FileStorage]) -> None:
    for _, file in files.items(multi=True):
        file.close()
