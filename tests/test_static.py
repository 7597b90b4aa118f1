import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import create_environ

from webframe.core.exceptions import Http404
from webframe.http.request import Request
from webframe.static import SMALL, static_view


def asking(protocol="wsgi", method="GET", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if protocol == "wsgi":
        return Request(create_environ(method=method, headers=fields))
    pairs = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    scope = {"type": "http", "method": method, "path": "/", "query_string": b"", "headers": pairs}
    return Request.from_scope(scope, None)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "public-secret").mkdir()
    (tmp_path / "public-secret" / "a.txt").write_text("secret")
    folder = tmp_path / "public"
    (folder / "css").mkdir(parents=True)
    (folder / "css" / "site.css").write_text("a {}")
    (folder / "ä b.txt").write_text("umlaut")
    (folder / ".env").write_text("secret")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    (folder / "a:b.txt").write_text("stream")
    (folder / "..%2fsecret.txt").write_text("odd")
    (folder / "large.bin").write_bytes(b"a" * (SMALL + 1))
    os.symlink(tmp_path / "secret.txt", folder / "leaving.txt")
    os.symlink(tmp_path, folder / "up")
    os.symlink(folder / "css" / "site.css", folder / "staying.css")
    os.symlink(folder / "nowhere", folder / "broken")
    return folder


def body_of(response, method="GET"):
    status, headers, body = response.to_wsgi(method)
    try:
        return b"".join(body)
    finally:
        response.close()


def test_a_file_is_served_with_what_caches_need(folder, protocol):
    response = static_view(folder)(asking(protocol), "css/site.css")
    assert response.mimetype == "text/css"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["ETag"]
    assert response.headers["Last-Modified"]
    assert body_of(response) == b"a {}"


@pytest.mark.parametrize("name", ["ä b.txt", "staying.css"])
def test_names_of_any_language_and_links_within_the_folder_are_served(folder, name):
    assert body_of(static_view(folder)(asking(), name))


def test_max_age_lets_caches_keep_it(folder):
    response = static_view(str(folder), max_age=3600)(asking(), "css/site.css")
    assert response.headers["Cache-Control"] == "public, max-age=3600"


def test_an_unchanged_file_is_not_sent_again_and_keeps_its_cache_headers(folder, protocol):
    view = static_view(folder, max_age=60)
    etag = view(asking(protocol), "css/site.css").headers["ETag"]
    response = view(asking(protocol, If_None_Match=etag), "css/site.css")
    assert response.status_code == 304
    assert not response.needs_closing
    headers = dict(response.to_wsgi("GET")[1])
    assert (headers["ETag"], headers["Cache-Control"]) == (etag, "public, max-age=60")


def test_a_range_is_served(folder, protocol):
    response = static_view(folder)(asking(protocol, Range="bytes=2-3"), "css/site.css")
    assert (response.status_code, body_of(response)) == (206, b"{}")


def test_a_range_is_beyond_the_end_however_many_digits_say_so(folder, protocol):
    response = static_view(folder)(asking(protocol, Range="bytes=" + "9" * 20 + "-"), "css/site.css")
    assert (response.status_code, response.headers["Content-Range"], body_of(response)) == (416, "bytes */4", b"")


def test_a_small_file_is_known_as_a_whole_and_a_large_one_comes_in_chunks(folder):
    view = static_view(folder)
    small, large = view(asking(), "css/site.css"), view(asking(), "large.bin")
    assert not small.needs_closing
    assert small.to_asgi("GET")[2] == b"a {}"
    assert large.needs_closing
    assert len(body_of(large)) == SMALL + 1


def test_head_reads_nothing(folder):
    with static_view(folder)(asking(method="HEAD"), "css/site.css") as response:
        assert dict(response.to_wsgi("HEAD")[1])["Content-Length"] == "4"
        assert response.to_wsgi("HEAD")[2] == [b""]


HOSTILE = [
    "..",
    "../secret.txt",
    "css/../../secret.txt",
    "css/../css/site.css",
    "../public-secret/a.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "..\\secret.txt",
    "css\\site.css",
    "..\\..\\secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "/",
    "//",
    "css//site.css",
    "css/./site.css",
    "./css/site.css",
    "",
    ".",
    "css",
    "css/",
    "css/site.css/",
    "\0",
    "css/site.css\0.png",
    "site%00.css",
    "a\nb",
    ".env",
    ".git/config",
    "css/.hidden",
    "leaving.txt",
    "up/secret.txt",
    "broken",
    "CON",
    "con.txt",
    "css/NUL",
    "COM1",
    "a::$DATA",
    "a:b.txt",
    "css/site.css::$DATA",
    "C:/Windows/win.ini",
    "\\\\server\\share",
    "a" * 5000,
    "a/" * 2500 + "a",
    "css/" * 100 + "site.css",
    "\ud800",
    "~root/.ssh/id_rsa",
    "missing.css",
]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:40])
def test_what_is_not_a_visible_file_in_the_folder_is_not_found(folder, name):
    with pytest.raises(Http404):
        static_view(folder)(asking(), name)


def test_a_folder_that_does_not_exist_yet_has_no_files(tmp_path):
    view = static_view(tmp_path / "later")
    with pytest.raises(Http404):
        view(asking(), "a.txt")
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a.txt").write_text("now")
    assert body_of(view(asking(), "a.txt")) == b"now"


def test_the_root_of_the_file_system_can_be_served():
    with pytest.raises(Http404):
        static_view("/")(asking(), "no/such/file")
    with static_view("/")(asking(), "proc/self/comm") as response:
        assert response.status_code == 200


def test_a_folder_behind_a_link_is_followed_once(folder, tmp_path):
    os.symlink(folder, tmp_path / "current")
    assert body_of(static_view(tmp_path / "current")(asking(), "css/site.css")) == b"a {}"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    parent = tmp_path_factory.mktemp("guarded")
    (parent / "a").write_text("secret")
    (parent / "inside").mkdir()
    (parent / "inside" / "a").write_text("public")
    return static_view(parent / "inside")


@given(st.text(alphabet="a./\\%2e\0:~", max_size=12))
def test_nothing_leads_out(guarded, name):
    try:
        response = guarded(asking(), name)
    except Http404:
        return
    assert body_of(response) == b"public"
