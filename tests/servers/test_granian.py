"""granian's own protocol, which it speaks unless told otherwise: refused, and the log says what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from .harness import Server
from .kinds import Kind


@pytest.mark.servers(name="granian-asgi")
def test_granian_without_an_interface_is_told_to_name_one(kind: Kind, tmp_path: Path) -> None:
    arguments = tuple(part for part in kind.arguments if part not in ("--interface", "asgi"))
    server = Server(replace(kind, name="granian-rsgi", arguments=arguments), tmp_path)
    try:
        server.start()
        with server.visit() as visit:
            assert visit.get("/plain").status_code == 500
        server.wait_for_output("start it with '--interface asgi' or '--interface wsgi'")
    finally:
        server.stop()
    assert server.events() == []
