"""Whom we believe: the host a request asks for, and what proxies say about its client.

`check_host` holds the Host header against ALLOWED_HOSTS. `forwarded` reads the X-Forwarded-* headers, if the direct
peer is one of TRUSTED_PROXIES. Neither changes the request; `Request` asks them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, NamedTuple

from webframe.conf import settings
from webframe.core.exceptions import DisallowedHost, ImproperlyConfigured
from webframe.core.signals import setting_changed

# ---------------------------------------------------------------------------------------------------------------------
# The Host header

# Values of the Host header, as text or as bytes, that were found to be allowed. Ask `raw in accepted` first: that is
# all it costs for every request but the first of its kind. Holds no more than MAX_ACCEPTED values, and none where there
# are TRUSTED_PROXIES: what they say about the host counts for more than the header.
accepted: dict[str | bytes | None, bool] = {}

# The same, of hosts that any header or proxy has named.
_allowed: dict[str | bytes | None, bool] = {}

# With "*" or a leading dot in ALLOWED_HOSTS the number of hosts is in the hands of clients.
MAX_ACCEPTED = 1024

# What always passes: no one but the machine itself has these names, and "testserver" is what test clients use.
LOCAL_NAMES = [".localhost", "testserver", "[::1]"]

# RFC 3986 §3.2.2 without percent-encoding and user information; the same characters that werkzeug and Django take.
_HOST = re.compile(r"([a-z0-9.-]+|\[[a-f0-9:.]+\])(?::([1-9][0-9]{0,4}))?", re.ASCII | re.IGNORECASE)
MAX_NAME_LENGTH = 253  # RFC 1035 §2.3.4, without the dot at the end
MAX_LABEL_LENGTH = 63


def check_host(raw: str | bytes | None) -> None:
    """Raise `DisallowedHost` unless the value of the Host header is well-formed and allowed.

    Allowed are the names in the setting ALLOWED_HOSTS (".example.org" includes its subdomains, "*" is any), loopback
    names and "testserver". None, the lack of a Host header (HTTP/1.0), passes: the request then has the server's name.
    """
    if raw in _allowed:
        return
    if raw is not None:
        host = raw.decode("latin-1") if isinstance(raw, bytes) else raw
        name = host_name(host)
        if name is None:
            raise DisallowedHost(
                f"The Host header {_shown(host)} is malformed. It should be a name or an address, and perhaps a port."
            )
        if not (_is_allowed(name, LOCAL_NAMES) or _is_loopback(name) or _is_allowed(name, allowed_hosts())):
            raise DisallowedHost(
                f"The host {_shown(host)} is not allowed here. "
                f"If this site should answer to it, add {_shown(name)} to the setting ALLOWED_HOSTS."
            )
    if len(_allowed) >= MAX_ACCEPTED:
        _forget_hosts()
    _allowed[raw] = True
    if trusted_proxies() is None:
        accepted[raw] = True


def host_name(host: str) -> str | None:
    """Return the name in a Host header, in lower case and without the port or a dot at its end; None if malformed."""
    match = _HOST.fullmatch(host)
    if match is None:
        return None
    name, port = match.groups()
    if port is not None and int(port) > 65535:
        return None
    name = name.lower()
    if name.startswith("["):
        return name if ":" in name and _address(name[1:-1]) is not None else None
    name = name.removesuffix(".")
    if len(name) > MAX_NAME_LENGTH or not all(0 < len(label) <= MAX_LABEL_LENGTH for label in name.split(".")):
        return None
    return name


def allowed_hosts() -> list[str]:
    """Return the setting ALLOWED_HOSTS in the spelling in which `host_name` returns names."""
    return [_spelled(pattern) for pattern in settings.ALLOWED_HOSTS]


def _spelled(pattern: str) -> str:
    name = pattern.lower().rstrip(".")
    if name.isascii():
        return name
    try:
        return ("." if name.startswith(".") else "") + name.removeprefix(".").encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ImproperlyConfigured(f"ALLOWED_HOSTS has {pattern!r}, which is no host name: {error}.") from error


def _is_allowed(name: str, patterns: list[str]) -> bool:
    return any(
        pattern == "*"
        or name == pattern
        or (pattern.startswith(".") and (name == pattern[1:] or name.endswith(pattern)))
        for pattern in patterns
    )


def _is_loopback(name: str) -> bool:
    address = _address(name.strip("[]"))
    return address is not None and address.is_loopback


def _shown(text: str) -> str:
    """Quote what a client sent, control characters escaped, no longer than a message should be."""
    return repr(text if len(text) <= 100 else f"{text[:100]}...")


# ---------------------------------------------------------------------------------------------------------------------
# Proxies

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Forwarded(NamedTuple):
    """What trusted proxies say about a request; None where they say nothing, or nothing that can be understood."""

    client: str | None = None
    """The address of the client, or of the last proxy that is not trusted."""

    route: tuple[str, ...] = ()
    """The addresses from that client to the proxy before the direct peer, as far as trusted proxies told them."""

    scheme: str | None = None
    """"http" or "https", as the client used it."""

    host: str | None = None
    """The host the client asked for, with the port, as in a Host header. Not yet held against ALLOWED_HOSTS."""

    prefix: str = ""
    """The path below which the proxy publishes the application, without a slash at its end."""


def forwarded(peer: str | None, header: Callable[[str], str | None]) -> Forwarded | None:
    """Return what the X-Forwarded-* headers say, or None if the direct peer is not one of TRUSTED_PROXIES.

    `peer` is the address of the peer, None or empty for a unix socket; `header` returns the value of a header field.

    Proxies add what they know at the right end of a header, and what stands further left may come from the client
    itself. So the addresses are read from the right, past the proxies we trust and no further, and of the other headers
    the last value counts, which is the direct peer's. A value that is malformed is as good as none.
    """
    proxies = trusted_proxies()
    if proxies is None or not proxies.trust(peer):
        return None
    route = _follow(header("X-Forwarded-For"), proxies)
    scheme = _last(header("X-Forwarded-Proto")).lower()
    return Forwarded(
        route[0] if route else None,
        route,
        scheme if scheme in ("http", "https", "ws", "wss") else None,
        _forwarded_host(header),
        _clean_prefix(_last(header("X-Forwarded-Prefix"))),
    )


def is_trusted_proxy(peer: str | None) -> bool:
    """Whether the setting TRUSTED_PROXIES includes this address; None or an empty text is a unix socket."""
    proxies = trusted_proxies()
    return proxies is not None and proxies.trust(peer)


class TrustedProxies:
    """The addresses and networks of proxies, ready to compare."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._everybody = False
        self._unix = False
        self._networks: list[Network] = []
        for entry in entries:
            self._add(entry)

    def _add(self, entry: str) -> None:
        if entry == "*":
            self._everybody = True
        elif entry == "unix":
            self._unix = True
        else:
            try:
                self._networks.append(ip_network(entry, strict=False))
            except ValueError:
                raise ImproperlyConfigured(
                    f"TRUSTED_PROXIES has {entry!r}, which is no address. "
                    f'Give addresses ("10.0.0.7"), networks ("10.0.0.0/8"), "unix" for unix sockets, or "*" for any.'
                ) from None

    def trust(self, peer: str | None) -> bool:
        """Whether the peer is one of the proxies; what is no address can only come from a unix socket."""
        if self._everybody:
            return True
        address = _address(peer) if peer else None
        if address is None:
            return self._unix
        return self.include(address)

    def include(self, address: Address) -> bool:
        """Whether the address is one of the proxies."""
        return self._everybody or any(address in network for network in self._networks)


