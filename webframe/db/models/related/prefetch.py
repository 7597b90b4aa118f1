"""Loading what is related to many objects with one question for each relation: `prefetch_related`.

    prefetch_related_objects(authors, "books__publisher", Prefetch("books", queryset=..., to_attr="recent"))

A lookup is a path of attribute names. At each of its levels stand the objects
found so far; a descriptor (one related object) or a manager (many) of the first
of them says which objects are related to all of them, by

    get_prefetch_querysets(instances, querysets=None) ->
        (queryset, key of a related object, key of an instance, single, where to keep it, is_descriptor)

Querysets, descriptors and managers are known here by their shape alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from webframe.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from webframe.greenlets import bridge
from webframe.waiting import each_in_turns

# Between the names of a path.
LOOKUP_SEP = "__"

# The most objects for which one question is asked: each is a parameter, and databases take 32766 at the least.
BATCH = 10_000


class Prefetch:
    """A path to prefetch, with the queryset to find the objects at its end, and the attribute to put them in.

    With `to_attr` they become a list in that attribute, and leave the manager alone;
    then the queryset may be a slice, which is taken of the rows of each object.
    """

    def __init__(self, lookup: str, queryset: Any = None, to_attr: str | None = None) -> None:
        if queryset is not None and not _gives_instances(queryset):
            raise ValueError(
                f"The queryset of Prefetch({lookup!r}, ...) has to give instances: it cannot use raw(), values() or "
                f"values_list()."
            )
        # The path as it is followed, and as it will be once the objects are in their attribute.
        self.prefetch_through = lookup
        self.prefetch_to = lookup
        if to_attr:
            self.prefetch_to = LOOKUP_SEP.join([*lookup.split(LOOKUP_SEP)[:-1], to_attr])
        self.queryset = queryset
        self.to_attr = to_attr

    def add_prefix(self, prefix: str) -> None:
        """Let the path begin at an object further up."""
        self.prefetch_through = f"{prefix}{LOOKUP_SEP}{self.prefetch_through}"
        self.prefetch_to = f"{prefix}{LOOKUP_SEP}{self.prefetch_to}"

    def get_current_prefetch_to(self, level: int) -> str:
        """The path down to a level, by the attributes that the objects are kept in."""
        return LOOKUP_SEP.join(self.prefetch_to.split(LOOKUP_SEP)[: level + 1])

    def get_current_to_attr(self, level: int) -> tuple[str, bool]:
        """The attribute for the objects of a level, and whether it was given as `to_attr`."""
        parts = self.prefetch_to.split(LOOKUP_SEP)
        return parts[level], bool(self.to_attr) and level == len(parts) - 1

    def get_current_querysets(self, level: int) -> list[Any] | None:
        """The queryset in a list, at the last level; None above."""
        if self.queryset is not None and self.get_current_prefetch_to(level) == self.prefetch_to:
            return [self.queryset]
        return None

    @property
    def last_level(self) -> int:
        return self.prefetch_through.count(LOOKUP_SEP)

    def copied(self) -> Prefetch:
        """A Prefetch of its own with the same content."""
        copy = Prefetch.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        return copy

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prefetch) and self.prefetch_to == other.prefetch_to

    def __hash__(self) -> int:
        return hash((Prefetch, self.prefetch_to))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.prefetch_to}>"


def prefetch_related_objects(model_instances: Iterable[Any], *related_lookups: str | Prefetch) -> None:
    """Load what these lookups lead to for a list of instances of one model, unless it is loaded already.

    Raises `AttributeError` for a name that is not an attribute, and
    `ValueError` for one that does not lead to related objects.
    """
    instances = model_instances if isinstance(model_instances, list) else list(model_instances)
    if instances:
        _Prefetching(instances).follow(related_lookups)


async def aprefetch_related_objects(model_instances: Iterable[Any], *related_lookups: str | Prefetch) -> None:
    """Like `prefetch_related_objects`, for use in async code."""
    await bridge(prefetch_related_objects, model_instances, *related_lookups)


class _Prefetching:
    """One call of `prefetch_related_objects`: what was found at which path, and what is still to follow."""

    def __init__(self, instances: list[Any]) -> None:
        self.instances = instances
        # Path -> the objects found there.
        self.done: dict[str, list[Any]] = {}
        # Lookups that querysets on the way asked for; they are followed once even if they lead in a circle.
        self.automatic: set[Prefetch] = set()
        self.followed: set[Any] = set()
        # Lookups to follow, the next one last.
        self.waiting: list[Prefetch] = []

    def follow(self, lookups: Iterable[str | Prefetch]) -> None:
        self.waiting = _normalized(lookups)
        while self.waiting:
            lookup = self.waiting.pop()
            if lookup.prefetch_to not in self.done:
                self._follow_one(lookup)
            elif lookup.queryset is not None:
                raise ValueError(
                    f"{lookup.prefetch_to!r} is prefetched already, with another queryset. Put the Prefetch with the "
                    f"queryset before the lookups that go through it."
                )

    def _follow_one(self, lookup: Prefetch) -> None:
        objects = self.instances
        for level, name in enumerate(lookup.prefetch_through.split(LOOKUP_SEP)):
            if not objects:
                return
            path = lookup.get_current_prefetch_to(level)
            if path in self.done:
                objects = self.done[path]
                continue
            if not hasattr(objects[0], "__dict__"):
                return  # nothing could be kept in such objects
            objects = self._next_objects(lookup, level, name, path, objects)

    def _next_objects(self, lookup: Prefetch, level: int, name: str, path: str, objects: list[Any]) -> list[Any]:
        """The objects one level further, prefetched where they are not loaded yet."""
        to_attr, as_attr = lookup.get_current_to_attr(level)
        if as_attr:
            _refuse_field(type(objects[0]), to_attr)
        prefetcher, descriptor, is_fetched = _prefetcher_of(objects[0], name, to_attr, lookup)
        if prefetcher is None and level == lookup.last_level:
            raise ValueError(
                f"{lookup.prefetch_through!r} cannot be prefetched: {name!r} of {type(objects[0]).__name__} is not a "
                f"relation."
            )
        missing = [] if prefetcher is None else [obj for obj in objects if not is_fetched(obj)]
        if not missing:
            return _already_there(objects, name, to_attr)
        found, additional = _prefetch_one_level(missing, prefetcher, lookup, level)
        # What a queryset asks for by itself may ask for it again, and so on: each relation is followed once that way.
        if not (lookup in self.automatic and descriptor in self.followed):
            self.done[path] = found
            new = _normalized(additional, path)
            self.automatic.update(new)
            self.waiting.extend(new)
        self.followed.add(descriptor)
        if len(missing) < len(objects):
            return _already_there(objects, name, to_attr)
        return found


def _normalized(lookups: Iterable[str | Prefetch], prefix: str | None = None) -> list[Prefetch]:
    """Lookups as Prefetch objects, the first one last."""
    normalized = []
    for lookup in reversed(list(lookups)):
        prefetch = lookup.copied() if isinstance(lookup, Prefetch) else Prefetch(lookup)
        if prefix:
            prefetch.add_prefix(prefix)
        normalized.append(prefetch)
    return normalized


def _prefetcher_of(instance: Any, name: str, to_attr: str, lookup: Prefetch) -> tuple[Any, Any, Callable[[Any], bool]]:
    """What can prefetch this attribute (None: nothing), its descriptor, and whether an object has it loaded."""
    descriptor = getattr(type(instance), name, None)
    if descriptor is None:
        if not hasattr(instance, name):
            raise AttributeError(
                f"{type(instance).__name__} objects have no attribute {name!r}, which prefetch_related() was given in "
                f"{lookup.prefetch_through!r}."
            )
        return None, None, _never
    if hasattr(descriptor, "get_prefetch_querysets") or hasattr(descriptor, "get_prefetch_queryset"):
        if to_attr == name:
            return descriptor, descriptor, descriptor.is_cached
        return descriptor, descriptor, _has(to_attr)
    manager = getattr(instance, name)
    if not hasattr(manager, "get_prefetch_querysets") and not hasattr(manager, "get_prefetch_queryset"):
        return None, descriptor, _never
    if to_attr == name:
        return manager, descriptor, lambda obj: name in obj.__dict__.get("_prefetched_objects_cache", ())
    return manager, descriptor, _has(to_attr)


def _never(instance: Any) -> bool:
    return False


def _has(attribute: str) -> Callable[[Any], bool]:
    return lambda instance: attribute in instance.__dict__


def _already_there(objects: list[Any], name: str, to_attr: str) -> list[Any]:
    """The objects one level further, where each object has them."""
    found: list[Any] = []
    for obj in objects:
        known = obj.__dict__.get("_prefetched_objects_cache", {}).get(name)
        if to_attr != name and to_attr in obj.__dict__:
            value = obj.__dict__[to_attr]
        elif known is not None:
            value = list(known)
        else:
            try:
                value = getattr(obj, name)
            except ObjectDoesNotExist:
                continue
        if isinstance(value, list):
            found.extend(value)
        elif value is not None:
            found.append(value)
    return found


def _prefetch_one_level(
    instances: list[Any], prefetcher: Any, lookup: Prefetch, level: int
) -> tuple[list[Any], list[Prefetch]]:
    """Load what is related to these instances, and keep it in them.

    Returns all related objects, and the lookups that their queryset asks for.
    """
    to_attr, as_attr = lookup.get_current_to_attr(level)
    found: list[Any] = []
    additional: list[Prefetch] = []
    for start in range(0, len(instances), BATCH):
        batch = instances[start : start + BATCH]
        answer = _questions(prefetcher, batch, lookup.get_current_querysets(level))
        queryset, key_of_related, key_of_instance, single, cache_name, is_descriptor = answer
        lookups = getattr(queryset, "_prefetch_related_lookups", ())
        if lookups:
            # They are followed together with ours, over all levels.
            additional = _normalized(lookups)[::-1]
            queryset = queryset.prefetch_related(None)
        related = list(queryset)
        found += related
        by_key: dict[Hashable, list[Any]] = {}
        for obj in each_in_turns(related):
            by_key.setdefault(key_of_related(obj), []).append(obj)
        if as_attr or single:
            name, as_attribute = to_attr if as_attr else cache_name, is_descriptor or as_attr
            left_out_name = None if as_attribute else getattr(prefetcher, "left_out_name", None)
            keep_one(batch, by_key, key_of_instance, name, single, as_attribute, left_out_name)
        else:
            given = lookup.queryset if level == lookup.last_level else None
            _keep_in_managers(batch, by_key, key_of_instance, to_attr, cache_name, given)
    return found, additional


def _questions(prefetcher: Any, instances: list[Any], querysets: list[Any] | None) -> tuple[Any, ...]:
    if hasattr(prefetcher, "get_prefetch_querysets"):
        return prefetcher.get_prefetch_querysets(instances, querysets)  # type: ignore[no-any-return]
    # Descriptors written for older versions of Django.
    return prefetcher.get_prefetch_queryset(instances, querysets[0] if querysets else None)  # type: ignore[no-any-return]


def keep_one(
    instances: list[Any],
    by_key: dict[Hashable, list[Any]],
    key_of_instance: Callable[[Any], Hashable],
    name: str,
    single: bool,
    as_attribute: bool,
    left_out_name: str | None = None,
) -> None:
    """Put the related object, or the list of them, into each instance: as an attribute, or as what it remembers.

    Where a key leads to no object that was found, it is kept under `left_out_name`: only as long as the instance has
    that key, the object is not asked for again.
    """
    for instance in each_in_turns(instances):
        key = key_of_instance(instance)
        related = by_key.get(key, [])
        value = (related[0] if related else None) if single else related
        if as_attribute:
            setattr(instance, name, value)
        else:
            instance.__dict__[name] = value
            if value is None and left_out_name is not None and key is not None:
                instance.__dict__[left_out_name] = key


def _keep_in_managers(
    instances: list[Any],
    by_key: dict[Hashable, list[Any]],
    key_of_instance: Callable[[Any], Hashable],
    name: str,
    cache_name: str,
    given: Any,
) -> None:
    """Let the manager of each instance answer `all()` with what was loaded."""
    if given is not None and given.is_sliced:
        raise TypeError(
            f"The queryset of Prefetch({name!r}, ...) is a slice, which the manager cannot filter: "
            f"give its rows an attribute of their own by to_attr."
        )
    for instance in each_in_turns(instances):
        manager = getattr(instance, name)
        queryset = manager._apply_rel_filters(given) if given is not None else manager.get_queryset()
        queryset._result_cache = by_key.get(key_of_instance(instance), [])
        # Its own lookups were followed with ours.
        queryset._prefetch_done = True
        instance.__dict__.setdefault("_prefetched_objects_cache", {})[cache_name] = queryset


def _refuse_field(model: Any, name: str) -> None:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return
    raise ValueError(f"to_attr={name!r} is the name of a field of {model.__name__}. Choose another one.")


def _gives_instances(queryset: Any) -> bool:
    """Whether a queryset gives instances; one that does not tell is believed."""
    return bool(getattr(queryset, "gives_instances", True)) and hasattr(queryset, "_prefetch_related_lookups")
