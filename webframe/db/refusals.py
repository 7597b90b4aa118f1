"""What is said where a query would block an event loop: which call it was, and what to write there instead.

Nobody keeps account of that. When it comes to it, the frames of the callers are
looked at: the outermost one that is still ours is what the user called. The
objects in there are known by their shape alone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

from webframe.core.exceptions import SynchronousOnlyOperation

# Modules that may stand between two frames of ours; generated code has no name.
_BETWEEN = frozenset({"", "contextlib", "functools"})

_ROWS = "'[row async for row in queryset]'"
_ROWS_BEFORE = "Ask for its rows before that, by 'await queryset.alist()'"
# What Python calls on a queryset: in words, and what to do instead.
_OF_QUERYSETS = {
    "__iter__": ("Iterating over", f"Use 'async for row in queryset', or {_ROWS}, instead"),
    "_iterate": ("iterator() of", "Use 'async for row in queryset.aiterator()' instead"),
    "iterator": ("iterator() of", "Use 'async for row in queryset.aiterator()' instead"),
    "__len__": ("len() of", f"Use 'await queryset.acount()', or {_ROWS} for the rows, instead"),
    "__bool__": ("bool() of", "Use 'await queryset.aexists()' instead"),
    "__contains__": ("'in' for", "Use 'await queryset.acontains(obj)' instead"),
    "__repr__": ("Showing", f"Ask for its rows before that, by {_ROWS}"),
    "__getstate__": ("Pickling", f"Ask for its rows before that, by {_ROWS}"),
}
# And on one of raw(), which has all its rows or none.
_OF_RAW = {
    "__len__": ("len() of", _ROWS_BEFORE),
    "__bool__": ("bool() of", _ROWS_BEFORE),
    "__getitem__": ("Indexing", _ROWS_BEFORE),
    "columns": ("The columns of", _ROWS_BEFORE),
}


def refusal(alias: str) -> SynchronousOnlyOperation:
    """The error for a query of a database where it would block the event loop that runs in this thread."""
    frame = _frame_that_was_called(sys._getframe(1))
    what, cure = _explain(frame) if frame is not None else _UNKNOWN
    return SynchronousOnlyOperation(f"{what.format(alias=alias)} would block the running event loop. {cure}")


_IN_A_WORKER = (
    "Put it into a plain function, and use 'await webframe.workers.run(function)' instead; methods of models, managers "
    "and querysets have a twin to await that begins with 'a'."
)
_UNKNOWN = "A query of the database {alias!r}", _IN_A_WORKER


def _frame_that_was_called(frame: FrameType | None) -> FrameType | None:
    """The outermost of the frames of `webframe.db` here, as far as nobody else stands between them."""
    found = None
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("webframe.db") or _made_create(frame):
            found = frame
        elif module not in _BETWEEN:
            break
        frame = frame.f_back
    return found


def _made_create(frame: FrameType) -> Any:
    """The model whose ``objects.create`` was generated, if the code of this frame is that; see `construction.py`."""
    return frame.f_globals.get("model__") if frame.f_code.co_name == "create" else None


def _explain(frame: FrameType) -> tuple[str, str]:
    """What would block, and what to do about it: two beginnings of sentences."""
    called = frame.f_code.co_name
    names = frame.f_locals
    this: Any = names.get("self")
    if (model := _made_create(frame)) is not None:
        return _of_twin(f"{model.__name__}.objects", "create", True)
    if this is None:
        return _of_function(called, frame)
    if hasattr(type(this), "_meta"):
        return _of_instance(this, called, names)
    if called == "__get__" and names.get("instance") is not None:
        return _of_relation(this.relation, names["instance"])
    if called == "manager_method":  # what hands a call on to the queryset
        called = names["name"]
    if hasattr(this, "_result_cache"):
        return _of_queryset(this, called, names)
    if hasattr(this, "get_queryset"):
        return _of_manager(this, called)
    if hasattr(this, "durable"):
        what = f"{names['function'].__qualname__}(), which is atomic," if "function" in names else "with atomic()"
        return what, (
            "Use 'async with atomic()' in an async function instead, or 'await webframe.workers.run(function)'."
        )
    if hasattr(this, "vendor"):
        return f"connection.{called}(), for the database {this.alias!r},", _IN_A_WORKER
    if hasattr(this, "fetchone"):
        return f"cursor.{called}()", _IN_A_WORKER
    return _UNKNOWN


def _of_twin(expression: str, name: str, with_arguments: bool, what: str = "") -> tuple[str, str]:
    """A method that has a twin."""
    arguments = "..." if with_arguments else ""
    return what or f"{expression}.{name}()", f"Use 'await {expression}.a{name}({arguments})' instead."


def _of_instance(this: Any, called: str, names: Mapping[str, Any]) -> tuple[str, str]:
    """A method of a model's instance. Its attributes are not looked at: they might have to be loaded."""
    cls = type(this)
    if called in ("_load_deferred", "__getattr__"):
        return _of_deferred(this, names["name"])
    if called == "_get_next_or_previous_by_field":
        called = f"get_{'next' if names['is_next'] else 'previous'}_by_{names['field'].name}"
    if not hasattr(cls, f"a{called}"):
        return _UNKNOWN
    return _of_twin(cls._meta.model_name, called, _takes_arguments(cls, called), f"{cls.__name__}.{called}()")


