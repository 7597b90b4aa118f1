"""What is selected: the columns of instances, with only(), defer() and select_related(), and those of values()."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy

from webframe.conf import close_match
from webframe.core.exceptions import FieldError
from webframe.db.models.compiler.hydrate import Node
from webframe.db.models.compiler.plans import Convert, result_converter
from webframe.db.models.paths import find, scalar, to_ancestor

if TYPE_CHECKING:
    from webframe.db.models.compiler.scope import Join, QueryScope

# How far select_related() goes by itself.
DEEPEST = 5


class Column(NamedTuple):
    """One column of a result."""

    # What values() calls it.
    name: str
    element: Any
    # The field of its values, for from_db_value; None: the SQL type knows.
    field: Any

    def converter(self, wrapper: Any) -> Convert | None:
        """What turns the driver's values into Python values."""
        field = scalar(self.field) if self.field is not None and self.field.is_relation else self.field
        return result_converter(self.element.type, field, wrapper)

    def labelled(self, place: int) -> Column:
        """The same under a name of its own, so that it can be told apart in a subquery."""
        element = self.element.element if isinstance(self.element, sqlalchemy.Label) else self.element
        return self._replace(element=element.label(f"c{place}"))


class Selection(NamedTuple):
    """A SELECT and what its columns are."""

    columns: list[Column]
    # The tree of instances; None if rows stay rows.
    root: Node | None
    # "instances", "dict", "tuple", "flat", "named".
    shape: str
    # (name, column) of annotations.
    annotations: tuple[tuple[str, int], ...] = ()
    statement: Any = None


# --- values -----------------------------------------------------------------------------------------------------


def select_values(question: Any) -> Selection:
    """The columns of values() and values_list()."""
    names, shape = question.values
    scope: QueryScope = question.scope
    if not names:
        names = [field.attname for field in question.model._meta.concrete_fields]
    columns: list[Column] = []
    for name in dict.fromkeys([*names, *question.selected]) if shape != "flat" else names:
        built = scope.ref(name)
        element = built.element
        if name in scope.annotations:
            element = element.label(name)
        columns.append(Column(name, element, built.field))
    if shape != "dict" and not question.selected:
        # values_list("id", "id") has two columns.
        by_name = {column.name: column for column in columns}
        columns = [by_name[name] for name in names]
    return Selection(columns, None, shape)


# --- instances --------------------------------------------------------------------------------------------------


def select_instances(question: Any) -> Selection:
    """The columns of the model, of annotations, and of what select_related() names."""
    scope: QueryScope = question.scope
    names, deferred = question.loading
    columns: list[Column] = []
    root = _node(scope, question.model, scope.root, _tree(names), deferred, columns)
    annotations = []
    for name in question.selected:
        built = scope.annotations[name]
        annotations.append((name, len(columns)))
        columns.append(Column(name, built.element.label(name), built.field))
    if question.related is True:
        _relate_all(scope, root, scope.root, columns, DEEPEST)
    elif question.related:
        _relate(scope, root, scope.root, _tree(question.related), _tree(names), deferred, columns)
    return Selection(columns, root, "instances", tuple(annotations))


Tree = dict[str, Any]


def _tree(names: Iterable[str]) -> Tree:
    """{"a__b"} -> {"a": {"b": {}}}"""
    tree: Tree = {}
    for name in sorted(names):
        branch = tree
        for part in name.split("__"):
            branch = branch.setdefault(part, {})
    return tree


def _node(scope: QueryScope, model: Any, join: Join, mask: Tree, deferred: bool, columns: list[Column]) -> Node:
    """Select the fields of a model, without those that are deferred."""
    every = model._meta.concrete_fields
    fields = _loaded(model, every, mask, deferred)
    start = len(columns)
    for field in fields:
        table = scope.join(to_ancestor(model, field.model), join).table
        columns.append(Column(field.attname, table.c[field.column], field))
    return Node(model, fields, start, complete=len(fields) == len(every))


def _loaded(model: Any, every: Iterable[Any], mask: Tree, deferred: bool) -> list[Any]:
    if not mask:
        return list(every)
    named: dict[Any, Tree] = {}
    for name, below in mask.items():
        field = find(model, name)
        if field is None:
            known = sorted(field.name for field in model._meta.concrete_fields)
            raise FieldError(
                f"{model._meta.object_name} has no field named {name!r}.{close_match(name, known)} "
                f"Choices are: {', '.join(known)}"
            )
        named[field] = below
    if deferred:
        gone = {field for field, below in named.items() if not below}
        return [field for field in every if field.primary_key or field not in gone]
    return [field for field in every if field is model._meta.pk or field in named]


def _relate(
    scope: QueryScope, node: Node, join: Join, tree: Tree, mask: Tree, deferred: bool, columns: list[Column]
) -> None:
    """Add what select_related() names below a node."""
    for name, below in tree.items():
        relation = find(node.model, name)
        if relation is None or not _is_single(relation):
            raise FieldError(_no_relation(node.model, name, relation))
        inner_mask = mask.get(name, {})
        if relation.concrete and relation not in node.fields:
            raise FieldError(
                f"Field {node.model._meta.object_name}.{relation.name} cannot be both deferred and traversed using "
                f"select_related at the same time."
            )
        _add(scope, node, join, relation, below, inner_mask, deferred, columns)


def _add(
    scope: QueryScope, node: Node, join: Join, relation: Any, below: Tree, mask: Tree, deferred: bool, columns: Any
) -> tuple[Node, Join]:
    steps = relation.join_steps()
    there = scope.join((*to_ancestor(node.model, steps[0].source), *steps), join)
    made = _node(scope, relation.related_model, there, mask, deferred, columns)
    node.related.append((relation, made))
    _relate(scope, made, there, below, mask, deferred, columns)
    return made, there


def _relate_all(scope: QueryScope, node: Node, join: Join, columns: list[Column], depth: int) -> None:
    """Follow every foreign key that is not null."""
    if not depth:
        return
    for field in node.model._meta.concrete_fields:
        if field.is_relation and not field.null and field in node.fields and not _is_parent_link(field):
            made, there = _add(scope, node, join, field, {}, {}, True, columns)
            _relate_all(scope, made, there, columns, depth - 1)


def _is_parent_link(field: Any) -> bool:
    return bool(getattr(field.remote_field, "parent_link", False))


def _is_single(relation: Any) -> bool:
    return bool(relation.is_relation and (relation.many_to_one or relation.one_to_one))


def _no_relation(model: Any, name: str, found: Any) -> str:
    known = sorted(field.name for field in model._meta.get_fields() if _is_single(field) and not field.hidden)
    if found is not None and not found.is_relation:
        return f"Non-relational field given in select_related: {name!r}. Choices are: {', '.join(known) or '(none)'}"
    return (
        f"Invalid field name(s) given in select_related: {name!r}.{close_match(name, known)} "
        f"Choices are: {', '.join(known) or '(none)'}"
    )


def check_related_names(model: Any, names: Iterable[str]) -> None:
    """Raise FieldError for names that select_related() cannot follow."""
    for name in names:
        current = model
        for part in name.split("__"):
            relation = find(current, part)
            if relation is None or not _is_single(relation):
                raise FieldError(_no_relation(current, part, relation))
            current = relation.related_model
