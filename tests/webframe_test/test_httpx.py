"""Which httpx the clients use."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import httpx
{}
from webframe import Webframe
from webframe.test import Client, override_settings
app = Webframe("app")
app.get("/")(lambda request: "hello")
with Client(app) as client, Client(app, protocol="asgi") as other:
    print(client.get("/").text, other.get("/").text)
"""


def run(preparation: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", SCRIPT.format(preparation)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "preparation", ["", "sys.modules.update(httpx=None, httpx2=httpx)"], ids=["httpx", "its successor alone"]
)
def test_either_will_do(preparation: str) -> None:
    ran = run(preparation)
    assert ran.stdout == "hello hello\n", ran.stderr


def test_where_there_is_none_the_error_says_how_to_install_it() -> None:
    ran = run("sys.modules.update(httpx=None, httpx2=None)")
    assert "pip install httpx" in ran.stderr and ran.returncode == 1


def test_nothing_else_for_tests_needs_it() -> None:
    script = "import sys; sys.modules.update(httpx=None, httpx2=None)\nfrom webframe.test import override_settings"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
