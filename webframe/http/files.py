"""Files as responses: what they are, whether the client has them already, and which part of them it wants."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from io import SEEK_END, SEEK_SET, TextIOBase
from mimetypes import guess_type
from stat import S_ISREG
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from werkzeug.datastructures import Headers
from werkzeug.http import http_date, is_resource_modified, parse_date, parse_etags, quote_etag

from webframe.core.exceptions import Http404
from webframe.http.light import HeaderFields
from webframe.http.response import Response, conditions_of
from webframe.http.wire import content_types

if TYPE_CHECKING:
    from werkzeug import Request as WerkzeugRequest

# What is read, and sent, at once. Under ASGI every chunk is a hop to a thread: large ones make a download cheap.
CHUNK_SIZE = 256 * 1024

# What mimetypes does not know everywhere, or takes from a registry that any program may have changed.
MEDIA_TYPES = {
    ".avif": "image/avif",
    ".css": "text/css",
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".ico": "image/vnd.microsoft.icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
    ".zip": "application/zip",
}

# Sent as what they are: a Content-Encoding would make the client unpack them on the way.
_COMPRESSED = {
    "br": "application/x-brotli",
    "bzip2": "application/x-bzip2",
    "compress": "application/x-compress",
    "gzip": "application/gzip",
    "xz": "application/x-xz",
}

# A path that leads to no file, for whatever reason; anything else (no permission, a broken disk) is our fault.
_NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL})


class FileResponse(Response):
    """A file, given by its path or opened in binary mode.

    Content-Type comes from the name (`mimetype` overrides it), ETag and
    Last-Modified from the file's time and size; a file without a path has
    neither unless `etag` and `last_modified` give them. Clients are told to
    ask every time whether the file has changed, or else, with `max_age`, after
    so many seconds. `as_attachment` makes browsers save it, as `download_name`.

    The file is opened here and closed by `close`. Raises `Http404` if the path
    leads to no regular file. A file opened by the caller is sent from where it
    stands.

    Conditions and ranges are applied by `make_conditional`, which the core
    calls for every response that is `conditional`.
    """

    conditional = True

    def __init__(
        self,
        file: str | os.PathLike[str] | IO[bytes],
        status: int | str | HTTPStatus | None = None,
        headers: HeaderFields | None = None,
        mimetype: str | None = None,
        content_type: str | None = None,
        *,
        as_attachment: bool = False,
        download_name: str | None = None,
        max_age: int | None = None,
        etag: str | None = None,
        last_modified: datetime | float | None = None,
    ) -> None:
        if isinstance(file, (str, os.PathLike)):
            path = os.fspath(file)
            body, facts = _open(path)
            name = os.path.basename(path)
            if etag is None:
                etag = f"{facts.st_mtime_ns:x}-{facts.st_size:x}"
            if last_modified is None:
                last_modified = facts.st_mtime
        elif not hasattr(file, "read"):
            raise TypeError(f"A FileResponse is made of a path or of a file that is open, not of {file!r}.")
        else:
            body = FilePart(file)
            name = getattr(file, "name", "")
            name = os.path.basename(name) if isinstance(name, str) else ""
        if content_type is None:
            content_type = content_types[mimetype or guess_media_type(download_name or name)]
        fields = Headers(headers)
        fields.set("Content-Type", content_type)
        if body.length is not None:
            fields.set("Content-Length", body.length)
            fields.set("Accept-Ranges", "bytes")
        if as_attachment or download_name is not None:
            fields.set("Content-Disposition", content_disposition(download_name or name, attachment=as_attachment))
        if etag is not None:
            fields.set("ETag", quote_etag(etag))
        if last_modified is not None:
            fields.set("Last-Modified", http_date(last_modified))
        fields.setdefault("Cache-Control", "no-cache" if max_age is None else f"max-age={max_age}")
        super().__init__(body, status, fields, direct_passthrough=True)
        # What the body is, unless a middleware has replaced it; it is closed in any case.
        self._part = body
        self.call_on_close(body.close)

    def make_conditional(
        self,
        request_or_environ: WerkzeugRequest | Mapping[str, Any],
        accept_ranges: bool | str = True,
        complete_length: int | None = None,
    ) -> Response:
        """Make this 304, 412, 206 or 416 if the request's conditions and its range ask for it; once.

        In the order of RFC 9110 section 13.2.2: the client's version first,
        the range it wants of it second. One range is served; several, or what
        is no range of bytes, are as good as none.
        """
        part = self._part
        if not self.conditional or self.response is not part or self._status_code != 200:
            return self
        self.conditional = False
        conditions = conditions_of(request_or_environ)
        method = conditions.pop("REQUEST_METHOD", "GET")
        if method not in ("GET", "HEAD"):
            return self
        wanted = conditions.pop("HTTP_RANGE", None)
        if_range = conditions.pop("HTTP_IF_RANGE", None)
        if conditions and self._is_settled(conditions):
            return self
        if wanted and accept_ranges and method == "GET" and part.length and self._is_current(if_range):
            self._take_range(part, wanted)
        return self

    def _is_settled(self, conditions: dict[str, Any]) -> bool:
        """Answer 412 or 304 if the conditions ask for it."""
        if self._is_refused(conditions.pop("HTTP_IF_MATCH", None), conditions.pop("HTTP_IF_UNMODIFIED_SINCE", None)):
            self.status_code = 412
            self._describe_nothing()
        elif is_resource_modified(
            conditions, self.headers.get("ETag"), last_modified=self.headers.get("Last-Modified")
        ):
            return False
        else:
            self.status_code = 304
        self._replace_file(b"")
        return True

    def _is_refused(self, if_match: str | None, if_unmodified_since: str | None) -> bool:
        """Whether the client wants a certain version only, and we have another one."""
        if if_match is not None:
            etag, is_weak = self.get_etag()
            wanted = parse_etags(if_match)
            return not (wanted.star_tag or (etag is not None and not is_weak and wanted.is_strong(etag)))
        limit, modified = parse_date(if_unmodified_since), self.last_modified
        return limit is not None and modified is not None and modified > limit

    def _is_current(self, if_range: str | None) -> bool:
        """Whether If-Range names the version we have; RFC 9110 section 13.1.5 asks for an exact match."""
        if if_range is None:
            return True
        if if_range.startswith('"'):
            return if_range == self.headers.get("ETag")
        modified = self.last_modified
        return modified is not None and parse_date(if_range) == modified

    def _take_range(self, part: FilePart, wanted: str) -> None:
        size = part.length or 0
        found = _RANGE.fullmatch(wanted)
        if found is None or found["first"] == found["last"] == "":
            return
        if found["first"] == "":
            count = _position(found["last"])
            first, last = max(size - count, 0), size - 1
            satisfiable = count > 0
        else:
            first, last = _position(found["first"]), _position(found["last"]) if found["last"] else size
            if last < first and found["last"]:
                return
            satisfiable, last = first < size, min(last, size - 1)
        if satisfiable:
            self.status_code = 206
            self.headers.set("Content-Range", f"bytes {first}-{last}/{size}")
            self.headers.set("Content-Length", last - first + 1)
            part.narrow(first, last - first + 1)
        else:
            self.status_code = 416
            self.headers.set("Content-Range", f"bytes */{size}")
            self._describe_nothing()
            self._replace_file(b"")

    def _replace_file(self, content: bytes) -> None:
        """Close the file now, so that nothing needs closing later, and send this."""
        self._part.close()
        self._on_close = [closer for closer in self._on_close if closer != self._part.close]
        self.response = [content]
        self.direct_passthrough = False

    def _describe_nothing(self) -> None:
        """Let the headers no longer describe the file: the body is another one, and empty."""
        for name in ("Content-Type", "Content-Disposition", "ETag", "Last-Modified", "Cache-Control"):
            self.headers.remove(name)
        self.headers.set("Content-Length", 0)

    def read_if_small(self, limit: int) -> None:
        """Read the file now and close it, if no more than `limit` bytes of it are to be sent.

        For code that may block: the body is then known as a whole, and needs no
        further thread to be read in. Call it after `make_conditional`.
        """
        part = self._part
        if self.response is part and part.length is not None and part.length <= limit:
            self._replace_file(b"".join(part))


class FilePart:
    """The bytes of a file from where it stands, or the part that `narrow` chose, in chunks.

    `length` is None for what cannot be measured, such as a pipe.
    """

    __slots__ = ("_file", "_remaining", "_start", "length")

    def __init__(self, file: IO[bytes], length: int | None = None) -> None:
        if isinstance(file, TextIOBase):
            raise TypeError(f"The file {file!r} is open as text. Open it in binary mode ('rb'), or use io.BytesIO.")
        self._file = file
        self._start = 0
        if length is None and hasattr(file, "seekable") and file.seekable():
            self._start = file.tell()
            length = max(file.seek(0, SEEK_END) - self._start, 0)
            file.seek(self._start)
        self.length = self._remaining = length

    def narrow(self, first: int, length: int) -> None:
        """Serve so many bytes only, beginning with the `first`, counted from 0."""
        self._file.seek(self._start + first, SEEK_SET)
        self.length = self._remaining = length

    def __iter__(self) -> FilePart:
        return self

    def __next__(self) -> bytes:
        size = CHUNK_SIZE if self._remaining is None else min(CHUNK_SIZE, self._remaining)
        chunk = self._file.read(size) if size else b""
        if not chunk:
            raise StopIteration
        if self._remaining is not None:
            self._remaining -= len(chunk)
        return chunk

    def close(self) -> None:
        """Close the file."""
        self._file.close()


# One range of bytes (RFC 9110 section 14.1.2).
_RANGE = re.compile(r"bytes[ \t]*+=[ \t]*+(?P<first>[0-9]*+)[ \t]*+-[ \t]*+(?P<last>[0-9]*+)[ \t]*+", re.IGNORECASE)


def _position(digits: str) -> int:
    """A position in a file. No file has more than 19 digits of bytes: what is further is not counted, all is behind."""
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) < 20 else 10**19


def _open(path: str) -> tuple[FilePart, os.stat_result]:
    """Open a regular file; raises `Http404` if there is none."""
    try:
        # Looked at before it is opened: opening a pipe would wait for a writer.
        if not S_ISREG(os.stat(path).st_mode):
            raise Http404
        file = open(path, "rb")
    except OSError as error:
        if error.errno in _NO_FILE:
            raise Http404 from error
        raise
    except ValueError as error:  # a NUL in the path, or what the file system's encoding cannot express
        raise Http404 from error
    facts = os.fstat(file.fileno())
    return FilePart(file, facts.st_size), facts


def guess_media_type(name: str) -> str:
    """Return the media type for the name of a file; archives are what they are, not what they hold.

    >>> guess_media_type("notes.txt"), guess_media_type("backup.tar.gz"), guess_media_type("README")
    ('text/plain', 'application/gzip', 'application/octet-stream')
    """
    known = MEDIA_TYPES.get(os.path.splitext(name)[1].lower())
    if known is not None:
        return known
    # guess_type takes URLs too, and would cut off what looks like the start of one.
    media_type, encoding = guess_type(name.replace(":", "_"))
    if encoding is not None:
        return _COMPRESSED.get(encoding, "application/octet-stream")
    return media_type or "application/octet-stream"


def content_disposition(name: str, *, attachment: bool) -> str:
    """Return the value of Content-Disposition for a file of this name; always ASCII (RFC 6266, RFC 8187).

    >>> content_disposition("naïve plan.txt", attachment=True)
    'attachment; filename="naive plan.txt"; filename*=UTF-8\\'\\'na%C3%AFve%20plan.txt'
    """
    kind = "attachment" if attachment else "inline"
    # A line break in a name must neither end the header nor the request; no system needs one.
    name = "".join("_" if unicodedata.category(char) in ("Cc", "Cs") else char for char in name)
    if not name:
        return kind
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    if plain.startswith(".") and not name.startswith("."):
        plain = f"download{plain}"
    # Quotes and backslashes are read differently by different clients; percent signs are unescaped by some.
    plain = re.sub(r'["\\%]', "_", plain) or "download"
    value = f'{kind}; filename="{plain}"'
    if plain != name:
        value += f"; filename*=UTF-8''{quote(name, safe='!#$&+-.^_`|~')}"
    return value
