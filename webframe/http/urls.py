"""Whether an address that came from a client may be followed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

# Browsers drop tabs and line breaks anywhere, and white space and control characters at the ends; and to them a
# backslash is a slash. No honest address has any of that, unescaped.
_SUSPECT = re.compile(r"[\x00-\x1f\x7f-\x9f\\\u2028\u2029\ufeff]|^\s|\s$")


def is_safe_url(url: str | None, allowed_hosts: str | Iterable[str] | None = None, require_https: bool = False) -> bool:
    """Whether following this address, as from ``?next=...``, leads nowhere but to the allowed hosts.

    A path of this site is safe, and so is an http or https URL (with
    `require_https`: https only) whose host is one of `allowed_hosts`, such as
    ``request.host``: with its port if it has one, in any case of letters; a
    leading dot includes subdomains. When in doubt the answer is no.

    >>> is_safe_url("/notes/7?page=2"), is_safe_url("//evil.example"), is_safe_url("javascript:alert(1)")
    (True, False, False)
    >>> is_safe_url("https://example.org/a", "example.org"), is_safe_url("https://example.org.evil/a", "example.org")
    (True, False)
    """
    if not url or _SUSPECT.search(url) is not None or url.startswith("///"):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if not parts.netloc:
        # "http:evil.example" and "javascript:..." have a scheme; a path has none, nor what could be taken for one.
        return not (parts.scheme or url.startswith("//") or ":" in parts.path.partition("/")[0])
    # "//host/" takes the scheme of the page it is on, which may be http.
    if (parts.scheme or "http") not in (("https",) if require_https else ("http", "https")):
        return False
    hosts = [allowed_hosts] if isinstance(allowed_hosts, str) else allowed_hosts or ()
    return any(_matches(parts.netloc.lower(), pattern.lower()) for pattern in hosts)


def _matches(host: str, pattern: str) -> bool:
    if "@" in host:
        return False
    return bool(pattern) and (
        host == pattern or (pattern.startswith(".") and (host == pattern[1:] or host.endswith(pattern)))
    )
