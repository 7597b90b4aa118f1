"""override_settings and modify_settings: what they change, for how long, and what they send."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import unittest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webframe.conf import Settings, settings
from webframe.core.exceptions import ImproperlyConfigured
from webframe.test import modify_settings, override_settings
from webframe.test.signals import setting_changed


@pytest.fixture
def events():
    """What setting_changed said of settings of these tests: (setting, value, enter)."""
    seen = []

    def note(sender, setting, value, enter, **kwargs):
        if setting.startswith("SHOP"):
            assert sender is Settings
            seen.append((setting, value, enter))

    setting_changed.connect(note)
    yield seen
    setting_changed.disconnect(note)


@pytest.fixture
def connect():
    """Connect receivers to setting_changed until the end of the test."""
    connected = []

    def connect(receiver):
        setting_changed.connect(receiver)
        connected.append(receiver)
        return receiver

    yield connect
    for receiver in connected:
        setting_changed.disconnect(receiver)


# -- what is sent


def test_each_setting_is_announced_on_the_way_in_and_out(events):
    with override_settings(SHOP_NAME="Da Mario", SHOP_OVENS=2):
        assert events == [("SHOP_NAME", "Da Mario", True), ("SHOP_OVENS", 2, True)]
        events.clear()
    assert events == [("SHOP_NAME", None, False), ("SHOP_OVENS", None, False)]


def test_all_values_are_there_when_the_first_one_is_announced_and_all_are_gone_likewise(connect):
    seen = []

    @connect
    def look(setting, enter, **kwargs):
        seen.append((setting, enter, getattr(settings, "SHOP_NAME", None), getattr(settings, "SHOP_OVENS", None)))

    with override_settings(SHOP_NAME="Da Mario", SHOP_OVENS=2):
        pass
    assert seen == [
        ("SHOP_NAME", True, "Da Mario", 2),
        ("SHOP_OVENS", True, "Da Mario", 2),
        ("SHOP_NAME", False, None, None),
        ("SHOP_OVENS", False, None, None),
    ]


def test_a_value_that_stays_the_same_is_announced_too(connect):
    seen = []

    @connect
    def note(setting, value, enter, **kwargs):
        seen.append((setting, value, enter))

    with override_settings(USE_TZ=settings.USE_TZ):
        pass
    assert seen == [("USE_TZ", settings.USE_TZ, True), ("USE_TZ", settings.USE_TZ, False)]


def test_nested_overrides_announce_the_value_of_the_outer_one(events):
    with override_settings(SHOP_OVENS=1):
        with override_settings(SHOP_OVENS=2):
            assert settings.SHOP_OVENS == 2
        assert settings.SHOP_OVENS == 1
    assert events == [
        ("SHOP_OVENS", 1, True),
        ("SHOP_OVENS", 2, True),
        ("SHOP_OVENS", 1, False),
        ("SHOP_OVENS", None, False),
    ]


def test_the_way_out_is_announced_after_an_error_in_the_block(events):
    with pytest.raises(ZeroDivisionError):
        with override_settings(SHOP_OVENS=1):
            raise ZeroDivisionError
    assert events == [("SHOP_OVENS", 1, True), ("SHOP_OVENS", None, False)]
    assert "SHOP_OVENS" not in settings


def test_assigning_and_deleting_announce_nothing(events):
    with override_settings(DEBUG=True):
        settings.SHOP_OVENS = 3
        del settings.SHOP_OVENS
        settings.SHOP_NAME = "Da Mario"
    assert events == []
    assert "SHOP_NAME" not in settings


def test_a_setting_that_was_deleted_within_is_back_afterwards(events):
    with override_settings(SHOP_OVENS=1):
        with override_settings(SHOP_OVENS=2):
            del settings.SHOP_OVENS
            assert "SHOP_OVENS" not in settings
        assert settings.SHOP_OVENS == 1
    assert events[2] == ("SHOP_OVENS", 1, False)


# -- receivers that fail


def test_a_receiver_that_fails_on_the_way_in_undoes_everything(events, connect):
    @connect
    def fail(setting, enter, **kwargs):
        if setting == "SHOP_NAME" and enter:
            raise OSError("no paint for the sign")

    override = override_settings(SHOP_OVENS=1, SHOP_NAME="Da Mario", SHOP_TABLES=12)
    for _ in range(2):  # the same object can be used again
        with pytest.raises(OSError, match="no paint"):
            with override:
                raise AssertionError("not reached")
        assert [(setting, enter) for setting, _, enter in events] == [
            ("SHOP_OVENS", True),
            ("SHOP_NAME", True),
            ("SHOP_OVENS", False),
            ("SHOP_NAME", False),
            ("SHOP_TABLES", False),
        ]
        assert not any(name in settings for name in override.options)
        events.clear()
    setting_changed.disconnect(fail)
    with override:
        assert settings.SHOP_TABLES == 12


def test_the_error_of_the_way_in_wins_over_those_of_the_way_out(connect):
    @connect
    def fail(enter, **kwargs):
        raise OSError("in") if enter else ValueError("out")

    with pytest.raises(OSError, match="in"):
        with override_settings(SHOP_OVENS=1):
            raise AssertionError("not reached")


def test_every_receiver_is_called_on_the_way_out_before_the_first_error_is_raised(connect, events):
    failures = iter([OSError("first"), ValueError("second")])

    @connect
    def fail(enter, **kwargs):
        if not enter:
            raise next(failures)

    with pytest.raises(OSError, match="first"):
        with override_settings(SHOP_OVENS=1, SHOP_NAME="Da Mario"):
            events.clear()
    assert events == [("SHOP_OVENS", None, False), ("SHOP_NAME", None, False)]
    assert "SHOP_OVENS" not in settings


def test_an_error_on_the_way_out_has_the_error_of_the_block_as_its_context(connect):
    @connect
    def fail(enter, **kwargs):
        if not enter:
            raise OSError("out")

    with pytest.raises(OSError, match="out") as caught:
        with override_settings(SHOP_OVENS=1):
            raise ZeroDivisionError
    assert isinstance(caught.value.__context__, ZeroDivisionError)


def test_an_interrupt_on_the_way_in_undoes_everything_too(connect):
    @connect
    def interrupt(enter, **kwargs):
        if enter:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with override_settings(SHOP_OVENS=1):
            raise AssertionError("not reached")
    assert "SHOP_OVENS" not in settings


@given(st.lists(st.tuples(st.sampled_from(["SHOP_A", "SHOP_B"]), st.integers()), max_size=6), st.integers(0, 6))
def test_however_deep_and_wherever_it_fails_the_former_values_come_back(overrides, failing):
    def look():
        return [getattr(settings, name, None) for name in ("SHOP_A", "SHOP_B")]

    def go_on(remaining, depth):
        before = look()
        if depth == failing:
            raise OverflowError
        if remaining:
            (name, value), *rest = remaining
            try:
                with override_settings(**{name: value}):
                    assert getattr(settings, name) == value
                    go_on(rest, depth + 1)
            finally:
                assert look() == before

    with contextlib.suppress(OverflowError):
        go_on(overrides, 0)
    assert look() == [None, None]


# -- wrong use


def test_a_wrong_type_or_name_is_refused_before_anything_happens(events):
    for options in ({"DEBUG": "yes"}, {"debug": True}):
        with pytest.raises(ImproperlyConfigured):
            with override_settings(SHOP_OVENS=1, **options):
                raise AssertionError("not reached")
    assert events == []
    assert "SHOP_OVENS" not in settings


# -- decorators


def test_a_function_is_decorated_call_by_call(events):
    @override_settings(SHOP_OVENS=1)
    def bake(pizza, *, hot=True):
        """Bake a pizza."""
        return pizza, hot, settings.SHOP_OVENS

    assert events == []
    assert bake("margherita", hot=False) == ("margherita", False, 1)
    assert bake("marinara") == ("marinara", True, 1)
    assert len(events) == 4
    assert bake.__doc__ == "Bake a pizza."
    assert "SHOP_OVENS" not in settings


def test_a_function_may_call_itself():
    @override_settings(SHOP_OVENS=1)
    def bake(depth):
        return settings.SHOP_OVENS if depth == 0 else bake(depth - 1)

    assert bake(3) == 1
    assert settings.overrides_of("SHOP_OVENS") == 0


def test_a_coroutine_function_is_overridden_until_its_coroutine_ends(events):
    @override_settings(SHOP_OVENS=1)
    async def bake():
        await asyncio.sleep(0)
        return settings.SHOP_OVENS

    async def main():
        coroutine = bake()
        assert events == []
        return await coroutine, "SHOP_OVENS" in settings

    assert asyncio.iscoroutinefunction(bake)
    assert asyncio.run(main()) == (1, False)


def test_coroutines_may_overlap():
    @override_settings(SHOP_OVENS=1)
    async def bake(seconds):
        await asyncio.sleep(seconds)
        return settings.SHOP_OVENS

    async def main():
        return await asyncio.gather(bake(0.01), bake(0), bake(0.02))

    assert asyncio.run(main()) == [1, 1, 1]
    assert "SHOP_OVENS" not in settings


def test_a_generator_function_is_overridden_as_long_as_its_generator_lives(events):
    @override_settings(SHOP_OVENS=1)
    def fixture():
        received = yield settings.SHOP_OVENS
        return received

    generator = fixture()
    assert events == []
    assert next(generator) == 1
    assert settings.SHOP_OVENS == 1
    with pytest.raises(StopIteration) as stop:
        generator.send("back")
    assert stop.value.value == "back"
    assert "SHOP_OVENS" not in settings


def test_an_async_generator_function_likewise():
    @override_settings(SHOP_OVENS=1)
    async def fixture():
        yield settings.SHOP_OVENS

    async def main():
        seen = []
        async for value in fixture():
            seen.append((value, settings.SHOP_OVENS))
        left = fixture()
        await anext(left)
        await left.aclose()
        return seen

    assert asyncio.run(main()) == [(1, 1)]
    assert "SHOP_OVENS" not in settings


class Kitchen:
    @override_settings(SHOP_OVENS=1)
    def method(self):
        return type(self).__name__, settings.SHOP_OVENS

    @override_settings(SHOP_OVENS=2)
    @classmethod
    def of_the_class(cls):
        return cls.__name__, settings.SHOP_OVENS

    @override_settings(SHOP_OVENS=3)
    @staticmethod
    def of_nobody():
        return settings.SHOP_OVENS


def test_methods_of_all_kinds_can_be_decorated():
    assert Kitchen().method() == ("Kitchen", 1)
    assert Kitchen.of_the_class() == ("Kitchen", 2)
    assert Kitchen().of_nobody() == 3


@override_settings(SHOP_OVENS=5)
def test_arguments_of_decorated_tests_are_still_fixtures(tmp_path):
    assert tmp_path.exists()
    assert settings.SHOP_OVENS == 5


# -- classes


@override_settings(SHOP_OVENS=1, SHOP_NAME="outer")
@override_settings(SHOP_NAME="inner")
class TestPytestClass:
    @classmethod
    def setup_class(cls):
        cls.at_start = settings.SHOP_OVENS, settings.SHOP_NAME

    def test_settings_hold_in_tests_and_in_the_set_up(self):
        assert self.at_start == (1, "inner")
        assert (settings.SHOP_OVENS, settings.SHOP_NAME) == (1, "inner")

    @override_settings(SHOP_OVENS=2)
    def test_overrides_of_methods_are_inside_those_of_the_class(self):
        assert (settings.SHOP_OVENS, settings.SHOP_NAME) == (2, "inner")


@override_settings(SHOP_NAME="child")
class TestDecoratedSubclass(TestPytestClass):
    @classmethod
    def setup_class(cls):
        cls.before_super = settings.SHOP_OVENS, settings.SHOP_NAME
        super().setup_class()

    def test_settings_hold_in_tests_and_in_the_set_up(self):
        assert self.before_super == self.at_start == (1, "child")

    def test_overrides_of_methods_are_inside_those_of_the_class(self):
        with override_settings(SHOP_OVENS=2):
            assert (settings.SHOP_OVENS, settings.SHOP_NAME) == (2, "child")


class TestPlainSubclass(TestPytestClass):
    def test_settings_of_the_base_hold(self):
        assert settings.SHOP_OVENS == 1


@override_settings(SHOP_OVENS=1)
class TestUnittestClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.at_start = settings.SHOP_OVENS

    def test_settings_hold(self):
        assert self.at_start == settings.SHOP_OVENS == 1


@override_settings(SHOP_OVENS=2)
class TestUnittestSubclass(TestUnittestClass):
    def test_settings_hold(self):
        assert self.at_start == settings.SHOP_OVENS == 2


def run(case):
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def test_a_class_is_one_pair_of_announcements(events):
    @override_settings(SHOP_OVENS=1)
    class Case(unittest.TestCase):
        def test_one(self):
            events.append("one")

        @override_settings(SHOP_OVENS=2)
        def test_two(self):
            events.append("two")

    suite = unittest.TestSuite([unittest.defaultTestLoader.loadTestsFromTestCase(Case)])
    result = unittest.TestResult()
    suite.run(result)
    assert result.wasSuccessful()
    assert events == [
        ("SHOP_OVENS", 1, True),
        "one",
        ("SHOP_OVENS", 2, True),
        "two",
        ("SHOP_OVENS", 1, False),
        ("SHOP_OVENS", None, False),
    ]


def test_a_class_that_cannot_be_set_up_leaves_nothing_behind():
    @override_settings(SHOP_OVENS=1)
    class Case(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            raise ZeroDivisionError

        def test_one(self): ...

    assert not run(Case).wasSuccessful()
    assert "SHOP_OVENS" not in settings

    @override_settings(SHOP_OVENS=1)
    class Other:
        def setup_class(cls):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Other.setup_class()
    assert "SHOP_OVENS" not in settings


def test_hooks_of_a_class_may_take_the_class_or_nothing():
    seen = []

    @override_settings(SHOP_OVENS=1)
    class Case:
        @staticmethod
        def setup_class():
            seen.append(settings.SHOP_OVENS)

        def teardown_class(cls):
            seen.append((cls, settings.SHOP_OVENS))

    Case.setup_class()
    Case.teardown_class()
    assert seen == [1, (Case, 1)]
    assert "SHOP_OVENS" not in settings


def test_a_failing_tear_down_still_restores():
    @override_settings(SHOP_OVENS=1)
    class Case:
        def teardown_class(cls):
            raise ZeroDivisionError

    Case.setup_class()
    with pytest.raises(ZeroDivisionError):
        Case.teardown_class()
    assert "SHOP_OVENS" not in settings


# -- modify_settings


def test_lists_are_modified_and_announced_whole(events):
    with override_settings(SHOP_PIZZAS=["margherita", "marinara"]):
        events.clear()
        changes = {"append": ["napoli", "margherita"], "prepend": "funghi", "remove": "marinara"}
        with modify_settings(SHOP_PIZZAS=changes, SHOP_DRINKS={"append": "water"}):
            assert settings.SHOP_PIZZAS == ["funghi", "margherita", "napoli"]
            assert settings.SHOP_DRINKS == ["water"]
        assert settings.SHOP_PIZZAS == ["margherita", "marinara"]
    assert events[:2] == [
        ("SHOP_PIZZAS", ["funghi", "margherita", "napoli"], True),
        ("SHOP_DRINKS", ["water"], True),
    ]


def test_what_is_modified_is_what_is_there_at_the_time():
    modification = modify_settings(SHOP_PIZZAS={"append": "napoli"})
    for pizzas in (["margherita"], ["marinara"]):
        with override_settings(SHOP_PIZZAS=pizzas), modification, modification:
            assert settings.SHOP_PIZZAS == [*pizzas, "napoli"]


@modify_settings(ALLOWED_HOSTS={"prepend": ["a.example", "b.example"]})
def test_modify_settings_is_a_decorator_too():
    assert settings.ALLOWED_HOSTS[:2] == ["a.example", "b.example"]


def test_an_unknown_action_is_refused_at_once():
    with pytest.raises(ValueError, match="SHOP_PIZZAS=...* has the action 'add'; the actions are"):
        modify_settings(SHOP_PIZZAS={"add": "napoli"})


# -- importing


def test_the_door_opens_lazily():
    code = "import sys, webframe.test; print([name for name in sys.modules if name.startswith('webframe.test.')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
