"""Assertions about captured signals: when they fail, and what they say then."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import ANY

import pytest

from webframe.core.signals import got_request_exception, request_started
from webframe.dispatch import Signal
from webframe.test import capture_signals
from webframe.test.capture import Captured
from webframe.test.timeline import Sending


@Signal.define
def baked(sender: type, *, pizza: str, hot: bool = True) -> None: ...


@Signal.define
def eaten(sender: type, *, pizza: str) -> None: ...


class Oven: ...


class Guest: ...


@pytest.fixture
def sent() -> Captured:
    with capture_signals(baked, eaten) as sent:
        baked.send(Oven, pizza="napoli", hot=True)
        baked.send(Oven, pizza="marinara", hot=False)
        eaten.send(Guest, pizza="napoli")
    return sent


def said(error: pytest.ExceptionInfo[AssertionError]) -> str:
    """What was said, without the times."""
    return re.sub(r"\+\d+\.\d\d ms", "+0.00 ms", str(error.value))


# -- that it was sent


def test_sent_is_at_least_once_or_as_often_as_said(sent: Captured) -> None:
    sent.assert_sent(baked)
    sent.assert_sent(baked, count=2)
    sent.assert_sent(baked, hot=False, count=1)
    sent.assert_sent(baked, hot=None, count=0)
    sent.assert_sent(pizza="napoli", count=2)
    sent.assert_sent(count=3)
    sent.assert_sent(eaten, sender=Guest, pizza=ANY)


def test_once_gives_what_was_sent(sent: Captured) -> None:
    assert sent.assert_sent_once(eaten) is sent[2]
    assert sent.assert_sent_once(baked, hot=False).arguments["pizza"] == "marinara"
    assert sent.assert_sent_once(sender=Guest).signal is eaten


def test_not_sent(sent: Captured) -> None:
    sent.assert_not_sent(baked, sender=Guest)
    sent.assert_not_sent(pizza="hawaii")
    sent.assert_not_sent(eaten, pizza="marinara")


def test_what_was_sent_can_be_looked_for(sent: Captured) -> None:
    assert sent.of(baked) == sent[:2]
    assert sent.of(baked, hot=False) == [sent[1]]
    assert sent.of(pizza="napoli", sender=Oven) == [sent[0]]


def test_a_failure_shows_everything_in_order_with_what_is_different(sent: Captured) -> None:
    with pytest.raises(AssertionError) as caught:
        sent.assert_sent_once(baked, sender=Oven, pizza="marinara", hot=True)
    assert said(caught) == (
        "baked from Oven with pizza='marinara', hot=True was never sent, expected once.\n"
        "\n"
        "Sent, in order:\n"
        "    1  +0.00 ms  baked  Oven   pizza='napoli', hot=True\n"
        "                 pizza is 'napoli', not 'marinara'\n"
        "    2  +0.00 ms  baked  Oven   pizza='marinara', hot=False\n"
        "                 hot is False, not True\n"
        "    3  +0.00 ms  eaten  Guest  pizza='napoli'"
    )


def test_a_failure_marks_what_was_too_many(sent: Captured) -> None:
    with pytest.raises(AssertionError) as caught:
        sent.assert_sent_once(pizza="napoli")
    assert said(caught).splitlines()[0] == "Any signal with pizza='napoli' was sent twice, expected once."
    assert re.findall(r"^  ([> ]) (\d)", said(caught), re.MULTILINE) == [(">", "1"), (" ", "2"), (">", "3")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 3}, "baked was sent twice, expected 3 times."),
        ({"hot": None}, "baked with hot=None was never sent."),
        ({"count": 0, "hot": True}, "baked with hot=True was sent once, expected never."),
    ],
)
def test_the_first_line_says_how_often(sent: Captured, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError) as caught:
        sent.assert_sent(baked, **arguments)
    assert str(caught.value).startswith(f"{message}\n\nSent, in order:\n")


def test_not_sent_fails_with_what_was_sent(sent: Captured) -> None:
    with pytest.raises(AssertionError, match=r"eaten was sent once, expected never\.\n[^>]*\n  > 3 .*pizza='napoli'$"):
        sent.assert_not_sent(eaten)


def test_nothing_at_all_is_said_to_be_nothing() -> None:
    with capture_signals(baked) as sent:
        pass
    with pytest.raises(AssertionError, match=r"^baked was never sent, expected once\.\n\nNothing was sent\.$"):
        sent.assert_sent_once()
    with capture_signals(baked, eaten) as sent:
        pass
    with pytest.raises(AssertionError, match=r"^Any signal was never sent\."):
        sent.assert_sent()


# -- in which order


def test_others_may_lie_between_the_steps_of_an_order(sent: Captured) -> None:
    sent.assert_order(baked, eaten)
    sent.assert_order(baked, baked, eaten)
    sent.assert_order(Sending(baked, hot=False), Sending(sender=Guest))
    sent.assert_order(eaten)
    sent.assert_order()


def test_an_exact_order_leaves_no_room(sent: Captured) -> None:
    sent.assert_order(baked, Sending(baked, hot=False), eaten, exact=True)
    for steps in ([baked, eaten], [baked, baked, eaten, eaten], [baked, eaten, baked], []):
        with pytest.raises(AssertionError, match=r"What was sent is not exactly (baked, then|nothing)"):
            sent.assert_order(*steps, exact=True)


def test_a_wrong_order_says_which_step_did_not_come(sent: Captured) -> None:
    with pytest.raises(AssertionError) as caught:
        sent.assert_order(eaten, Sending(baked, hot=True))
    lines = said(caught).splitlines()
    assert (
        lines[0] == "baked with hot=True was not sent after eaten. The order should be eaten, then baked with hot=True."
    )
    with pytest.raises(AssertionError, match=r"^baked with hot=None was not sent\. The order should be"):
        sent.assert_order(Sending(baked, hot=None), eaten)


# -- what could never be true


def test_an_argument_that_is_never_sent_is_a_mistake_not_a_success(sent: Captured) -> None:
    for check in (sent.assert_not_sent, sent.assert_sent, sent.assert_sent_once, sent.of):
        with pytest.raises(
            ValueError, match=r"baked is never sent with 'piza', only with hot, pizza, sender\..*pizza\?"
        ):
            check(baked, piza="napoli")
    with pytest.raises(ValueError, match="eaten is never sent with 'hot'"):
        sent.assert_order(Sending(eaten, hot=True))
    with pytest.raises(ValueError, match="baked and eaten is never sent with 'price'"):
        sent.assert_not_sent(price=7)
    sent.assert_sent_once(hot=False)  # one of the two has it


def test_a_signal_that_was_declared_without_arguments_may_be_sent_with_anything() -> None:
    anything = Signal(name="anything")
    with capture_signals(anything) as sent:
        anything.send(None, size=3)
    sent.assert_sent_once(size=3)
    sent.assert_not_sent(colour="red")


def test_a_signal_that_is_not_captured_is_a_mistake(sent: Captured) -> None:
    with pytest.raises(
        ValueError, match=r"request_started> is not captured .*capture_signals\(baked, eaten, request_s"
    ):
        sent.assert_not_sent(request_started)
    with capture_signals() as everything:
        got_request_exception.send(None, request=None)
    everything.assert_sent_once(got_request_exception)
    everything.assert_not_sent(request_started)


def test_a_sender_that_is_not_captured_is_a_mistake() -> None:
    with capture_signals(baked, sender=Oven) as sent:
        baked.send(Oven, pizza="napoli", hot=True)
    sent.assert_sent_once(sender=Oven)
    with pytest.raises(
        ValueError, match="Only what .*Oven.* sends is captured here, nothing from .*Guest.*Leave sender"
    ):
        sent.assert_not_sent(sender=Guest)


def test_what_is_no_signal_is_a_mistake(sent: Captured) -> None:
    with pytest.raises(TypeError, match="is no signal. Give what it must have been sent with by name"):
        sent.assert_sent("napoli")  # type: ignore[arg-type]


# -- values


class Awkward:
    """Cannot be compared, and cannot be shown."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise LookupError("no row")


