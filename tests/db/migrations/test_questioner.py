"""What is asked, and what comes of the answers."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import pytest

from webframe.db import models
from webframe.db.migrations.errors import UnansweredQuestion
from webframe.db.migrations.model_state import ModelState
from webframe.db.migrations.questioner import (
    InteractiveMigrationQuestioner,
    MigrationQuestioner,
    NonInteractiveMigrationQuestioner,
)
from webframe.db.models.fields.defaults import NOT_PROVIDED
from webframe.utils import timezone


class Somebody:
    """Gives the answers that it was told, in order, and notes what it was asked and shown."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.heard: list[str] = []

    def confirm(self, question: str, default: bool) -> bool:
        self.heard.append(question)
        return bool(self.answers.pop(0))

    def choose(self, question: str, choices: Sequence[str]) -> int:
        self.heard.append(question)
        answer: int = self.answers.pop(0)
        assert 1 <= answer <= len(choices)
        return answer

    def read(self, prompt: str) -> str:
        answer: str = self.answers.pop(0)
        return answer

    def write(self, text: str) -> None:
        self.heard.append(text)


def asking(*answers: Any, **options: Any) -> tuple[InteractiveMigrationQuestioner, Somebody]:
    somebody = Somebody(*answers)
    questioner = InteractiveMigrationQuestioner(
        **options, confirm=somebody.confirm, choose=somebody.choose, read=somebody.read, write=somebody.write
    )
    return questioner, somebody


def test_renames_are_asked_about_in_words() -> None:
    questioner, somebody = asking(True, False)
    assert questioner.ask_rename("Pizza", "name", "title", models.CharField(max_length=3))
    old, new = (ModelState("shop", name, {}) for name in ("Pizza", "Pie"))
    assert not questioner.ask_rename_model(old, new)
    assert somebody.heard == [
        "Was Pizza.name renamed to Pizza.title (a CharField)?",
        "Was the model shop.Pizza renamed to Pie?",
    ]


def test_a_value_for_existing_rows_is_an_expression() -> None:
    assert asking(1, "1 + 1")[0].ask_not_null_addition("size", "Pizza") == 2
    assert asking(1, "datetime.date(2020, 1, 2)")[0].ask_not_null_addition("day", "Pizza") == datetime.date(2020, 1, 2)
    assert asking(1, "timezone.now")[0].ask_not_null_addition("made", "Pizza") is timezone.now


def test_what_is_no_expression_is_asked_for_again() -> None:
    questioner, somebody = asking(1, "", "1 +", "nothing", "'ham'")
    assert questioner.ask_not_null_addition("name", "Pizza") == "ham"
    assert [line.split(":")[0] for line in somebody.heard[2:]] == [
        "Enter a value, or 'exit'.",
        "SyntaxError",
        "NameError",
    ]


@pytest.mark.parametrize("answers", [(2,), (1, "exit")])
def test_whoever_stops_gets_nothing_written(answers: Any) -> None:
    with pytest.raises(UnansweredQuestion):
        asking(*answers)[0].ask_not_null_addition("size", "Pizza")


def test_a_field_that_may_not_be_null_any_more() -> None:
    assert asking(1, "3")[0].ask_not_null_alteration("size", "Pizza") == 3
    assert asking(2)[0].ask_not_null_alteration("size", "Pizza") is NOT_PROVIDED
    with pytest.raises(UnansweredQuestion, match="default"):
        asking(3)[0].ask_not_null_alteration("size", "Pizza")


def test_now_is_the_value_of_a_moment_of_creation_unless_another_is_given() -> None:
    assert asking(1, "")[0].ask_auto_now_add_addition("made", "Pizza") is timezone.now
    assert asking(1, "3")[0].ask_auto_now_add_addition("made", "Pizza") == 3
    with pytest.raises(UnansweredQuestion):
        asking(2)[0].ask_auto_now_add_addition("made", "Pizza")


def test_a_callable_default_of_a_unique_field_can_be_thought_over() -> None:
    assert asking(1)[0].ask_unique_callable_default_addition("code", "Pizza") is None
    with pytest.raises(UnansweredQuestion, match="null=True"):
        asking(2)[0].ask_unique_callable_default_addition("code", "Pizza")


def test_merging_is_asked_about() -> None:
    assert asking(True)[0].ask_merge("shop") is True


def test_a_dry_run_asks_for_no_values() -> None:
    questioner, somebody = asking(dry_run=True)
    assert questioner.ask_not_null_addition("size", "Pizza") is None
    assert questioner.ask_not_null_alteration("size", "Pizza") is NOT_PROVIDED
    assert questioner.ask_auto_now_add_addition("made", "Pizza") is timezone.now
    questioner.ask_unique_callable_default_addition("code", "Pizza")
    assert somebody.heard == []


def test_without_anybody_to_ask_nothing_was_renamed_and_a_value_is_missed() -> None:
    nobody = NonInteractiveMigrationQuestioner()
    assert not nobody.ask_rename("Pizza", "name", "title", models.CharField(max_length=3))
    assert nobody.ask_not_null_alteration("size", "Pizza") is NOT_PROVIDED
    assert nobody.ask_auto_now_add_addition("made", "Pizza") is timezone.now
    with pytest.raises(UnansweredQuestion, match="The field 'size' of Pizza is new and may not be null"):
        nobody.ask_not_null_addition("size", "Pizza")


def test_answers_can_be_given_in_advance() -> None:
    ready = MigrationQuestioner({"ask_not_null_addition": 3, "ask_rename": True, "ask_initial": False}, ["shop"])
    assert ready.ask_not_null_addition("size", "Pizza") == 3
    assert ready.ask_rename("Pizza", "name", "title", None)
    assert ready.ask_initial("shop")
    assert not ready.ask_initial("other")
    assert MigrationQuestioner().ask_initial("other")
