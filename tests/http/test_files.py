import errno
import io
import os
import time
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.http import http_date, parse_options_header
from werkzeug.test import create_environ

from webframe.core.exceptions import Http404
from webframe.http.files import CHUNK_SIZE, FileResponse, content_disposition, guess_media_type
from webframe.http.request import Request

CONTENT = bytes(range(100))
MODIFIED = 1_700_000_000


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(CONTENT)
    os.utime(path, (MODIFIED, MODIFIED))
    return path


def asking(protocol="wsgi", method="GET", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if protocol == "wsgi":
        return Request(create_environ(method=method, headers=fields))
    pairs = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    scope = {"type": "http", "method": method, "path": "/", "query_string": b"", "headers": pairs}
    return Request.from_scope(scope, None)


def sent(response, request=None):
    """Status, headers and body, as a server would send them; the response is closed afterwards."""
    method = "GET"
    if request is not None:
        assert response.make_conditional(request) is response
        method = request.method
    status, headers, body = response.to_wsgi(method)
    try:
        return response.status_code, dict(headers), b"".join(body)
    finally:
        response.close()


# --- what is sent -------------------------------------------------------------------------------------------------


def test_a_file_is_described_by_its_headers(path):
    status, headers, body = sent(FileResponse(path))
    assert (status, body) == (200, CONTENT)
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Content-Length"] == "100"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Last-Modified"] == http_date(MODIFIED)
    assert headers["Cache-Control"] == "no-cache"
    assert headers["ETag"].startswith('"')
    assert "Content-Disposition" not in headers


def test_the_etag_changes_with_the_file(path):
    def etag():
        return sent(FileResponse(str(path)))[1]["ETag"]

    first = etag()
    assert etag() == first
    os.utime(path, (MODIFIED, MODIFIED + 1))
    second = etag()
    path.write_bytes(CONTENT + b"!")
    os.utime(path, (MODIFIED, MODIFIED + 1))
    assert len({first, second, etag()}) == 3


def test_what_is_given_wins_over_what_is_guessed(path):
    moment = datetime(2024, 5, 6, tzinfo=UTC)
    response = FileResponse(
        path, 203, {"X-One": "1"}, "a/b", etag="own", last_modified=moment, max_age=60, download_name="n.pdf"
    )
    status, headers, _ = sent(response)
    assert status == 203
    assert headers["X-One"] == "1"
    assert headers["Content-Type"] == "a/b"
    assert headers["ETag"] == '"own"'
    assert headers["Last-Modified"] == http_date(moment)
    assert headers["Cache-Control"] == "max-age=60"
    assert headers["Content-Disposition"] == 'inline; filename="n.pdf"'
    assert sent(FileResponse(path, content_type="c/d; e=f"))[1]["Content-Type"] == "c/d; e=f"
    assert sent(FileResponse(path, headers={"Cache-Control": "private"}, max_age=1))[1]["Cache-Control"] == "private"


def test_an_attachment_has_the_name_of_the_file_or_the_one_given(path):
    headers = sent(FileResponse(path, as_attachment=True))[1]
    assert headers["Content-Disposition"] == 'attachment; filename="notes.txt"'
    headers = sent(FileResponse(path, as_attachment=True, download_name="other.pdf"))[1]
    assert headers["Content-Disposition"] == 'attachment; filename="other.pdf"'
    assert headers["Content-Type"] == "application/pdf"


def test_a_large_file_comes_in_chunks_and_an_empty_one_in_none(tmp_path):
    large, empty = tmp_path / "large", tmp_path / "empty"
    large.write_bytes(b"a" * (CHUNK_SIZE + 1))
    empty.touch()
    with FileResponse(large) as response:
        assert [len(chunk) for chunk in response.to_wsgi("GET")[2]] == [CHUNK_SIZE, 1]
    assert sent(FileResponse(empty))[1]["Content-Length"] == "0"
    assert sent(FileResponse(empty), asking(Range="bytes=0-"))[::2] == (200, b"")


def test_an_open_file_is_sent_from_where_it_stands(path):
    file = path.open("rb")
    file.seek(90)
    response = FileResponse(file)
    status, headers, body = sent(response)
    assert (status, headers["Content-Length"], body) == (200, "10", CONTENT[90:])
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "ETag" not in headers
    assert file.closed


