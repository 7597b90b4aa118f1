"""The pizzeria under gunicorn and under uvicorn: what guests, cooks and programs get."""

from __future__ import annotations

import html
import json
import re
import sqlite3
import sys
from pathlib import Path

import httpx
import pytest

from .conftest import ROOT, SERVERS, Process, browser, serve, skip_without, wait_until


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


class TestMenu:
    def test_shows_what_there_is_with_a_field_for_each(self, shop: httpx.Client) -> None:
        page = shop.get("/")
        assert page.status_code == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Margherita Tomato, mozzarella, basil € 7.50" in words(page.text)
        assert '<label for="margherita">' in page.text and 'name="margherita"' in page.text

    def test_everything_comes_from_our_own_site(self, shop: httpx.Client) -> None:
        page = shop.get("/")
        assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert "//" not in " ".join(re.findall(r'(?:src|href|action)="([^"]*)"', page.text))


class TestPizza:
    def test_has_a_page_with_what_is_on_it(self, shop: httpx.Client) -> None:
        page = words(shop.get("/pizzas/napoli").text)
        assert "Napoli tomato anchovies capers € 8.50" in page
        assert "hotter than our oven" in words(shop.get("/pizzas/vesuvio").text).lower()

    @pytest.mark.parametrize("path", ["/pizzas/hawaii", "/kitchen/pizzas/hawaii", "/pizzas/%00", "/pizzas/%ED%A0%80"])
    def test_an_unknown_one_is_not_found(self, shop: httpx.Client, path: str) -> None:
        answer = shop.get(path)
        assert answer.status_code == 404
        assert "That is not on the menu" in answer.text and "query" not in answer.text

    def test_programs_are_told_so_in_json(self, shop: httpx.Client) -> None:
        answer = shop.get("/api/menu/hawaii")
        assert answer.status_code == 404 and "Pizza" in answer.json()["error"]
        assert shop.get("/api/menu/verdure").json()["toppings"] == ["tomato", "aubergine", "courgette", "peppers"]


class TestCart:
    def test_shows_the_sum_and_asks_for_no_name_yet(self, shop: httpx.Client) -> None:
        page = shop.get("/cart", params={"margherita": 2, "napoli": 1, "funghi": 0})
        assert page.status_code == 200
        assert "Total € 23.50" in words(page.text)
        assert "Funghi" not in page.text
        assert "Please tell us your name" not in page.text

    def test_an_empty_one_leads_back_to_the_menu(self, shop: httpx.Client) -> None:
        assert "There is no pizza in your cart yet. To the menu" in words(shop.get("/cart").text)

    def test_orders_nothing(self, shop: httpx.Client) -> None:
        before = place(shop, marinara=1)
        shop.get("/cart", params={"margherita": 2, "name": "Ada"})
        assert place(shop, marinara=1) == before + 1


