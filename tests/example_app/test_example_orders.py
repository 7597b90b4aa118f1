"""The rules of the pizzeria, without any web."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from example_app.menu import MENU
from example_app.orders import MOST_OF_A_KIND, Draft, OrderBook, Status
from webframe.core.exceptions import Http404


def draft(**quantities: object) -> Draft:
    return Draft("Ada", quantities)


class TestDraft:
    def test_adds_up(self) -> None:
        wanted = draft(margherita="2", napoli=1)
        assert not wanted.errors
        assert wanted.total == Decimal("23.50")

    def test_white_space_around_and_within_a_name_does_not_count(self) -> None:
        assert Draft("  Ada \t Lovelace ", {"napoli": 1}).name == "Ada Lovelace"

    @given(st.text(), st.dictionaries(st.sampled_from([*MENU, "hawaii"]), st.text() | st.integers() | st.none()))
    def test_whatever_is_sent_becomes_an_order_or_messages(self, name: str, quantities: dict[str, object]) -> None:
        wanted = Draft(name, quantities)
        if not wanted.errors:
            assert wanted.name.isprintable() and wanted.lines
            assert all(1 <= line.quantity <= MOST_OF_A_KIND for line in wanted.lines)


class TestOrderBook:
    def test_numbers_orders_from_one(self) -> None:
        book = OrderBook()
        assert [book.place(draft(napoli=1)).number for _ in range(3)] == [1, 2, 3]

    def test_forgets_the_oldest(self) -> None:
        book = OrderBook(length=2)
        for _ in range(3):
            book.place(draft(napoli=1))
        assert [order.number for order in book.latest()] == [3, 2]
        with pytest.raises(Http404, match="no order number 1"):
            book.get(1)

    def test_latest_gives_at_most_so_many(self) -> None:
        book = OrderBook()
        for _ in range(3):
            book.place(draft(napoli=1))
        assert [order.number for order in book.latest(2)] == [3, 2]

    def test_an_order_that_was_handed_out_does_not_change(self) -> None:
        book = OrderBook()
        before = book.place(draft(napoli=1))
        assert book.change(before.number, courier="Sam").courier == "Sam"
        assert before.courier is None

    def test_moves_only_from_the_status_before(self) -> None:
        book = OrderBook()
        book.place(draft(napoli=1))
        assert book.move(1, Status.BAKING, Status.READY).status is Status.RECEIVED
        assert book.move(1, Status.RECEIVED, Status.BAKING).status is Status.BAKING

    def test_many_threads_place_many_orders(self) -> None:
        book = OrderBook(length=1000)
        with ThreadPoolExecutor(8) as threads:
            numbers = list(threads.map(lambda _: book.place(draft(napoli=1)).number, range(400)))
        assert sorted(numbers) == list(range(1, 401))
