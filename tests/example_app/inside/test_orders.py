"""The menu, orders, and what they tell: nothing here knows of requests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from conftest import a_pizza, draft
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from example_app import app as pizzeria
from example_app import orders
from example_app.menu import open_menu, prepare
from example_app.models import Customer, Line, News, Order, Pizza, Topping
from example_app.news import KEPT, latest_news, tell
from example_app.orders import MOST_OF_A_KIND, Draft, place
from example_app.signals import COURIERS, book_courier, order_placed
from webframe.core.exceptions import Http404
from webframe.core.management import call_command
from webframe.db import IntegrityError, connections, transaction
from webframe.db.models import ProtectedError
from webframe.db.models.signals import m2m_changed, post_save
from webframe.test.capture import Sending

Status = Order.Status

# On the first menu.
PIZZAS = 8


class TestFirstMenu:
    def test_is_written_once(self, menu: None) -> None:
        assert Pizza.objects.count() == PIZZAS
        a_pizza("napoli").delete()
        open_menu()
        assert Pizza.objects.count() == PIZZAS - 1

    def test_is_written_into_tables_that_are_there_already(self, transactional_db: None) -> None:
        for _ in range(2):
            prepare()
            assert Pizza.objects.count() == PIZZAS

    def test_is_no_news(self, menu: None) -> None:
        assert not News.objects.exists()

    def test_lists_toppings_as_they_go_onto_the_pizza(self, menu: None) -> None:
        assert a_pizza("margherita").ingredients == "Tomato, mozzarella, basil"
        assert a_pizza("marinara").ingredients == "Tomato, garlic, olive oil, oregano"

    def test_a_pizza_is_vegetarian_if_everything_on_it_is(self, menu: None) -> None:
        assert a_pizza("margherita").vegetarian
        assert not a_pizza("diavola").vegetarian

    def test_nothing_is_given_away(self, menu: None) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            Pizza.objects.create(slug="free", name="Free", price=0)


class TestDraft:
    def test_adds_up(self, menu: None) -> None:
        wanted = draft(margherita="2", napoli=1)
        assert not wanted.errors
        assert wanted.total == Decimal("23.50")

    def test_white_space_around_and_within_a_name_does_not_count(self, menu: None) -> None:
        assert draft("  Ada \t Lovelace ", napoli=1).name == "Ada Lovelace"

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
    @given(
        st.text(),
        st.dictionaries(st.sampled_from(["napoli", "margherita", "hawaii"]), st.text() | st.integers() | st.none()),
    )
    def test_whatever_is_sent_becomes_an_order_or_messages(
        self, menu: None, name: str, quantities: dict[str, object]
    ) -> None:
        wanted = Draft(name, quantities)
        if not wanted.errors:
            assert wanted.name.isprintable() and wanted.lines
            assert all(1 <= line.quantity <= MOST_OF_A_KIND for line in wanted.lines)
            assert orders.find(place(wanted).pk).total == wanted.total


class TestOrders:
    def test_an_order_has_all_its_lines(self, menu: None) -> None:
        order = orders.find(place(draft(margherita=2, napoli=1)).pk)
        assert [str(line) for line in order.lines.all()] == ["2 × Margherita", "1 × Napoli"]
        assert (order.total, order.status) == (Decimal("23.50"), Status.RECEIVED)
        assert set(order.pizzas.all()) == {a_pizza("margherita"), a_pizza("napoli")}

    def test_whoever_orders_again_is_the_same_customer(self, menu: None) -> None:
        first, second, other = place(draft(napoli=1)), place(draft(napoli=1)), place(draft("Grace", napoli=1))
        assert first.customer == second.customer != other.customer
        assert Customer.objects.get(name="Ada").orders.count() == 2

    def test_the_price_is_that_of_the_day(self, menu: None) -> None:
        order = place(draft(napoli=2))
        Pizza.objects.filter(slug="napoli").update(price="99.00")
        assert orders.find(order.pk).total == Decimal("17.00")

    def test_latest_gives_at_most_so_many_the_newest_first(self, menu: None) -> None:
        numbers = [place(draft(napoli=1)).pk for _ in range(3)]
        assert [order.pk for order in orders.latest(2)] == [numbers[2], numbers[1]]

    def test_latest_asks_the_database_three_times_however_many_there_are(self, menu: None, count_queries: Any) -> None:
        for _ in range(3):
            place(draft(napoli=1, margherita=1))
        with count_queries(3):
            for order in orders.latest():
                assert order.customer.name and [line.pizza.name for line in order.lines.all()]

    def test_moves_only_from_the_status_before(self, menu: None) -> None:
        number = place(draft(napoli=1)).pk
        assert not orders.move(number, Status.BAKING, Status.READY)
        assert orders.move(number, Status.RECEIVED, Status.BAKING)
        assert not orders.move(number, Status.RECEIVED, Status.BAKING)
        assert orders.find(number).status == Status.BAKING

    @pytest.mark.parametrize("number", [0, 7, 2**63, 10**30])
    def test_there_is_no_such_order(self, menu: None, number: int) -> None:
        with pytest.raises(Http404, match=f"no order number {number}"):
            orders.find(number)
        with pytest.raises(Http404):
            orders.move(number, Status.RECEIVED, Status.BAKING)

    def test_a_pizza_that_was_ordered_stays(self, menu: None) -> None:
        place(draft(napoli=1))
        with pytest.raises(ProtectedError):
            a_pizza("napoli").delete()

    def test_lines_go_with_their_order(self, menu: None) -> None:
        place(draft(napoli=1, margherita=1)).delete()
        assert not Line.objects.exists()

    def test_many_threads_place_many_orders(self, transactional_db: None) -> None:
        open_menu()

        def order(number: int) -> int:
            try:
                return place(draft(f"Guest {number % 3}", napoli=1)).pk
            finally:
                connections.release()

        with ThreadPoolExecutor(8) as threads:
            numbers = list(threads.map(order, range(40)))
        assert len(set(numbers)) == 40
        assert Order.objects.count() == Line.objects.count() == 40
        assert Order.objects.exclude(courier="").count() == 40
        assert Customer.objects.count() == 3


class TestSignals:
    def test_the_estimate_belongs_to_the_order(self, menu: None) -> None:
        assert place(draft(napoli=3)).minutes == 16
        assert place(draft(napoli=1)).minutes == 18

    def test_there_is_no_order_if_a_receiver_of_order_placed_fails(self, menu: None, capture_on_commit: Any) -> None:
        def refuse(sender: object, order: Order, **kwargs: Any) -> None:
            raise RuntimeError("The phone is broken.")

        with order_placed.connected_to(refuse), capture_on_commit() as later, pytest.raises(RuntimeError):
            place(draft(napoli=1))
        assert not any(model.objects.exists() for model in (Order, Line, Customer, News))
        assert not later

    def test_a_courier_is_booked_after_the_commit(self, menu: None, capture_on_commit: Any) -> None:
        with capture_on_commit(execute=True):
            order = place(draft(napoli=1))
            assert not order.courier
        assert order.courier in COURIERS
        assert orders.find(order.pk).courier == order.courier

    def test_no_courier_is_booked_in_this_test(self, menu: None, signals: Any, capture_on_commit: Any) -> None:
        signals.mute(post_save, receiver=book_courier, sender=Order)
        with capture_on_commit(execute=True):
            order = place(draft(napoli=1))
        assert not orders.find(order.pk).courier

    def test_an_order_is_saved_and_announced(self, menu: None, signals: Any) -> None:
        sent = signals.capture(order_placed, post_save)
        order = place(draft(napoli=1))
        sent.assert_order(
            Sending(post_save, sender=Customer, created=True),
            Sending(post_save, sender=Order, created=True),
            Sending(order_placed, sender=Order, order=order),
            Sending(post_save, sender=Order, created=False),  # by `estimate`
        )
        sent.assert_sent_once(order_placed)
        sent.assert_sent(post_save, sender=Order, count=2)


class TestNews:
    def test_an_order_is_news_from_its_beginning(self, menu: None) -> None:
        order = place(draft(napoli=1))
        orders.move(order.pk, Status.RECEIVED, Status.BAKING)
        assert [news.text for news in latest_news()] == [
            f"Order {order.pk} for Ada: status in the oven",
            f"Order {order.pk} for Ada: minutes 12",
            f"Order {order.pk} for Ada: new order",
            "Ada: new customer",
        ]

    def test_toppings_are_news_when_they_change(self, menu: None) -> None:
        pizza = a_pizza("margherita")
        pizza.toppings.add(Topping.objects.get(name="capers"), Topping.objects.get(name="olive oil"))
        assert latest_news(1)[0].text == "Margherita: with capers, olive oil"
        pizza.toppings.remove(Topping.objects.get(name="basil"))
        assert (latest_news(1)[0].signal, latest_news(1)[0].text) == ("m2m_changed", "Margherita: without basil")

    def test_what_was_there_already_is_no_news(self, menu: None, signals: Any) -> None:
        sent = signals.capture(m2m_changed)
        pizza = a_pizza("margherita")
        pizza.toppings.set(pizza.toppings.all())
        sent.assert_not_sent()
        assert not latest_news()

    def test_what_is_rolled_back_is_no_news(self, menu: None) -> None:
        with transaction.atomic():
            Customer.objects.create(name="Mallory")
            transaction.set_rollback(True)
        assert not latest_news()

    def test_the_oldest_are_forgotten_after_the_commit(self, db: None, capture_on_commit: Any) -> None:
        with capture_on_commit(execute=True):
            for number in range(KEPT + 150):
                tell("test", str(number))
            assert News.objects.count() == KEPT + 150
        assert KEPT <= News.objects.count() < KEPT + 50
        assert latest_news(1)[0].text == str(KEPT + 149)

    def test_a_long_text_is_cut(self, db: None) -> None:
        tell("test", "x" * 500)
        assert latest_news(1)[0].text == "x" * 199 + "…"


def test_migrations_say_what_the_models_say() -> None:
    call_command("makemigrations", app=pizzeria, check=True, dry_run=True, verbosity=0)
