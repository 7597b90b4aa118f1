"""Rows taken from the database as they are asked for, in the place where the query was made."""

from __future__ import annotations

from functools import partial
from typing import Any

from webframe import waiting
from webframe.db.backends.drivers.base import Link, Row
from webframe.db.errors import InterfaceError

# `base.py` is a floor above.
DatabaseWrapper = Any


class Stream:
    """Rows taken from the database as they are asked for, in the place where the query was made."""

    def __init__(self, wrapper: DatabaseWrapper, place: Any, link: Link, cursor: Any, own: bool) -> None:
        self._wrapper = wrapper
        self._place = place
        self._link = link
        self._cursor = cursor
        # Whether the connection serves this alone.
        self._own = own

    def next_rows(self, size: int) -> list[Row]:
        """Up to `size` rows, none at the end."""
        self._wrapper.refuse_on_loop()
        place = self._place
        place.guard.acquire()
        try:
            if place.link is not self._link:
                raise InterfaceError(
                    "The rest of the rows cannot be read: the transaction has ended, or the connection was given back, "
                    "while they were being iterated over. Read them all before that, without iterator()."
                )
            rows: list[Row] = self._cursor.fetchmany(size)
            return rows
        except BaseException as error:
            self._wrapper.raise_ours(error, place)
            raise
        finally:
            place.guard.release()

    def close(self) -> None:
        """End the query; where that would have to wait, it is left to the release of the connection."""
        place, link, cursor = self._place, self._link, self._cursor
        if place.link is not link:
            return
        if not place.guard.try_acquire():
            if self._own:
                # Somebody else is using what all share, and perhaps in a transaction.
                place.guard.when_free(partial(self._wrapper.discard, place))
            return
        try:
            if link.loop is not None and waiting.current_greenlet() is None:
                if self._own:
                    self._wrapper.discard(place)
            elif place.link is link:
                link.streams.discard(cursor)
                cursor.close()
        except BaseException as error:
            self._wrapper.note(error, place)
            if not isinstance(error, Exception):
                raise
        finally:
            if self._own:
                self._wrapper.give_back(place)
            place.guard.release()