def test_a_file_in_memory_needs_no_name():
    status, headers, body = sent(FileResponse(io.BytesIO(CONTENT), as_attachment=True))
    assert (status, headers["Content-Length"], body) == (200, "100", CONTENT)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == "attachment"


def test_ranges_count_from_where_an_open_file_stands():
    file = io.BytesIO(CONTENT)
    file.seek(90)
    status, headers, body = sent(FileResponse(file), asking(Range="bytes=2-3"))
    assert (status, headers["Content-Range"], body) == (206, "bytes 2-3/10", CONTENT[92:94])


def test_a_pipe_has_no_length_and_no_ranges():
    reader, writer = os.pipe()
    os.write(writer, b"abc")
    os.close(writer)
    status, headers, body = sent(FileResponse(os.fdopen(reader, "rb")), asking(Range="bytes=0-1"))
    assert (status, body) == (200, b"abc")
    assert "Content-Length" not in headers
    assert "Accept-Ranges" not in headers


def test_a_file_open_as_text_is_refused(path):
    with path.open() as file, pytest.raises(TypeError, match="binary mode"):
        FileResponse(file)
    with pytest.raises(TypeError, match="binary mode"):
        FileResponse(io.StringIO("a"))


def test_a_file_that_shrinks_ends_early(path):
    response = FileResponse(path)
    os.truncate(path, 10)
    assert sent(response)[2] == CONTENT[:10]


def test_the_file_is_closed_by_close_and_never_collected_by_accident(path):
    response = FileResponse(path)
    file = response.response._file
    with pytest.raises(RuntimeError):
        response.get_data()
    assert response.needs_closing
    assert not file.closed
    response.close()
    assert file.closed


def test_head_sends_the_headers_of_get(path, protocol):
    with FileResponse(path) as one, FileResponse(path) as other:
        one.make_conditional(asking(protocol, "HEAD", Range="bytes=0-1"))
        expected = other.to_wsgi("GET")
        assert one.to_wsgi("HEAD")[:2] == expected[:2]
        assert one.to_wsgi("HEAD")[2] == [b""]
        assert one.to_asgi("HEAD")[2] == b""


# --- no such file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["missing", "notes.txt/below", "", ".", "a\0b", "a" * 300, "a/" * 3000, "\ud800", "pipe"]
)
def test_what_is_no_regular_file_is_not_found(path, name):
    os.mkfifo(path.parent / "pipe")
    with pytest.raises(Http404):
        FileResponse(os.path.join(path.parent, name))


def test_a_link_that_leads_in_circles_is_not_found(tmp_path):
    os.symlink(tmp_path / "a", tmp_path / "b")
    os.symlink(tmp_path / "b", tmp_path / "a")
    with pytest.raises(Http404):
        FileResponse(tmp_path / "a")


def test_a_file_that_may_not_be_read_is_our_fault(path):
    class Forbidden(os.PathLike):
        def __fspath__(self):
            return "/proc/1/mem"

    try:
        open("/proc/1/mem", "rb").close()
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            with pytest.raises(PermissionError):
                FileResponse(Forbidden())


# --- conditions ---------------------------------------------------------------------------------------------------


