"""`ManyToManyField`: any number of objects related to any number of others.

It has no column: a model between, made here unless one is given, has a row for
each pair.
"""

from __future__ import annotations

from typing import Any

from webframe.core.exceptions import FieldDoesNotExist, FieldError
from webframe.db.models.deletion import CASCADE
from webframe.db.models.naming import shortened
from webframe.db.models.options import JoinStep
from webframe.db.models.related.descriptors import ManyToManyDescriptor
from webframe.db.models.related.fields import (
    RECURSIVE,
    ForeignKey,
    RelatedField,
    check_target,
    key_of_target,
    when_defined,
)
from webframe.db.models.related.rels import ManyToManyRel


class ManyToManyField(RelatedField):
    """A relation of any number of objects to any number of others: one row of the model `through` for each pair.

    That model is made here unless it is given. A relation of a model with itself
    is `symmetrical` unless it is told otherwise, or has a `through` of its own:
    who is related to somebody is so the other way round, too.
    """

    many_to_many = True
    description = "Many-to-many relationship"

    def __init__(
        self,
        to: Any,
        related_name: str | None = None,
        related_query_name: str | None = None,
        limit_choices_to: Any = None,
        symmetrical: bool | None = None,
        through: Any = None,
        through_fields: tuple[str, str] | None = None,
        db_constraint: bool = True,
        db_table: str | None = None,
        **options: Any,
    ) -> None:
        check_target(self, to)
        if through is not None and db_table is not None:
            raise ValueError("Cannot specify a db_table if an intermediary model is used: it has a table of its own.")
        if through_fields is not None and through is None:
            raise ValueError("Cannot specify through_fields without a through model.")
        for name in ("null", "unique", "default", "validators", "primary_key", "db_index"):
            if options.pop(name, None):
                raise TypeError(f"ManyToManyField has no column, so {name} means nothing for it. Leave it out.")
        super().__init__(**options)
        self.db_table = db_table
        self.remote_field = ManyToManyRel(
            self,
            to,
            related_name=related_name,
            related_query_name=related_query_name,
            limit_choices_to=limit_choices_to,
            symmetrical=to == RECURSIVE if symmetrical is None else symmetrical,
            through=through,
            through_fields=None if through_fields is None else (through_fields[0], through_fields[1]),
            db_constraint=db_constraint,
        )
        # Whether the model between is made here, for each heir of an abstract model anew.
        self._makes_through = through is None

    def __copy__(self) -> Any:
        other = super().__copy__()
        other.__dict__.pop("_ends", None)
        return other

    def get_attname_column(self) -> tuple[str, str | None]:
        return self.get_attname(), None

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        rel = self.remote_field
        is_own = key_of_target(cls, rel.model) == (cls._meta.app_label, cls._meta.model_name)
        if rel.symmetrical and is_own:
            rel.related_name = f"{name}_rel_+"
        elif rel.hidden:
            # Each needs a name of its own in questions.
            rel.related_name = f"_{cls._meta.app_label}_{cls.__name__.lower()}_{name}_+"
        super().contribute_to_class(cls, name, private_only)
        if cls._meta.abstract:
            return
        if self._makes_through:
            rel.through = _new_through(self, cls) if not cls._meta.swapped else None
        elif isinstance(rel.through, str):
            when_defined(cls, self._through_defined, rel.through)
        setattr(cls, self.name, ManyToManyDescriptor(rel))

    def _through_defined(self, model: Any, through: Any) -> None:
        self.remote_field.through = through
        model._meta._expire_cache()

    def contribute_to_related_class(self, cls: Any, related: Any) -> None:
        cls._meta.concrete_model._meta.add_related_object(related)
        accessor = related.get_accessor_name()
        if not related.hidden and accessor:
            setattr(cls._meta.concrete_model, accessor, ManyToManyDescriptor(related, reverse=True))

    # -- the rows between

    @property
    def through_source(self) -> Any:
        """The foreign key of the rows between that points to the model that declares the relation."""
        return self._foreign_keys()[0]

    @property
    def through_target(self) -> Any:
        """The foreign key of the rows between that points to the other model."""
        return self._foreign_keys()[1]

    def _foreign_keys(self) -> tuple[Any, Any]:
        ends: tuple[Any, Any] | None = self.__dict__.get("_ends")
        if ends is None:
            ends = self.__dict__["_ends"] = self._find_foreign_keys()
        return ends

    def _find_foreign_keys(self) -> tuple[Any, Any]:
        rel = self.remote_field
        through = rel.through
        if through is None or isinstance(through, str):
            raise FieldError(f"{self} goes through {through!r}, which is not defined (yet). Define that model.")
        if rel.through_fields:
            try:
                return through._meta.get_field(rel.through_fields[0]), through._meta.get_field(rel.through_fields[1])
            except FieldDoesNotExist as error:
                raise FieldError(f"{self} names through_fields={rel.through_fields!r}: {error}") from None
        to_source = _foreign_keys_to(through, self.model)
        to_target = _foreign_keys_to(through, rel.model)
        if self.model._meta.concrete_model is rel.model._meta.concrete_model:
            to_source, to_target = to_source[:1], to_source[1:]
        if not to_source or not to_target:
            missing = self.model if not to_source else rel.model
            raise FieldError(
                f"{self} goes through {through._meta.label}, which has no foreign key to {missing._meta.label}: "
                f"add one."
            )
        if len(to_source) > 1 or len(to_target) > 1:
            raise FieldError(
                f"{self} goes through {through._meta.label}, which has more than one foreign key to one of its ends. "
                f"Name the two to use: through_fields=({to_source[0].name!r}, {to_target[0].name!r})."
            )
        return to_source[0], to_target[0]

    def m2m_db_table(self) -> str:
        """The table of the rows between."""
        return str(self.remote_field.through._meta.db_table)

    def m2m_field_name(self) -> str:
        """The name of the foreign key to the model that declares the relation."""
        return str(self.through_source.name)

    def m2m_reverse_field_name(self) -> str:
        """The name of the foreign key to the other model."""
        return str(self.through_target.name)

    @property
    def target_field(self) -> Any:
        """The field of the other model by which its objects are told apart."""
        return self.through_target.target_field

    def join_steps(self) -> tuple[JoinStep, ...]:
        """The joins over the rows between to the other model."""
        return (*self.through_source.remote_field.join_steps(), *self.through_target.join_steps())

    # -- values

    def value_from_object(self, obj: Any) -> Any:
        """The related objects, as a list."""
        return [] if obj.pk is None else list(getattr(obj, self.name).all())

    def save_form_data(self, instance: Any, data: Any) -> None:
        getattr(instance, self.name).set(data)

    def sql_type(self) -> Any:
        raise TypeError(f"{self} has no column.")

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, keywords = super().deconstruct()
        rel = self.remote_field
        keywords.update(self._arguments_of_relation())
        if rel.symmetrical != (keywords["to"] == RECURSIVE):
            keywords["symmetrical"] = rel.symmetrical
        if self.db_table is not None:
            keywords["db_table"] = self.db_table
        if not rel.db_constraint:
            keywords["db_constraint"] = False
        if not self._makes_through:
            through = rel.through
            keywords["through"] = through if isinstance(through, str) else through._meta.label
            if rel.through_fields:
                keywords["through_fields"] = rel.through_fields
        return name, path, args, keywords


