"""What the requests of test clients give: httpx's responses, and what was heard of the app meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from webframe.test._httpx import httpx
from webframe.test.recording import ContextList, Recording

if TYPE_CHECKING:
    from webframe.template import Template


class ClientResponse(httpx.Response):
    """A response, and what was heard of the app while it was made."""

    # The client that it came from: `Client` and `AsyncClient` say so.
    client: Any = None
    # Nothing was heard where somebody else's transport has made the response.
    _recording: Recording | None = None

    @property
    def templates(self) -> list[Template]:
        """The templates that were rendered for it, in order; those of a stream as far as it was read."""
        return [] if self._recording is None else self._recording.templates

    @property
    def context(self) -> ContextList | None:
        """The contexts of these templates, by number or by the name of a variable; None where there is no template."""
        return (self._recording and self._recording.contexts) or None

    @property
    def redirect_chain(self) -> list[tuple[str, int]]:
        """Each redirect that was followed: where it led, and its status."""
        return [(response.headers["Location"], response.status_code) for response in self.history]


def response_of(
    status: int, headers: list[tuple[bytes, bytes]], stream: Any, recording: Recording, reason: str = ""
) -> ClientResponse:
    """The response of an app, with a stream that is its body."""
    extensions: dict[str, Any] = {"http_version": b"HTTP/1.1"}
    if reason:
        extensions["reason_phrase"] = reason.encode("latin-1")
    response = ClientResponse(status, headers=headers, stream=stream, extensions=extensions)
    response._recording = recording
    return response
