"""The Host header and the words of proxies: what is believed, and whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from werkzeug.sansio.utils import get_host

from webframe import Webframe
from webframe.core.exceptions import DisallowedHost, ImproperlyConfigured
from webframe.http import hosts
from webframe.http.hosts import Forwarded, check_host, forwarded, host_name, is_trusted_proxy
from webframe.test import override_settings


def is_allowed(raw: str | bytes | None) -> bool:
    try:
        check_host(raw)
    except DisallowedHost:
        return False
    return True


LOCAL = [
    "localhost",
    "localhost:8000",
    "api.localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.1.2.3:80",
    "[::1]",
    "[::1]:5000",
]


@pytest.mark.parametrize("raw", [*LOCAL, "localhost.", "testserver", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"])
def test_loopback_names_and_testserver_are_always_allowed(raw: str) -> None:
    assert is_allowed(raw)


@pytest.mark.parametrize(
    "raw", ["example.org", "127.0.0.1.evil.org", "notlocalhost", "10.0.0.1", "[::2]", "testserver.org"]
)
def test_other_names_must_be_in_the_setting(raw: str) -> None:
    assert not is_allowed(raw)
    with override_settings(ALLOWED_HOSTS=["*"]):
        assert is_allowed(raw)
    assert not is_allowed(raw)


def test_a_name_in_the_setting_is_allowed_with_any_port_and_in_any_case() -> None:
    with override_settings(ALLOWED_HOSTS=["Example.org", "[2001:DB8::1]", "192.0.2.1"]):
        assert is_allowed("example.org")
        assert is_allowed("EXAMPLE.ORG:8443")
        assert is_allowed("example.org.")
        assert is_allowed("[2001:db8::1]:80")
        assert is_allowed("192.0.2.1")
        assert not is_allowed("www.example.org")
        assert not is_allowed("example.organic")


def test_a_leading_dot_includes_subdomains() -> None:
    with override_settings(ALLOWED_HOSTS=[".example.org"]):
        assert is_allowed("example.org")
        assert is_allowed("a.b.example.org")
        assert not is_allowed("badexample.org")


def test_names_may_be_written_in_unicode() -> None:
    with override_settings(ALLOWED_HOSTS=["bücher.example", ".日本.example"]):
        assert is_allowed("xn--bcher-kva.example")
        assert is_allowed("www.xn--wgv71a.example")


MALFORMED = [
    *("", " ", "a b", "user@localhost", "localhost/path", "localhost?x", "localhost#x", "localhost\\x", "a..b", ".a"),
    *("localhost:", "localhost:x", "localhost:0", "localhost:65536", "localhost:080", "localhost:-1", "[::1", "::1"),
    *("[127.0.0.1]", "[:::]", "[g::1]", "localhost\r\nX: y", "localhost\n", "localhost\x00", "a,b", "ä.example", "a_b"),
    *(
        "%6cocalhost",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "http://localhost",
        "localhost:80:80",
        "[::1]x",
        "[fe80::1%lo]",
    ),
]


@pytest.mark.parametrize("raw", MALFORMED)
def test_malformed_hosts_are_refused_whatever_is_allowed(raw: str) -> None:
    with override_settings(ALLOWED_HOSTS=["*"]):
        with pytest.raises(DisallowedHost, match="malformed"):
            check_host(raw)
        with pytest.raises(DisallowedHost, match="malformed"):
            check_host(raw.encode())


def test_the_lack_of_a_host_header_is_allowed() -> None:
    assert is_allowed(None)


def test_the_error_names_the_host_and_the_setting() -> None:
    with override_settings(ALLOWED_HOSTS=["example.org"]), pytest.raises(DisallowedHost) as caught:
        check_host("evil.example:81")
    assert "'evil.example:81'" in str(caught.value)
    assert "add 'evil.example' to the setting ALLOWED_HOSTS" in str(caught.value)
    assert "example.org" not in str(caught.value), "clients see the text, and need not know whom else we answer"


def test_the_error_shows_no_more_of_a_host_than_is_readable() -> None:
    with pytest.raises(DisallowedHost) as caught:
        check_host("<script>\n" * 1000)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@hypothesis_settings(max_examples=300)
@given(st.text(alphabet="ab.-:[]019@/ \\%_é", max_size=12) | st.text(max_size=12))
def test_hosts_that_pass_are_hosts_for_werkzeug(raw: str) -> None:
    if host_name(raw) is not None:
        assert get_host("other", raw) == raw


def test_allowed_hosts_are_remembered() -> None:
    hosts._forget_hosts()
    check_host("localhost:1234")
    check_host(b"localhost:1234")
    assert "localhost:1234" in hosts.accepted
    assert b"localhost:1234" in hosts.accepted


def test_refused_hosts_are_not_remembered() -> None:
    assert not is_allowed("evil.example")
    assert "evil.example" not in hosts.accepted


def test_what_was_allowed_is_forgotten_when_the_setting_changes() -> None:
    with override_settings(ALLOWED_HOSTS=["example.org"]):
        check_host("example.org")
        assert "example.org" in hosts.accepted
    assert "example.org" not in hosts.accepted


def test_what_a_trusted_proxy_says_about_the_host_is_checked_whatever_came_before(
    client_for: Callable[..., Any],
) -> None:
    with override_settings(ALLOWED_HOSTS=["example.org"], TRUSTED_PROXIES=["127.0.0.1"]):
        app = Webframe("hosts_behind_a_proxy")
        app.get("/")(lambda request: "ok")
        client = client_for(app)
        good, evil = {"Host": "example.org"}, {"Host": "example.org", "X-Forwarded-Host": "evil.example"}
        for _ in range(2):
            assert client.get("/", headers=evil).status_code == 400
            assert client.get("/", headers=good).text == "ok"
    assert hosts.accepted == {}


def test_clients_cannot_fill_the_memory_with_hosts() -> None:
    with override_settings(ALLOWED_HOSTS=["*"]):
        for number in range(2 * hosts.MAX_ACCEPTED + 10):
            check_host(f"host{number}.example")
            assert len(hosts.accepted) <= hosts.MAX_ACCEPTED


# -- proxies


def told(headers: Mapping[str, str], peer: str | None = "10.0.0.1") -> Forwarded | None:
    return forwarded(peer, headers.get)


@pytest.fixture
def behind_proxies():
    with override_settings(TRUSTED_PROXIES=["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]):
        yield


def test_nobody_is_believed_by_default() -> None:
    assert told({"X-Forwarded-For": "1.2.3.4"}) is None
    assert not is_trusted_proxy("127.0.0.1")


@pytest.mark.usefixtures("behind_proxies")
@pytest.mark.parametrize("peer", ["10.0.0.1", "10.255.1.2", "192.0.2.7", "2001:db8::5", "::ffff:10.0.0.1"])
def test_trusted_peers_are_believed(peer: str) -> None:
    assert is_trusted_proxy(peer)
    assert told({"X-Forwarded-For": "1.2.3.4"}, peer) == Forwarded("1.2.3.4", ("1.2.3.4",))


@pytest.mark.usefixtures("behind_proxies")
@pytest.mark.parametrize("peer", ["11.0.0.1", "192.0.2.8", "2001:db9::5", "", None, "localhost", "10.0.0.1.evil.org"])
def test_other_peers_are_not_believed(peer: str | None) -> None:
    assert not is_trusted_proxy(peer)
    assert told({"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"}, peer) is None


@pytest.mark.parametrize("peer", ["", None, "localhost", "unix:"])
def test_unix_sockets_are_believed_when_named(peer: str | None) -> None:
    with override_settings(TRUSTED_PROXIES=["unix"]):
        assert told({"X-Forwarded-For": "1.2.3.4"}, peer) == Forwarded("1.2.3.4", ("1.2.3.4",))
        assert told({"X-Forwarded-For": "1.2.3.4"}, "127.0.0.1") is None


@pytest.mark.parametrize("peer", ["", None, "203.0.113.9"])
def test_a_star_believes_everybody(peer: str | None) -> None:
    with override_settings(TRUSTED_PROXIES=["*"]):
        assert told({"X-Forwarded-For": "1.2.3.4, 5.6.7.8"}, peer) == Forwarded("1.2.3.4", ("1.2.3.4", "5.6.7.8"))


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "proxy.example", "10.0.0"])
def test_a_proxy_that_is_no_address_is_a_mistake_in_the_setting(entry: str) -> None:
    with (
        override_settings(TRUSTED_PROXIES=[entry]),
        pytest.raises(ImproperlyConfigured, match=f"TRUSTED_PROXIES has '{entry}'"),
    ):
        is_trusted_proxy("10.0.0.1")


@pytest.mark.usefixtures("behind_proxies")
@pytest.mark.parametrize(
    ("value", "route"),
    [
        ("1.2.3.4", ["1.2.3.4"]),
        ("6.6.6.6, 1.2.3.4", ["1.2.3.4"]),
        ("6.6.6.6, 1.2.3.4, 10.0.0.2", ["1.2.3.4", "10.0.0.2"]),
        ("6.6.6.6, 1.2.3.4, 10.0.0.3, 192.0.2.7", ["1.2.3.4", "10.0.0.3", "192.0.2.7"]),
        ("10.0.0.3, 10.0.0.2", ["10.0.0.3", "10.0.0.2"]),
        ("1.2.3.4:5678", ["1.2.3.4"]),
        ("[2001:db9::1]:5678", ["2001:db9::1"]),
        ("2001:db9::1", ["2001:db9::1"]),
        ("2001:db9::1,2001:db8::2", ["2001:db9::1", "2001:db8::2"]),
        ("::ffff:1.2.3.4", ["1.2.3.4"]),
    ],
)
def test_addresses_are_read_from_the_right_past_trusted_proxies(value: str, route: list[str]) -> None:
    assert told({"X-Forwarded-For": value}) == Forwarded(route[0], tuple(route))


@pytest.mark.usefixtures("behind_proxies")
@pytest.mark.parametrize(
    "value", ["", ",", "unknown", "_hidden", "1.2.3", "1.2.3.4 5.6.7.8", "evil\x00", "[::1", "1.2.3.4:x", "a" * 9000]
)
def test_a_malformed_address_is_as_good_as_none(value: str) -> None:
    assert told({"X-Forwarded-For": value}) == Forwarded()
    assert told({"X-Forwarded-For": f"1.2.3.4, {value}, 10.0.0.2"}) == Forwarded("10.0.0.2", ("10.0.0.2",))
    assert told({"X-Forwarded-For": f"{value}, 1.2.3.4"}) == Forwarded("1.2.3.4", ("1.2.3.4",))


@pytest.mark.usefixtures("behind_proxies")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Forwarded-Proto": "https"}, Forwarded(scheme="https")),
        ({"X-Forwarded-Proto": "HTTPS"}, Forwarded(scheme="https")),
        ({"X-Forwarded-Proto": "http, https"}, Forwarded(scheme="https")),
        ({"X-Forwarded-Proto": "javascript"}, Forwarded()),
        ({"X-Forwarded-Host": "example.org"}, Forwarded(host="example.org")),
        ({"X-Forwarded-Host": "evil.example, example.org:8080"}, Forwarded(host="example.org:8080")),
        ({"X-Forwarded-Host": "example.org/path"}, Forwarded()),
        ({"X-Forwarded-Host": "example.org", "X-Forwarded-Port": "8443"}, Forwarded(host="example.org:8443")),
        ({"X-Forwarded-Host": "example.org:1", "X-Forwarded-Port": "8443"}, Forwarded(host="example.org:8443")),
        ({"X-Forwarded-Host": "[::1]", "X-Forwarded-Port": "8443"}, Forwarded(host="[::1]:8443")),
        ({"Host": "example.org:8000", "X-Forwarded-Port": "443"}, Forwarded(host="example.org:443")),
        ({"X-Forwarded-Port": "443"}, Forwarded()),
        ({"Host": "evil/", "X-Forwarded-Port": "443"}, Forwarded()),
        ({"X-Forwarded-Host": "example.org", "X-Forwarded-Port": "x"}, Forwarded(host="example.org")),
        ({"X-Forwarded-Host": "example.org", "X-Forwarded-Port": "70000"}, Forwarded(host="example.org")),
        ({"X-Forwarded-Prefix": "/shop"}, Forwarded(prefix="/shop")),
        ({"X-Forwarded-Prefix": "/shop/"}, Forwarded(prefix="/shop")),
        ({"X-Forwarded-Prefix": "/a/b-c_d~e"}, Forwarded(prefix="/a/b-c_d~e")),
        ({"X-Forwarded-Prefix": "/"}, Forwarded()),
        ({"X-Forwarded-Prefix": "shop"}, Forwarded()),
        ({"X-Forwarded-Prefix": "//evil.example"}, Forwarded()),
        ({"X-Forwarded-Prefix": "/\\evil.example"}, Forwarded()),
        ({"X-Forwarded-Prefix": "/a/../b"}, Forwarded()),
        ({"X-Forwarded-Prefix": "/a/.."}, Forwarded()),
        ({"X-Forwarded-Prefix": "/a?b"}, Forwarded()),
        ({"X-Forwarded-Prefix": "/a\r\nX: y"}, Forwarded()),
        ({"X-Forwarded-Prefix": "/%2e%2e"}, Forwarded()),
        ({"X-Forwarded-Prefix": "https://evil.example"}, Forwarded()),
    ],
)
def test_the_last_value_counts_and_malformed_ones_do_not(headers: dict[str, str], expected: Forwarded) -> None:
    assert told(headers) == expected


@pytest.mark.usefixtures("behind_proxies")
@pytest.mark.parametrize("name", ["For", "Proto", "Host", "Port", "Prefix"])
@pytest.mark.parametrize(
    "value", ["," * 1_000_000, "1.2.3.4," * 100_000, "/a" * 500_000 + "\\", "a." * 500_000, "10.0.0.1," * 50_000]
)
def test_a_megabyte_of_header_takes_linear_time(name: str, value: str) -> None:
    """Quadratic time would be hours: the time limit of the suite is the assertion."""
    told({f"X-Forwarded-{name}": value})