class TestOrdering:
    def test_leads_to_the_page_of_the_order(self, shop: httpx.Client) -> None:
        answer = shop.post("/orders", data={"name": "Grace", "margherita": 2, "diavola": 1})
        assert answer.status_code == 303
        page = words(shop.get(answer.headers["Location"]).text)
        assert "Thank you, Grace!" in page
        assert "2 × Margherita € 15.00 1 × Diavola € 9.50 Total € 24.50" in page

    def test_both_receivers_of_order_placed_have_done_their_work(self, shop: httpx.Client) -> None:
        page = words(shop.get(f"/orders/{place(shop, marinara=1)}").text)
        assert re.search(r"It takes about \d+ minutes\. \w+ brings it\.", page)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"name": "", "margherita": "1"}, "Please tell us your name"),
            ({"margherita": "1"}, "Please tell us your name"),
            ({"name": "x" * 41, "margherita": "1"}, "Please shorten the name to 40 characters; it has 41."),
            ({"name": "A\x00da", "margherita": "1"}, "we cannot print on a label"),
            ({"name": "Ada"}, "There is no pizza in your cart yet."),
            ({"name": "Ada", "margherita": "0"}, "There is no pizza in your cart yet."),
            ({"name": "Ada", "margherita": "many"}, "Margherita: how many? A number from 0 to 10, please."),
            ({"name": "Ada", "margherita": "-1"}, "Margherita: how many?"),
            ({"name": "Ada", "margherita": "²"}, "Margherita: how many?"),
            ({"name": "Ada", "margherita": "9" * 5000}, "Margherita: how many?"),
            ({"name": "Ada", "margherita": "10", "napoli": "10", "funghi": "1"}, "Our oven holds 20 pizzas"),
        ],
    )
    def test_says_what_is_wrong_and_orders_nothing(
        self, shop: httpx.Client, fields: dict[str, str], message: str
    ) -> None:
        before = place(shop, marinara=1)
        answer = shop.post("/orders", data=fields)
        assert answer.status_code == 400
        assert message in words(answer.text)
        assert place(shop, marinara=1) == before + 1

    def test_keeps_what_was_typed(self, shop: httpx.Client) -> None:
        page = shop.post("/orders", data={"name": 'A"<b>', "margherita": "3", "napoli": "99"}).text
        assert 'value="A&#34;&lt;b&gt;"' in page
        assert "<option selected>3</option>" in page

    def test_what_a_guest_typed_is_shown_as_text(self, shop: httpx.Client) -> None:
        name = "<script>alert(1)</script>"
        number = place(shop, name=name, marinara=1)
        for page in (shop.get(f"/orders/{number}").text, shop.get("/kitchen").text):
            assert html.escape(name) in page
            assert name not in page

    @pytest.mark.parametrize("path", ["/orders", "/kitchen/orders/1/bake", "/kitchen/orders/1/serve"])
    def test_nothing_changes_by_looking(self, shop: httpx.Client, path: str) -> None:
        answer = shop.get(path)
        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]

    @pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://["])
    def test_other_sites_cannot_order(self, shop: httpx.Client, origin: str) -> None:
        before = place(shop, marinara=1)
        fields = {"name": "Mallory", "marinara": "1"}
        assert shop.post("/orders", data=fields, headers={"Origin": origin}).status_code == 403
        own = str(shop.base_url).rstrip("/")
        assert shop.post("/orders", data=fields, headers={"Origin": own}).status_code == 303
        assert place(shop, marinara=1) == before + 2

    def test_whoever_comes_again_is_greeted(self, shop: httpx.Client) -> None:
        first, second = place(shop, "Hedy", marinara=1), place(shop, "Hedy", marinara=1)
        assert "Nice to see you again" not in shop.get(f"/orders/{first}").text
        assert "it is your order number 2 with us" in shop.get(f"/orders/{second}").text


class TestChanges:
    def test_of_orders_are_on_the_board(self, shop: httpx.Client) -> None:
        number = place(shop, "Rosalind", marinara=1)
        shop.post(f"/kitchen/orders/{number}/bake")
        board = board_with(shop, f"post_save Order {number} for Rosalind: status in the oven")
        assert "post_save Rosalind: new customer" in board
        assert f"post_save Order {number} for Rosalind: new order" in board
        assert re.search(rf"post_save Order {number} for Rosalind: courier \w+", board)

    def test_of_toppings_are_on_the_board_and_on_the_menu(self, shop: httpx.Client) -> None:
        form = shop.get("/kitchen/pizzas/funghi").text
        assert re.search(r'value="mushrooms" checked>', form) and not re.search(r'value="capers" checked>', form)
        chosen = ["tomato", "mozzarella", "capers"]
        assert shop.post("/kitchen/pizzas/funghi", data={"toppings": chosen}).status_code == 303
        board = board_with(shop, "m2m_changed Funghi: with capers")
        assert "m2m_changed Funghi: without mushrooms, parsley" in board
        assert "Funghi Tomato, mozzarella, capers" in words(shop.get("/").text)
        shop.post("/kitchen/pizzas/funghi", data={"toppings": ["tomato", "mozzarella", "mushrooms", "parsley"]})
        board_with(shop, "m2m_changed Funghi: with mushrooms, parsley")

    def test_unknown_toppings_are_left_alone(self, shop: httpx.Client) -> None:
        shop.post(
            "/kitchen/pizzas/diavola", data={"toppings": ["tomato", "mozzarella", "hot salami", "pineapple", "'"]}
        )
        assert "Diavola Tomato, mozzarella, hot salami" in words(shop.get("/").text)

    def test_other_sites_cannot_change_them(self, shop: httpx.Client) -> None:
        answer = shop.post("/kitchen/pizzas/diavola", headers={"Origin": "https://elsewhere.example"})
        assert answer.status_code == 403
        assert "Diavola Tomato, mozzarella, hot salami" in words(shop.get("/").text)