def _of_queryset(this: Any, called: str, names: Mapping[str, Any]) -> tuple[str, str]:
    what = f"a {type(this).__name__} of {this.model.__name__}"
    if hasattr(this, "raw_query") and called in _OF_RAW:
        doing, cure = _OF_RAW[called]
        return f"{doing} {what}", f"{cure}."
    if called == "__getitem__":
        return f"Indexing {what}", f"Use {_instead_of_index(names['index'])} instead."
    if called in _OF_QUERYSETS:
        doing, cure = _OF_QUERYSETS[called]
        return f"{doing} {what}", f"{cure}{_prefetching(this, called)}."
    if not hasattr(this, f"a{called}"):
        return _UNKNOWN
    return _of_twin("queryset", called, _takes_arguments(type(this), called), f"{called}() of {what}")


def _instead_of_index(index: Any) -> str:
    """What gives the row of an index, or the rows of a slice that leaves some out."""
    if isinstance(index, slice):
        bounds = ":".join("" if bound is None else str(bound) for bound in (index.start, index.stop))
        return f"'(await queryset[{bounds}].alist())[::{index.step}]'"
    return f"'(await queryset[{index}:{index + 1}].alist())[0]'{', or afirst(),' if index == 0 else ''}"


def _of_manager(this: Any, called: str) -> tuple[str, str]:
    """A method of a model's manager, or of a relation's."""
    if not hasattr(this, f"a{called}"):
        return _UNKNOWN
    if hasattr(this, "prefetch_cache_name"):
        expression = f"{this.instance._meta.model_name}.{this.prefetch_cache_name}"
    else:
        expression = f"{this.model.__name__}.{this.name}"
    return _of_twin(expression, called, _takes_arguments(type(this), called))


def _of_relation(relation: Any, instance: Any) -> tuple[str, str]:
    """Access to a related object that was not loaded; `relation` is a field, or its other end."""
    name = _name(relation)
    owner = instance._meta.model_name
    return (
        f"Loading {owner}.{name}",
        f'Load it together with the {owner}, by select_related("{name}") in the query, or later with '
        f"'await aprefetch_related_objects([{owner}], \"{name}\")'.",
    )


def _of_deferred(instance: Any, name: str) -> tuple[str, str]:
    owner = instance._meta.model_name
    return (
        f"Loading {owner}.{name}, a deferred field,",
        f"Use 'await {owner}.arefresh_from_db(fields=[\"{name}\"])' before, or load it with the query: leave it out of "
        f"defer(), or name it in only().",
    )


def _of_function(name: str, frame: FrameType) -> tuple[str, str]:
    if callable(frame.f_globals.get(f"a{name}")):
        return f"{name}()", f"Use 'await a{name}(...)' instead."
    return (f"{name}()", _IN_A_WORKER) if name.isidentifier() and not name.startswith("_") else _UNKNOWN


def _prefetching(queryset: Any, called: str) -> str:
    """What can be done beside, where the rows are those that a relation gives for one object."""
    relation = _relation_of(queryset) if called == "__iter__" else None
    if relation is None:
        return ""
    return (
        f', or load them together with the {relation.model._meta.model_name}, by prefetch_related("{_name(relation)}")'
    )


def _relation_of(queryset: Any) -> Any:
    """The relation whose manager has made a queryset, as seen from the object that it belongs to."""
    known = getattr(queryset, "_known_related", None)
    if known is not None:
        return known[0].remote_field
    for operation in getattr(queryset, "_operations", ()):
        if getattr(operation, "sticky", False) and hasattr(operation, "names"):  # by a manager of many-to-many only
            found = queryset.model._meta.fields_map.get(operation.names[0])
            return None if found is None else found.remote_field
    return None


def _name(relation: Any) -> str:
    """The attribute that a field, or the other end of one, gives to instances."""
    return str(relation.get_accessor_name() if hasattr(relation, "get_accessor_name") else relation.name)


def _takes_arguments(cls: type[Any], name: str) -> bool:
    function = getattr(cls, name)
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    if code is None:
        return True
    return bool(code.co_argcount + code.co_kwonlyargcount > 1 or code.co_flags & 0x0C)  # 0x0C: *args, **kwargs
