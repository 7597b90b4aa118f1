"""Static files: `static_view` makes a view that serves a folder, and nothing outside of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from werkzeug.security import safe_join

from webframe.core.exceptions import Http404
from webframe.http.files import FileResponse

if TYPE_CHECKING:
    from webframe.http.request import Request

# Files up to this size are read in the view. Under ASGI that saves the hops of a body that is read chunk by chunk.
SMALL = 64 * 1024

# Segments that are not empty, not hidden, and mean the same on every system: no backslash (a separator on Windows), no
# colon (a drive or a stream there), no control character. That leaves out "..", "//" and absolute paths as well.
_SEGMENT = r"[^./\\:\x00-\x1f\x7f][^/\\:\x00-\x1f\x7f]*"
_FILENAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")

# More than the longest path that common systems open (4096 bytes, NUL included).
MAX_LENGTH = 4095


def static_view(
    folder: str | os.PathLike[str], *, max_age: int | None = None
) -> Callable[[Request, str], FileResponse]:
    """Return a plain view ``view(request, filename)`` that serves the files in a folder and the folders in it.

    Answered with 404: whatever is outside the folder, symbolic links that lead
    out of it, names that begin with a dot, and folders. The answers have ETag,
    Last-Modified and ranges. `max_age` is the number of seconds for which
    browsers and caches need not ask again; give it if a file that changes also
    changes its name. Without it they ask every time, and get a 304.
    """
    root = os.path.realpath(folder)
    inside = os.path.join(root, "")
    cache_control = "no-cache" if max_age is None else f"public, max-age={max_age}"

    def serve_static(request: Request, filename: str) -> FileResponse:
        path = safe_join(root, filename) if _FILENAME.fullmatch(filename) and len(filename) <= MAX_LENGTH else None
        if path is None:
            raise Http404
        try:
            real = os.path.realpath(path)
        except (OSError, ValueError) as error:  # what the file system's encoding cannot express
            raise Http404 from error
        if not real.startswith(inside):
            raise Http404
        response = FileResponse(real, headers={"Cache-Control": cache_control})
        try:
            response.make_conditional(request)
            if request.method == "GET" and response.status_code in (200, 206):
                response.read_if_small(SMALL)
        except BaseException:
            response.close()
            raise
        return response

    return serve_static
