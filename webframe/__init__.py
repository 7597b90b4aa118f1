"""webframe: a WSGI/ASGI microframework in which everything that happens is a signal.

This is the front door. Each public name is found on first use, so that
importing `webframe` loads nothing else of it.
"""

from __future__ import annotations

from webframe._lazy import lazy_door

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webframe.app import Webframe as Webframe
    from webframe.app import url_for as url_for
    from webframe.core.exceptions import Http404 as Http404
    from webframe.groups import Group as Group
    from webframe.http.files import FileResponse as FileResponse
    from webframe.http.request import Request as Request
    from webframe.http.request import current_request as current_request
    from webframe.http.response import JSONResponse as JSONResponse
    from webframe.http.response import Response as Response
    from webframe.http.response import StreamingResponse as StreamingResponse
    from webframe.http.response import abort as abort
    from webframe.http.response import redirect as redirect
    from webframe.template import render as render
    from webframe.views import View as View

_HOMES = {
    "FileResponse": ".http.files",
    "Group": ".groups",
    "Http404": ".core.exceptions",
    "JSONResponse": ".http.response",
    "Request": ".http.request",
    "Response": ".http.response",
    "StreamingResponse": ".http.response",
    "View": ".views",
    "Webframe": ".app",
    "abort": ".http.response",
    "current_request": ".http.request",
    "redirect": ".http.response",
    "render": ".template",
    "url_for": ".app",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_door(__name__, _HOMES)
