"""What receivers of request_finished can learn from the current request: whatever was made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from webframe import Request, Webframe, abort, current_request
from webframe.core.signals import request_finished
from webframe.test.client import Client


@pytest.fixture
def statuses(request: pytest.FixtureRequest) -> list[int | None]:
    """The status of each request that has finished; None where there was no response."""
    seen: list[int | None] = []

    def note(sender: type, **kwargs: Any) -> None:
        finished = current_request.get()
        assert finished is not None
        seen.append(None if finished.response is None else finished.response.status_code)

    request_finished.connect(note)
    request.addfinalizer(lambda: request_finished.disconnect(note))
    return seen


def plain(request: Request, what: str) -> Any:
    if what == "fail":
        raise ZeroDivisionError
    if what == "forbid":
        abort(403)
    # A response that cannot be sent becomes another one.
    return ("ok", {"X-Bad": "a\r\nb"}) if what == "inject" else ("ok", 201)


async def asynchronous(request: Request, what: str) -> Any:
    return plain(request, what)


@pytest.mark.parametrize("view", [plain, asynchronous])
@pytest.mark.parametrize(("what", "status"), [("work", 201), ("forbid", 403), ("fail", 500), ("inject", 500)])
def test_the_response_is_known_when_a_request_has_finished(
    client_for: Callable[..., Client],
    app: Webframe,
    statuses: list[int | None],
    view: Any,
    what: str,
    status: int,
) -> None:
    app.get("/<what>")(view)
    assert client_for(app).get(f"/{what}").status_code == status
    assert statuses == [status]
