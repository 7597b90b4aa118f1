import pytest
from hypothesis import given
from hypothesis import strategies as st

from webframe.http.urls import is_safe_url

HOSTS = {"example.org", "example.org:8000", "[::1]:8000", ".example.net"}


@pytest.mark.parametrize(
    "url",
    [
        "/",
        "/notes/7",
        "/notes?page=2#top",
        "/notes?next=https://evil.example/",
        "/search?q=a b",
        "/ä?ö=ü",
        "notes",
        "../notes",
        "?page=2",
        "#top",
        "/a//b",
        "/a:b",
        "/;//evil.example",
        "/@evil.example",
        "http://example.org",
        "https://example.org/a?b#c",
        "HTTPS://EXAMPLE.ORG/",
        "//example.org/a",
        "http://example.org:8000/",
        "http://[::1]:8000/",
        "https://example.net/",
        "https://a.b.example.net/",
    ],
)
def test_it_is_safe(url):
    assert is_safe_url(url, HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        " ",
        "//",
        "//?a",
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "\\\\evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/\\/evil.example",
        "http:evil.example",
        "http:/evil.example",
        "http:///evil.example",
        "https:example.org",
        "http:\\\\evil.example",
        "http://evil.example",
        "https://evil.example/example.org",
        "http://example.org.evil.example",
        "http://evilexample.org",
        "http://evil.example#example.org",
        "http://evil.example?example.org",
        "http://example.org@evil.example",
        "http://example.org:80@evil.example/",
        "http://user:password@example.org/",
        "http://@example.org/",
        "http://example.org\\@evil.example",
        "http://example.org:9/",
        "http://example.org:/",
        "http://evil.example:8000/",
        "http://[::1]/",
        "http://[::1",
        "http://example。org/",
        "http://evil.example\uff03.example.net/",
        "https://evil-example.net",
        "https://.example.net.evil.example/",
        "ftp://example.org/",
        "javascript:alert(1)",
        "JavaScript://example.org/%0aalert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>",
        "vbscript:x",
        "mailto:a@example.org",
        ":",
        ".:a",
        "ä:a",
        "file:///etc/passwd",
        "\tjavascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "\r//evil.example",
        "/a\r\nSet-Cookie: a=b",
        "/a\0",
        "\x00//evil.example",
        "\x08//evil.example",
        "\x1f//evil.example",
        " //evil.example",
        " /a",
        "/a ",
        "\u00a0//evil.example",
        "\u2003//evil.example",
        "\u2028//evil.example",
        "\ufeff//evil.example",
        "/\x7f",
        "/\x85/evil.example",
    ],
)
def test_it_is_not_safe(url):
    assert not is_safe_url(url, HOSTS)


def test_without_hosts_only_paths_are_safe():
    assert is_safe_url("/notes")
    assert not is_safe_url("https://example.org/")
    assert not is_safe_url("https://example.org/", "")
    assert not is_safe_url("https:///", {""})


def test_one_host_may_be_given_as_text():
    assert is_safe_url("https://Example.org/", "example.ORG")
    assert not is_safe_url("https://e/", "example.org")


def test_https_may_be_required():
    assert is_safe_url("https://example.org/", HOSTS, require_https=True)
    assert is_safe_url("/notes", HOSTS, require_https=True)
    assert not is_safe_url("http://example.org/", HOSTS, require_https=True)
    assert not is_safe_url("//example.org/", HOSTS, require_https=True)


@given(st.text(alphabet="/\\:@?#.htps eval\t\n\r\0", max_size=14))
def test_what_is_safe_without_hosts_never_names_a_host_as_browsers_read_it(url):
    if is_safe_url(url):
        # What the URL standard does before it parses: trims, drops tabs and line breaks, takes backslashes for slashes.
        read = url.strip("".join(map(chr, range(33)))).translate({9: None, 10: None, 13: None, 92: 47})
        assert not read.startswith("//")
        assert ":" not in read.split("#")[0].split("?")[0].split("/")[0]
