"""Arguments that other test clients take and httpx does not: the error says what to write instead.

httpx itself says only that there is one too many, which is what all tests
written for Django's client end in when they are tried first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])

# What Django's client and those made on it take, and what says the same to httpx.
_INSTEAD = {
    "content_type": 'headers={"Content-Type": ...} and content=, or json=',
    "follow": "follow_redirects=True",
    "format": 'json= for format="json", data= and files= for others',
    "query_params": "params=",
    "query_string": "params=",
    "secure": 'an address that begins with "https://testserver/"',
}


def told_apart(method: Method) -> Method:
    """A method of a client that takes an address and keywords, and explains what is wrong with others."""
    known = frozenset(method.__kwdefaults__ or ())

    @wraps(method)
    def call(self: Any, url: Any, *more: Any, **options: Any) -> Any:
        if more or not options.keys() <= known:
            raise TypeError(_explanation(f"{type(self).__name__}.{method.__name__}()", more, options, known))
        return method(self, url, **options)

    return call  # type: ignore[return-value]  # it takes and gives the same


def _explanation(name: str, more: tuple[Any, ...], options: dict[str, Any], known: frozenset[str]) -> str:
    if more:
        wanted = "data= for a form, json= for JSON" if "data" in known else "params="
        return f"{name} takes the address alone by position, not {more[0]!r} behind it. Say {wanted}."
    stranger = next(option for option in options if option not in known)
    if stranger.startswith("HTTP_"):
        header = stranger.removeprefix("HTTP_").replace("_", "-").title()
        instead = f'headers={{"{header}": ...}}'
    else:
        instead = _INSTEAD.get(stranger, f"one of {', '.join(sorted(known))}")
    return f"{name} has no argument {stranger!r}: the client is httpx's. Say {instead}."
