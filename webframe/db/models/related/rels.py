"""The other end of a relation, as seen from the model that it points to.

A `ForeignKey` from Book to Author makes a `ManyToOneRel`, which Author's `_meta`
lists among its fields: it has a name for questions (`book`), an accessor for
instances (`book_set`), and the joins that lead to it. It is also where the
options of a relation are kept that concern both ends.
"""

from __future__ import annotations

from typing import Any

from webframe.db.models.options import JoinStep
from webframe.db.models.paths import to_ancestor

# What `dict.get` gives where nothing is cached; None is a thing that can be cached.
MISSING: Any = object()


class Cached:
    """What a relation knows about the related object that an instance remembers, one for each instance.

    It lies in the instance's dictionary under `cache_name`.
    """

    # "_cached_author"
    cache_name: str

    def get_cached_value(self, instance: Any, default: Any = MISSING) -> Any:
        """The related object that the instance remembers; `default`, or else KeyError, where there is none."""
        value = instance.__dict__.get(self.cache_name, default)
        if value is MISSING:
            raise KeyError(self.cache_name)
        return value

    def is_cached(self, instance: Any) -> bool:
        """Whether the instance remembers a related object, or that there is none."""
        return self.cache_name in instance.__dict__

    def set_cached_value(self, instance: Any, value: Any) -> None:
        """Let the instance remember its related object; None: there is none."""
        instance.__dict__[self.cache_name] = value

    def delete_cached_value(self, instance: Any) -> None:
        """Let the instance forget it; it is no error if there is nothing to forget."""
        instance.__dict__.pop(self.cache_name, None)


class ForeignObjectRel(Cached):
    """What the other ends of all relations have in common."""

    # What `_meta` asks of everything that it lists as a field.
    auto_created = True
    concrete = False
    editable = False
    is_relation = True
    null = True
    column = None
    primary_key = False
    empty_strings_allowed = False
    # Whether this end has many, or one at the most.
    multiple = True

    def __init__(
        self,
        field: Any,
        to: Any,
        related_name: str | None = None,
        related_query_name: str | None = None,
        limit_choices_to: Any = None,
        parent_link: bool = False,
        on_delete: Any = None,
    ) -> None:
        # The field that declares the relation.
        self.field = field
        # The model it points to; its name as a string until there is one.
        self.model = to
        self.related_name = related_name
        self.related_query_name = related_query_name
        # The two as they were given, before the words for a model were filled in.
        self.given_related_name = related_name
        self.given_related_query_name = related_query_name
        self.limit_choices_to = {} if limit_choices_to is None else limit_choices_to
        self.parent_link = parent_link
        self.on_delete = on_delete
        # Many-to-many only: the model whose rows are the relation, and the names of its foreign keys.
        self.through: Any = None
        self.through_fields: tuple[str, str] | None = None
        self.symmetrical = False

    @property
    def hidden(self) -> bool:
        """Whether the model that is pointed to has no accessor: the related name ends with "+"."""
        return bool(self.related_name) and str(self.related_name).endswith("+")

    def is_hidden(self) -> bool:
        """The same, as a method, as in Django."""
        return self.hidden

    @property
    def name(self) -> str:
        """What questions call this end: `Author.objects.filter(book__title=...)`."""
        return str(self.field.related_query_name())

    @property
    def remote_field(self) -> Any:
        """The field that declares the relation: this object's own other end."""
        return self.field

    @property
    def related_model(self) -> Any:
        """The model that declares the relation."""
        return self.field.model

    @property
    def many_to_many(self) -> bool:
        return bool(self.field.many_to_many)

    @property
    def many_to_one(self) -> bool:
        return bool(self.field.one_to_many)

    @property
    def one_to_many(self) -> bool:
        return bool(self.field.many_to_one)

    @property
    def one_to_one(self) -> bool:
        return bool(self.field.one_to_one)

    @property
    def target_field(self) -> Any:
        """The field of the declaring model by which its objects are told apart in questions."""
        return self.related_model._meta.pk

    @property
    def choices(self) -> Any:
        return self.field.choices

    @property
    def db_type(self) -> Any:
        return self.field.db_type

    @property
    def cache_name(self) -> str:  # type: ignore[override]  # the field's is settled when it gets its name
        return f"_cached_{self.get_accessor_name() or self.name}"

    def get_accessor_name(self, model: Any = None) -> str | None:
        """The attribute of the instances pointed to: the related name, or "book_set" (one-to-one: "book").

        None for a many-to-many relation of a model with itself that is symmetrical: both ends are the same.
        """
        owner = model or self.related_model
        if self.symmetrical and owner is self.model:
            return None
        if self.related_name:
            return self.related_name
        name = str(owner._meta.model_name)
        return f"{name}_set" if self.multiple else name

    def get_joining_columns(self) -> tuple[tuple[Any, Any], ...]:
        """Pairs (field of the model pointed to, field of the declaring one) that are equal where both are related."""
        return ((self.field.target_field, self.field),)

    def join_steps(self) -> tuple[JoinStep, ...]:
        """The joins from the model that is pointed to, to the one that declares the relation."""
        field, target = self.field, self.field.target_field
        near = self.model if is_own_field(self.model, target) else target.model
        return (
            *to_ancestor(self.model, near),
            JoinStep(near, field.model, ((target, field),), many=self.multiple, nullable=True),
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.related_model._meta.label}.{self.field.name}>"

    def __copy__(self) -> Any:
        """One of its own for the heir of an abstract model, whose field will be another."""
        other = object.__new__(type(self))
        other.__dict__.update(vars(self))
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        return _rel_of, (self.field,)


class ManyToOneRel(ForeignObjectRel):
    """The other end of a `ForeignKey`."""

    def __init__(self, field: Any, to: Any, field_name: str | None = None, **options: Any) -> None:
        super().__init__(field, to, **options)
        # The field pointed to, by name; None: the primary key.
        self.field_name = field_name

    def get_related_field(self) -> Any:
        """The field that the foreign key holds values of."""
        return self.field.target_field


class OneToOneRel(ManyToOneRel):
    """The other end of a `OneToOneField`."""

    multiple = False


class ManyToManyRel(ForeignObjectRel):
    """The other end of a `ManyToManyField`, and what lies between: the model of the rows that relate."""

    def __init__(
        self,
        field: Any,
        to: Any,
        *,
        symmetrical: bool = False,
        through: Any = None,
        through_fields: tuple[str, str] | None = None,
        db_constraint: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(field, to, **options)
        self.symmetrical = symmetrical
        self.through = through
        self.through_fields = through_fields
        self.db_constraint = db_constraint

    def get_related_field(self) -> Any:
        """The field of the model pointed to that the rows between hold values of."""
        return self.field.through_target.target_field

    def join_steps(self) -> tuple[JoinStep, ...]:
        """The joins from the model that is pointed to, over the rows between, to the one that declares the relation."""
        return (*self.field.through_target.remote_field.join_steps(), *self.field.through_source.join_steps())


def _rel_of(field: Any) -> Any:
    return field.remote_field


def is_own_field(model: Any, field: Any) -> bool:
    """Whether a field is in the very table of a model, and not in that of a parent."""
    return bool(field.model._meta.concrete_model is model._meta.concrete_model)


def steps_from_ancestor(ancestor: Any, model: Any) -> tuple[JoinStep, ...]:
    """The way of `to_ancestor` down: there is always a row of the child, where one got to the parent from it."""
    return tuple(
        JoinStep(
            step.model,
            step.source,
            tuple((there, here) for here, there in step.columns),
            many=False,
            nullable=False,
        )
        for step in reversed(to_ancestor(model, ancestor))
    )
