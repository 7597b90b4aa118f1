"""Relations of every kind, in a transcript of statements, their results and the signals that they send.

`relations_transcript.txt` is what Django 5.2 says to the same statements, but for
the labels of the models and one order in which counts are listed. A statement
that raises is followed by the class of its error. After a statement come the
signals it has sent, with all arguments but those that are always the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from webframe.core import exceptions
from webframe.db import models
from webframe.db.models import signals

TRANSCRIPT = Path(__file__).with_name("relations_transcript.txt")
SIGNALS = ("pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed")


@pytest.fixture
def names(define: Any, create_tables: Any) -> dict[str, Any]:
    """What the statements know."""
    CharField, ForeignKey, ManyToMany = models.CharField, models.ForeignKey, models.ManyToManyField
    by_name = {"__str__": lambda self: self.name}
    define(
        "Author",
        name=CharField(max_length=20, unique=True),
        friends=ManyToMany("self"),
        follows=ManyToMany("self", symmetrical=False, related_name="followers"),
        boss=ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="staff"),
        Meta={"ordering": ["name"]},
        **by_name,
    )
    define(
        "Profile",
        author=models.OneToOneField("Author", on_delete=models.CASCADE),
        bio=models.TextField(),
        __str__=lambda self: self.bio,
    )
    define("Tag", name=CharField(max_length=20, primary_key=True), Meta={"ordering": ["name"]}, **by_name)
    book = define(
        "Book",
        title=CharField(max_length=20),
        author=ForeignKey("Author", on_delete=models.CASCADE, related_name="books"),
        editor=ForeignKey("Author", null=True, on_delete=models.PROTECT, related_name="edited", to_field="name"),
        tags=ManyToMany("Tag", related_name="books", related_query_name="book"),
        readers=ManyToMany("Author", through="Reading", related_name="read_books"),
        pages=models.IntegerField(default=10),
        Meta={"ordering": ["title"]},
        __str__=lambda self: self.title,
    )
    define(
        "Reading",
        book=ForeignKey("Book", on_delete=models.CASCADE),
        author=ForeignKey("Author", on_delete=models.RESTRICT),
        stars=models.IntegerField(default=3),
        Meta={"unique_together": [("book", "author")]},
        __str__=lambda self: f"{self.book_id}-{self.author_id}",
    )
    define("Novel", book, genre=CharField(max_length=10))
    define("Poem", book, Meta={"proxy": True})
    create_tables()
    named = {model.__name__: model for model in define.registry.get_models()}
    return {**vars(exceptions), "Count": models.Count, "Prefetch": models.Prefetch, **named}


def answer(code: str, names: dict[str, Any]) -> str:
    """What a statement gives, or the class of its error."""
    try:
        try:
            result = eval(code, names)
        except SyntaxError:
            exec(code, names)
            return ""
        if isinstance(result, (models.QuerySet, list)):
            result = [str(each) if isinstance(each, models.Model) else each for each in result]
    except Exception as error:
        return f"!{type(error).__name__}"
    return "" if result is None else str(result)


def line_for(name: str, sender: type[Any], arguments: dict[str, Any]) -> str:
    instance = arguments.pop("instance")
    for constant in ("raw", "using", "signal"):
        arguments.pop(constant, None)
    shown = []
    for key, value in sorted(arguments.items()):
        if isinstance(value, (set, frozenset)):
            value = sorted(map(str, value))
        elif isinstance(value, type):
            value = value.__name__
        elif key == "origin":
            value = str(value) if isinstance(value, models.Model) else type(value).__name__
        shown.append(f"{key}={value}")
    return f"    {name} {sender.__name__} {instance}: {' '.join(shown)}".rstrip(": ")


def test_the_transcript_is_true(names: dict[str, Any]) -> None:
    sent: list[str] = []

    def listen(name: str) -> Any:
        return lambda sender, **arguments: sent.append(line_for(name, sender, arguments))

    receivers = [(getattr(signals, name), listen(name)) for name in SIGNALS]
    said = []
    for signal, receiver in receivers:
        signal.connect(receiver)
    try:
        for statement in TRANSCRIPT.read_text().splitlines():
            if statement.startswith(">>> "):
                sent.clear()
                result = answer(statement[4:], names)
                said += [statement, *([result] if result else []), *sent]
    finally:
        for signal, receiver in receivers:
            signal.disconnect(receiver)
    assert said == TRANSCRIPT.read_text().splitlines()
