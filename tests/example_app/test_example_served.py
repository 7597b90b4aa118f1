"""The pizzeria under gunicorn and under uvicorn: what only a server shows. What its pages are: the folder `inside`."""

from __future__ import annotations

import html
import re
import sqlite3
from pathlib import Path

import httpx
import pytest

from .conftest import ROOT, SERVERS, Process, browser, serve, wait_until


def place(shop: httpx.Client, name: str = "Ada", **pizzas: object) -> int:
    """Order something in the form; the number of the order."""
    answer = shop.post("/orders", data={"name": name, **pizzas})
    assert answer.status_code == 303, answer.text
    return int(answer.headers["Location"].rpartition("/")[2])


def board_with(shop: httpx.Client, text: str) -> str:
    """The kitchen board as soon as it shows a text; a request ends a moment after its answer has arrived."""

    def look() -> str | None:
        shown = words(shop.get("/kitchen/live").text)
        return shown if text in shown else None

    board: str = wait_until(look, lambda: f"{text!r} is not in {words(shop.get('/kitchen/live').text)}")
    return board


def words(page: str) -> str:
    """What a person reads: the text of a page without its tags, with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


class TestServed:
    def test_an_order_goes_from_the_form_to_the_door(self, shop: httpx.Client) -> None:
        number = place(shop, "Barbara", margherita=1, napoli=2)
        page = words(shop.get(f"/orders/{number}").text)
        assert re.search(r"Thank you, Barbara!.*It takes about \d+ minutes\. \w+ brings it\.", page)
        for step, status in (("bake", "in the oven Ready"), ("serve", "ready")):
            shop.post(f"/kitchen/orders/{number}/{step}")
            board = board_with(shop, f"Order {number} for Barbara 1 × Margherita, 2 × Napoli {status}")
        assert re.search(rf"post_save Order {number} for Barbara: courier \w+", board)
        assert shop.get(f"/api/orders/{number}").json()["total"] == "24.50"

    def test_other_sites_cannot_order_but_its_own_pages_can(self, shop: httpx.Client) -> None:
        fields = {"name": "Mallory", "marinara": "1"}
        for origin, status in (("https://elsewhere.example", 403), (str(shop.base_url).rstrip("/"), 303)):
            assert shop.post("/orders", data=fields, headers={"Origin": origin}).status_code == status

    def test_an_order_that_fails_is_a_500_and_marked_on_the_board(self, shop: httpx.Client) -> None:
        number = place(shop, "Plinius", vesuvio=1)
        answer = shop.post(f"/kitchen/orders/{number}/bake")
        assert answer.status_code == 500
        assert "OvenError" not in answer.text and "Traceback" not in answer.text
        board = board_with(shop, f"POST /kitchen/orders/{number}/bake failed 500 OvenError in order {number}")
        assert f"Order {number} for Plinius 1 × Vesuvio burnt" in board

    def test_files_and_news_are_sent_once_and_then_only_confirmed(self, shop: httpx.Client) -> None:
        first = shop.get("/static/pizzeria.css")
        assert first.content == (ROOT / "example_app" / "static" / "pizzeria.css").read_bytes()

        def unchanged(path: str) -> bool:
            tag = shop.get(path).headers["ETag"]
            again = shop.get(path, headers={"If-None-Match": tag})
            return again.status_code == 304 and not again.content

        assert unchanged("/static/pizzeria.css")
        wait_until(lambda: unchanged("/kitchen/live"), lambda: "The board changes all the time.")

    @pytest.mark.parametrize("path", ["/pizzas/%00", "/pizzas/%ED%A0%80", f"/orders/{10**40}", "/static/%2e%2e/x"])
    def test_addresses_of_nothing_are_not_found(self, shop: httpx.Client, path: str) -> None:
        answer = shop.get(path)
        assert answer.status_code == 404 and "That is not on the menu" in answer.text


class TestKeeping:
    @pytest.mark.parametrize("server", list(SERVERS))
    def test_orders_and_news_survive_a_restart(self, tmp_path: Path, server: str) -> None:
        with serve(server, tmp_path) as address, browser(address) as shop:
            number = place(shop, "Mary", margherita=2)
            shop.post("/kitchen/pizzas/napoli", data={"toppings": ["tomato"]})
        assert (tmp_path / "pizzeria.db").exists()
        with serve(server, tmp_path) as address, browser(address) as shop:
            assert "Thank you, Mary!" in shop.get(f"/orders/{number}").text
            assert "Napoli Tomato € 8.50" in words(shop.get("/").text)
            assert "m2m_changed Napoli: without anchovies, capers" in words(shop.get("/kitchen").text)
            assert place(shop, "Mary", margherita=1) == number + 1

    def test_two_workers_see_one_another_s_orders(self, tmp_path: Path) -> None:
        boards: set[str] = set()
        numbers: set[int] = set()
        with serve("gunicorn", tmp_path, "--workers", "2") as address:

            def both_have_answered() -> bool:
                # One connection each, or one worker might answer all of them.
                with browser(address) as shop:
                    numbers.add(place(shop, "Emmy", marinara=1))
                with browser(address) as shop:
                    board = words(shop.get("/kitchen").text)
                boards.update(re.findall(r"Those to process (\d+)", board))
                latest = max(numbers)
                assert f"Order {latest} for Emmy" in board
                assert f"post_save Order {latest} for Emmy: new order" in board
                return len(boards) == 2

            wait_until(both_have_answered, lambda: f"Only {boards} have answered.")
        with sqlite3.connect(tmp_path / "pizzeria.db") as database:
            for table, rows in (("order", len(numbers)), ("pizza", 8), ("customer", 1)):
                assert database.execute(f"SELECT count(*) FROM example_app_{table}").fetchone() == (rows,)
        database.close()

    @pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="There is no folder that nobody can write to.")
    @pytest.mark.parametrize(
        "command",
        ["uvicorn example_app:app --port 0", "webframe --app example_app run --port 0 --no-reload"],
        ids=["uvicorn", "webframe"],
    )
    def test_a_folder_that_cannot_be_written_to_is_a_clear_error(self, tmp_path: Path, command: str) -> None:
        pytest.importorskip(command.split()[0])
        with Process(command.split(), Path("/proc/self"), tmp_path / "output") as process:
            wait_until(lambda: "cannot keep its orders" in process.output, lambda: process.output)
            said = process.output
        assert "The pizzeria cannot keep its orders in /proc/" in said and "DATABASE_URL" in said


def test_the_command_of_the_readme_serves_it(tmp_path: Path) -> None:
    with Process(["webframe", "--app", "example_app", "run", "--port", "0"], tmp_path) as process:
        found = wait_until(
            lambda: process.ended or re.search(r"http://127\.0\.0\.1:\d+/", process.output), lambda: process.output
        )
        assert not process.ended, process.output
        assert "What would you like?" in httpx.get(found[0], timeout=30, trust_env=False).text
    assert (tmp_path / "pizzeria.db").exists()