_PORT = re.compile("[1-9][0-9]{0,4}", re.ASCII)
# As some proxies write the address of the client: "192.0.2.1:5000", "[2001:db8::1]:5000", "[2001:db8::1]".
_ADDRESS_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([^\]]*)\](?::[0-9]{1,5})?", re.ASCII)
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+;=:@-]+)+/?")

# The one element is what `trusted_proxies` returns; None until the setting is read, and after it has changed.
_trusted_proxies: tuple[TrustedProxies | None] | None = None


def trusted_proxies() -> TrustedProxies | None:
    """Return the setting TRUSTED_PROXIES, ready to compare; None if it is empty. Read once, and after each change."""
    return (_trusted_proxies or _read_trusted_proxies())[0]


def _read_trusted_proxies() -> tuple[TrustedProxies | None]:
    global _trusted_proxies
    entries = settings.TRUSTED_PROXIES
    _trusted_proxies = read = (TrustedProxies(entries) if entries else None,)
    return read


def _follow(value: str | None, proxies: TrustedProxies) -> tuple[str, ...]:
    """Walk X-Forwarded-For from the right to the first address that is no trusted proxy; return what was passed."""
    route: list[str] = []
    for text in reversed(value.split(",")) if value else ():
        address = _address(_without_port(text.strip()))
        if address is None:
            break
        route.append(str(address))
        if not proxies.include(address):
            break
    return tuple(reversed(route))


def _last(value: str | None) -> str:
    return value.rpartition(",")[2].strip() if value else ""


def _forwarded_host(header: Callable[[str], str | None]) -> str | None:
    host: str | None = _last(header("X-Forwarded-Host"))
    if not host or host_name(host) is None:
        host = None
    port = _last(header("X-Forwarded-Port"))
    if _PORT.fullmatch(port) is None or int(port) > 65535:
        return host
    match = _HOST.fullmatch(host or header("Host") or "")
    return f"{match[1]}:{port}" if match is not None else None


def _clean_prefix(value: str) -> str:
    """Return the prefix if it can only be a path of this site: it ends up in every URL and redirect we build."""
    if _PREFIX.fullmatch(value) is None or "/../" in f"{value}/":
        return ""
    return value.rstrip("/")


def _without_port(text: str) -> str:
    match = _ADDRESS_WITH_PORT.fullmatch(text)
    return match[1] or match[2] if match is not None else text


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket that takes both families shows IPv4 peers as ::ffff:192.0.2.1.
    return getattr(address, "ipv4_mapped", None) or address


def _forget_hosts() -> None:
    accepted.clear()
    _allowed.clear()


def _forget(sender: Any, *, setting: str, **kwargs: Any) -> None:
    global _trusted_proxies
    if setting == "TRUSTED_PROXIES":
        _trusted_proxies = None
    if setting in ("ALLOWED_HOSTS", "TRUSTED_PROXIES"):
        _forget_hosts()


setting_changed.connect(_forget)
