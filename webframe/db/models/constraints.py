"""UniqueConstraint and CheckConstraint: what must hold for the rows of a table.

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "day"], name="one_order_a_day"),
            models.CheckConstraint(condition=Q(price__gte=0), name="%(class)s_price"),
        ]

They are data; `webframe.db.definitions` makes DDL of them. `validate` finds out
before saving whether an instance keeps them; `full_clean` calls it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldDoesNotExist, ValidationError
from webframe.db.connections import connections
from webframe.db.models.conditions import Q
from webframe.db.models.expressions import F, OrderBy
from webframe.db.models.fields.base import DATABASE_DEFAULT
from webframe.db.models.indexes import check_name, named_for, path_of
from webframe.db.models.rows import row_of_instance

if TYPE_CHECKING:
    import sqlalchemy

    from webframe.db.models.compiler import plans
else:
    plans = LateModule("webframe.db.models.compiler.plans")
    sqlalchemy = LateModule("sqlalchemy")

__all__ = ["BaseConstraint", "CheckConstraint", "Deferrable", "UniqueConstraint"]

DEFAULT_ALIAS = "default"


class Deferrable(Enum):
    """When a constraint that may wait for the end of the transaction does so."""

    # At the end, unless the transaction says otherwise.
    DEFERRED = "deferred"
    # After each statement, unless the transaction says otherwise.
    IMMEDIATE = "immediate"


class BaseConstraint:
    """What all constraints have: a name, and what is said when one is violated.

    In `name`, "%(app_label)s" and "%(class)s" stand for those of the model that
    has the constraint, so that an abstract model can give it to its children.
    """

    default_violation_error_message = "Constraint “%(name)s” is violated."
    violation_error_code: str | None = None

    def __init__(
        self, *, name: str, violation_error_code: str | None = None, violation_error_message: str | None = None
    ) -> None:
        if not name:
            raise ValueError(f"A {type(self).__name__} needs a `name`.")
        check_name(type(self).__name__, name)
        self.name = name
        self.violation_error_code = violation_error_code
        self.violation_error_message = violation_error_message or self.default_violation_error_message

    @property
    def contains_expressions(self) -> bool:
        """Whether it is over expressions rather than fields."""
        return False

    def validate(
        self, model: Any, instance: Any, exclude: Collection[str] | None = None, using: str = DEFAULT_ALIAS
    ) -> None:
        """Raise `ValidationError` if the instance, saved as it is, would violate the constraint.

        A constraint that names a field in `exclude` is passed over.
        """
        raise NotImplementedError(f"{type(self).__name__} must define validate(model, instance, exclude, using).")

    def get_violation_error_message(self) -> str:
        """What is said when it is violated, with its name filled in."""
        return self.violation_error_message % {"name": self.name}

    def violation(self) -> ValidationError:
        """The error that says so."""
        return ValidationError(self.get_violation_error_message(), code=self.violation_error_code)

    def clone(self) -> BaseConstraint:
        """An equal copy."""
        _, args, kwargs = self.deconstruct()
        return type(self)(*args, **kwargs)

    def clone_for(self, app_label: str, class_name: str) -> BaseConstraint:
        """A copy for a model that has or inherits it, "%(app_label)s" and "%(class)s" in its name replaced."""
        _, args, kwargs = self.deconstruct()
        return type(self)(*args, **{**kwargs, "name": named_for(self.name, app_label, class_name)})

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Its import path, and the arguments that make an equal one."""
        kwargs: dict[str, Any] = {"name": self.name}
        if self.violation_error_code is not None:
            kwargs["violation_error_code"] = self.violation_error_code
        if self.violation_error_message != self.default_violation_error_message:
            kwargs["violation_error_message"] = self.violation_error_message
        return path_of(self, BaseConstraint), (), kwargs

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseConstraint):
            return NotImplemented
        return type(self) is type(other) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        _, args, kwargs = self.deconstruct()
        parts = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
        return f"<{type(self).__name__}: {', '.join(parts)}>"


