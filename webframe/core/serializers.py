"""Objects as text and back, under Django's names: `serialize` and `deserialize`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from io import StringIO
from typing import IO, Any

from webframe.apps.registry import Apps
from webframe.db.connections import DEFAULT_ALIAS
from webframe.db.fixtures.deserializing import DeserializedObject as DeserializedObject
from webframe.db.fixtures.deserializing import Deserializer as _Deserializer
from webframe.db.fixtures.errors import DeserializationError as DeserializationError
from webframe.db.fixtures.errors import SerializationError as SerializationError
from webframe.db.fixtures.errors import SerializerDoesNotExist as SerializerDoesNotExist
from webframe.db.fixtures.records import FORMATS, Record, check_format, read_records, write_records
from webframe.db.fixtures.selecting import sort_dependencies as sort_dependencies
from webframe.db.fixtures.serializing import Serializer as _Serializer

# Dictionaries, not text.
PYTHON = "python"


def serialize(
    format: str,
    queryset: Iterable[Any],
    *,
    stream: IO[str] | None = None,
    indent: int | None = None,
    fields: Collection[str] | None = None,
    use_natural_foreign_keys: bool = False,
    use_natural_primary_keys: bool = False,
) -> Any:
    """Objects in a format: "json" or "jsonl", a text, or "python", a list of dictionaries.

    `queryset` is any iterable of instances; a queryset's rows are taken one by
    one if you give its `iterator()`. With `stream` the text is written there, and
    None returned. `fields` are the names of those to write.
    """
    serializer = _Serializer(
        fields=fields,
        use_natural_foreign_keys=use_natural_foreign_keys,
        use_natural_primary_keys=use_natural_primary_keys,
    )
    records = serializer.records(queryset)
    if format == PYTHON:
        return list(records)
    check_format(format)
    text = StringIO()
    write: Callable[[str], object] = text.write if stream is None else stream.write
    write_records(records, write, format, indent)
    return text.getvalue() if stream is None else None


def deserialize(
    format: str,
    stream_or_string: Any,
    *,
    using: str = DEFAULT_ALIAS,
    ignorenonexistent: bool = False,
    handle_forward_references: bool = False,
    apps: Apps | None = None,
) -> Iterator[DeserializedObject]:
    """The objects of a text, a stream of it, or of dictionaries ("python"), each with a method `save`.

    They are read as they are asked for. Raises DeserializationError, which names
    the line; `ignorenonexistent` passes over models and fields that are not there.
    """
    deserializer = _Deserializer(
        using, ignorenonexistent=ignorenonexistent, handle_forward_references=handle_forward_references, apps=apps
    )
    return deserializer.objects(_records(format, stream_or_string))


def get_serializer_formats() -> list[str]:
    """The names of all formats."""
    return [PYTHON, *FORMATS]


def get_public_serializer_formats() -> list[str]:
    """The names of the formats for files."""
    return [*FORMATS]


def _records(format: str, given: Any) -> Iterator[Record]:
    if format == PYTHON:
        return (Record(data, number=number) for number, data in enumerate(given, 1))
    check_format(format)
    if isinstance(given, bytes):
        given = given.decode("utf-8-sig")
    stream = StringIO(given, newline="\n") if isinstance(given, str) else given
    return read_records(stream, format, "the text")