class TestKitchen:
    def test_shows_an_order_from_received_to_ready(self, shop: httpx.Client) -> None:
        number = place(shop, "Barbara", margherita=1, napoli=2)
        board_with(shop, f"Order {number} for Barbara 1 × Margherita, 2 × Napoli received Bake")
        assert shop.post(f"/kitchen/orders/{number}/bake").headers["Location"] == "/kitchen"
        board_with(shop, f"Order {number} for Barbara 1 × Margherita, 2 × Napoli in the oven Ready")
        shop.post(f"/kitchen/orders/{number}/serve")
        board_with(shop, f"Order {number} for Barbara 1 × Margherita, 2 × Napoli ready")

    def test_a_step_is_taken_once_however_often_it_is_asked_for(self, shop: httpx.Client) -> None:
        number = place(shop, marinara=1)
        shop.post(f"/kitchen/orders/{number}/serve")
        assert shop.get(f"/api/orders/{number}").json()["status"] == "received"
        for _ in range(2):
            shop.post(f"/kitchen/orders/{number}/bake")
        assert shop.get(f"/api/orders/{number}").json()["status"] == "in the oven"

    def test_shows_requests_as_they_start_and_finish(self, shop: httpx.Client) -> None:
        assert "GET /kitchen running …" in words(shop.get("/kitchen").text)
        shop.get("/some/address")
        board_with(shop, "GET /some/address finished 404")
        shop.get("/cart")
        assert re.search(r"GET /cart finished 200 \d+\.\d ms", board_with(shop, "GET /cart finished 200"))

    def test_an_order_that_fails_is_a_500_and_marked_on_the_board(self, shop: httpx.Client) -> None:
        number = place(shop, "Plinius", vesuvio=1)
        answer = shop.post(f"/kitchen/orders/{number}/bake")
        assert answer.status_code == 500
        assert "OvenError" not in answer.text and "Traceback" not in answer.text
        board = board_with(shop, f"POST /kitchen/orders/{number}/bake failed 500 OvenError in order {number}")
        assert f"Order {number} for Plinius 1 × Vesuvio burnt" in board
        assert "Burnt" in words(shop.get(f"/orders/{number}").text)

    def test_news_without_news_are_a_304(self, shop: httpx.Client) -> None:
        def unchanged() -> bool:
            tag = shop.get("/kitchen/live").headers["ETag"]
            again = shop.get("/kitchen/live", headers={"If-None-Match": tag})
            return again.status_code == 304 and not again.content

        wait_until(unchanged, lambda: "The board changes all the time.")

    def test_keeps_the_last_requests_only(self, shop: httpx.Client) -> None:
        for _ in range(35):
            shop.get("/api/menu")
        assert len(re.findall("GET /api/menu", board_with(shop, "GET /api/menu finished 200"))) <= 30

    def test_long_addresses_are_cut(self, shop: httpx.Client) -> None:
        shop.get("/" + "x" * 3000)
        assert "x" * 201 not in board_with(shop, "GET /xxx")


