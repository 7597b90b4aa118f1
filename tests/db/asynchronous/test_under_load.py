"""A real server under load: no update is lost, and no connection."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from webframe.db import connections

from ... import interrupts
from .bank import Account, Entry, Note

httpx = pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

ROOT = Path(__file__).parents[3]
WAYS = ["locked", "computed", "block", "received", "mixed", "plain", "gathered"]
# How often each way is counted, and how many requests are under way at the same time.
TIMES = 40
AT_ONCE = 30


@pytest.fixture
def url(bank: Any, engine: Any, witness: Any, tmp_path: Path) -> Iterator[str]:
    """Where a server serves the app; it is stopped in good order, and has had nothing to complain of."""
    Account.objects.create(owner="ann")
    connections.close_all()
    database = engine.databases["default"]
    database += ("&" if "?" in database else "?") + "pool_size=5&max_overflow=5" + (
        "&timeout=30" if engine.vendor == "sqlite" else ""
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", f"{__package__}.served_bank:app", "--port", str(port)]
    environment = {**os.environ, "DATABASE_URL": database, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    output = tmp_path / "output"
    with output.open("wb") as file, interrupts.heeded():
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 30
        while not accepts(port):
            assert server.poll() is None and time.monotonic() < deadline, output.read_text()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        if engine.vendor != "sqlite":
            witness.wait_until(lambda: witness.connections() == 0, "connections have outlived their process")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
    for complaint in "never awaited", "never retrieved", "Exception ignored", "pending":
        assert complaint not in output.read_text()


def accepts(port: int) -> bool:
    with socket.socket() as knocking:
        return knocking.connect_ex(("127.0.0.1", port)) == 0


def test_no_update_is_lost_and_no_connection(url, witness, engine):
    asyncio.run(visit(url, witness, engine.vendor))
    account = Account.objects.get()
    assert account.balance == len(WAYS) * TIMES
    assert Entry.objects.count() == Note.objects.count() == TIMES
    connections.close_all()


async def visit(url: str, witness: Any, vendor: str) -> None:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        turn = asyncio.Semaphore(AT_ONCE)
        answers: list[tuple[str, object]] = []

        async def ask(way: str) -> None:
            async with turn:
                try:
                    # Who asks for something slow goes away before it comes.
                    response = await client.post(f"/{way}", timeout=0.15 if way == "slow" else 60)
                    answers.append((way, response.status_code))
                except httpx.TimeoutException:
                    answers.append((way, "gone"))

        ways = [*WAYS * TIMES, *["failing"] * TIMES, *["slow"] * 10]
        random.Random(1).shuffle(ways)
        await asyncio.gather(*(ask(way) for way in ways))
        expected = {"failing": 500, "slow": "gone"}
        assert {answer for answer in answers if answer[1] != expected.get(answer[0], 200)} == set()
        if vendor != "sqlite":
            await witness.comes(lambda: witness.transactions() == 0, "a transaction is open")
        in_use = {}
        for _ in range(100):
            in_use = (await client.get("/connections")).json()
            if in_use["count"] == in_use["idle"]:
                break
            await asyncio.sleep(0.05)
        assert in_use["count"] == in_use["idle"] <= 5
        if vendor != "sqlite":
            # Those of plain views are kept in a pool of their own.
            await witness.comes(lambda: witness.connections() <= 5 + in_use["count"], "connections are left behind")