class CheckConstraint(BaseConstraint):
    """A condition that must not be false for any row. It can name fields of the model's own table only."""

    def __init__(
        self,
        *,
        condition: Any,
        name: str,
        violation_error_code: str | None = None,
        violation_error_message: str | None = None,
    ) -> None:
        if not getattr(condition, "conditional", False):
            raise TypeError(
                f"CheckConstraint.condition must be a Q or an expression with boolean values, not {condition!r}."
            )
        self.condition = condition
        super().__init__(
            name=name, violation_error_code=violation_error_code, violation_error_message=violation_error_message
        )

    def validate(
        self, model: Any, instance: Any, exclude: Collection[str] | None = None, using: str = DEFAULT_ALIAS
    ) -> None:
        """See `BaseConstraint.validate`; the database is asked, without touching a table."""
        if _cannot_be_told(model, instance, _names_in(self.condition), exclude):
            return
        row = row_of_instance(instance, model, connections[using])
        if _is_false(row.condition(self.condition), using):
            raise self.violation()

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "condition": self.condition}


class UniqueConstraint(BaseConstraint):
    """No two rows have the same values in these fields, or the same values of these expressions.

    `condition`: only among rows for which it holds. `deferrable`: checked at the
    end of the transaction (PostgreSQL). `nulls_distinct=False`: NULL counts as
    equal to NULL (PostgreSQL 15). `include`: fields stored in the index beside
    (PostgreSQL). Where an engine cannot do what is asked, creating the
    constraint raises `NotSupportedError`.
    """

    def __init__(
        self,
        *expressions: Any,
        fields: Sequence[str] = (),
        name: str | None = None,
        condition: Q | None = None,
        deferrable: Deferrable | None = None,
        include: Sequence[str] | None = None,
        nulls_distinct: bool | None = None,
        violation_error_code: str | None = None,
        violation_error_message: str | None = None,
    ) -> None:
        if not name:
            raise ValueError("A UniqueConstraint needs a `name`.")
        if isinstance(fields, str):
            raise ValueError(f"UniqueConstraint.fields must be a list or tuple of names of fields, not {fields!r}.")
        if not expressions and not fields:
            raise ValueError("A UniqueConstraint needs `fields` or expressions.")
        if expressions and fields:
            raise ValueError("UniqueConstraint takes `fields` or expressions, not both.")
        if condition is not None and not isinstance(condition, Q):
            raise ValueError(f"UniqueConstraint.condition must be a Q, not {condition!r}.")
        if deferrable is not None and not isinstance(deferrable, Deferrable):
            raise TypeError(f"UniqueConstraint.deferrable must be a Deferrable, not {deferrable!r}.")
        if deferrable and (condition is not None or expressions or include):
            raise ValueError("A UniqueConstraint with a condition, expressions or `include` cannot be deferred.")
        self.fields = tuple(fields)
        self.expressions = tuple(expressions)
        self.condition = condition
        self.deferrable = deferrable
        self.include = tuple(include or ())
        self.nulls_distinct = nulls_distinct
        super().__init__(
            name=name, violation_error_code=violation_error_code, violation_error_message=violation_error_message
        )

    @property
    def contains_expressions(self) -> bool:
        return bool(self.expressions)

    def validate(
        self, model: Any, instance: Any, exclude: Collection[str] | None = None, using: str = DEFAULT_ALIAS
    ) -> None:
        """See `BaseConstraint.validate`; the database is asked for another row with the same values."""
        if _cannot_be_told(model, instance, self._names(), exclude):
            return
        found = self._matching(model, instance, using)
        if found is None:
            return
        if self.condition is not None:
            row = row_of_instance(instance, model, connections[using])
            if not _is_true(row.condition(self.condition), using):
                return
            found = found.filter(self.condition)
        if not instance._state.adding and instance.pk is not None:
            found = found.exclude(pk=instance.pk)
        if not found.exists():
            return
        plain = self.violation_error_message == self.default_violation_error_message
        if self.fields and self.condition is None and plain and self.violation_error_code is None:
            raise instance.unique_error_message(model, self.fields)
        raise self.violation()

    def _names(self) -> Iterable[str]:
        yield from self.fields
        for expression in self.expressions:
            yield from [expression] if isinstance(expression, str) else expression.references()
        if self.condition is not None:
            yield from _names_in(self.condition)

    def _matching(self, model: Any, instance: Any, using: str) -> Any:
        """The rows with the same values; None where NULL makes every row different."""
        rows = model._default_manager.using(using)
        if self.expressions:
            return self._matching_expressions(rows, model, instance, using)
        conditions = {}
        for name in self.fields:
            field = model._meta.get_field(name)
            value = getattr(instance, field.attname)
            if value is None and self.nulls_distinct is not False:
                return None
            if value is None:
                conditions[f"{field.attname}__isnull"] = True
            else:
                conditions[field.attname] = value
        return rows.filter(**conditions)

    def _matching_expressions(self, rows: Any, model: Any, instance: Any, using: str) -> Any:
        row = row_of_instance(instance, model, connections[using])
        for number, given in enumerate(self.expressions):
            expression = F(given) if isinstance(given, str) else given
            if isinstance(expression, OrderBy):
                expression = expression.expression
            element = row.build(expression).element
            if self.nulls_distinct is not False and not _is_false(element.is_(None), using):
                return None
            rows = rows.alias(**{f"unique_{number}": expression})
            rows = rows.filter(**{f"unique_{number}": _value(element, using)})
        return rows

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        path, _, kwargs = super().deconstruct()
        if self.fields:
            kwargs["fields"] = self.fields
        for name in ("condition", "deferrable", "nulls_distinct"):
            if getattr(self, name) is not None:
                kwargs[name] = getattr(self, name)
        if self.include:
            kwargs["include"] = self.include
        return path, self.expressions, kwargs