class TestNotFound:
    def test_people_get_a_friendly_page(self, shop: httpx.Client) -> None:
        answer = shop.get("/pineapple")
        assert answer.status_code == 404
        assert "That is not on the menu" in answer.text and "pizzeria.css" in answer.text

    @pytest.mark.parametrize("number", [0, 999999, 2**63, 10**40])
    def test_an_order_that_does_not_exist_says_so(self, shop: httpx.Client, number: int) -> None:
        answer = shop.get(f"/orders/{number}")
        assert answer.status_code == 404
        assert f"We have no order number {number}." in answer.text

    def test_programs_get_json(self, shop: httpx.Client) -> None:
        answer = shop.get("/pineapple", headers={"Accept": "application/json"})
        assert answer.status_code == 404
        assert answer.json()["status"] == 404
        answer = shop.get("/pineapple", headers={"Accept": "*/*"})
        assert answer.headers["Content-Type"].startswith("text/plain")


class TestAPI:
    def test_menu(self, shop: httpx.Client) -> None:
        pizzas = shop.get("/api/menu").json()["pizzas"]
        assert {
            "slug": "napoli",
            "name": "Napoli",
            "toppings": ["tomato", "anchovies", "capers"],
            "vegetarian": False,
            "price": "8.50",
        } in pizzas

    def test_an_order_is_placed_and_looked_up(self, shop: httpx.Client) -> None:
        answer = shop.post("/api/orders", json={"name": "Ada", "pizzas": {"margherita": 2, "napoli": 0}})
        assert answer.status_code == 201
        order = answer.json()
        assert order == shop.get(answer.headers["Location"]).json()
        assert order["pizzas"] == {"margherita": 2} and order["total"] == "15.00" and order["status"] == "received"
        assert order["minutes"] and order["courier"]

    def test_both_doors_lead_to_the_same_kitchen(self, shop: httpx.Client) -> None:
        number = shop.post("/api/orders", json={"name": "Robot", "pizzas": {"funghi": 1}}).json()["number"]
        assert "Thank you, Robot!" in shop.get(f"/orders/{number}").text

    @pytest.mark.parametrize(
        ("body", "errors"),
        [
            ({"name": "Ada", "pizzas": {}}, {"pizzas"}),
            ({"name": "Ada", "pizzas": {"hawaii": 1}}, {"pizzas"}),
            ({"name": "Ada", "pizzas": {"margherita": True}}, {"margherita"}),
            ({"name": "Ada", "pizzas": {"margherita": 1.5}}, {"margherita"}),
            ({"name": "Ada", "pizzas": {"margherita": [1]}}, {"margherita"}),
            ({"name": 7, "pizzas": {"margherita": 1}}, {"name"}),
            ({"name": "\ud800", "pizzas": {"margherita": 1}}, {"name"}),
        ],
    )
    def test_says_what_is_wrong(self, shop: httpx.Client, body: object, errors: set[str]) -> None:
        # Not httpx's own json=, which refuses half a pair of surrogates; others do not.
        answer = shop.post("/api/orders", content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert answer.json()["errors"].keys() == errors

    @pytest.mark.parametrize("body", [b"[]", b'{"pizzas": 3}', b"{", b"\xff", b"null"])
    def test_refuses_what_is_no_order(self, shop: httpx.Client, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        answer = shop.post("/api/orders", content=body, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["description"]

    def test_no_such_order(self, shop: httpx.Client) -> None:
        answer = shop.get("/api/orders/999999")
        assert (answer.status_code, answer.json()) == (404, {"error": "We have no order number 999999."})


class TestStaticFiles:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [("pizzeria.css", "text/css"), ("board.js", "text/javascript"), ("pizza.svg", "image/svg+xml")],
    )
    def test_are_sent_once_and_then_only_confirmed(self, shop: httpx.Client, name: str, kind: str) -> None:
        first = shop.get(f"/static/{name}")
        assert first.status_code == 200
        assert first.headers["Content-Type"].partition(";")[0] == kind
        assert first.content == (ROOT / "example_app" / "static" / name).read_bytes()
        again = shop.get(f"/static/{name}", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")

    def test_nothing_else_is_sent(self, shop: httpx.Client) -> None:
        assert shop.get("/static/%2e%2e/orders.py").status_code == 404


class TestKeeping:
    @pytest.mark.parametrize("server", list(SERVERS))
    def test_orders_and_news_survive_a_restart(self, tmp_path: Path, server: str) -> None:
        skip_without(server)
        process, address = serve(server, tmp_path)
        try:
            with browser(address) as shop:
                number = place(shop, "Mary", margherita=2)
                shop.post("/kitchen/pizzas/napoli", data={"toppings": ["tomato"]})
        finally:
            process.stop()
        assert (tmp_path / "pizzeria.db").exists()
        process, address = serve(server, tmp_path)
        try:
            with browser(address) as shop:
                assert "Thank you, Mary!" in shop.get(f"/orders/{number}").text
                assert "Napoli Tomato € 8.50" in words(shop.get("/").text)
                assert "m2m_changed Napoli: without anchovies, capers" in words(shop.get("/kitchen").text)
                assert place(shop, "Mary", margherita=1) == number + 1
        finally:
            process.stop()

    def test_two_workers_see_one_another_s_orders(self, tmp_path: Path) -> None:
        skip_without("gunicorn")
        process, address = serve("gunicorn", tmp_path, "--workers", "2")
        boards: dict[str, str] = {}
        numbers: set[int] = set()
        try:

            def both_have_answered() -> bool:
                # One connection each, or one worker might answer all of them.
                with browser(address) as shop:
                    numbers.add(place(shop, "Emmy", marinara=1))
                with browser(address) as shop:
                    board = words(shop.get("/kitchen").text)
                found = re.search(r"Those to process (\d+)", board)
                assert found is not None
                boards[found[1]] = board
                latest = max(numbers)
                assert f"Order {latest} for Emmy" in board
                assert f"post_save Order {latest} for Emmy: new order" in board
                return len(boards) == 2

            wait_until(both_have_answered, lambda: f"Only {list(boards)} have answered.\n{process.output}")
        finally:
            process.stop()
        with sqlite3.connect(tmp_path / "pizzeria.db") as database:
            assert database.execute("SELECT count(*) FROM example_app_order").fetchone() == (len(numbers),)
            assert database.execute("SELECT count(*) FROM example_app_pizza").fetchone() == (8,)
            assert database.execute("SELECT count(*) FROM example_app_customer").fetchone() == (1,)
        database.close()

    @pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="There is no folder that nobody can write to.")
    @pytest.mark.parametrize("server", ["uvicorn", "webframe"])
    def test_a_folder_that_cannot_be_written_to_is_a_clear_error(self, tmp_path: Path, server: str) -> None:
        skip_without(server)
        command = {
            "uvicorn": ["uvicorn", "example_app:app", "--port", "0"],
            "webframe": ["webframe", "--app", "example_app", "run", "--port", "0", "--no-reload"],
        }[server]
        process = Process([sys.executable, "-m", *command], Path("/proc/self"), tmp_path / "output")
        try:
            said = wait_until(
                lambda: "cannot keep its orders" in process.output and process.output, lambda: process.output
            )
            assert "The pizzeria cannot keep its orders in /proc/" in said and "DATABASE_URL" in said
        finally:
            process.stop()


def test_the_command_of_the_readme_serves_it(tmp_path: Path) -> None:
    process = Process([sys.executable, "-m", "webframe", "--app", "example_app", "run", "--port", "0"], tmp_path)
    try:
        found = wait_until(
            lambda: process.ended or re.search(r"http://127\.0\.0\.1:\d+/", process.output), lambda: process.output
        )
        assert not process.ended, process.output
        assert "What would you like?" in httpx.get(found[0], timeout=30, trust_env=False).text
    finally:
        process.stop()
    assert (tmp_path / "pizzeria.db").exists()
