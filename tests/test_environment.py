"""What the environment says about settings, and what values a setting takes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webframe.core.exceptions import ImproperlyConfigured
from webframe.environment import KINDS, Environment, from_json, is_setting_name

TEXT_OF_A_VARIABLE = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def read(kind: str, text: str):
    return Environment({}, {"NAME": KINDS[kind]}).read("NAME", text)


@given(JSON_VALUES)
def test_json_is_read_as_json(value):
    assert Environment({}, {}).read("NAME", json.dumps(value)) == value


@given(TEXT_OF_A_VARIABLE)
def test_any_text_is_read_without_an_error(text):
    for kind in KINDS:
        read(kind, text)


@given(TEXT_OF_A_VARIABLE.filter(lambda text: not text.strip().startswith('"')))
def test_a_setting_that_is_a_text_is_that_text_whatever_it_looks_like(text):
    assert read("str", text) == text


@given(st.lists(st.from_regex(r"[a-z*.]+[a-z0-9.:/-]*", fullmatch=True), min_size=1))
def test_a_list_may_be_written_with_commas(names):
    # A lone word such as `null` is JSON, but not a list: it counts as the name it is.
    assert read("list[str]", ", ".join(names)) == names
    assert read("list[str]", json.dumps(names)) == names


@pytest.mark.parametrize("text", ["1", "true", "True", "YES", "on", " true "])
def test_spellings_of_true(text):
    assert read("bool", text) is True


@pytest.mark.parametrize("text", ["0", "false", "False", "no", "OFF"])
def test_spellings_of_false(text):
    assert read("bool", text) is False


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "[" * 100_000, "9" * 10_000, "{", ""])
def test_what_is_no_json_stays_a_text(text):
    assert from_json(text) == text


def test_an_empty_variable_counts_as_not_set():
    environment = Environment({"WEBFRAME_DEBUG": "", "DATABASE_URL": "", "WEBFRAME_SETTINGS_MODULE": ""}, {})
    assert environment.names() == []
    assert environment.module is None


def test_names_that_steer_webframe_are_no_settings():
    environment = Environment({"WEBFRAME_APP": "shop:app", "WEBFRAME_SETTINGS_MODULE": "conf", "WEBFRAME_x": "1"}, {})
    assert environment.names() == []
    assert environment.module == "conf"


def test_double_underscores_reach_into_dictionaries():
    environment = Environment({"WEBFRAME_SHOP__opening__sunday": "false", "WEBFRAME_SHOP__name": "Da Mario"}, {})
    below = {"opening": {"sunday": True, "monday": True}}
    assert environment.overlay("SHOP", below) == {
        "opening": {"sunday": False, "monday": True},
        "name": "Da Mario",
    }
    assert below == {"opening": {"sunday": True, "monday": True}}


def test_reaching_into_something_that_is_no_dictionary_is_an_error_that_does_not_show_the_value():
    environment = Environment({"WEBFRAME_DATABASES__default__NAME": "x"}, {})
    with pytest.raises(ImproperlyConfigured, match="WEBFRAME_DATABASES__default__NAME.*'NAME'.*str") as caught:
        environment.overlay("DATABASES", {"default": "postgresql://user:secret@host/name"})
    assert "secret" not in str(caught.value)


def test_the_database_url_is_the_default_database_beside_others():
    environment = Environment({"DATABASE_URL": "sqlite:///a.db"}, {})
    assert environment.overlay("DATABASES", {"default": "x", "other": "y"}) == {
        "default": "sqlite:///a.db",
        "other": "y",
    }


def test_the_prefixed_variable_is_more_exact_than_the_database_url():
    environ = {"DATABASE_URL": "sqlite:///a.db", "WEBFRAME_DATABASES": '{"default": "sqlite:///b.db"}'}
    assert Environment(environ, {}).overlay("DATABASES", {}) == {"default": "sqlite:///b.db"}


def test_the_database_url_fills_the_gap_that_the_prefixed_variable_leaves():
    environ = {"DATABASE_URL": "sqlite:///a.db", "WEBFRAME_DATABASES": '{"other": "sqlite:///b.db"}'}
    assert Environment(environ, {}).overlay("DATABASES", {}) == {"default": "sqlite:///a.db", "other": "sqlite:///b.db"}


@pytest.mark.parametrize("name", ["DEBUG", "A", "X1", "MY_SETTING"])
def test_names_of_settings(name):
    assert is_setting_name(name)


@pytest.mark.parametrize("name", ["debug", "Debug", "_DEBUG", "__DEBUG__", "", "1", "A B", "A-B", "_"])
def test_other_names(name):
    assert not is_setting_name(name)