def _names_in(condition: Any) -> Iterable[str]:
    """Every name in a Q or an expression; those in a Q with their look-ups."""
    if not isinstance(condition, Q):
        yield from condition.references()
        return
    for leaf in condition.leaves():
        if isinstance(leaf, tuple):
            yield leaf[0]
            if hasattr(leaf[1], "references"):
                yield from leaf[1].references()
        else:
            yield from leaf.references()


def _cannot_be_told(model: Any, instance: Any, names: Iterable[str], exclude: Collection[str] | None) -> bool:
    """Whether one of the names begins with a field that is not to be validated, or whose value is not known yet."""
    for name in names:
        first = name.split("__")[0]
        try:
            field = model._meta.pk if first == "pk" else model._meta.get_field(first)
        except FieldDoesNotExist:
            continue  # whoever builds the condition says so, with the choices
        if exclude and field.name in exclude:
            return True
        value = instance.__dict__.get(field.attname)
        if value is DATABASE_DEFAULT or (hasattr(value, "build") and hasattr(value, "references")):
            return True
    return False


def _value(element: Any, using: str) -> Any:
    """What an element without columns is, in the database's words."""
    wrapper = connections[using]
    plan = plans.make_plan(sqlalchemy.select(element), wrapper, {}, 0)
    value = wrapper.fetch(plan.sql, plan.arguments(()))[0][0]
    process = element.type.dialect_impl(wrapper.dialect).result_processor(wrapper.dialect, None)
    return value if process is None else process(value)


def _is_true(condition: Any, using: str) -> bool:
    return bool(_value(sqlalchemy.case((condition, 1), else_=0), using))


def _is_false(condition: Any, using: str) -> bool:
    return bool(_value(sqlalchemy.case((sqlalchemy.not_(condition), 1), else_=0), using))
