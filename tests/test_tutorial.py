"""The program that docs/tutorial builds: each step runs, does what its page says, and is shown there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import webframe

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial"
STEPS = TUTORIAL / "steps"

# What a reader would see after each step. Each step has the files of the steps before, and adds or replaces some.
CLAIMS = {
    1: """
        assert client.get("/").text == "<h1>Pizzeria</h1>"
        assert client.get("/api/menu/margherita").json() == MENU["margherita"]
        answer = client.get("/api/menu/hawaii", headers={"Accept": "application/json"})
        assert answer.status_code == 404
        assert answer.json()["description"] == "There is no hawaii on the menu."
        assert client.post("/").status_code == 405
    """,
    2: """
        page = client.get("/").text
        assert "<li>Margherita, tomato, mozzarella, basil: € 7.50</li>" in page
        assert '<link rel="stylesheet" href="/static/style.css">' in page
        tag = client.get("/static/style.css").headers["ETag"]
        assert client.get("/static/style.css", headers={"If-None-Match": tag}).status_code == 304
    """,
    3: """
        answer = client.post("/orders", data={"name": "Ada", "pizza": "margherita"})
        assert answer.status_code == 303
        assert "Order 1, Margherita: received." in client.get(answer.headers["Location"]).text
        answer = client.post("/orders", data={"name": "<b>", "pizza": "hawaii"})
        assert answer.status_code == 400
        assert "Please choose a pizza from the menu." in answer.text
        assert 'value="&lt;b&gt;"' in answer.text
        answer = client.get("/orders/9")
        assert answer.status_code == 404
        assert "We have no order number 9." in answer.text and "<html" in answer.text
        answer = client.get("/api/menu/hawaii", headers={"Accept": "application/json"})
        assert answer.json()["description"] == "There is no hawaii on the menu."
    """,
    4: """
        answer = client.post("/orders", data={"name": "Ada", "pizza": "margherita"})
        assert "Chiara brings it in about 15 minutes." in client.get(answer.headers["Location"]).text
    """,
    5: """
        client.post("/orders", data={"name": "Ada", "pizza": "vesuvio"})
        client.post("/orders", data={"name": "Ada", "pizza": "marinara"})
        assert client.post("/kitchen/orders/1/bake").status_code == 500
        assert client.post("/kitchen/orders/2/bake").status_code == 303
        page = client.get("/kitchen").text
        assert "GET /kitchen: running" in page
        assert "Order 1, Vesuvio for Ada: burnt" in page and "Order 2, Marinara for Ada: in the oven" in page
        answer = client.get("/kitchen/live")
        assert "POST /kitchen/orders/1/bake: failed" in answer.text
        assert "POST /kitchen/orders/2/bake: finished" in answer.text
        assert "GET /kitchen: finished" in answer.text and "/kitchen/live" not in answer.text
        assert client.get("/kitchen/live", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
        assert "board.dataset" in client.get("/static/board.js").text
    """,
}

READER = """
import sys
from webframe.test import Client
from menu import MENU
from pizzeria import app

with Client(app, protocol=sys.argv[1], raise_app_exceptions=False, headers={{"Accept": "text/html"}}) as client:
{claims}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader writes the program."""
    return tmp_path


def write(folder: Path, last_step: int) -> None:
    for step in range(1, last_step + 1):
        shutil.copytree(STEPS / f"step{step}", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEBFRAME_", "PYTEST_"))}
    environment = {**kept, "PYTHONPATH": str(Path(webframe.__file__).parent.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("step", CLAIMS)
def test_each_step_does_what_its_page_says(folder: Path, protocol: str, step: int) -> None:
    write(folder, step)
    answer = run(folder, "-c", READER.format(claims=CLAIMS[step]), protocol)
    assert answer.returncode == 0, answer.stderr


def test_the_tests_of_the_last_step_pass(folder: Path) -> None:
    write(folder, 6)
    answer = run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "10 passed" in answer.stdout


def test_the_commands_on_the_pages_work(folder: Path) -> None:
    write(folder, 5)
    routes = run(folder, "-m", "webframe", "--app", "pizzeria", "routes")
    assert "/orders/<int:number>" in routes.stdout, routes.stderr
    signals = run(folder, "-m", "webframe", "--app", "pizzeria", "signals", "order_placed")
    assert "book_courier" in signals.stdout and "estimate" in signals.stdout, signals.stderr


def test_every_file_of_a_step_is_shown_on_a_page() -> None:
    pages = "".join(page.read_text("utf-8") for page in TUTORIAL.glob("*.md"))
    shown = set(re.findall(r"\{literalinclude\} (steps/\S+)", pages))
    files = {
        path.relative_to(TUTORIAL).as_posix()
        for path in STEPS.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shown == files