def test_values_that_can_be_neither_compared_nor_shown_do_not_get_in_the_way() -> None:
    anything, value = Signal(name="anything"), Awkward()
    with capture_signals(anything) as sent:
        anything.send(value, value=value, text="x" * 500, lines="a\n   b")
    sent.assert_sent_once(value=value)
    with pytest.raises(AssertionError) as caught:
        sent.assert_sent(value=Awkward(), text="y")
    assert "value=<Awkward that cannot be shown: LookupError>" in str(caught.value)
    assert "xxx..." in str(caught.value) and "x" * 60 not in str(caught.value)
    assert r"lines='a\n b'" in str(caught.value)


def test_an_argument_that_is_missing_is_a_difference() -> None:
    anything = Signal(name="anything")
    with capture_signals(anything) as sent:
        anything.send(None)
    with pytest.raises(AssertionError, match="there is no size"):
        sent.assert_sent(anything, size=3)


def test_of_very_many_the_first_and_the_last_are_shown() -> None:
    anything = Signal(name="anything")
    with capture_signals(anything) as sent:
        for number in range(1000):
            anything.send(None, number=number)
    lines = str(sent).splitlines()
    assert len(lines) == 62
    assert "number=29" in lines[30] and lines[31] == "    ... 940 more ..." and "number=970" in lines[32]
    assert "number=999" in lines[-1]


def test_showing_may_send_signals_itself() -> None:
    anything = Signal(name="anything")

    class Loud:
        def __repr__(self) -> str:
            anything.send(None)
            return "loud"

    with capture_signals(anything) as sent:
        anything.send(None, value=Loud())
        assert len(str(sent).splitlines()) == 2


def test_one_sending_shows_itself_in_a_line(sent: Captured) -> None:
    assert repr(sent[0]) == "<baked from Oven with pizza='napoli', hot=True>"
