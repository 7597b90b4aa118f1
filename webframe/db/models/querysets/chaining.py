"""The methods that make a queryset of another: nothing is asked of a database here.

`filter()` with plain values is what is called most: what its names mean is
found out once for a model, and afterwards it is two dictionary look-ups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldError
from webframe.db.errors import NotSupportedError
from webframe.db.models.aggregates import Aggregate
from webframe.db.models.calls import ExpressionWrapper
from webframe.db.models.compiler import operations as ops
from webframe.db.models.compiler.literals import Names, QueryLiterals, check_references, checked_value, settled
from webframe.db.models.conditions import Q
from webframe.db.models.expressions import Expression, F
from webframe.db.models.filtered import FilteredRelation
from webframe.db.models.generic import Row
from webframe.db.models.outputs import named as field_named
from webframe.db.models.paths import check_alias, field_names, find, remember, resolve_column
from webframe.db.models.querysets.state import State

if TYPE_CHECKING:
    from webframe.db.models.compiler import columns
else:
    columns = LateModule("webframe.db.models.compiler.columns")

NO_ORDER = ops.Ordering((), (), 0)
REVERSE = ops.Reverse("reverse")
EMPTY = ops.Nothing("none")


class Chaining(State[Row]):
    """Querysets from querysets."""

    # --- which rows ---------------------------------------------------------------------------------------------

    def all(self) -> Self:
        """A queryset like this one, that will ask anew."""
        return self._chain()

    def filter(self, *args: Any, **kwargs: Any) -> Self:
        """The rows for which all these conditions hold: lookups by keyword, Q objects, boolean expressions.

        Conditions on related rows that are given in one call speak of the same related row.
        """
        return self._filter(False, args, kwargs)

    def exclude(self, *args: Any, **kwargs: Any) -> Self:
        """The rows for which these conditions do not hold, taken together; NULL is a value like others here."""
        return self._filter(True, args, kwargs)

    def _filter(self, negated: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        if not args and self._plain:
            meta = self.model._meta
            operation = (meta.exclusions if negated else meta.filters).get(tuple(kwargs))
            if operation is not None:
                literals = operation.literals
                values = literals(kwargs.values())
                if values is not None:
                    clone = self._chain()
                    clone._operations = self._operations + (operation,)
                    clone._values = self._values + values
                    return clone
        self._refuse_combined("exclude" if negated else "filter")
        if (args or kwargs) and self.is_sliced:
            raise TypeError("Cannot filter a query once a slice has been taken.")
        if not args and kwargs and not self._annotations:
            operation = ops.simple_filter(self.model, tuple(kwargs), negated, self._sticky)
            values = None if operation is None else operation.literals(kwargs.values())
            if operation is not None and values is not None:
                made = self._with(operation, values)
                if self._sticky:
                    made._sticky = False
                    made._plain = not made.is_sliced
                return made
        if kwargs and not args:
            return self._keep_pairs(kwargs, negated)
        q = Q(*args, **kwargs)
        if not q.children:
            return self._chain()
        return self._keep(~q if negated else q)

    def _keep_pairs(self, pairs: dict[str, Any], negated: bool) -> Self:
        """What `_keep` does for a Q of these lookups, in one go."""
        names = self._names()
        literals = QueryLiterals(names)
        children: list[Any] = []
        keys: list[Any] = []
        for name, value in pairs.items():
            leaf = names.leaf(name)
            settled_value = checked_value(leaf, value)
            children.append((name, settled_value))
            keys.append((name, leaf.lookup.key(settled_value, literals)))
        q = Q.create(tuple(children), negated=negated)
        made = self._with(ops.Condition(q, ("AND", negated, tuple(keys)), len(literals), self._sticky), tuple(literals))
        if self._sticky:
            made._sticky = False
        return made

    def _keep(self, q: Q) -> Self:
        names = self._names()
        q = settled(q, names)
        literals = QueryLiterals(names)
        key = literals.condition(q)
        made = self._with(ops.Condition(q, key, len(literals), self._sticky), tuple(literals))
        if self._sticky:
            made._sticky = False
        return made

    def _related_to(self, name: str, value: Any, sticky: bool = False) -> Self:
        """filter() by one name, for managers of related objects; see `_next_is_sticky` for `sticky`."""
        operation = None
        if self._plain:
            meta = self.model._meta
            operation = meta.plans.get(("sticky filter", name)) if sticky else meta.filters.get((name,))
        if operation is not None and type(value) in operation.kinds[0]:
            clone = self._chain()
            clone._operations = self._operations + (operation,)
            clone._values = self._values + (value,)
            return clone
        rows = self._clone()._next_is_sticky() if sticky else self
        return rows.filter(**{name: value})

    def complex_filter(self, filter_obj: Q | dict[str, Any]) -> Self:
        """Like filter(), with a Q or a dictionary of lookups, as `limit_choices_to` has it."""
        return self._filter(False, (filter_obj,), {}) if isinstance(filter_obj, Q) else self.filter(**filter_obj)

    def none(self) -> Self:
        """A queryset without rows, which never asks for any."""
        clone = self._with(EMPTY)
        clone._nothing = True
        return clone

    def distinct(self, *field_names: str) -> Self:
        """Each row once; with names, on PostgreSQL, the first row for each combination of their values."""
        self._refuse_combined("distinct")
        if self.is_sliced:
            raise TypeError("Cannot create distinct fields once a slice has been taken.")
        for name in field_names:
            resolve_column(self.model, name, self._annotations)
        clone = self._with(ops.Distinct(field_names))
        clone._distinct = field_names
        return clone

    def _has_filters(self) -> bool:
        return any(type(operation) in (ops.Simple, ops.Condition) for operation in self._operations)

    # --- their order --------------------------------------------------------------------------------------------

    def order_by(self, *field_names: Any) -> Self:
        """In the order of these names ("-name": descending, "?": random) or expressions; none: in no order."""
        operation = self.model._meta.orders.get(field_names) if self._plain else None
        if operation is None:
            return self._order(field_names)
        clone = self._chain()
        clone._operations = self._operations + (operation,)
        clone._ordering = field_names
        clone._reversed = False
        return clone

    def _order(self, items: tuple[Any, ...]) -> Self:
        if self.is_sliced:
            raise TypeError("Cannot reorder a query once a slice has been taken.")
        self._check_ordering(items)
        names = self._names()
        literals = QueryLiterals(names)
        key = tuple([item if isinstance(item, str) else (type(item), item.key(literals)) for item in items])
        operation = ops.Ordering(items, key, len(literals))
        if self._plain and all(type(item) is str for item in items):
            known = self.model._meta.orders
            operation = known.get(items) or remember(known, items, operation)
        clone = self._with(operation, tuple(literals))
        clone._ordering = items
        clone._reversed = False
        return clone

    def _check_ordering(self, items: tuple[Any, ...]) -> None:
        for item in items:
            if isinstance(item, str):
                name = item.removeprefix("-")
                if item == "?" or (self._combined is not None and name.isidentifier()):
                    continue
                resolve_column(self.model, name, self._annotations)
            elif hasattr(item, "references") and hasattr(item, "build"):
                if self._combined is None:
                    check_references(item, self._names())
            else:
                raise FieldError(f"Cannot order by {item!r}: order_by() takes names of fields and expressions.")

    def reverse(self) -> Self:
        """In the opposite order."""
        if self.is_sliced:
            raise TypeError("Cannot reverse a query once a slice has been taken.")
        clone = self._with(REVERSE)
        clone._reversed = not self._reversed
        return clone

    # --- what is computed beside --------------------------------------------------------------------------------

    def annotate(self, *args: Any, **kwargs: Any) -> Self:
        """With more values in each row, computed by expressions; those without a name are called by themselves."""
        return self._annotate(args, kwargs, True)

    def alias(self, *args: Any, **kwargs: Any) -> Self:
        """Like annotate(), for use in other expressions and conditions only: not part of the rows."""
        return self._annotate(args, kwargs, False)

    def _annotate(self, args: tuple[Any, ...], kwargs: dict[str, Any], select: bool) -> Self:
        method = "annotate" if select else "alias"
        self._refuse_combined(method)
        queryset = self
        for name, expression in self._named(args, kwargs, method).items():
            queryset = queryset._annotate_one(name, expression, select)
        return queryset if queryset is not self else self._chain()

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any], method: str) -> dict[str, Any]:
        """The expressions by their names."""
        named: dict[str, Any] = {}
        for expression in args:
            _check_expression(expression, method)
            try:
                name = expression.default_alias
            except (AttributeError, TypeError):
                raise TypeError(f"Complex annotations require an alias: {method}(name={expression!r}).") from None
            if name in kwargs:
                raise ValueError(
                    f"The named annotation {name!r} conflicts with the default name of another annotation."
                )
            named[name] = expression
        taken = field_names(self.model) if self._columns is None else frozenset(self._columns[0])
        for name, expression in {**named, **kwargs}.items():
            check_alias(name, self.model, "annotation", taken)
            _check_expression(expression, method)
            named[name] = expression
        return named

    def _annotate_one(self, name: str, expression: Any, select: bool) -> Self:
        if isinstance(expression, FilteredRelation):
            return self._annotate_relation(name, expression)
        names = self._names()
        if isinstance(expression, Q):
            expression = ExpressionWrapper(expression, field_named("BooleanField"))
        check_references(expression, names)
        if self._annotations:
            refuse_nested(expression, self._annotations)
        literals = QueryLiterals(names)
        key = (type(expression), expression.key(literals))
        clone = self._with(ops.Annotation(name, expression, key, len(literals), select), tuple(literals))
        clone._annotations = {**self._annotations, name: expression}
        clone._plain = False
        return clone

    def _annotate_relation(self, name: str, relation: FilteredRelation) -> Self:
        relation = relation.named(name, self.model, self._annotations)
        known = {**self._annotations, name: relation}
        names = Names(self.model, known, self._field_of)
        relation.condition = settled(relation.condition, names)
        literals = QueryLiterals(names)
        clone = self._with(
            ops.Annotation(name, relation, relation.key(literals), len(literals), False), tuple(literals)
        )
        clone._annotations = known
        clone._plain = False
        return clone

    # --- which columns ------------------------------------------------------------------------------------------

    def values(self, *fields: Any, **expressions: Any) -> Self:
        """Dictionaries instead of instances, of these names or of all fields."""
        if not expressions and self._plain:
            operation = self.model._meta.plans.get(("values", "dict", *fields))
            if operation is not None:
                clone = self._with(operation)
                clone._columns = operation.key
                return clone
        return self._select(fields, expressions, "dict")

    def values_list(self, *fields: Any, flat: bool = False, named: bool = False) -> Self:
        """Tuples instead of instances; with `flat` the values of the only field, with `named` named tuples."""
        if flat and named:
            raise TypeError("'flat' and 'named' can't be used together.")
        if flat and len(fields) > 1:
            raise TypeError("'flat' is not valid when values_list is called with more than one field.")
        return self._select(fields, {}, "flat" if flat else "named" if named else "tuple")

    def _select(self, fields: tuple[Any, ...], expressions: dict[str, Any], shape: str) -> Self:
        queryset = self
        names: list[str] = []
        for number, field in enumerate(fields, 1):
            if isinstance(field, str):
                names.append(field)
                continue
            _check_expression(field, "values")
            if type(field) is F:
                names.append(field.name)
                continue
            try:
                name = field.default_alias
            except (AttributeError, TypeError):
                name = type(field).__name__.lower()
            while name in expressions or name in queryset._annotations or name in names:
                name = f"{name}{number}"
            expressions[name] = field
            names.append(name)
        if expressions:
            queryset = queryset.annotate(**expressions)
            names += [name for name in expressions if name not in names]
        if queryset._combined is not None:
            return queryset._select_in_parts(tuple(names), shape)
        if shape == "flat" and not names:
            names = [queryset.model._meta.pk.attname]
        return queryset._columns_are(tuple(names), shape)

    def _columns_are(self, names: tuple[str, ...], shape: str) -> Self:
        known = self.model._meta.plans
        key = ("values", shape, *names)
        operation = known.get(key) if not self._annotations else None
        if operation is None:
            for name in names:
                resolve_column(self.model, name, self._annotations)
            self._refuse_aliases(names)
            operation = ops.Columns((names, shape))
            if not self._annotations:
                remember(known, key, operation)
        clone = self._with(operation)
        clone._columns = (names, shape)
        return clone

    def _refuse_aliases(self, names: tuple[str, ...]) -> None:
        """Raise `FieldError` for what alias() has named: it is no part of the rows."""
        selected = {each.name: each.selected for each in self._operations if type(each) is ops.Annotation}
        for name in names:
            if not selected.get(name, True) and not isinstance(self._annotations[name], FilteredRelation):
                raise FieldError(f"Cannot select the {name!r} alias. Use annotate() to promote it.")

    def _select_in_parts(self, names: tuple[str, ...], shape: str) -> Self:
        raise NotImplementedError

    def only(self, *fields: str) -> Self:
        """Instances with these fields and the primary key only; others are loaded when they are read."""
        if self._columns is not None:
            raise TypeError("Cannot call only() after .values() or .values_list()")
        return self._load("only", fields)

    def defer(self, *fields: str | None) -> Self:
        """Instances without these fields, which are loaded when they are read; defer(None): with all."""
        if self._columns is not None:
            raise TypeError("Cannot call defer() after .values() or .values_list()")
        return self._load("defer", () if fields == (None,) else fields)

    def _load(self, kind: str, fields: tuple[Any, ...]) -> Self:
        self._refuse_combined(kind)
        if None in fields:
            raise TypeError("Cannot pass None as an argument to only().")
        for name in fields:
            self._check_loading(name)
        if kind == "defer" and not fields and not any(type(each) is ops.Loading for each in self._operations):
            return self._chain()
        if kind == "only" and not fields:
            return self._chain()
        return self._with(ops.Loading((kind, fields)))

    def _check_loading(self, name: Any) -> None:
        model = self.model
        for part in str(name).split("__"):
            field = find(model, part) if model is not None else None
            if field is None:
                known = sorted(each.name for each in (model or self.model)._meta.concrete_fields)
                raise FieldError(
                    f"{(model or self.model)._meta.object_name} has no field named {part!r}. "
                    f"Choices are: {', '.join(known)}"
                )
            model = field.related_model if field.is_relation else None

    def select_related(self, *fields: Any) -> Self:
        """Instances that bring their related ones along, by joins; without names all that are not null; None: none."""
        if self._columns is None and self._combined is None:
            operation = self.model._meta.joins.get(fields)
            if operation is not None:
                clone = self._chain()
                clone._operations = self._operations + (operation,)
                return clone
        self._refuse_combined("select_related")
        if self._columns is not None:
            raise TypeError("Cannot call select_related() after .values() or .values_list()")
        if fields == (None,):
            return self._with(ops.Related(None))
        for name in fields:
            if not isinstance(name, str):
                raise TypeError(f"select_related() takes names of relations, not {name!r}.")
        operation = ops.Related(fields or True)
        columns.check_related_names(self.model, fields)
        return self._with(remember(self.model._meta.joins, fields, operation))

    def prefetch_related(self, *lookups: Any) -> Self:
        """Instances that bring their related ones along, by one more question for each name; None: none."""
        self._refuse_combined("prefetch_related")
        clone = self._chain()
        if lookups == (None,):
            clone._prefetch_related_lookups = ()
            return clone
        clone._prefetch_related_lookups = self._prefetch_related_lookups + lookups
        return clone

    # --- where and how ------------------------------------------------------------------------------------------

    def using(self, alias: str | None) -> Self:
        """Asked of the database with this alias."""
        clone = self._chain()
        clone._db = alias
        return clone

    def select_for_update(
        self, nowait: bool = False, skip_locked: bool = False, of: Iterable[str] = (), no_key: bool = False
    ) -> Self:
        """Lock the rows until the end of the transaction; SQLite, which locks the whole file, ignores it."""
        if nowait and skip_locked:
            raise ValueError("The nowait option cannot be used with skip_locked.")
        self._refuse_combined("select_for_update")
        clone = self._with(ops.Lock((nowait, skip_locked, tuple(of), no_key)))
        clone._for_write = True
        return clone

    # --- combining ----------------------------------------------------------------------------------------------

    def _refuse_combined(self, method: str) -> None:
        if self._combined is not None:
            raise NotSupportedError(
                f"Calling QuerySet.{method}() after {self._combined}() is not supported: do so with its parts."
            )


def refuse_nested(expression: Any, annotations: Mapping[str, Any]) -> None:
    """Raise FieldError if an aggregate in an expression is computed of an annotation that is one itself."""
    if isinstance(expression, Aggregate):
        for reference in expression.references():
            name = reference.split("__")[0]
            if name in annotations and is_aggregate(annotations[name], annotations):
                raise FieldError(f"Cannot compute {expression!r}: {name!r} is an aggregate")
    elif isinstance(expression, Expression):
        for source in expression.sources():
            refuse_nested(source, annotations)


def is_aggregate(expression: Any, annotations: Mapping[str, Any]) -> bool:
    """Whether an expression is, or refers to an annotation that is, computed over groups of rows."""
    if getattr(expression, "contains_aggregate", False):
        return True
    others = [annotations.get(reference.split("__")[0]) for reference in expression.references()]
    return any(other is not None and other is not expression and is_aggregate(other, annotations) for other in others)


def _check_expression(expression: Any, method: str) -> None:
    if not (hasattr(expression, "references") or isinstance(expression, Q)):
        raise TypeError(f"QuerySet.{method}() received non-expression(s): {expression!r}. Wrap values in Value().")
