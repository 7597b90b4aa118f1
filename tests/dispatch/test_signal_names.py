"""Signals know what they are called, where they were made and what they are for."""

from __future__ import annotations

import doctest
import gc
import types

import pytest

from webframe import dispatch
from webframe.dispatch import Signal, all_signals

pizza_done = Signal()
oven_hot = Signal(doc="Sent when the oven is hot.")


class Kitchen:
    closed = Signal()
    alias = pizza_done


class NamedSignal(Signal):
    def __init__(self):
        super().__init__()


class Subclassed(NamedSignal):
    pass


in_a_subclass = Subclassed()


@Signal.define
def order_taken(sender: type, *, table: int, guests: int = 2) -> None:
    """Sent when an order has been taken."""


def test_a_signal_finds_the_attribute_that_holds_it():
    assert pizza_done.name == "pizza_done"
    assert pizza_done.module == __name__
    assert repr(pizza_done) == f"<Signal {__name__}.pizza_done>"
    assert (in_a_subclass.module, in_a_subclass.name) == (__name__, "in_a_subclass")
    assert repr(in_a_subclass) == f"<Subclassed {__name__}.in_a_subclass>"


def test_a_signal_in_a_class_has_the_name_of_the_class_too():
    assert Kitchen.closed.name == "Kitchen.closed"


def test_a_signal_nobody_holds_by_name_says_so_until_somebody_does():
    module = types.ModuleType("somewhere")
    exec("from webframe.dispatch import Signal\nkept = [Signal()]", module.__dict__)
    (signal,) = module.kept
    assert signal.module == "somewhere"
    assert signal.name == "(unnamed)"
    local = Signal()
    assert local.name == "(unnamed)"
    globals()["late"] = local
    try:
        assert local.name == "late"
    finally:
        del globals()["late"]


def test_a_name_and_a_text_may_be_given():
    signal = Signal(name="given", doc="Says what it is.")
    assert (signal.name, signal.__doc__) == ("given", "Says what it is.")
    assert oven_hot.__doc__ == "Sent when the oven is hot."
    assert pizza_done.__doc__ is None


def test_a_defined_signal_has_the_name_and_text_of_its_function():
    assert order_taken.name == "order_taken"
    assert order_taken.module == __name__
    assert order_taken.__doc__ == "Sent when an order has been taken."
    assert isinstance(order_taken, Signal)


def test_a_defined_signal_is_of_the_class_that_defines_it():
    class Special(Signal):
        pass

    @Special.define
    def special(sender): ...

    assert type(special) is Special


@pytest.mark.parametrize(
    "function",
    [
        lambda: None,
        lambda instance: None,
        lambda sender, instance: None,
        lambda sender, /, *, instance: None,
        lambda *, sender: None,
        lambda sender, *, signal: None,
        lambda *sender: None,
    ],
)
def test_a_function_that_says_something_else_defines_no_signal(function):
    with pytest.raises(TypeError, match="cannot define a signal.*'sender'"):
        Signal.define(function)


def test_every_signal_that_exists_is_listed_by_module_and_name():
    signals = all_signals()
    keys = [(signal.module, signal.name) for signal in signals]
    assert keys == sorted(keys)
    mine = [signal for signal in signals if signal.module == __name__]
    assert {pizza_done, oven_hot, Kitchen.closed, order_taken, in_a_subclass} <= set(mine)


def test_a_signal_that_is_gone_is_not_listed():
    Signal(name="short-lived")
    gc.collect()
    assert "short-lived" not in [signal.name for signal in all_signals()]


def test_the_examples_in_the_docstrings_are_true():
    failed, tried = doctest.testmod(dispatch)
    assert tried and not failed
