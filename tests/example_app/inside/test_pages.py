"""What guests, cooks and programs get, over both protocols, in a transaction that is rolled back."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import a_pizza, draft, words

import example_app
from example_app.board import board
from example_app.kitchen import OvenError
from example_app.models import Line, Order
from example_app.orders import place
from webframe.core.signals import got_request_exception
from webframe.test import Client

STATIC = Path(example_app.__file__).with_name("static")


def order(shop: Client, name: str = "Ada", **pizzas: object) -> Any:
    """Order something in the form; the page of the order."""
    page = shop.post("/orders", data={"name": name, **pizzas}, follow_redirects=True)
    assert [answer.status_code for answer in (*page.history, page)] == [303, 200], words(page)
    return page


class TestMenu:
    def test_shows_what_there_is_with_a_field_for_each(self, shop: Client) -> None:
        page = shop.get("/")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Margherita Tomato, mozzarella, basil € 7.50" in words(page)
        assert '<label for="margherita">' in page.text and 'name="margherita"' in page.text

    def test_everything_comes_from_our_own_site(self, shop: Client) -> None:
        page = shop.get("/")
        assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert "//" not in " ".join(re.findall(r'(?:src|href|action)="([^"]*)"', page.text))

    def test_is_drawn_with_two_queries(self, shop: Client, count_queries: Any) -> None:
        with count_queries(2):
            assert shop.get("/").templates[0].name == "menu.html"


class TestPizza:
    def test_has_a_page_with_what_is_on_it(self, shop: Client) -> None:
        assert "Napoli tomato anchovies capers € 8.50" in words(shop.get("/pizzas/napoli"))
        assert "hotter than our oven" in words(shop.get("/pizzas/vesuvio")).lower()

    @pytest.mark.parametrize("path", ["/pizzas/hawaii", "/kitchen/pizzas/hawaii", "/pizzas/%00", "/pizzas/%ED%A0%80"])
    def test_an_unknown_one_is_not_found(self, shop: Client, path: str) -> None:
        answer = shop.get(path)
        assert answer.status_code == 404
        assert "That is not on the menu" in answer.text and "query" not in answer.text

    def test_programs_are_told_so_in_json(self, shop: Client) -> None:
        answer = shop.get("/api/menu/hawaii")
        assert answer.status_code == 404 and "Pizza" in answer.json()["error"]
        assert shop.get("/api/menu/verdure").json()["toppings"] == ["tomato", "aubergine", "courgette", "peppers"]


class TestCart:
    def test_shows_the_sum_asks_for_no_name_yet_and_orders_nothing(self, shop: Client) -> None:
        page = words(shop.get("/cart", params={"margherita": 2, "napoli": 1, "funghi": 0}))
        assert "Total € 23.50" in page
        assert "Funghi" not in page and "Please tell us your name" not in page
        shop.get("/cart", params={"margherita": 2, "name": "Ada"})
        assert not Order.objects.exists()

    def test_an_empty_one_leads_back_to_the_menu(self, shop: Client) -> None:
        assert "There is no pizza in your cart yet. To the menu" in words(shop.get("/cart"))


class TestOrdering:
    def test_leads_to_the_page_of_the_order(self, shop: Client) -> None:
        page = words(order(shop, "Grace", margherita=2, diavola=1))
        assert "Thank you, Grace!" in page
        assert "2 × Margherita € 15.00 1 × Diavola € 9.50 Total € 24.50" in page

    def test_all_receivers_have_done_their_work(self, shop: Client, capture_on_commit: Any) -> None:
        with capture_on_commit(execute=True):
            number = order(shop, marinara=1).context["order"].pk
        assert re.search(r"It takes about 12 minutes\. \w+ brings it\.", words(shop.get(f"/orders/{number}")))

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
    def test_says_what_is_wrong_and_orders_nothing(self, shop: Client, fields: dict[str, str], message: str) -> None:
        answer = shop.post("/orders", data=fields)
        assert answer.status_code == 400
        assert message in words(answer)
        assert not Order.objects.exists()

    def test_keeps_what_was_typed(self, shop: Client) -> None:
        page = shop.post("/orders", data={"name": 'A"<b>', "margherita": "3", "napoli": "99"}).text
        assert 'value="A&#34;&lt;b&gt;"' in page
        assert "<option selected>3</option>" in page

    def test_what_a_guest_typed_is_shown_as_text(self, shop: Client) -> None:
        name = "<script>alert(1)</script>"
        for page in (order(shop, name, marinara=1), shop.get("/kitchen")):
            assert html.escape(name) in page.text
            assert name not in page.text

    @pytest.mark.parametrize("path", ["/orders", "/kitchen/orders/1/bake", "/kitchen/orders/1/serve"])
    def test_nothing_changes_by_looking(self, shop: Client, path: str) -> None:
        answer = shop.get(path)
        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]

    @pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://["])
    def test_other_sites_cannot_order(self, shop: Client, origin: str) -> None:
        fields = {"name": "Mallory", "marinara": "1"}
        assert shop.post("/orders", data=fields, headers={"Origin": origin}).status_code == 403
        assert shop.post("/orders", data=fields, headers={"Origin": "http://testserver"}).status_code == 303
        assert Order.objects.count() == 1

    def test_whoever_comes_again_is_greeted(self, shop: Client) -> None:
        assert "Nice to see you again" not in words(order(shop, "Hedy", marinara=1))
        assert "it is your order number 2 with us" in words(order(shop, "Hedy", marinara=1))


class TestKitchen:
    def test_shows_an_order_from_received_to_ready_and_what_its_models_told(
        self, shop: Client, capture_on_commit: Any
    ) -> None:
        with capture_on_commit(execute=True):
            number = order(shop, "Barbara", margherita=1, napoli=2).context["order"].pk
        line = f"Order {number} for Barbara 1 × Margherita, 2 × Napoli"
        assert f"{line} received Bake" in words(shop.get("/kitchen/live"))
        assert shop.post(f"/kitchen/orders/{number}/bake").headers["Location"] == "/kitchen"
        assert f"{line} in the oven Ready" in words(shop.get("/kitchen"))
        shop.post(f"/kitchen/orders/{number}/serve")
        page = words(shop.get("/kitchen/live"))
        assert f"{line} ready" in page and "Sold so far: 3 pizzas, € 24.50." in page
        for told in ("courier", "new order", "status in the oven", "status ready"):
            assert f"post_save Order {number} for Barbara: {told}" in page
        assert "post_save Barbara: new customer" in page

    def test_a_step_is_taken_once_however_often_it_is_asked_for(self, shop: Client) -> None:
        number = place(draft(marinara=1)).pk
        for step, status in (("serve", "received"), ("bake", "in the oven"), ("bake", "in the oven")):
            shop.post(f"/kitchen/orders/{number}/{step}")
            assert shop.get(f"/api/orders/{number}").json()["status"] == status

    def test_changes_toppings_on_the_menu_and_tells(self, shop: Client) -> None:
        form = shop.get("/kitchen/pizzas/funghi").text
        assert re.search(r'value="mushrooms" checked>', form) and not re.search(r'value="capers" checked>', form)
        # What is no topping is left alone.
        chosen = {"toppings": ["tomato", "mozzarella", "capers", "pineapple", "'"]}
        told = words(shop.post("/kitchen/pizzas/funghi", data=chosen, follow_redirects=True))
        assert "m2m_changed Funghi: with capers m2m_changed Funghi: without mushrooms, parsley" in told
        assert "Funghi Tomato, mozzarella, capers" in words(shop.get("/"))

    def test_lets_other_sites_change_nothing(self, shop: Client) -> None:
        answer = shop.post("/kitchen/pizzas/diavola", headers={"Origin": "https://elsewhere.example"})
        assert answer.status_code == 403
        assert a_pizza("diavola").ingredients == "Tomato, mozzarella, hot salami"

    def test_shows_requests_as_they_start_and_finish(self, shop: Client) -> None:
        assert "GET /kitchen running …" in words(shop.get("/kitchen"))
        shop.get("/some/address")
        shop.get("/cart")
        shown = words(shop.get("/kitchen/live"))
        assert re.search(r"GET /cart finished 200 \d+\.\d ms GET /some/address finished 404 \d", shown)

    def test_marks_an_order_that_fails(self, shop: Client, signals: Any) -> None:
        sent = signals.capture(got_request_exception)
        number = order(shop, "Plinius", vesuvio=1).context["order"].pk
        with pytest.raises(OvenError):
            shop.post(f"/kitchen/orders/{number}/bake")
        sent.assert_sent_once()
        shown = words(shop.get("/kitchen/live"))
        assert f"POST /kitchen/orders/{number}/bake failed 500 OvenError in order {number}" in shown
        assert f"Order {number} for Plinius 1 × Vesuvio burnt" in shown
        assert "Burnt" in words(shop.get(f"/orders/{number}"))

    def test_news_without_news_are_a_304(self, shop: Client) -> None:
        tag = shop.get("/kitchen/live").headers["ETag"]
        again = shop.get("/kitchen/live", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")

    def test_keeps_the_last_requests_only_and_cuts_long_addresses(self, shop: Client) -> None:
        for _ in range(35):
            shop.get("/api/menu")
        shop.get("/" + "x" * 3000)
        assert len(board.latest()) == 30
        assert "x" * 201 not in shop.get("/kitchen/live").text

    def test_board_is_drawn_with_few_queries(self, shop: Client, count_queries: Any) -> None:
        for _ in range(5):
            place(draft(napoli=1))
        with count_queries(5):
            assert len(shop.get("/kitchen/live").context["orders"]) == 5


class TestNotFound:
    def test_people_get_a_friendly_page(self, shop: Client) -> None:
        answer = shop.get("/pineapple")
        assert answer.status_code == 404
        assert "That is not on the menu" in answer.text and "pizzeria.css" in answer.text

    @pytest.mark.parametrize("number", [0, 999999, 2**63, 10**40])
    def test_an_order_that_does_not_exist_says_so(self, shop: Client, number: int) -> None:
        answer = shop.get(f"/orders/{number}")
        assert answer.status_code == 404
        assert f"We have no order number {number}." in answer.text

    def test_programs_get_json(self, shop: Client) -> None:
        answer = shop.get("/pineapple", headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["status"]) == (404, 404)
        assert shop.get("/pineapple", headers={"Accept": "*/*"}).headers["Content-Type"].startswith("text/plain")


class TestAPI:
    def test_menu(self, shop: Client) -> None:
        assert {
            "slug": "napoli",
            "name": "Napoli",
            "toppings": ["tomato", "anchovies", "capers"],
            "vegetarian": False,
            "price": "8.50",
        } in shop.get("/api/menu").json()["pizzas"]

    def test_an_order_is_placed_and_looked_up(self, shop: Client, capture_on_commit: Any) -> None:
        with capture_on_commit(execute=True):
            answer = shop.post("/api/orders", json={"name": "Ada", "pizzas": {"margherita": 2, "napoli": 0}})
        assert answer.status_code == 201
        found = shop.get(answer.headers["Location"]).json()
        assert answer.json() == {**found, "courier": None}
        assert found["pizzas"] == {"margherita": 2} and found["total"] == "15.00" and found["status"] == "received"
        assert found["minutes"] and found["courier"]
        assert "Thank you, Ada!" in shop.get(f"/orders/{found['number']}").text  # both doors lead to the same kitchen

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
    def test_says_what_is_wrong(self, shop: Client, body: object, errors: set[str]) -> None:
        # Not httpx's own json=, which refuses half a pair of surrogates; others do not.
        answer = shop.post("/api/orders", content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert answer.json()["errors"].keys() == errors
        assert not Line.objects.exists()

    @pytest.mark.parametrize("body", [b"[]", b'{"pizzas": 3}', b"{", b"\xff", b"null"])
    def test_refuses_what_is_no_order(self, shop: Client, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        answer = shop.post("/api/orders", content=body, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["description"]

    def test_no_such_order(self, shop: Client) -> None:
        answer = shop.get("/api/orders/999999")
        assert (answer.status_code, answer.json()) == (404, {"error": "We have no order number 999999."})


class TestStaticFiles:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [("pizzeria.css", "text/css"), ("board.js", "text/javascript"), ("pizza.svg", "image/svg+xml")],
    )
    def test_are_sent_once_and_then_only_confirmed(self, shop: Client, name: str, kind: str) -> None:
        first = shop.get(f"/static/{name}")
        assert first.headers["Content-Type"].partition(";")[0] == kind
        assert first.content == (STATIC / name).read_bytes()
        again = shop.get(f"/static/{name}", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")

    def test_nothing_else_is_sent(self, shop: Client) -> None:
        assert shop.get("/static/%2e%2e/orders.py").status_code == 404
