"""Deleting objects and what depends on them: the `on_delete` rules, and `Collector`, which follows them.

The order of things is a promise (it is what receivers of pre_delete and
post_delete rely on):

1. Everything is collected: rows that cascade, parents and children of
   multi-table inheritance. `ProtectedError` and `RestrictedError` are raised
   here, before any signal.
2. In one transaction: pre_delete for all objects; then rows that nobody
   listens for, in one statement for each relation; then the foreign keys that
   are set to something else; then, model by model, the DELETE and its
   post_delete, in descending order of the primary key.
3. After the commit the objects in memory lose their primary keys.

Models are in such an order that rows go before the rows they cannot be without.
What can be decided for a model once and for all is kept in a `DeletionPlan`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.db import transaction
from webframe.db.connections import connections
from webframe.db.errors import IntegrityError
from webframe.db.models.sending import emit, listens
from webframe.db.models.signals import post_delete, pre_delete

if TYPE_CHECKING:
    from webframe.db.models.compiler import write
else:
    write = LateModule("webframe.db.models.compiler.write")

# How many objects one question for what depends on them may name.
BATCH = 1000

# What an `on_delete` rule is: called with the collector, the foreign key, the rows that point to what is deleted
# (a queryset), and the alias of the database.
Rule = Callable[["Collector", Any, Any, str], None]


class ProtectedError(IntegrityError):
    """Deleting is refused, because objects in `protected_objects` point to what was to be deleted."""

    def __init__(self, message: str, protected_objects: Iterable[Any]) -> None:
        # The objects that point to it with on_delete=PROTECT.
        self.protected_objects = protected_objects
        super().__init__(message, protected_objects)

    def __str__(self) -> str:
        return str(self.args[0])


class RestrictedError(IntegrityError):
    """Deleting is refused, because objects in `restricted_objects`, not deleted themselves, point to it."""

    def __init__(self, message: str, restricted_objects: Iterable[Any]) -> None:
        # The objects that point to it with on_delete=RESTRICT.
        self.restricted_objects = restricted_objects
        super().__init__(message, restricted_objects)

    def __str__(self) -> str:
        return str(self.args[0])


def CASCADE(collector: Collector, field: Any, sub_objs: Any, using: str) -> None:
    """Delete what points to it, too."""
    collector.collect(
        sub_objs,
        source=field.remote_field.model,
        source_attr=field.name,
        nullable=field.null,
        fail_on_restricted=False,
    )
    if field.null and not connections[using].features.can_defer_constraint_checks:
        # Rows may point to each other in a circle: untied first, they can go in any order.
        collector.add_field_update(field, None, sub_objs)


def PROTECT(collector: Collector, field: Any, sub_objs: Any, using: str) -> None:
    """Refuse to delete what is pointed to, with a `ProtectedError`."""
    raise ProtectedError(
        f"Cannot delete some instances of model {field.remote_field.model.__name__!r} because they are referenced "
        f"through a protected foreign key: '{field.model.__name__}.{field.name}'.",
        sub_objs,
    )


def RESTRICT(collector: Collector, field: Any, sub_objs: Any, using: str) -> None:
    """Refuse to delete what is pointed to, unless what points to it is deleted by a cascade in the same step."""
    collector.add_restricted_objects(field, sub_objs)
    collector.add_dependency(field.remote_field.model, field.model)


class SET:
    """Point to something else: to this value, or to what this callable returns."""

    lazy_sub_objs = True

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, collector: Collector, field: Any, sub_objs: Any, using: str) -> None:
        collector.add_field_update(field, self.value() if callable(self.value) else self.value, sub_objs)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """What writes this rule into a migration: path, arguments, keyword arguments."""
        return "webframe.db.models.SET", (self.value,), {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SET) and self.value == other.value

    def __hash__(self) -> int:
        return hash(SET)

    def __repr__(self) -> str:
        return f"SET({self.value!r})"


def SET_NULL(collector: Collector, field: Any, sub_objs: Any, using: str) -> None:
    """Point to nothing."""
    collector.add_field_update(field, None, sub_objs)


def SET_DEFAULT(collector: Collector, field: Any, sub_objs: Any, using: str) -> None:
    """Point to the default of the foreign key."""
    collector.add_field_update(field, field.get_default(), sub_objs)


def DO_NOTHING(collector: Collector, field: Any, sub_objs: Any, using: str) -> None:
    """Leave it to the database."""


# Rules that need not know whether there is anything that points to it: they cost one UPDATE and no SELECT.
for _rule in (SET_NULL, SET_DEFAULT):
    _rule.lazy_sub_objs = True  # type: ignore[attr-defined]  # an attribute of the function, as on SET


class DeletionPlan:
    """What deleting objects of one model involves, as far as models alone decide it."""

    def __init__(self, model: Any) -> None:
        meta = model._meta
        self.pk = meta.pk
        self.label = meta.label
        # Links to the parents of multi-table inheritance.
        self.links: list[Any] = [link for link in meta.concrete_model._meta.parents.values() if link is not None]
        # The other ends of all foreign keys that point here and ask for something.
        self.relations: list[Any] = [
            relation
            for relation in meta.get_fields(include_hidden=True)
            if relation.auto_created
            and not relation.concrete
            and (relation.one_to_one or relation.one_to_many)
            and relation.on_delete is not DO_NOTHING
        ]
        # Whether deleting a row of the model's own table is all there is to it.
        self.is_simple = not self.links and not self.relations
        # The foreign keys that point here if all of them cascade, and there are no parents; None: it is not so simple.
        self.cascades: list[Any] | None = None
        if not self.links and all(relation.on_delete is CASCADE for relation in self.relations):
            self.cascades = [relation.field for relation in self.relations]

    @classmethod
    def of(cls, model: Any) -> DeletionPlan:
        """The plan for a model; made once, and again when models have been added."""
        plans = model._meta.plans
        plan = plans.get("deletion")
        if plan is None:
            plan = plans["deletion"] = cls(model)
        return plan  # type: ignore[no-any-return]  # the dictionary holds plans of all kinds


class FastDelete:
    """Rows that nobody listens for and nothing depends on: gone in one statement, never loaded."""

    def __init__(self, model: Any, field: Any, values: list[Any]) -> None:
        self.model = model
        self.field = field
        # What `field` is compared with.
        self.values = values

    def delete(self, using: str) -> int:
        return write.delete_by(self.field.model, self.field, self.values, using)

    def covers(self, instance: Any) -> bool:
        """Whether an object of the model is among the rows."""
        return getattr(instance, self.field.attname) in self.values


class Collector:
    """Collects what is to be deleted, then deletes it.

    `origin` is what receivers are told: the instance or the queryset whose
    `delete()` was called.
    """

    def __init__(self, using: str, origin: Any = None) -> None:
        self.using = using
        self.origin = origin
        # Model -> objects to delete, in the order in which models were met; the values of the inner one mean nothing.
        self.data: dict[Any, dict[Any, None]] = {}
        # (foreign key, new value) -> querysets or lists of objects that get it.
        self.field_updates: defaultdict[tuple[Any, Any], list[Any]] = defaultdict(list)
        # Model -> foreign key -> objects that must be deleted by another way, or all is refused.
        self.restricted_objects: defaultdict[Any, defaultdict[Any, dict[Any, None]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        # Rows that are deleted without being loaded: a FastDelete, or a queryset.
        self.fast_deletes: list[Any] = []
        # Concrete model -> concrete models whose rows go first.
        self.dependencies: defaultdict[Any, set[Any]] = defaultdict(set)

    # -- collecting

    def collect(
        self,
        objs: Any,
        source: Any = None,
        nullable: bool = False,
        collect_related: bool = True,
        source_attr: str | None = None,
        reverse_dependency: bool = False,
        keep_parents: bool = False,
        fail_on_restricted: bool = True,
    ) -> None:
        """Add objects of one model (a list or a queryset), and all that has to go with them.

        `source` is the model whose deletion brings this about. Unless `nullable`,
        rows of `objs` go before those of `source`; after them with
        `reverse_dependency`. Raises `ProtectedError` and `RestrictedError`.
        """
        if hasattr(objs, "_raw_delete") and self.can_fast_delete(objs):
            self.fast_deletes.append(objs)
            return
        new = self.add(objs, source, nullable, reverse_dependency=reverse_dependency)
        if not new:
            return
        model = type(new[0])
        plan = DeletionPlan.of(model)
        if not keep_parents:
            for link in plan.links:
                self.collect(
                    [getattr(obj, link.name) for obj in new],
                    source=model,
                    source_attr=link.remote_field.related_name,
                    collect_related=False,
                    reverse_dependency=True,
                    fail_on_restricted=False,
                )
        if collect_related:
            kept = model._meta.get_parent_list() if keep_parents else ()
            self._collect_related(model, plan, new, kept)
            if fail_on_restricted:
                self._check_restricted(model)

    def add(self, objs: Iterable[Any], source: Any, nullable: bool, reverse_dependency: bool = False) -> list[Any]:
        """Add objects of one model, and return those that are new."""
        objs = list(objs)
        if not objs:
            return []
        model = type(objs[0])
        known = self.data.setdefault(model, {})
        new = [obj for obj in objs if obj not in known] if known else objs
        for obj in new:
            known[obj] = None
        # Where the foreign key may be null, no order is asked for.
        if source is not None and not nullable:
            self.add_dependency(source, model, reverse_dependency=reverse_dependency)
        return new

    def add_dependency(self, model: Any, dependency: Any, reverse_dependency: bool = False) -> None:
        """Rows of `dependency` go before rows of `model`; the other way round if reversed."""
        if reverse_dependency:
            model, dependency = dependency, model
        if model._meta.concrete_model is not dependency._meta.concrete_model:
            self.dependencies[model._meta.concrete_model].add(dependency._meta.concrete_model)
        self.data.setdefault(dependency, {})

    def add_field_update(self, field: Any, value: Any, objs: Any) -> None:
        """Let a foreign key of these objects (a list or a queryset) be set to `value` before anything is deleted."""
        self.field_updates[field, value].append(objs)

    def add_restricted_objects(self, field: Any, objs: Iterable[Any]) -> None:
        """Refuse all, unless these objects turn out to be deleted by a cascade."""
        objs = list(objs)
        if objs:
            self.restricted_objects[type(objs[0])][field].update(dict.fromkeys(objs))

    def can_fast_delete(self, objs: Any, from_field: Any = None) -> bool:
        """Whether one DELETE is all it takes: nobody listens, nothing cascades, and there are no parents' rows.

        `objs` is an instance, a queryset, or a model whose rows were met over
        `from_field`; that may be the link to their parent.
        """
        if from_field is not None and from_field.remote_field.on_delete is not CASCADE:
            return False
        model = objs if isinstance(objs, type) else getattr(objs, "model", None) or type(objs)
        if self.has_listeners(model):
            return False
        plan = DeletionPlan.of(model)
        return plan.is_simple or not plan.relations and all(link is from_field for link in plan.links)

    def has_listeners(self, model: Any) -> bool:
        """Whether anybody hears of objects of a model being deleted."""
        if not pre_delete.active and not post_delete.active:
            return False
        return not model._meta.auto_created and listens(model, pre_delete, post_delete)

    def _collect_related(self, model: Any, plan: DeletionPlan, objs: list[Any], kept: Iterable[Any]) -> None:
        protected: dict[str, list[Any]] = {}
        fast: list[tuple[Any, Any]] = []
        for relation in plan.relations:
            if kept and relation.model in kept:
                continue
            field = relation.field
            related_model = relation.related_model
            if self.can_fast_delete(related_model, from_field=field):
                fast.append((related_model, field))
                continue
            on_delete = relation.on_delete
            for batch in _batches(objs):
                sub_objs = self.related_objects(related_model, field, batch)
                if getattr(on_delete, "lazy_sub_objs", False) or sub_objs:
                    try:
                        on_delete(self, field, sub_objs, self.using)
                    except ProtectedError as error:
                        protected.setdefault(f"'{field.model.__name__}.{field.name}'", []).extend(
                            error.protected_objects
                        )
        if protected:
            raise ProtectedError(
                f"Cannot delete some instances of model {model.__name__!r} because they are referenced through "
                f"protected foreign keys: {', '.join(protected)}.",
                {obj for objs in protected.values() for obj in objs},
            )
        for related_model, field in fast:
            values = _values_of(objs, field)
            if values:
                self.fast_deletes.append(FastDelete(related_model, field, values))

    def related_objects(self, related_model: Any, field: Any, objs: list[Any]) -> Any:
        """The queryset of the objects whose foreign key points to one of these."""
        name = f"{field.name}__in"
        return related_model._base_manager.using(self.using).filter(**{name: _values_of(objs, field)})

    def _check_restricted(self, model: Any) -> None:
        """Raise `RestrictedError` for restricted objects that no cascade has reached."""
        if not self.restricted_objects:
            return
        left: dict[str, list[Any]] = {}
        for related_model, fields in self.restricted_objects.items():
            for field, objs in fields.items():
                for obj in [obj for obj in objs if self._is_collected(related_model, obj)]:
                    del objs[obj]
                if objs:
                    left.setdefault(f"'{related_model.__name__}.{field.name}'", []).extend(objs)
        if left:
            raise RestrictedError(
                f"Cannot delete some instances of model {model.__name__!r} because they are referenced through "
                f"restricted foreign keys: {', '.join(left)}.",
                {obj for objs in left.values() for obj in objs},
            )

    def _is_collected(self, model: Any, obj: Any) -> bool:
        if obj in self.data.get(model, ()):
            return True
        return any(
            fast.covers(obj) if isinstance(fast, FastDelete) else fast.filter(pk=obj.pk).exists()
            for fast in self.fast_deletes
            if fast.model is model
        )

    # -- deleting

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete everything collected. Returns the number of rows, in all and by label of the model."""
        if len(self.data) == 1 and not self.fast_deletes and not self.field_updates:
            ((model, instances),) = self.data.items()
            if len(instances) == 1 and DeletionPlan.of(model).is_simple and not self.has_listeners(model):
                return self._delete_one(model, next(iter(instances)))
        groups = self._sorted_groups()
        deleted: Counter[str] = Counter()
        with transaction.atomic(using=self.using, savepoint=False):
            if pre_delete.active:
                for model, instance in _of_groups(groups):
                    self._emit(pre_delete, model, instance)
            for fast in self.fast_deletes:
                count = fast.delete(self.using) if isinstance(fast, FastDelete) else fast._raw_delete(self.using)
                deleted[fast.model._meta.label] += count
            for (field, value), updates in self.field_updates.items():
                for objs in updates:
                    self._update(field, value, objs)
            for model, group in groups:
                group.reverse()
                pk = model._meta.pk
                deleted[model._meta.label] += write.delete_by(
                    model._meta.concrete_model,
                    pk,
                    [instance.__dict__[pk.attname] for instance in group],
                    self.using,
                )
                if post_delete.active:
                    for instance in group:
                        self._emit(post_delete, model, instance)
        for _, instance in _of_groups(groups):
            _forget_key(instance)
        counts = {label: count for label, count in deleted.items() if count}
        return sum(counts.values()), counts

    def _delete_one(self, model: Any, instance: Any) -> tuple[int, dict[str, int]]:
        """One object, one statement, and no transaction needed around it."""
        meta = model._meta
        pk = meta.pk
        count = write.delete_by(meta.concrete_model, pk, [instance.__dict__[pk.attname]], self.using)
        _forget_key(instance)
        return count, {meta.label: count}

    def _emit(self, signal: Any, model: Any, instance: Any) -> None:
        if not model._meta.auto_created:
            emit(signal, model, instance=instance, using=self.using, origin=self.origin)

    def _update(self, field: Any, value: Any, objs: Any) -> None:
        if getattr(objs, "_result_cache", ()) is None:
            objs.update(**{field.name: value})
        elif pks := list({obj.pk for obj in objs}):
            model = field.model
            value = field.get_prep_value(value)
            write.update_by(model, model._meta.pk, pks, (field,), (value,), self.using)

    def _sorted_groups(self) -> list[tuple[Any, list[Any]]]:
        """The models with their objects by ascending primary key; what others depend on comes after them.

        Models that depend on each other in a circle come in the order in which they were met.
        """
        waiting = list(self.data)
        done: set[Any] = set()
        groups: list[tuple[Any, list[Any]]] = []
        while waiting:
            free = next(
                (model for model in waiting if self.dependencies[model._meta.concrete_model] <= done),
                None,
            )
            if free is None:
                free = waiting[0]
            waiting.remove(free)
            concrete = free._meta.concrete_model
            if not any(model._meta.concrete_model is concrete for model in waiting):
                done.add(concrete)
            if instances := list(self.data[free]):
                groups.append((free, _sorted_by_key(instances)))
        return groups


def _of_groups(groups: list[tuple[Any, list[Any]]]) -> Iterator[tuple[Any, Any]]:
    for model, instances in groups:
        for instance in instances:
            yield model, instance


def _sorted_by_key(instances: list[Any]) -> list[Any]:
    if len(instances) > 1:
        try:
            instances.sort(key=attrgetter("pk"))
        except TypeError:
            pass  # keys of a kind that has no order stay as they were loaded
    return instances


def _values_of(objs: Iterable[Any], field: Any) -> list[Any]:
    """What rows hold in a foreign key that point to these objects."""
    attname = field.target_field.attname
    return [value for obj in objs if (value := getattr(obj, attname)) is not None]


def _batches(objs: list[Any]) -> Iterable[list[Any]]:
    if len(objs) <= BATCH:
        return (objs,)
    return (objs[start : start + BATCH] for start in range(0, len(objs), BATCH))


def _forget_key(instance: Any) -> None:
    setattr(instance, instance._meta.pk.attname, None)
