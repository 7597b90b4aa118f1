"""Relations that are columns: `ForeignKey` and `OneToOneField`; and what all relations have in common.

The value of the column lies under the field's `attname` ("author_id"), as that of
any field; the related object is found by the descriptor under the field's name.

A target may be named by a string. It is resolved when that model appears.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, ClassVar

from webframe.apps.registry import split_model_name
from webframe.core.exceptions import FieldError, ValidationError
from webframe.db.connections import router
from webframe.db.models.clashes import refuse_bad_related_name, refuse_clashes
from webframe.db.models.deletion import SET_DEFAULT, SET_NULL
from webframe.db.models.fields.base import NOT_PROVIDED, Field
from webframe.db.models.fields.numbers import BigIntegerField, IntegerField, SmallIntegerField
from webframe.db.models.options import JoinStep
from webframe.db.models.paths import to_ancestor
from webframe.db.models.related.descriptors import (
    ForwardManyToOneDescriptor,
    ForwardOneToOneDescriptor,
    ReverseManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)
from webframe.db.models.related.rels import (
    Cached,
    ManyToOneRel,
    OneToOneRel,
    is_own_field,
)

# What a relation of a model with itself names as its target.
RECURSIVE = "self"


class RelatedField(Cached, Field):
    """What all relations have in common: a target that may not exist yet, and names for the other end."""

    is_relation = True
    # The other end; see rels.py.
    remote_field: Any

    @property
    def related_model(self) -> Any:
        """The model that the relation points to; its name while there is none."""
        return self.remote_field.model

    @related_model.setter
    def related_model(self, model: Any) -> None:
        self.remote_field.model = model

    @property
    def cache_name(self) -> str:  # type: ignore[override]  # a plain attribute where nothing depends on it
        """Where instances remember the related object."""
        return f"_cached_{self.name}"

    @property
    def unsaved_name(self) -> str:
        """What marks instances whose related object had no key when it was assigned, so that it may get one later."""
        return f"_unsaved_{self.name}"

    @property
    def left_out_name(self) -> str:
        """Where instances that remember None keep the key of the object that a prefetch has left out."""
        return f"_left_out_{self.name}"

    def related_query_name(self) -> str:
        """What questions call this relation from the other end."""
        rel = self.remote_field
        return str(rel.related_query_name or rel.related_name or self.model._meta.model_name)

    def get_limit_choices_to(self) -> Any:
        """What objects must fulfil to be chosen, a dictionary or a Q."""
        limit = self.remote_field.limit_choices_to
        return limit() if callable(limit) else limit

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """Become a field of a model; the target learns of it as soon as both are defined."""
        super().contribute_to_class(cls, name, private_only)
        meta = cls._meta
        if meta.abstract:
            return
        rel = self.remote_field
        words = {"class": cls.__name__.lower(), "model_name": meta.model_name, "app_label": meta.app_label}
        related_name = rel.related_name or meta.default_related_name
        if related_name:
            rel.related_name = fill_in(self, "related_name", related_name, words)
        if rel.related_query_name:
            rel.related_query_name = fill_in(self, "related_query_name", rel.related_query_name, words)
        refuse_bad_related_name(self)
        when_defined(cls, self._complete, rel.model)

    def _complete(self, model: Any, target: Any) -> None:
        self.remote_field.model = target
        if not model._meta.apps.describes_past:
            refuse_clashes(self)
        self.contribute_to_related_class(target, self.remote_field)

    def contribute_to_related_class(self, cls: Any, related: Any) -> None:
        """Give the target its end of the relation."""
        raise NotImplementedError

    def _arguments_of_relation(self) -> dict[str, Any]:
        rel = self.remote_field
        target = rel.model
        given: dict[str, Any] = {"to": target if isinstance(target, str) else target._meta.label_lower}
        if rel.given_related_name is not None:
            given["related_name"] = rel.given_related_name
        if rel.given_related_query_name is not None:
            given["related_query_name"] = rel.given_related_query_name
        if rel.limit_choices_to:
            given["limit_choices_to"] = rel.limit_choices_to
        return given


def fill_in(field: Any, argument: str, text: Any, words: dict[str, str]) -> str:
    """The text of an argument with the words for a model in it."""
    try:
        return str(text) % words
    except (KeyError, ValueError, TypeError):
        raise FieldError(
            f"{field} has {argument}={text!r}: what may stand in it is {', '.join(f'%({word})s' for word in words)}."
        ) from None


def when_defined(model: Any, function: Callable[..., object], *targets: Any) -> None:
    """Call `function` with the model and these targets, classes or names, as soon as all are defined."""
    # A class of another registry is defined already; one of this registry may be in the making.
    waited_for = [target for target in targets if isinstance(target, str) or target._meta.apps is model._meta.apps]

    def when_found(owner: Any, *found: Any) -> None:
        by_target = dict(zip(map(id, waited_for), found, strict=True))
        function(owner, *(by_target[id(each)] if isinstance(each, str) else each for each in targets))

    keys = [key_of_target(model, target) for target in (model, *waited_for)]
    # A class that is in the making may have the name of one that is there.
    making = [each for each in (model, *waited_for) if not isinstance(each, str) and each._meta.concrete_model is None]
    anew = [key_of_target(model, each) for each in making]
    model._meta.apps.lazy_model_operation(when_found, *keys, anew=anew)


def key_of_target(model: Any, target: Any) -> tuple[str, str]:
    """The label of the app and the name of a target, which may be named without its app, or as "self"."""
    if not isinstance(target, str):
        return target._meta.app_label, target._meta.model_name
    if target == RECURSIVE:
        return model._meta.app_label, model._meta.model_name
    if "." not in target:
        return model._meta.app_label, target.lower()
    label, name = split_model_name(target)
    return label, name.lower()


def check_target(field: Any, to: Any) -> None:
    if not isinstance(to, str) and not hasattr(to, "_meta"):
        raise TypeError(
            f"{type(field).__name__}({to!r}) is invalid. First parameter to {type(field).__name__} must be either a "
            f"model, a model name, or the string {RECURSIVE!r}."
        )
    if not isinstance(to, str) and to._meta.abstract:
        raise TypeError(f"{type(field).__name__} cannot point to {to.__name__}: an abstract model has no rows.")


def check_on_delete(field: Any, to: Any, on_delete: Any) -> None:
    if callable(on_delete):
        return
    target = to if isinstance(to, str) else to._meta.label
    what = "needs on_delete" if on_delete is NOT_PROVIDED else f"has on_delete={on_delete!r}, which cannot be called"
    raise TypeError(
        f"{type(field).__name__} to {target!r} {what}. Say what becomes of an object when the one that it points to is "
        f"deleted: on_delete=models.CASCADE, or PROTECT, RESTRICT, SET_NULL, SET_DEFAULT, SET(...), DO_NOTHING."
    )


def type_of_references(target: Any) -> Any:
    """The type of columns that refer to a field: that of its own, without the numbering."""
    while target.is_relation:
        target = target.target_field
    for kind in (SmallIntegerField, BigIntegerField, IntegerField):
        if target.is_auto_field and isinstance(target, kind):
            return kind().sql_type()
    return target.sql_type()


class ForeignKey(RelatedField):
    """A reference to one object of another model (or of the same one: "self"), by its primary key or `to_field`.

    `on_delete` says what becomes of this object when that one is deleted.
    """

    many_to_one = True
    empty_strings_allowed = False
    description = "Foreign key"
    default_error_messages: ClassVar[dict[str, str]] = {
        "invalid": "%(model)s instance with %(field)s %(value)r does not exist."
    }
    rel_class: ClassVar[type[ManyToOneRel]] = ManyToOneRel
    forward_descriptor: ClassVar[type[ForwardManyToOneDescriptor]] = ForwardManyToOneDescriptor

    def __init__(
        self,
        to: Any,
        on_delete: Any = NOT_PROVIDED,
        related_name: str | None = None,
        related_query_name: str | None = None,
        limit_choices_to: Any = None,
        parent_link: bool = False,
        to_field: str | None = None,
        db_constraint: bool = True,
        **options: Any,
    ) -> None:
        check_target(self, to)
        check_on_delete(self, to, on_delete)
        options.setdefault("db_index", True)
        super().__init__(**options)
        self.db_constraint = db_constraint
        self.to_field = to_field
        self.remote_field = self.rel_class(
            self,
            to,
            field_name=to_field,
            related_name=related_name,
            related_query_name=related_query_name,
            limit_choices_to=limit_choices_to,
            parent_link=parent_link,
            on_delete=on_delete,
        )
        if on_delete is SET_NULL and not self.null:
            raise TypeError("on_delete=SET_NULL needs a foreign key that may be null: add null=True.")
        if on_delete is SET_DEFAULT and not self.has_default():
            raise TypeError("on_delete=SET_DEFAULT needs a foreign key with a default: add default=....")

    def __copy__(self) -> Any:
        other = super().__copy__()
        other.__dict__.pop("_target", None)
        return other

    def pointing_to(self, target: Any) -> Any:
        """A copy whose column has values of another field, for a table in which that one takes the place of its own."""
        other = copy(self)
        other.__dict__["_target"] = target
        return other

    # -- names and ends

    def get_attname(self) -> str:
        return f"{self.name}_id"

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.name, self.forward_descriptor(self))

    def contribute_to_related_class(self, cls: Any, related: Any) -> None:
        self.__dict__.pop("_target", None)
        cls._meta.concrete_model._meta.add_related_object(related)
        accessor = related.get_accessor_name()
        if not related.hidden and accessor:
            setattr(cls._meta.concrete_model, accessor, self.reverse_descriptor(related))

    def reverse_descriptor(self, related: Any) -> Any:
        """What stands on the target under the name of the accessor."""
        return ReverseManyToOneDescriptor(related)

    @property
    def target_field(self) -> Any:
        """The field of the target that the column has values of."""
        target = self.__dict__.get("_target")
        if target is None:
            model = self.remote_field.model
            if isinstance(model, str):
                raise FieldError(
                    f"{self} points to {model!r}, which is not defined (yet). Define that model, or import its module."
                )
            target = model._meta.get_field(self.to_field) if self.to_field else model._meta.pk
            self.__dict__["_target"] = target
        return target

    @property
    def foreign_related_fields(self) -> tuple[Any, ...]:
        """The fields pointed to, as a tuple."""
        return (self.target_field,)

    def join_steps(self) -> tuple[JoinStep, ...]:
        """The joins that lead to the related object, to the table that has the field pointed to."""
        target = self.target_field
        related = self.remote_field.model
        if is_own_field(related, target):
            return (JoinStep(self.model, related, ((self, target),), many=False, nullable=self.null),)
        # It is a field of a parent of the target: over the parent's table to the target's own.
        owner = target.model
        down = to_ancestor(related, owner)
        step = JoinStep(self.model, owner, ((self, target),), many=False, nullable=self.null)
        back = tuple(
            JoinStep(each.model, each.source, tuple((there, here) for here, there in each.columns), False, self.null)
            for each in reversed(down)
        )
        return (step, *back)

    # -- values

    def get_default(self) -> Any:
        """The default; an object given as one stands for its key."""
        default = super().get_default()
        if hasattr(default, "_meta") and isinstance(default, self.remote_field.model):
            return getattr(default, self.target_field.attname)
        return default

    @property
    def exact_type(self) -> type | None:  # type: ignore[override]  # which values need no preparation, the target says
        exact: type | None = self.target_field.exact_type
        return exact

    def to_python(self, value: Any) -> Any:
        return self.target_field.to_python(value)

    def get_prep_value(self, value: Any) -> Any:
        return self.target_field.get_prep_value(value)

    def get_save_value(self, value: Any) -> Any:
        if value is None or (value == "" and not self.target_field.empty_strings_allowed):
            return None
        return self.target_field.get_save_value(value)

    def sql_type(self) -> Any:
        """The type of the column pointed to, without the numbering."""
        return type_of_references(self.target_field)

    def validate(self, value: Any, model_instance: Any) -> None:
        """Raise ValidationError also where no object has this key, or `limit_choices_to` leaves it out."""
        if self.remote_field.parent_link:
            return
        super().validate(value, model_instance)
        if value is None:
            return
        related = self.remote_field.model
        using = router.db_for_read(related, instance=model_instance)
        found = related._base_manager.using(using).filter(**{self.target_field.name: value})
        limit = self.get_limit_choices_to()
        if limit:
            found = found.complex_filter(limit)
        if not found.exists():
            raise ValidationError(
                self.error_messages["invalid"],
                code="invalid",
                params={
                    "model": related._meta.verbose_name,
                    "pk": value,
                    "field": self.target_field.name,
                    "value": value,
                },
            )

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, keywords = super().deconstruct()
        keywords.update(self._arguments_of_relation(), on_delete=self.remote_field.on_delete)
        if keywords.pop("db_index", False) is False and not self.db_index:
            keywords["db_index"] = False
        if self.to_field:
            keywords["to_field"] = self.to_field
        if self.remote_field.parent_link:
            keywords["parent_link"] = True
        if not self.db_constraint:
            keywords["db_constraint"] = False
        return name, path, args, keywords


class OneToOneField(ForeignKey):
    """A foreign key that no two objects share; with `parent_link` the link of a child model to its parent."""

    many_to_one = False
    one_to_one = True
    description = "One-to-one relationship"
    rel_class = OneToOneRel
    forward_descriptor = ForwardOneToOneDescriptor

    def __init__(self, to: Any, on_delete: Any = NOT_PROVIDED, to_field: str | None = None, **options: Any) -> None:
        options["unique"] = True
        super().__init__(to, on_delete, to_field=to_field, **options)

    def reverse_descriptor(self, related: Any) -> Any:
        return ReverseOneToOneDescriptor(related)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, keywords = super().deconstruct()
        keywords.pop("unique", None)
        return name, path, args, keywords
