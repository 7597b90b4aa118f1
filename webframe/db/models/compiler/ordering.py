"""ORDER BY: names with and without "-", "?", expressions, and the default ordering of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, literal_column

from webframe.core.exceptions import FieldError
from webframe.db.models.expressions import F, OrderBy

if TYPE_CHECKING:
    from webframe.db.models.compiler.columns import Selection


def ordering_of(question: Any, selection: Selection, compound: Any = None) -> list[Any]:
    """The elements of ORDER BY for a question; `compound` if it is about a combination of querysets."""
    statement, reverse = question.statement, question.reversed
    # Columns that are selected under a name of their own.
    labels = {column.name: column.element for column in selection.columns if hasattr(column.element, "element")}
    position = statement.position
    if question.ordering is not None:
        operation, statement.position = question.ordering
        items: Any = operation.items
    else:
        # As in Django, a result that is grouped has no default ordering.
        items = question.model._meta.ordering if question.group is None and compound is None else ()
        statement.constants = True
    found: list[Any] = []
    for item in items:
        if compound is not None:
            found += _in_compound(item, reverse, selection, question)
        else:
            found += _elements(question, item, reverse, labels)
    statement.constants = False
    statement.position = position
    return found


def _elements(question: Any, item: Any, reverse: bool, labels: dict[str, Any]) -> list[Any]:
    scope = question.scope
    if isinstance(item, str):
        if item == "?":
            return [_random(scope)]
        name = item.lstrip("-")
        if name not in scope.annotations:
            descending = item.startswith("-") is not reverse
            if question.values is not None and name in question.values[0]:
                # What values() shows under this name is what it means.
                return _by_column(question, name, descending)
            return _by_name(question, name, descending, ())
        order = OrderBy(F(name), descending=item.startswith("-"))
    else:
        order = item if isinstance(item, OrderBy) else OrderBy(item)
    if reverse:
        order = order.reverse_ordering()
    scope.met.clear()
    if isinstance(order.expression, F) and type(order.expression) is F:
        name = order.expression.name
        element = labels.get(name, None) if name in scope.annotations else None
        if element is None:
            element = scope.ref(name).element
    else:
        element = scope.build(order.expression).element
    if scope.has_aggregate(order.expression):
        if question.group is None:
            raise FieldError(
                f"Using an aggregate in order_by() without also including it in annotate() is not allowed: "
                f'{order.expression!r}. Order by an annotation: annotate(number=Count(...)).order_by("number").'
            )
    elif scope.has_window(order.expression):
        question.ordered_by += scope.looked_at(order.expression)
    else:
        question.ordered_by.append(element)
    return list(order.of(element, scope.dialect_name))


def _random(scope: Any) -> Any:
    return func.rand() if scope.dialect_name == "mysql" else func.random()


def _by_name(question: Any, name: str, descending: bool, seen: tuple[Any, ...], prefix: str = "") -> list[Any]:
    """A name; one that stops at a relation means the default ordering of the related model."""
    scope = question.scope
    path = scope.path(prefix + name)
    relation = path.relation
    if relation is not None and not path.rest and _means_objects(relation, name):
        model = relation.related_model
        if model._meta.ordering:
            if relation in seen:
                raise FieldError("Infinite loop caused by ordering.")
            found: list[Any] = []
            for item in model._meta.ordering:
                found += _related_item(question, item, descending, (*seen, relation), f"{prefix}{name}__")
            return found
    return _by_column(question, prefix + name, descending)


def _by_column(question: Any, name: str, descending: bool) -> list[Any]:
    element = question.scope.ref(name).element
    question.ordered_by.append(element)
    return [element.desc() if descending else element.asc()]


def _means_objects(relation: Any, name: str) -> bool:
    """Whether a name means the related object, not the column: "author", but not "author_id" or "pk"."""
    last = name.split("__")[-1]
    # What is many has no column that it could mean, though a many-to-many field has an attname: its name.
    return last != "pk" and (relation.column is None or last != relation.attname)


def _related_item(question: Any, item: Any, descending: bool, seen: tuple[Any, ...], prefix: str) -> list[Any]:
    if isinstance(item, OrderBy):
        item = ("-" if item.descending else "") + item.expression.name if isinstance(item.expression, F) else item
    if isinstance(item, F):
        item = item.name
    if not isinstance(item, str):
        raise FieldError(
            f"Cannot order by {prefix[:-2]!r}: its model's ordering has an expression; name a field of it."
        )
    if item == "?":
        return [_random(question.scope)]
    return _by_name(question, item.lstrip("-"), item.startswith("-") is not descending, seen, prefix)


def _in_compound(item: Any, reverse: bool, selection: Selection, question: Any) -> list[Any]:
    """By the place of a column in the result: nothing else can be named there."""
    order = None
    if isinstance(item, OrderBy) and isinstance(item.expression, F):
        order, name = item, item.expression.name
    elif isinstance(item, F):
        order, name = OrderBy(item), item.name
    elif isinstance(item, str) and item != "?":
        name = item.lstrip("-")
        order = OrderBy(F(name), descending=item.startswith("-"))
    else:
        raise FieldError("ORDER BY term does not match any column in the result set: name one of its columns.")
    found = place_in_result(name, selection, question.model)
    if found is None:
        raise FieldError(
            f"ORDER BY term {name!r} does not match any column in the result set. "
            f"Choices are: {', '.join(column.name for column in selection.columns)}"
        )
    if reverse:
        order = order.reverse_ordering()
    place: Any = literal_column(str(found + 1))
    return list(order.of(place, question.scope.dialect_name))


def place_in_result(name: str, selection: Selection, model: Any) -> int | None:
    """How many columns stand before the one with a name; one column has several: "pk" is "id", "author" "author_id"."""
    meta = model._meta
    known = {"pk": meta.pk.attname, **{field.name: field.attname for field in meta.concrete_fields}}
    names, column = [each.name for each in selection.columns], known.get(name, name)
    return next((place for place, each in enumerate(names) if each == name or known.get(each, each) == column), None)
