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

# What Flask and Django have under names that we have not.
_INSTEAD = {
    "Blueprint": 'Group("/prefix", name="cart")',
    "Flask": "Webframe",
    "HttpRequest": "Request",
    "HttpResponse": "Response",
    "HttpResponseRedirect": "redirect()",
    "JsonResponse": "JSONResponse, or return the dict",
    "StreamingHttpResponse": "StreamingResponse, or return the generator",
    "current_app": "the app itself, or settings of webframe.conf",
    "flash": "a cookie or a row of your own; there are no sessions in this version",
    "g": "attributes of the request: request.user = ...",
    "get_list_or_404": "a queryset and abort(404)",
    "get_object_or_404": "Note.objects.get_or_404(pk=1)",
    "include": "app.include(group)",
    "jsonify": "JSONResponse, or return the dict",
    "make_response": "Response, or make_response of webframe.http.response",
    "path": '@app.route("/notes/<int:pk>", name="note")',
    "render_template": 'render("note.html", note=note)',
    "render_template_string": "render_string of webframe.template",
    "request": "the view's first parameter, or current_request.get()",
    "reverse": "app.url_for(), or url_for() where there is a request",
    "send_file": "FileResponse",
    "send_from_directory": "static_view of webframe.static",
    "session": "a cookie or a row of your own; there are no sessions in this version",
    "stream_with_context": "StreamingResponse",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_door(__name__, _HOMES, _INSTEAD)