def test_an_unchanged_file_is_not_sent_again(path, protocol):
    etag = sent(FileResponse(path))[1]["ETag"]
    later, earlier = http_date(MODIFIED + 1), http_date(MODIFIED - 1)
    for headers, expected in [
        ({"If_None_Match": etag}, 304),
        ({"If_None_Match": f'"other", W/{etag}'}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": '"other"'}, 200),
        ({"If_Modified_Since": http_date(MODIFIED)}, 304),
        ({"If_Modified_Since": later}, 304),
        ({"If_Modified_Since": earlier}, 200),
        ({"If_Modified_Since": "nonsense"}, 200),
        ({"If_None_Match": '"other"', "If_Modified_Since": later}, 200),
        ({"If_Match": '"other"'}, 412),
        ({"If_Match": etag}, 200),
        ({"If_Match": "*"}, 200),
        ({"If_Match": f"W/{etag}"}, 412),
        ({"If_Match": etag, "If_None_Match": etag}, 304),
        ({"If_Match": '"other"', "If_None_Match": etag}, 412),
        ({"If_Unmodified_Since": http_date(MODIFIED)}, 200),
        ({"If_Unmodified_Since": earlier}, 412),
        ({"If_Unmodified_Since": "nonsense"}, 200),
        ({"If_Match": etag, "If_Unmodified_Since": earlier}, 200),
        ({"If_None_Match": etag, "Range": "bytes=0-1"}, 304),
    ]:
        response = FileResponse(path)
        status, fields, body = sent(response, asking(protocol, **headers))
        assert status == expected, headers
        assert body == (CONTENT if status == 200 else b"")
        assert ("Content-Type" in fields) == (status == 200)
        assert fields.get("ETag") == (None if status == 412 else etag)
        assert response._part._file.closed


def test_conditions_hold_for_get_and_head_only(path):
    assert sent(FileResponse(path), asking(method="POST", If_None_Match="*"))[0] == 200
    assert sent(FileResponse(path), asking(method="HEAD", If_None_Match="*"))[0] == 304


def test_an_environ_will_do_for_a_request(path):
    response = FileResponse(path)
    response.make_conditional(create_environ(headers={"If-None-Match": "*"}))
    assert response.status_code == 304


def test_conditions_are_applied_once_and_not_to_another_answer(path):
    response = FileResponse(path)
    assert response.conditional
    response.make_conditional(asking(Range="bytes=0-1"))
    assert not response.conditional
    response.make_conditional(asking(Range="bytes=5-9"))
    assert sent(response)[2] == CONTENT[:2]
    assert sent(FileResponse(path, 404), asking(Range="bytes=0-1"))[0] == 404


def test_a_body_that_a_middleware_has_replaced_is_left_alone_and_the_file_closed(path):
    response = FileResponse(path)
    response.response = [b"zipped"]
    assert sent(response, asking(Range="bytes=0-1"))[::2] == (200, b"zipped")
    assert response._part._file.closed


# --- ranges -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted, expected",
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=0-99", (0, 99)),
        ("bytes=10-19", (10, 19)),
        ("bytes=90-", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=-1000", (0, 99)),
        ("bytes=99-1000", (99, 99)),
        ("bytes=0-9999999999999999999", (0, 99)),
        ("bytes=10-" + "9" * 5000, (10, 99)),
        ("bytes=-" + "9" * 5000, (0, 99)),
        ("bytes=" + "0" * 5000 + "1-" + "0" * 5000 + "2", (1, 2)),
        ("Bytes = 1 - 2 ", (1, 2)),
    ],
)
def test_one_range_is_served(path, protocol, wanted, expected):
    first, last = expected
    status, headers, body = sent(FileResponse(path), asking(protocol, Range=wanted))
    assert status == 206
    assert body == CONTENT[first : last + 1]
    assert headers["Content-Range"] == f"bytes {first}-{last}/100"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "wanted",
    ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=9999999999999999999-"]
    + ["bytes=" + "9" * 20 + "-", "bytes=" + "9" * 5000 + "-", "bytes=" + "9" * 5000 + "-" + "9" * 5001]
    + ["bytes=-" + "0" * 5000],
)
def test_a_range_beyond_the_end_is_answered_with_416(path, protocol, wanted):
    response = FileResponse(path)
    status, headers, body = sent(response, asking(protocol, Range=wanted))
    assert (status, body) == (416, b"")
    assert headers["Content-Range"] == "bytes */100"
    assert headers["Content-Length"] == "0"
    assert "ETag" not in headers
    assert response._part._file.closed


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=5-2",
        "bytes=0-1,3-4",
        "bytes=-",
        "bytes=",
        "bytes",
        "",
        "items=0-1",
        "bytes=a-b",
        "bytes=1-2-3",
        "bytes=--1",
    ]
    + ["bytes=0x1-2", "bytes=1.5-", "bytes=\u0661-", "bytes=" + "9" * 5000 + "-5", "=0-1", "bytes=+1-2"],
)
def test_what_is_no_single_range_of_bytes_is_ignored(path, wanted):
    status, headers, body = sent(FileResponse(path), asking(Range=wanted.encode().decode("latin-1")))
    assert (status, body) == (200, CONTENT)
    assert "Content-Range" not in headers


@pytest.mark.parametrize("item", ["0-,", "0-0,", "-1,", "5-2,", ",", " ", "0", "\t-"])
def test_twenty_thousand_ranges_are_ignored_at_once(path, item):
    request = asking(Range="bytes=" + item * 20_000)
    response = FileResponse(path)
    start = time.process_time()
    response.make_conditional(request)
    assert time.process_time() - start < 0.01
    assert sent(response)[0] == 200


