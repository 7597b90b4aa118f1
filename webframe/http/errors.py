"""The pages for HTTP errors: HTML for people, JSON for programs that ask for it, plain text for everybody else.

The pages say what the status means, or what the error itself says, and never anything about the program: that is the
business of `webframe.debug`. Those that say nothing of their own are rendered once per status and kind.
"""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import escape
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.http import HTTP_STATUS_CODES

from webframe.core.exceptions import HTTPError
from webframe.http.response import Response
from webframe.http.wire import make_headers

if TYPE_CHECKING:
    from webframe.http.request import Request

DESCRIPTIONS = {
    400: "The request could not be understood.",
    401: "Please sign in to see this page.",
    403: "You are not allowed to see this page.",
    404: "There is nothing at this address. Perhaps it was mistyped, or the page has moved.",
    405: "This address does not answer to requests of this kind.",
    406: "This address has nothing in a form that your program accepts.",
    408: "The request took too long to arrive. Please try again.",
    409: "Somebody else has changed this meanwhile. Please load it again and repeat your change.",
    410: "What was at this address is gone for good.",
    411: "The request must say how long it is.",
    412: "This has changed since you loaded it. Please load it again.",
    413: "What was sent is too large.",
    414: "This address is too long.",
    415: "What was sent has a form that this address does not take.",
    416: "The file does not have the part that was asked for.",
    422: "The request was understood, but something in it is not right.",
    423: "Somebody is working on this. Please try again later.",
    428: "The request must name the version it means to change.",
    429: "Too many requests in a short time. Please wait a little.",
    431: "The header of the request is too large. Deleting the cookies of this site may help.",
    451: "This may not be shown, for legal reasons.",
    500: "Something went wrong on our side. Please try again later.",
    501: "This has not been built yet.",
    502: "A server that we depend on gave no proper answer. Please try again later.",
    503: "We cannot answer right now. Please try again later.",
    504: "A server that we depend on took too long. Please try again later.",
}
"""What a status means to the person who meets it."""


def error_response(
    error: HTTPException | HTTPError | int, request: Request | None, *, description: str | None = None
) -> Response:
    """Return the page for an HTTP error, or for a status.

    The text below the name of the status is `description`, or else what was
    given when the error was raised, or else a sentence about the status. A
    werkzeug exception that brings its own response, or renders itself, is left
    to do so; the headers it adds (Allow, Retry-After, WWW-Authenticate ...) are
    kept in any case. Without a request the page is plain text.
    """
    extra: list[tuple[str, str]] = []
    code = _SPEECHLESS.get(type(error))
    if code is None or vars(error) != _NOTHING_OWN:
        if isinstance(error, HTTPException):
            if _renders_itself(error):
                return Response.force_type(error.get_response(_plain_environ(request)))
            code = error.code or 500
            description = description or _own_description(error, code)
            if type(error).get_headers is not HTTPException.get_headers:
                extra = [field for field in error.get_headers() if field[0].lower() != "content-type"]
        elif isinstance(error, HTTPError):
            code = error.status_code
            description = description or error.description
        else:
            code = error
    kind = "text" if request is None else _page_kind(request.headers.get("Accept"))
    page = _page(code, kind, description)
    response = Response(page.body, code, content_type=page.content_type)
    # A cache must not give a program the page that a browser got.
    response._more = _VARY
    if extra:
        response.headers = make_headers([*response.headers, *extra])
    return response


_VARY = ((("Vary", "Accept"),), ((b"vary", b"Accept"),))


# Werkzeug's exceptions that add nothing to their status, unless somebody gave one a description or a response.
_SPEECHLESS: dict[type, int] = {
    kind: code for code, kind in default_exceptions.items() if kind.get_headers is HTTPException.get_headers
}
_NOTHING_OWN = vars(HTTPException())


def _renders_itself(error: HTTPException) -> bool:
    kind = type(error)
    return (
        error.response is not None
        or kind.get_response is not HTTPException.get_response
        or kind.get_body is not HTTPException.get_body
        or kind.get_description is not HTTPException.get_description
    )


def _plain_environ(request: Request | None) -> Any:
    """The environ where it is a dictionary, as werkzeug's exceptions want it: under WSGI."""
    environ = getattr(request, "environ", None)
    return environ if isinstance(environ, dict) else None


def _own_description(error: HTTPException, code: int) -> str | None:
    """What an exception has to say beyond werkzeug's sentence for the status."""
    stock = default_exceptions.get(code)
    own = error.description
    return None if stock is not None and own is stock.description else own


# --- which page


def _page_kind(accept: str | None) -> str:
    """ "html", "json" or "text", by the Accept header; remembered for as many headers as browsers and programs send."""
    kind = _kinds.get(accept)
    if kind is None:
        kind = _choose(accept or "")
        if len(_kinds) < _MAX_KINDS and len(accept or "") <= _MAX_REMEMBERED_LENGTH:
            _kinds[accept] = kind
    return kind


_kinds: dict[str | None, str] = {}
_MAX_KINDS = 256
_MAX_REMEMBERED_LENGTH = 300

# No honest client names more media types.
_MAX_MEDIA_TYPES = 32


def _choose(accept: str) -> str:
    """HTML or JSON where it is asked for by name, the better liked of the two, the first one named if equal."""
    best, best_quality = "text", 0.0
    for item in accept.lower().split(",", _MAX_MEDIA_TYPES)[:_MAX_MEDIA_TYPES]:
        media_type, *parameters = (part.strip() for part in item.split(";"))
        if media_type in ("text/html", "application/xhtml+xml"):
            kind = "html"
        elif media_type == "application/json" or (
            media_type.startswith("application/") and media_type.endswith("+json")
        ):
            kind = "json"
        else:
            continue
        quality = _quality(parameters)
        if quality > best_quality:
            best, best_quality = kind, quality
    return best


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


# --- pages


class _Page(NamedTuple):
    body: bytes
    content_type: str


_pages: dict[tuple[int, str], _Page] = {}


def _page(code: int, kind: str, description: str | None) -> _Page:
    if description:
        return _render(code, kind, description)
    page = _pages.get((code, kind))
    if page is None:
        page = _render(code, kind, DESCRIPTIONS.get(code, ""))
        if code in HTTP_STATUS_CODES:
            _pages[code, kind] = page
    return page


def _render(code: int, kind: str, description: str) -> _Page:
    name = HTTP_STATUS_CODES.get(code, "Error")
    if kind == "html":
        content_type = "text/html; charset=utf-8"
        paragraph = f"<p>{escape(description)}</p>\n" if description else ""
        text = _HTML.format(code=code, name=escape(name), paragraph=paragraph)
    elif kind == "json":
        content_type = "application/json"
        text = dumps({"status": code, "error": name, "description": description})
    else:
        content_type = "text/plain; charset=utf-8"
        text = f"{code} {name}\n\n{description}\n" if description else f"{code} {name}\n"
    # What is shown may come from the client, with halves of surrogate pairs in it.
    body = text.encode("utf-8", "replace")
    return _Page(body, content_type)


# Colours are the system's own, which also makes them dark where the system is; nothing is loaded from elsewhere.
_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{code} {name}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; font: 1.125rem/1.5 system-ui, sans-serif; }}
main {{ box-sizing: border-box; max-width: 38rem; padding: 2rem 1.25rem; overflow-wrap: anywhere; }}
h1 {{ margin: 0; font-size: 1.75rem; line-height: 1.2; }}
p {{ margin: 1rem 0 0; white-space: pre-line; }}
</style>
</head>
<body>
<main>
<h1>{code} {name}</h1>
{paragraph}</main>
</body>
</html>
"""
