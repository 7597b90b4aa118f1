"""What cannot be known from two states alone is asked: whether something was renamed, what goes into rows that exist.

`MigrationQuestioner` answers all questions from `defaults`; `InteractiveMigrationQuestioner`
asks somebody, through three callables, so that nothing here knows what a terminal is.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from webframe.db.migrations.errors import UnansweredQuestion
from webframe.db.models.fields.defaults import NOT_PROVIDED
from webframe.utils import timezone


class MigrationQuestioner:
    """Answers without asking anybody: what `defaults` says under the name of the question, else no."""

    def __init__(
        self,
        defaults: Mapping[str, Any] | None = None,
        specified_apps: Collection[str] | None = None,
        dry_run: bool | None = None,
    ) -> None:
        self.defaults = dict(defaults or {})
        # Labels of the apps that somebody named.
        self.specified_apps = frozenset(specified_apps or ())
        self.dry_run = dry_run

    def ask_initial(self, app_label: str) -> bool:
        """Whether an app that has no migrations yet is to have its first one."""
        return app_label in self.specified_apps or bool(self.defaults.get("ask_initial", True))

    def ask_not_null_addition(self, field_name: str, model_name: str) -> Any:
        """What existing rows get in a new field that may not be null and has no default."""
        return self.defaults.get("ask_not_null_addition")

    def ask_not_null_alteration(self, field_name: str, model_name: str) -> Any:
        """What existing rows get where a field is NULL that may not be null any more; NOT_PROVIDED: there is none."""
        return self.defaults.get("ask_not_null_alteration", NOT_PROVIDED)

    def ask_rename(self, model_name: str, old_name: str, new_name: str, field_instance: Any) -> bool:
        """Whether a field was renamed: else one was removed and another added, without its values."""
        return bool(self.defaults.get("ask_rename", False))

    def ask_rename_model(self, old_model_state: Any, new_model_state: Any) -> bool:
        """Whether a model was renamed: else one was removed, with all its rows, and another added."""
        return bool(self.defaults.get("ask_rename_model", False))

    def ask_merge(self, app_label: str) -> bool:
        """Whether branches of migrations are to be merged."""
        return bool(self.defaults.get("ask_merge", False))

    def ask_auto_now_add_addition(self, field_name: str, model_name: str) -> Any:
        """What existing rows get in a new field with auto_now_add."""
        return self.defaults.get("ask_auto_now_add_addition")

    def ask_unique_callable_default_addition(self, field_name: str, model_name: str) -> Any:
        """Asked before a unique field is added whose default is a callable: it is called once for all rows."""
        return None


class NonInteractiveMigrationQuestioner(MigrationQuestioner):
    """For where nobody can be asked: nothing was renamed, and what cannot be done without an answer raises."""

    def ask_not_null_addition(self, field_name: str, model_name: str) -> Any:
        raise UnansweredQuestion(
            f"The field {field_name!r} of {model_name} is new and may not be null, and nothing says what existing rows "
            f"get. Give it a default (or null=True), or run the command where it can ask."
        )

    def ask_not_null_alteration(self, field_name: str, model_name: str) -> Any:
        return NOT_PROVIDED

    def ask_auto_now_add_addition(self, field_name: str, model_name: str) -> Any:
        return timezone.now


class InteractiveMigrationQuestioner(MigrationQuestioner):
    """Asks somebody, by way of callables.

    `confirm(question, default)` returns yes or no; `choose(question, choices)` the
    number of the answer, from 1; `read(prompt)` a line of text; `write(text)`
    shows something. Raises `UnansweredQuestion` where the answer is to give up.
    """

    def __init__(
        self,
        defaults: Mapping[str, Any] | None = None,
        specified_apps: Collection[str] | None = None,
        dry_run: bool | None = None,
        *,
        confirm: Callable[[str, bool], bool],
        choose: Callable[[str, Sequence[str]], int],
        read: Callable[[str], str],
        write: Callable[[str], object],
    ) -> None:
        super().__init__(defaults, specified_apps, dry_run)
        self._confirm = confirm
        self._choose = choose
        self._read = read
        self._write = write

    def ask_not_null_addition(self, field_name: str, model_name: str) -> Any:
        if self.dry_run:
            return None
        choice = self._choose(
            f"The field {field_name!r} of {model_name} is new and may not be null, so existing rows need a value, and "
            f"it has no default.",
            ["Give a value for existing rows now, once", "Stop, and give the field a default in the models"],
        )
        if choice == 2:
            raise UnansweredQuestion(f"Give the field {field_name!r} of {model_name} a default, then try again.")
        return self._ask_default()

    def ask_not_null_alteration(self, field_name: str, model_name: str) -> Any:
        if self.dry_run:
            return NOT_PROVIDED
        choice = self._choose(
            f"The field {field_name!r} of {model_name} may not be null any more, so rows where it is NULL need a "
            f"value, and it has no default.",
            [
                "Give a value for existing rows now, once",
                "Go on: there are no such rows, or a RunPython or RunSQL operation before takes care of them",
                "Stop, and give the field a default in the models",
            ],
        )
        if choice == 2:
            return NOT_PROVIDED
        if choice == 3:
            raise UnansweredQuestion(f"Give the field {field_name!r} of {model_name} a default, then try again.")
        return self._ask_default()

    def ask_rename(self, model_name: str, old_name: str, new_name: str, field_instance: Any) -> bool:
        kind = type(field_instance).__name__
        return self._confirm(f"Was {model_name}.{old_name} renamed to {model_name}.{new_name} (a {kind})?", False)

    def ask_rename_model(self, old_model_state: Any, new_model_state: Any) -> bool:
        old = f"{old_model_state.app_label}.{old_model_state.name}"
        return self._confirm(f"Was the model {old} renamed to {new_model_state.name}?", False)

    def ask_merge(self, app_label: str) -> bool:
        return self._confirm(
            f"Merging works only if the operations above do not depend on each other's order.\n"
            f"Merge these branches of {app_label}?",
            False,
        )

    def ask_auto_now_add_addition(self, field_name: str, model_name: str) -> Any:
        if self.dry_run:
            return timezone.now
        choice = self._choose(
            f"The field {field_name!r} of {model_name} is new and has auto_now_add, so existing rows need a value.",
            ["Give a value for existing rows now, once", "Stop, and change the field in the models"],
        )
        if choice == 2:
            raise UnansweredQuestion(f"Change the field {field_name!r} of {model_name}, then try again.")
        return self._ask_default("timezone.now")

    def ask_unique_callable_default_addition(self, field_name: str, model_name: str) -> Any:
        if not self.dry_run:
            choice = self._choose(
                f"The field {field_name!r} of {model_name} is new, unique, and has a callable for a default, which is "
                f"called once: existing rows would all get the same value.",
                ["Go on: there is one row at the most, or the migration will be edited", "Stop"],
            )
            if choice == 2:
                raise UnansweredQuestion(
                    f"Add the field {field_name!r} of {model_name} with null=True, fill it with RunPython, then make "
                    f"it unique."
                )
        return None

    def _ask_default(self, default: str = "") -> Any:
        """A value, as an expression of Python, asked for until there is one."""
        self._write(
            "Enter the value as Python. The modules datetime and timezone can be used: timezone.now is a value. "
            "'exit' stops." + (f" Enter alone: {default}." if default else "")
        )
        while True:
            code = self._read(">>> ").strip() or default
            if code in ("exit", "exit()", "quit", "quit()"):
                raise UnansweredQuestion("Nothing was written, since a question was left open.")
            if not code:
                self._write("Enter a value, or 'exit'.")
                continue
            try:
                return eval(code, {"datetime": datetime, "timezone": timezone})  # what its user types
            except Exception as error:
                self._write(f"{type(error).__name__}: {error}")
