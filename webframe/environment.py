"""What the environment says about settings, and what values a setting takes.

Knows how a text becomes a value, not which settings exist: `conf.py` hands in
the kind of each of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from webframe.core.exceptions import ImproperlyConfigured

PREFIX = "WEBFRAME_"
# Names with the prefix that steer webframe itself and are no settings.
RESERVED = frozenset({"APP", "SETTINGS_MODULE"})


class Kind:
    """What values a setting takes."""

    def __init__(
        self,
        words: str,
        accepts: Callable[[Any], bool],
        read: Callable[[str, Any], Any] = lambda text, value: value,
    ) -> None:
        # How an error message puts it.
        self.words = words
        self.accepts = accepts
        # The value that a text of the environment means; the second argument is the same text read as JSON.
        self.read = read


class Environment:
    """The settings that the environment gives, read once."""

    def __init__(self, environ: Mapping[str, str], kinds: Mapping[str, Kind]) -> None:
        self.kinds = kinds
        # The settings module that the environment names.
        self.module: str | None = environ.get(f"{PREFIX}SETTINGS_MODULE") or None
        # Setting -> its variable and the text of it.
        self.texts: dict[str, tuple[str, str]] = {}
        # Setting -> for each variable with double underscores: the variable, the keys it reaches through, the text.
        self.parts: dict[str, list[tuple[str, list[str], str]]] = {}
        # What other tools call by these names is known without the prefix, and taken as it stands.
        self.database_url = environ.get("DATABASE_URL", "")
        self.secret_key = environ.get("SECRET_KEY", "")
        for variable, text in environ.items():
            if variable.startswith(PREFIX) and text:
                self._note(variable, text)

    def _note(self, variable: str, text: str) -> None:
        name, *keys = variable.removeprefix(PREFIX).split("__")
        if not is_setting_name(name) or name in RESERVED:
            return
        if keys:
            self.parts.setdefault(name, []).append((variable, keys, text))
        else:
            self.texts[name] = variable, text

    def names(self) -> list[str]:
        """Names of the settings that the environment gives, wholly or in part."""
        unprefixed = {"DATABASES": self.database_url, "SECRET_KEY": self.secret_key}
        return list(dict.fromkeys([*self.texts, *self.parts, *(name for name, text in unprefixed.items() if text)]))

    def source(self, name: str) -> str:
        """Where the environment's value of a setting comes from, to begin an error message with."""
        variables = [self.texts[name][0]] if name in self.texts else []
        variables += [variable for variable, _, _ in self.parts.get(name, ())]
        if not variables:
            variables = ["DATABASE_URL" if name == "DATABASES" else name]
        return f"The environment variable {' with '.join(variables)}"

    def variable_of(self, name: str, key: str) -> str | None:
        """The variable that gives a setting the entry `key`, where that is a dictionary; None if none does."""
        for variable, keys, _ in self.parts.get(name, ()):
            if keys[0] == key:
                return variable
        if name in self.texts:
            variable, text = self.texts[name]
            value = self.read(name, text)
            if isinstance(value, dict) and key in value:
                return variable
        return "DATABASE_URL" if name == "DATABASES" and key == "default" and self.database_url else None

    def overlay(self, name: str, value: Any) -> Any:
        """The value that results when the environment is laid over `value`, which comes from the layers below."""
        if name in self.texts:
            value = self.read(name, self.texts[name][1])
        elif name == "SECRET_KEY" and self.secret_key:
            value = self.secret_key
        if name == "DATABASES" and self.database_url and isinstance(value, dict):
            # The variable with the prefix is the more exact one, so its "default" holds.
            value = {**value, "default": self.database_url, **(value if name in self.texts else {})}
        for variable, keys, text in self.parts.get(name, ()):
            value = _with_part(value, keys, text, variable)
        return value

    def read(self, name: str, text: str) -> Any:
        """The value that a text gives a setting."""
        value = from_json(text)
        return self.kinds[name].read(text, value) if name in self.kinds else value


def _with_part(value: Any, keys: list[str], text: str, variable: str) -> dict[str, Any]:
    """A copy of the dictionary `value` in which the entry that `keys` lead to is what `text` says."""
    if not isinstance(value, dict):
        raise ImproperlyConfigured(
            f"The environment variable {variable} reaches for {keys[0]!r} in a dictionary, but what is there is "
            f"a value of type {type(value).__name__}. Give the whole value in one variable."
        )
    key, *rest = keys
    if rest:
        return {**value, key: _with_part(value.get(key, {}), rest, text, variable)}
    return {**value, key: from_json(text)}


def from_json(text: str) -> Any:
    """A text read as JSON where it parses, else the text itself. NaN and Infinity are texts."""
    import json

    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON.")


def is_setting_name(name: str) -> bool:
    """Whether a name can be that of a setting: upper case, not private."""
    return name.isupper() and name.isidentifier() and not name.startswith("_")


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")


def _is_list_of(value: Any, types: type | tuple[type, ...]) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, types) for item in value)


def _read_bool(text: str, value: Any) -> Any:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return words.get(text.strip().lower(), value)


def _read_text(text: str, value: Any) -> Any:
    return value if isinstance(value, str) else text


def _read_list(text: str, value: Any) -> Any:
    return value if isinstance(value, list) else [part.strip() for part in text.split(",") if part.strip()]


# By annotation.
KINDS = {
    "bool": Kind("True or False", lambda value: isinstance(value, bool), _read_bool),
    "int": Kind("a whole number, zero or more", _is_whole_number),
    "float": Kind("a number of seconds, zero or more", _is_number),
    "str": Kind("a text", lambda value: isinstance(value, str), _read_text),
    "list[str]": Kind("a list of texts", lambda value: _is_list_of(value, str), _read_list),
    "list[Any]": Kind("a list", lambda value: isinstance(value, (list, tuple)), _read_list),
    "list[str | os.PathLike[str]]": Kind(
        "a list of paths", lambda value: _is_list_of(value, (str, os.PathLike)), _read_list
    ),
    "dict[str, Any]": Kind("a dictionary", lambda value: isinstance(value, dict)),
}
