"""Enumerations of choices: members are values with labels."""

from __future__ import annotations

import enum
import pickle

import pytest

from webframe.db.models import Choices, IntegerChoices, TextChoices


class Size(TextChoices):
    SMALL = "S", "for one"
    LARGE = "L"
    EXTRA_LARGE = enum.auto()


class Rating(IntegerChoices):
    BAD = 1, "bad"
    GOOD = 2

    __empty__ = "(none)"


class Point(complex, Choices):
    ORIGIN = 0j, "the origin"
    UNIT = 1, 0, "the unit"


def test_members_are_their_values():
    assert Size.SMALL == "S"
    assert Rating.GOOD + 1 == 3
    assert Size("S") is Size.SMALL
    assert str(Size.SMALL) == f"{Size.SMALL}" == "S"
    assert Point.UNIT == 1 + 0j


def test_labels_are_given_or_made_from_names():
    assert Size.SMALL.label == "for one"
    assert Size.LARGE.label == "Large"
    assert Size.EXTRA_LARGE.label == "Extra Large"
    assert Size.EXTRA_LARGE.value == "EXTRA_LARGE"


def test_the_class_lists_choices_labels_values_and_names():
    assert Size.choices == [("S", "for one"), ("L", "Large"), ("EXTRA_LARGE", "Extra Large")]
    assert Size.labels == ["for one", "Large", "Extra Large"]
    assert Size.values == ["S", "L", "EXTRA_LARGE"]
    assert Size.names == ["SMALL", "LARGE", "EXTRA_LARGE"]


def test_a_label_for_no_choice_comes_first():
    assert Rating.choices == [(None, "(none)"), (1, "bad"), (2, "Good")]
    assert Rating.values == [None, 1, 2]
    assert Rating.names == ["__empty__", "BAD", "GOOD"]
    assert list(Rating) == [Rating.BAD, Rating.GOOD]


def test_values_and_members_are_in_the_class():
    assert "S" in Size
    assert Size.SMALL in Size
    assert "X" not in Size
    assert 1 in Rating


def test_values_must_be_unique():
    with pytest.raises(ValueError, match="duplicate"):

        class Twice(TextChoices):
            ONE = "1"
            OTHER = "1"


def test_members_can_be_pickled():
    assert pickle.loads(pickle.dumps(Size.SMALL)) is Size.SMALL
