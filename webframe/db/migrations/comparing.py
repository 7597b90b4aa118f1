"""Whether two fields, options or anything else in states are the same: compared by what they were made of."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from webframe.db.migrations.references import ModelKey, resolve_relation

# What needs no taking apart.
_PLAIN = frozenset({type(None), bool, int, str, bytes, type(lambda: None)})

# Attributes of a field that say nothing of what it is.
_NOT_COMPARED = frozenset({"creation_counter", "field"})


def comparable(value: Any) -> Any:
    """Something that is equal for equal values: what has a `deconstruct` is taken apart, however deep."""
    kind = type(value)
    if kind in _PLAIN or isinstance(value, type):
        return value
    if kind is float:
        # Not a number is not equal to itself.
        return value if value == value else "nan"
    if isinstance(value, (list, tuple)):
        return kind is tuple, [comparable(each) for each in value]
    if isinstance(value, dict):
        return {key: comparable(each) for key, each in value.items()}
    if isinstance(value, functools.partial):
        return comparable(value.func), comparable(value.args), comparable(value.keywords)
    deconstruct = getattr(value, "deconstruct", None)
    if deconstruct is None:
        return value
    parts = deconstruct()
    if hasattr(value, "get_attname"):
        # A field: its own name is no part of it.
        parts = parts[1:]
    return [comparable(each) for each in parts]


def definition(field: Any, key: ModelKey) -> Any:
    """What a field of the model `key` is, for comparing: without its name, its targets as keys."""
    _, path, args, keywords = field.deconstruct()
    if field.primary_key and "serialize" in keywords:
        # Files that Django has written say it of every key that it has made.
        keywords = {name: value for name, value in keywords.items() if name != "serialize"}
    if field.remote_field is not None:
        keywords = dict(keywords)
        for name in ("to", "through"):
            if name in keywords:
                keywords[name] = resolve_relation(keywords[name], *key)
    if not keywords:
        return path, comparable(args), keywords
    return path, comparable(args), {name: comparable(value) for name, value in keywords.items()}


def alike(one: Any, other: Any, key: ModelKey) -> bool:
    """Whether two fields of the model `key` are the same; quick where they are."""
    if type(one) is type(other) and _say_the_same(vars(one), vars(other)):
        return True
    return bool(definition(one, key) == definition(other, key))


def _say_the_same(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether the attributes of two fields, or of their other ends, are equal."""
    if mine.keys() != theirs.keys():
        return False
    for name, value in mine.items():
        other = theirs[name]
        if value is other or name in _NOT_COMPARED:
            continue
        if name == "remote_field":
            if type(value) is not type(other) or not _say_the_same(vars(value), vars(other)):
                return False
        elif value != other:
            return False
    return True


def shape(field: Any) -> Any:
    """What a field is, whatever it may point to."""
    _, path, args, keywords = field.deconstruct()
    kept = {name: comparable(value) for name, value in keywords.items() if name not in ("to", "through")}
    return path, comparable(args), kept
