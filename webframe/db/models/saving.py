"""Saving an instance: which statements, which signals, and what the instance knows afterwards.

The order is a promise: checks of the arguments, then pre_save, then the rows of
parents and the own row, then `_state`, then post_save. Both signals are outside
of the transaction that `save` opens; it opens one only for a model with
parents, because everything else is one statement, or two of which the first
did nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.conf import close_match
from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db import transaction
from webframe.db.connections import DEFAULT_ALIAS, connections, router
from webframe.db.models.compiler.operations import PLAIN_TYPES, is_expression
from webframe.db.models.fields.base import DATABASE_DEFAULT
from webframe.db.models.late_keys import prepare_related_fields_for_save
from webframe.db.models.sending import emit_model
from webframe.db.models.signals import post_save, pre_save
from webframe.db.models.state import DEFERRED, is_adding, mark_saved, state_db
from webframe.db.models.written import Columns, Fields, Writing
from webframe.greenlets import bridge

if TYPE_CHECKING:
    from webframe.db.models.compiler import write
else:
    write = LateModule("webframe.db.models.compiler.write")


class Saving:
    """What a model can do to be saved."""

    _meta: Any

    def save(
        self,
        force_insert: bool | tuple[type[Any], ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Write the instance: insert a row, or update the one with its primary key.

        With `update_fields`, names of fields, only those are written, and the row
        must exist; so with `force_update`. `force_insert` never updates; for a child
        of other models it may be a tuple of those ancestors whose rows are new too.
        An instance whose fields were not all loaded writes those that were.

        Raises `Model.NotUpdated` where a row had to exist and does not, ValueError
        for arguments that contradict each other, and errors of `webframe.db`.
        """
        attributes = self.__dict__
        writing: Writing = self._meta.writing or writing_of(type(self))
        for name in writing.caches:
            if name in attributes:
                prepare_related_fields_for_save(self, operation_name="save")
                break
        home = attributes.get("_db")
        if using is None:
            if router.has_none and (home is not None or "_state" not in attributes):
                using = home or DEFAULT_ALIAS
            else:
                using = alias_for(self)
        if force_insert and (force_update or update_fields is not None):
            raise ValueError("Cannot force both insert and updating in model saving.")
        columns = writing.without_key
        if update_fields is not None:
            update_fields = tuple(update_fields)
            if not update_fields:
                return
            columns = writing.parts.get(update_fields) or writing.part(_checked(self, update_fields))
        elif self._meta.deferred_enabled and not force_insert:
            update_fields = _loaded_fields(self, using)
            columns = writing.part(update_fields)
        if writing.is_simple and not (force_update or pre_save.active or post_save.active):
            key = attributes.get(writing.pk_name, DEFERRED)
            if not (key is None or force_insert):
                # Done here and not in a function of its own, which would be a fiftieth of what an update costs.
                wrapper = connections[using]
                plan = wrapper.plans.get(columns.update_key) or columns.update_plan(writing.model, wrapper)
                if columns.clocks:
                    columns.run_clocks(self, False)
                parameters_of = plan.parameters
                try:
                    parameters = parameters_of(attributes)
                except (KeyError, write.NotPlain):  # a value is missing, or is an expression
                    pass
                else:
                    if wrapper.run(plan.sql, parameters):
                        if home != using:
                            mark_saved(self, using)
                        return
            if update_fields is None and _insert_simply(self, writing, key, using):
                return
        names = None if update_fields is None else frozenset(update_fields)
        self.save_base(False, force_insert, force_update, using, names)

    def _save_new(self, values: tuple[Any, ...]) -> None:
        """What ``save(force_insert=True)`` comes to for an instance that was made of these values just now.

        They are those of all columns but the key, which is None. The instance is
        not asked for its dictionary, which it has none of until somebody does.
        """
        cls = self.__class__
        writing = cls._meta.writing
        if (
            writing is not None
            and writing.is_made_simply
            and router.has_none
            and cls.save is Saving.save
            and not (pre_save.active or post_save.active)
        ):
            wrapper = connections[DEFAULT_ALIAS]
            columns = writing.without_key
            plan = wrapper.plans.get(columns.values_key) or columns.values_plan(cls, wrapper)
            parameters_of = plan.parameters
            try:
                parameters = values if parameters_of is None else parameters_of(values)
            except write.NotPlain:
                pass
            else:
                row = wrapper.insert(plan.sql, parameters)
                if row:
                    setattr(self, writing.pk_name, row[0] if plan.answer is None else plan.answer[0](row[0]))
                self._db = DEFAULT_ALIAS
                return
        self._save_made()

    def _save_made(self) -> None:
        """The same for any instance that a manager made, which belongs to the database that its model is written to.

        An instance alone would belong to that of the objects it refers to.
        """
        self.save(force_insert=True, using=router.db_for_write(type(self)))

    async def _asave_new(self, values: tuple[Any, ...]) -> None:
        """The same for async code: where it is one statement that can run at once, it takes no greenlet."""
        try:
            insertion = self._insertion(values)
        except SynchronousOnlyOperation:
            await bridge(self._save_new, values)  # something has to wait before it is known what to write
            return
        if insertion is None:
            await bridge(self._save_made)
            return
        wrapper, plan, parameters = insertion
        started = wrapper.start_fetch(plan.sql, parameters, in_greenlet=False)
        if started is None:
            row = await bridge(wrapper.insert, plan.sql, parameters)
        else:
            place, answer = started
            try:
                rows = (await answer)[0]
            except BaseException as error:
                rows = await wrapper.mend_fetch(place, error, plan.sql, parameters)
            place.finish()
            row = rows[0] if rows else None
        try:
            self._inserted(plan, row)
        except SynchronousOnlyOperation:
            await bridge(self._inserted, plan, row)  # the value of the key has to wait

    def _insertion(self, values: tuple[Any, ...]) -> tuple[Any, Any, Any] | None:
        """The one statement that `_save_new` comes to: wrapper, plan and parameters; None if there is more to it.

        There it is written out, because a call is a fiftieth of what an insert into SQLite costs.
        """
        cls = self.__class__
        writing = cls._meta.writing
        if (
            writing is None
            or not writing.is_made_simply
            or not router.has_none
            or cls.save is not Saving.save
            or pre_save.active
            or post_save.active
        ):
            return None
        wrapper = connections[DEFAULT_ALIAS]
        columns = writing.without_key
        plan = wrapper.plans.get(columns.values_key) or columns.values_plan(cls, wrapper)
        parameters_of = plan.parameters
        try:
            return wrapper, plan, values if parameters_of is None else parameters_of(values)
        except write.NotPlain:
            return None

    def _inserted(self, plan: Any, row: Any) -> None:
        """Note what has become of the instance, from the row that the database returned."""
        if row:
            key = row[0]
            setattr(self, self._meta.pk.attname, key if plan.answer is None else plan.answer[0](key))
        self._db = DEFAULT_ALIAS

    def save_base(
        self,
        raw: bool = False,
        force_insert: bool | tuple[type[Any], ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """What `save` does when its arguments are settled; `save` may be overridden, this may not.

        `raw` writes exactly what the instance has into its own table: no parents,
        nothing that fields do before saving. That is for fixtures.
        """
        origin = type(self)
        meta = origin._meta
        cls = meta.concrete_model
        if update_fields is not None:
            update_fields = frozenset(update_fields)
        if using is None:
            using = alias_for(self)
        if pre_save.active:
            emit_model(pre_save, origin, instance=self, raw=raw, using=using, update_fields=update_fields)
        meta = cls._meta
        if meta.parents and not raw:
            forced = _forced_classes(cls, force_insert)
            with transaction.atomic(using=using, savepoint=False):
                parent_inserted = _save_parents(self, cls, using, update_fields, forced)
                insert = parent_inserted or issubclass(cls, forced)
                updated = _save_table(self, cls, raw, insert, force_update, using, update_fields)
        else:
            updated = _save_table(self, cls, raw, bool(force_insert), force_update, using, update_fields)
        mark_saved(self, using)
        if post_save.active:
            emit_model(
                post_save,
                origin,
                instance=self,
                created=not updated,
                update_fields=update_fields,
                raw=raw,
                using=using,
            )

    def prepare_database_save(self, field: Any) -> Any:
        """The value of this instance for a foreign key to it. Raises ValueError if it is not saved."""
        value = getattr(self, field.remote_field.get_related_field().attname)
        if value is None:
            raise ValueError(f"Unsaved model instance {self!r} cannot be used in an ORM query.")
        return value


def alias_for(instance: Any) -> str:
    """The alias of the database that an instance is written to unless somebody says otherwise."""
    if router.routers:
        return router.db_for_write(type(instance), instance=instance)
    return state_db(instance) or DEFAULT_ALIAS


def _checked(instance: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names for update_fields, all of which are known."""
    meta = instance._meta
    unknown = sorted(map(str, set(names) - meta.update_field_names))
    if not unknown:
        return names
    raise ValueError(
        f"update_fields of {meta.label} cannot have {', '.join(unknown)}: name fields that are columns, and not the "
        f"primary key.{close_match(unknown[0], meta.update_field_names)}"
    )


def _loaded_fields(instance: Any, using: str) -> tuple[str, ...] | None:
    """The attnames that an instance was loaded with, if some are missing and it goes back to where it came from."""
    attributes = instance.__dict__
    meta = instance._meta
    missing = [name for name in meta.attnames if name not in attributes]
    if not missing or using != state_db(instance):
        return None
    loaded = tuple(
        field.attname for field in meta.concrete_fields if not field.primary_key and field.attname in attributes
    )
    return loaded or None


def _forced_classes(cls: type[Any], force_insert: bool | tuple[type[Any], ...]) -> tuple[type[Any], ...]:
    """The classes whose rows must be inserted."""
    if force_insert is True:
        return (cls,)
    if not force_insert:
        return ()
    if not isinstance(force_insert, tuple):
        raise TypeError("force_insert must be a bool or a tuple of models.")
    for each in force_insert:
        if not (isinstance(each, type) and issubclass(cls, each) and hasattr(each, "_meta")):
            raise TypeError(f"force_insert names {each!r}, which {cls.__name__} does not inherit from.")
    return force_insert


def _save_parents(
    instance: Any,
    cls: type[Any],
    using: str,
    update_fields: frozenset[str] | None,
    forced: tuple[type[Any], ...],
    done: dict[type[Any], bool] | None = None,
) -> bool:
    """Save the rows of all parents, topmost first; says whether any of them is new."""
    done = {} if done is None else done
    inserted = False
    for parent, link in cls._meta.parents.items():
        key = parent._meta.pk.attname
        if link is not None and getattr(instance, key) is None and getattr(instance, link.attname) is not None:
            setattr(instance, key, getattr(instance, link.attname))
        if parent in done:  # the top of a diamond
            new = done[parent]
        else:
            above = _save_parents(instance, parent, using, update_fields, forced, done)
            insert = above or issubclass(parent, forced)
            new = done[parent] = not _save_table(instance, parent, False, insert, False, using, update_fields)
        inserted = inserted or new
        if link is not None:
            value = instance._get_pk_val(parent._meta)
            setattr(instance, link.attname, value)
            if link.is_cached(instance):
                link.delete_cached_value(instance)
    return inserted


def _insert_simply(instance: Any, writing: Writing, key: Any, using: str) -> bool:
    """Insert the row of a model that has nothing special; its key is None if the database is to make it.

    False: `save_base` is better asked to do it itself.
    """
    attributes = instance.__dict__
    wrapper = connections[using]
    columns = writing.new if key is None else writing.all
    plan = wrapper.plans.get(columns.insert_key) or columns.insert_plan(writing.model, wrapper, key is None)
    if columns.clocks:
        columns.run_clocks(instance, True)
    parameters_of = plan.parameters
    try:
        parameters = parameters_of(attributes)
    except (KeyError, write.NotPlain):
        return False
    row = wrapper.insert(plan.sql, parameters)
    if key is None and row:
        attributes[writing.pk_name] = row[0] if plan.answer is None else plan.answer[0](row[0])
    if "_state" in attributes:
        mark_saved(instance, using)
    else:
        attributes["_db"] = using
    return True


def writing_of(cls: type[Any]) -> Writing:
    """How rows of a model are saved."""
    meta = cls._meta
    found: Writing | None = meta.writing
    if found is None:
        found = meta.writing = Writing(cls, by_own_rules=cls.save_base is not Saving.save_base)
    return found


def _save_table(
    instance: Any,
    cls: type[Any],
    raw: bool,
    force_insert: bool,
    force_update: bool,
    using: str,
    update_fields: frozenset[str] | None,
) -> bool:
    """Write the row of one table; says whether it was updated, not inserted."""
    writing = cls._meta.writing or writing_of(cls)
    key = getattr(instance, writing.pk_name)
    if key is None:
        key = writing.pk.get_pk_value_on_save(instance)
        if key is not None:
            setattr(instance, writing.pk_name, key)
    if key is None or key is DATABASE_DEFAULT:
        if force_update or update_fields:
            raise ValueError("Cannot force an update in save() with no primary key.")
        _insert(instance, cls, writing, writing.new, writing.returning, raw, using)
        return False
    if writing.key_is_made and not (raw or force_update or update_fields) and is_adding(instance):
        force_insert = True  # a key that was made just now: there can be no such row
    if not force_insert:
        if _update(instance, cls, writing.part(update_fields), key, raw, using, update_fields, writing):
            return True
        if force_update:
            raise instance.NotUpdated("Forced update did not affect any rows.")
        if update_fields:
            raise instance.NotUpdated("Save with update_fields did not affect any rows.")
    _insert(instance, cls, writing, writing.all, writing.returning_with_key, raw, using)
    return False


def _insert(
    instance: Any, cls: type[Any], writing: Writing, columns: Columns, returning: Fields, raw: bool, using: str
) -> None:
    values = columns.values(instance, raw, True)
    fields = columns.fields
    if writing.has_db_defaults:
        fields, values = columns.without_defaults(values)
    plain = PLAIN_TYPES.issuperset(map(type, values))
    row = write.insert(cls, fields, values, using, returning, plain)
    if returning and not (returning[0].is_auto_field or connections[using].features.can_return_from_insert):
        row = ()  # a number that stands for nothing
    for field, value in zip(returning, row):  # noqa: B905  # MySQL tells the key only
        setattr(instance, field.attname, value)
    if len(row) < len(returning):
        _forget(instance, [field.attname for field in returning[len(row) :]])
    if not plain:
        _forget_expressions(instance, fields, values)


def _update(
    instance: Any,
    cls: type[Any],
    columns: Columns,
    key: Any,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
    writing: Writing,
) -> bool:
    """Whether there was a row to update."""
    if not columns.fields:
        if update_fields:
            return True  # they are those of a parent
        return bool(cls._base_manager.using(using).filter(pk=key).exists())
    values = columns.values(instance, raw, False)
    fields = columns.fields
    if writing.has_db_defaults:
        fields, values = columns.without_defaults(values)
    plain = PLAIN_TYPES.issuperset(map(type, values))
    matched = write.update(cls, key, fields, values, using, plain)
    if matched and not plain:
        _forget_expressions(instance, fields, values)
    return matched > 0


def _forget_expressions(instance: Any, fields: Fields, values: Any) -> None:
    """Let values that the database has computed be loaded when they are read, or when all are read again."""
    names = [field.attname for field, value in zip(fields, values, strict=True) if is_expression(value)]
    if names:
        _forget(instance, names)
        instance.__dict__["_computed"] = {*instance.__dict__.get("_computed", ()), *names}


def _forget(instance: Any, names: list[str]) -> None:
    instance._meta.enable_deferred()
    for name in names:
        instance.__dict__.pop(name, None)
