"""ValidationError: one text, several, or several by field."""

from __future__ import annotations

import copy
import pickle

import pytest

from webframe.core.exceptions import NON_FIELD_ERRORS, ValidationError


def test_one_text_with_parameters():
    error = ValidationError("%(size)d is too small.", code="small", params={"size": 3})
    assert error.messages == ["3 is too small."]
    assert (error.code, error.error_list) == ("small", [error])
    assert list(error) == ["3 is too small."]
    assert str(error) == "['3 is too small.']"
    assert repr(error) == "ValidationError(['3 is too small.'])"
    with pytest.raises(AttributeError):
        _ = error.message_dict


def test_a_percent_sign_without_parameters_is_itself():
    assert ValidationError("100%").messages == ["100%"]


def test_several_texts_and_errors_become_one_list():
    error = ValidationError(["a", ValidationError("b", code="x"), ValidationError({"c": ["d", "e"]})])
    assert error.messages == ["a", "b", "d", "e"]
    assert [each.code for each in error.error_list] == [None, "x", None, None]


def test_errors_by_field():
    error = ValidationError({"name": ["a", ValidationError("b")], "size": "c"})
    assert error.message_dict == {"name": ["a", "b"], "size": ["c"]}
    assert error.messages == ["a", "b", "c"]
    assert dict(error) == error.message_dict
    assert str(error) == "{'name': ['a', 'b'], 'size': ['c']}"


def test_an_error_made_of_another_is_the_same():
    for inner in (ValidationError("a", code="x"), ValidationError(["a", "b"]), ValidationError({"c": "d"})):
        assert ValidationError(inner) == inner


def test_errors_are_gathered_by_field():
    errors = {}
    ValidationError({"name": "a"}).update_error_dict(errors)
    ValidationError("b").update_error_dict(errors)
    ValidationError({"name": "c"}).update_error_dict(errors)
    assert ValidationError(errors).message_dict == {"name": ["a", "c"], NON_FIELD_ERRORS: ["b"]}


def test_errors_are_equal_if_they_say_the_same():
    assert ValidationError("a", code="x") == ValidationError("a", code="x")
    assert ValidationError("a", code="x") != ValidationError("a", code="y")
    assert ValidationError(["a", "b"]) == ValidationError(["b", "a"])
    assert ValidationError({"a": "b"}) != ValidationError({"a": "c"})
    assert len({ValidationError("a"), ValidationError("a")}) == 1


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_can_be_copied_and_pickled(again):
    error = ValidationError({"name": [ValidationError("%(n)d", code="x", params={"n": 1})]})
    assert again(error) == error