def test_if_range_asks_for_exactly_this_version(path, protocol):
    etag = sent(FileResponse(path))[1]["ETag"]
    for value, expected in [
        (etag, 206),
        (f"W/{etag}", 200),
        ('"other"', 200),
        (http_date(MODIFIED), 206),
        (http_date(MODIFIED + 1), 200),
        (http_date(MODIFIED - 1), 200),
        ("nonsense", 200),
    ]:
        assert sent(FileResponse(path), asking(protocol, Range="bytes=0-1", If_Range=value))[0] == expected, value
    assert sent(FileResponse(path), asking(protocol, If_Range=etag))[0] == 200


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.from_regex(r"(bytes|a)? ?=? ?[0-9]{0,3}-?[0-9]{0,3},?[0-9-]{0,3}", fullmatch=True) | st.text(max_size=12))
def test_any_range_header_gives_a_part_the_whole_or_416(wanted):
    response = FileResponse(io.BytesIO(CONTENT))
    response.make_conditional({"REQUEST_METHOD": "GET", "HTTP_RANGE": wanted})
    status, headers, body = sent(response)
    if status == 206:
        first, _, last = headers["Content-Range"].removeprefix("bytes ").removesuffix("/100").partition("-")
        assert body == CONTENT[int(first) : int(last) + 1] != b""
    else:
        assert (status, body) in ((200, CONTENT), (416, b""))
    assert headers["Content-Length"] == str(len(body))


# --- reading it at once -------------------------------------------------------------------------------------------


def test_a_small_file_may_be_read_at_once(path):
    response = FileResponse(path)
    response.make_conditional(asking(Range="bytes=10-19"))
    response.read_if_small(10)
    assert not response.needs_closing
    assert response.to_asgi("GET")[2] == CONTENT[10:20]


def test_a_larger_file_or_a_pipe_is_left_to_be_sent(path):
    response = FileResponse(path)
    response.read_if_small(99)
    assert response.needs_closing
    response.close()
    reader, writer = os.pipe()
    os.close(writer)
    with FileResponse(os.fdopen(reader, "rb")) as response:
        response.read_if_small(10)
        assert response.needs_closing


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, expected",
    [
        ("app.js", "text/javascript"),
        ("STYLE.CSS", "text/css"),
        ("font.woff2", "font/woff2"),
        ("a.tar.gz", "application/gzip"),
        ("a.txt.bz2", "application/x-bzip2"),
        ("a.unknown", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("data:text/html,x.png", "image/png"),
        ("http://a/b.mp4", "video/mp4"),
    ],
)
def test_the_media_type_comes_from_the_end_of_the_name(name, expected):
    assert guess_media_type(name) == expected


@pytest.mark.parametrize(
    "name, expected",
    [
        ("a.txt", 'attachment; filename="a.txt"'),
        ("ä.txt", "attachment; filename=\"a.txt\"; filename*=UTF-8''%C3%A4.txt"),
        ("日本.txt", "attachment; filename=\"download.txt\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.txt"),
        ("日本", "attachment; filename=\"download\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ('a"; x="b.txt', "attachment; filename=\"a_; x=_b.txt\"; filename*=UTF-8''a%22%3B%20x%3D%22b.txt"),
        ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        (".env", 'attachment; filename=".env"'),
        ("", "attachment"),
    ],
)
def test_a_name_is_sent_in_ascii_and_in_full(name, expected):
    assert content_disposition(name, attachment=True) == expected


@given(st.text(min_size=1, max_size=20))
def test_no_name_ends_the_header_or_is_lost(name):
    value = content_disposition(name, attachment=False)
    assert value.isascii()
    assert value.isprintable()
    kind, parameters = parse_options_header(value)
    assert kind == "inline"
    assert set(parameters) == {"filename"}
    FileResponse(io.BytesIO(), download_name=name).to_wsgi("GET")


@pytest.mark.parametrize("thing", [None, 7, b"name", ["name"]])
def test_what_is_neither_a_path_nor_a_file_is_refused_at_once(thing):
    with pytest.raises(TypeError, match="a path or of a file that is open, not of"):
        FileResponse(thing)
