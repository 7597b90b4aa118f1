"""What stands for a default that was not given, and for one that the database has."""

from __future__ import annotations


class NotProvided:
    """No default was given; None may be one."""

    def __repr__(self) -> str:
        return "NOT_PROVIDED"

    def __copy__(self) -> NotProvided:
        return self

    def __deepcopy__(self, memo: object) -> NotProvided:
        return self

    def __reduce__(self) -> str:
        return "NOT_PROVIDED"


NOT_PROVIDED = NotProvided()


class DatabaseDefault:
    """The value of a field of a new instance for which the database has a default (`db_default`): not known yet.

    A column with this value is left out of the INSERT, and the instance gets
    what the database put there.
    """

    def __repr__(self) -> str:
        return "DATABASE_DEFAULT"

    def __copy__(self) -> DatabaseDefault:
        return self

    def __deepcopy__(self, memo: object) -> DatabaseDefault:
        return self

    def __reduce__(self) -> str:
        return "DATABASE_DEFAULT"


DATABASE_DEFAULT = DatabaseDefault()