def _foreign_keys_to(through: Any, model: Any) -> list[Any]:
    """The foreign keys of a model that point to another one; where none does, those to a parent of it."""
    wanted = {parent._meta.concrete_model for parent in (model, *model._meta.all_parents)}
    found = [
        field
        for field in through._meta.fields
        if field.is_relation
        and not field.remote_field.parent_link
        and not isinstance(field.remote_field.model, str)
        and field.remote_field.model._meta.concrete_model in wanted
    ]
    concrete = model._meta.concrete_model
    return [field for field in found if field.remote_field.model._meta.concrete_model is concrete] or found


def _new_through(field: ManyToManyField, owner: Any) -> Any:
    """The model of the rows between, of the same metaclass and registry as the owner."""
    rel, meta = field.remote_field, owner._meta
    if isinstance(rel.model, str):
        target_name = meta.model_name if rel.model == RECURSIVE else rel.model.rpartition(".")[2].lower()
        target = owner if rel.model == RECURSIVE else rel.model
    else:
        target_name, target = rel.model._meta.model_name, rel.model
    source_name = meta.model_name
    if target is owner or target_name == source_name:
        source_name, target_name = f"from_{source_name}", f"to_{target_name}"
    name = f"{meta.object_name}_{field.name}"
    options = {
        "db_table": field.db_table or shortened(f"{meta.db_table}_{field.name}"),
        "managed": meta.managed,
        "auto_created": owner,
        "app_label": meta.app_label,
        "unique_together": (source_name, target_name),
        "verbose_name": f"{source_name}-{target_name} relationship",
        "verbose_name_plural": f"{source_name}-{target_name} relationships",
        "apps": meta.apps,
    }
    keywords: dict[str, Any] = {
        "related_name": f"{name}+",
        "on_delete": CASCADE,
        "db_constraint": rel.db_constraint,
    }
    body = {
        "Meta": type("Meta", (), options),
        "__module__": owner.__module__,
        source_name: ForeignKey(owner, **keywords),
        target_name: ForeignKey(target, **keywords),
    }
    base = [each for each in owner.__mro__ if isinstance(each, type(owner))][-1]
    return type(owner)(name, (base,), body)
