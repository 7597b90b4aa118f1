"""The page for an error while developing: a report as HTML for browsers, a traceback as text for everybody else."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from webframe.conf import settings
from webframe.debug import console
from webframe.debug.report import make_report, plain_text
from webframe.http.request import Request
from webframe.http.response import Response

if TYPE_CHECKING:
    import jinja2

logger = logging.getLogger("webframe.request")


def debug_response(
    request: Request, error: BaseException, *, timeline: Iterable[tuple[float, str]] | None = None
) -> Response:
    """Return a 500 that tells a developer what went wrong; never show it to anybody else.

    HTML for whoever prefers it, a plain traceback otherwise. `timeline` is what
    happened on the way, such as signals sent: seconds since the request came,
    and a text. Whatever goes wrong while the page is made, there is an answer.
    """
    try:
        if _prefers_html(request):
            return _html(request, error, timeline or ())
    except Exception:
        logger.exception("The debug page could not be made; a plain traceback is shown in its place.")
    return Response(_encode(plain_text(error)), 500, dict(_HEADERS), content_type="text/plain; charset=utf-8")


# Nothing of this is for a cache, a frame or another site.
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _prefers_html(request: Request) -> bool:
    """Browsers ask for text/html by name; curl and most programs take anything, and text is better to read there."""
    accepted = request.accept_mimetypes
    return bool(accepted.quality("text/html") > accepted.quality("text/plain"))


def _html(request: Request, error: BaseException, timeline: Iterable[tuple[float, str]]) -> Response:
    may_type = settings.DEBUG and console.refusal(request) is None
    if may_type:
        console.announce()
    nonce = secrets.token_urlsafe(16)
    page = _page().render(
        report=make_report(request, error, timeline, console.store.keeper() if may_type else None),
        console_path=f"{request.root_path}{console.CONSOLE_PATH}",
        token_header=console.TOKEN_HEADER,
        nonce=nonce,
        style=_resource("page.css"),
        script=_resource("page.js"),
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {**_HEADERS, "Content-Security-Policy": policy}
    return Response(_encode(page.lstrip()), 500, headers, content_type="text/html; charset=utf-8")


@cache
def _page() -> jinja2.Template:
    # An environment of its own: the project's may be what is broken, and its render hook must not see this page.
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_resource("page.html"))


@cache
def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _encode(text: str) -> bytes:
    """File names and messages may hold what UTF-8 cannot say: halves of pairs that stand for undecodable bytes."""
    return text.encode("utf-8", "backslashreplace")
