"""What an instance knows of the database: where it came from, and whether it is there.

Most instances never are asked, so that most have no `ModelState`: one that came
with a row has only the alias, under ``_db`` in its dictionary, and a new one
has neither.
"""

from __future__ import annotations

from typing import Any


class Deferred:
    """In place of a value: this field was not loaded."""

    def __repr__(self) -> str:
        return "<Deferred field>"

    def __reduce__(self) -> str:
        return "DEFERRED"


DEFERRED = Deferred()


class ModelState:
    """`_state` of an instance: `db`, the alias it was last loaded from or saved to, and `adding`, whether it is new."""

    def __init__(self, db: str | None = None, adding: bool = True) -> None:
        self.db = db
        # True until it is saved: save() then inserts a row. Validation asks it, too.
        self.adding = adding

    def __repr__(self) -> str:
        return f"<ModelState db={self.db!r} adding={self.adding!r}>"

    @property
    def fields_cache(self) -> dict[str, Any]:
        """Django keeps related objects here; we do not."""
        raise AttributeError("Related objects are not kept in _state: use field.get_cached_value(instance).")


class StateDescriptor:
    """Makes the `_state` of an instance when somebody asks for it."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        attributes = instance.__dict__
        alias = attributes.pop("_db", None)
        state = attributes["_state"] = ModelState(alias, adding=alias is None)
        return state


def state_db(instance: Any) -> str | None:
    """`instance._state.db`, without making a state."""
    attributes = instance.__dict__
    alias: str | None = attributes.get("_db")
    if alias is None:
        state = attributes.get("_state")
        if state is not None:
            alias = state.db
    return alias


def is_adding(instance: Any) -> bool:
    """`instance._state.adding`, without making a state."""
    attributes = instance.__dict__
    if "_db" in attributes:
        return False
    state = attributes.get("_state")
    return state is None or bool(state.adding)


def mark_saved(instance: Any, alias: str) -> None:
    """Set `_state.db` and `_state.adding` of an instance that has a row there."""
    attributes = instance.__dict__
    state = attributes.get("_state")
    if state is None:
        attributes["_db"] = alias
    else:
        state.db = alias
        state.adding = False
