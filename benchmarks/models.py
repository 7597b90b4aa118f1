"""Claim: what models do without a database costs little: a new instance, a chain of querysets, a signal unheard.

The baseline of every case is the same, a row by its key from `sqlite3` within a transaction: 3.3 us on the machine for
which the goals were set. There a model with ten keyword arguments may cost 1.2 us and a chain of four queryset calls
5 us, which is written here as a ratio. `plain class` is a class with an `__init__` that has ten parameters. The last
case reads a hundred rows while others listen to pre_init and post_init of another model, which is asked about once for
all the rows; its baseline reads them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from _harness import Batch, Case, Goal, loop, run
from _library import CONTENDERS, book, contenders, sqlite_files

MACHINE = 3.3

made: dict[str, Any] = {}


def peers() -> dict[str, Any]:
    """The modules of the contenders, connected so that their querysets can be made."""
    if not made:
        files = sqlite_files(list(CONTENDERS))
        made.update(contenders("sqlite", files))
        for name in ("bare", "bare again"):
            made[name].begin()
    return made


def baseline() -> dict[str, Batch]:
    found = peers()
    return {name: loop("get(7)", get=found[name].get) for name in ("bare", "bare again")}


class Plain:
    def __init__(
        self, id=None, author_id=None, title="", subtitle="", isbn="", pages=0, year=0, rating=0.0, stock=0, note=""
    ):
        self.id = id
        self.author_id = author_id
        self.title = title
        self.subtitle = subtitle
        self.isbn = isbn
        self.pages = pages
        self.year = year
        self.rating = rating
        self.stock = stock
        self.note = note


def instances() -> Mapping[str, Batch]:
    """New books with ten keyword arguments."""
    import persistence_django
    import persistence_peewee
    import persistence_sqlalchemy
    import persistence_webframe

    found = baseline()
    arguments = ", ".join(f"{name}={value!r}" for name, value in {"id": 3, **book(3)}.items())
    classes = {
        "plain class": Plain,
        "webframe": persistence_webframe.Book,
        "django": persistence_django.Book,
        "sqlalchemy orm": persistence_sqlalchemy.Book,
        "peewee": persistence_peewee.Book,
    }
    for name, model in classes.items():
        found[name] = loop(f"Book({arguments})", Book=model)
    return found


def chains() -> Mapping[str, Batch]:
    """Four calls, of which each gives another question; nobody asks it."""
    import persistence_django
    import persistence_peewee
    import persistence_sqlalchemy
    import persistence_webframe
    import sqlalchemy

    chain = "objects.filter(year=1984).exclude(stock=0).order_by('title').select_related('author')"
    found = baseline()
    found["webframe"] = loop(chain, objects=persistence_webframe.Book.objects)
    found["django"] = loop(chain, objects=persistence_django.Book.objects)
    found["sqlalchemy orm"] = loop(
        "select(B).where(B.year == 1984).where(B.stock != 0).order_by(B.title).options(joined(B.author))",
        select=sqlalchemy.select,
        B=persistence_sqlalchemy.Book,
        joined=persistence_sqlalchemy.joinedload,
    )
    found["peewee"] = loop(
        "B.select(B, A).where(B.year == 1984).where(B.stock != 0).order_by(B.title).join(A)",
        B=persistence_peewee.Book,
        A=persistence_peewee.Author,
    )
    return found


def unheard() -> Mapping[str, Batch]:
    """A hundred rows into instances, while others listen to pre_init and post_init of another model."""
    import persistence_webframe as peer

    from webframe.db.models.signals import post_init, pre_init

    def hear(**kwargs: Any) -> None: ...

    made.setdefault("keep", hear)
    contender = peers()["webframe"]
    # The baseline is here the same without anybody listening.
    found: dict[str, Batch] = {name: loop("read()", read=contender.filter_100) for name in ("bare", "bare again")}

    class Listening:
        """Others are listened to while it is timed, and only then."""

        def prepare(self, times: int) -> None:
            pre_init.connect(hear, sender=peer.Tag)
            post_init.connect(hear, sender=peer.Tag)
            contender.filter_100()

        def __call__(self, times: int) -> None:
            for _ in range(times):
                contender.filter_100()

        def finish(self) -> None:
            pre_init.disconnect(hear, sender=peer.Tag)
            post_init.disconnect(hear, sender=peer.Tag)

    found["webframe"] = Listening()
    return found


FASTER_THAN_DJANGO = Goal("webframe", "django", 1 / 4)

CASES = [
    Case("instance_of_10", instances, [Goal("webframe", "bare", 1.2 / MACHINE), FASTER_THAN_DJANGO]),
    Case("chain_of_4", chains, [Goal("webframe", "bare", 5 / MACHINE), FASTER_THAN_DJANGO]),
    Case("init_signals_of_others", unheard, [Goal("webframe", "bare", 1.05)]),
]

if __name__ == "__main__":
    run(__doc__, CASES, packages=["django", "sqlalchemy", "peewee"])
