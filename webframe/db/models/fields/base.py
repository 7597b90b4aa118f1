"""`Field`: what all fields of models have in common, and what a custom field can change.

A field belongs to a class, not to an instance: the value of an instance lies in
its dictionary under `attname`, and nothing stands between. On its way to the
database a value goes through `get_prep_value` and then through the type that
`sql_type` gives; on the way back through the type and then `from_db_value`,
if the class has one.
"""

from __future__ import annotations

import copy
import keyword
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partialmethod
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Never, Self, overload

from webframe.apps.registry import apps
from webframe.core.exceptions import FieldError, ValidationError
from webframe.core.validators import EMPTY_VALUES
from webframe.db.models.fields.arguments import unknown_arguments
from webframe.db.models.fields.choices import Choosing
from webframe.db.models.fields.defaults import DATABASE_DEFAULT as DATABASE_DEFAULT
from webframe.db.models.fields.defaults import NOT_PROVIDED as NOT_PROVIDED
from webframe.db.models.lookups import DEFAULT_LOOKUPS, RegisterLookupMixin

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine


_creation = count()
_auto_creation = count(-1, -1)


class Field(Choosing, RegisterLookupMixin):
    """One value of a model, and the column it is kept in.

    Subclasses say what the column is (`sql_type`), what Python values they have
    (`to_python`), and how those are written for the database (`get_prep_value`)
    and read back (`from_db_value(value, expression, connection)`, optional).
    """

    class_lookups: ClassVar[dict[str, Any]] = dict(DEFAULT_LOOKUPS)

    # What fields are called in messages of `check`, and by tools.
    description = "Field"
    # Whether a text without characters is a value of this field: then it is the default where none is given.
    empty_strings_allowed = True
    empty_values: Sequence[Any] = EMPTY_VALUES
    default_validators: Sequence[Callable[[Any], object]] = ()
    default_error_messages: ClassVar[Mapping[str, str]] = {
        "invalid_choice": "Value %(value)r is not a valid choice.",
        "null": "This field cannot be null.",
        "blank": "This field cannot be blank.",
        "unique": "%(model_name)s with this %(field_label)s already exists.",
        "unique_for_date": "%(field_label)s must be unique for %(date_field_label)s %(lookup_type)s.",
    }
    # Values of exactly this type need no `get_prep_value`; None: all values do.
    exact_type: type | None = None
    # Whether the database gives out the numbers of this column.
    is_auto_field = False
    # Whether negative numbers are refused by the table too.
    non_negative = False
    # Arguments that the class has beside those of `Field`, kept under their names, with their defaults.
    own_arguments: ClassVar[Mapping[str, Any]] = {}
    # Whether `pre_save` does more than to read the instance's value.
    has_own_pre_save = False
    # Whether that is to give the instance the value that it returns, and nothing else.
    pre_save_sets_value = False

    is_relation = False
    many_to_many = many_to_one = one_to_many = one_to_one = False
    related_model: Any = None
    remote_field: Any = None
    hidden = False
    generated = False

    if TYPE_CHECKING:
        # What type checkers make of the attribute: the field itself stands on no class.
        @overload
        def __get__(self, instance: None, owner: Any) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> Any: ...
        def __get__(self, instance: object, owner: Any) -> Any: ...
        def __set__(self, instance: object, value: Any) -> None: ...

    # Set when the field comes to its class.
    name: str
    attname: str
    column: str | None
    model: Any
    concrete: bool

    def __init__(
        self,
        verbose_name: Any = None,
        name: str | None = None,
        primary_key: bool = False,
        max_length: int | None = None,
        unique: bool = False,
        blank: bool = False,
        null: bool = False,
        db_index: bool = False,
        default: Any = NOT_PROVIDED,
        editable: bool = True,
        serialize: bool = True,
        unique_for_date: str | None = None,
        unique_for_month: str | None = None,
        unique_for_year: str | None = None,
        choices: Any = None,
        help_text: Any = "",
        db_column: str | None = None,
        db_tablespace: str | None = None,
        auto_created: bool = False,
        validators: Iterable[Callable[[Any], object]] = (),
        error_messages: Mapping[str, str] | None = None,
        db_comment: str | None = None,
        db_default: Any = NOT_PROVIDED,
        **unknown: Never,
    ) -> None:
        if unknown:
            raise unknown_arguments(self, unknown)
        if name is not None:
            self.name = name
        # As it was given, and as it is shown: made from the name where none was given.
        self._verbose_name = verbose_name
        self.verbose_name = verbose_name
        self.primary_key = primary_key
        self.max_length = max_length
        self._unique = unique
        self.blank = blank
        self.null = null
        self.db_index = db_index
        self.default = default
        self.editable = editable
        self.serialize = serialize
        self.unique_for_date = unique_for_date
        self.unique_for_month = unique_for_month
        self.unique_for_year = unique_for_year
        self.choices = choices
        self.help_text = help_text
        self.db_column = db_column
        self.db_tablespace = db_tablespace
        self.auto_created = auto_created
        self._validators = list(validators)
        self._error_messages = error_messages
        self.db_comment = db_comment
        self.db_default = db_default
        if default is not NOT_PROVIDED and isinstance(default, (list, dict, set)):
            raise TypeError(
                f"{type(self).__name__}(default={default!r}): one object would be shared by all instances. "
                f"Give a callable: default={type(default).__name__}, or a function."
            )
        # Declaration order within a class; fields that nobody declared come first.
        self.creation_counter = next(_auto_creation) if auto_created else next(_creation)

    @cached_property
    def error_messages(self) -> dict[str, str]:
        """The messages of all errors by their codes: those that were given, and those of the class."""
        messages: dict[str, str] = {}
        for cls in reversed(type(self).__mro__):
            messages.update(vars(cls).get("default_error_messages", {}))
        messages.update(self._error_messages or {})
        return messages

    def __str__(self) -> str:
        model = getattr(self, "model", None)
        return f"{model._meta.label}.{self.name}" if model is not None else super().__str__()

    def __repr__(self) -> str:
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        name = getattr(self, "name", None)
        return f"<{path}: {name}>" if name is not None else f"<{path}>"

    def __lt__(self, other: Any) -> bool:
        if not isinstance(other, Field):
            return NotImplemented
        return self.creation_counter < other.creation_counter

    # Equality and hash are those of identity: tuples of fields are keys on hot paths.

    # -- coming to a class

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """Become the field `name` of a model."""
        self.set_attributes_from_name(name)
        self.model = cls
        cls._meta.add_field(self, private=private_only)
        self.check_choices()
        if self._choices is not None and f"get_{self.name}_display" not in vars(cls):
            setattr(cls, f"get_{self.name}_display", partialmethod(cls._get_field_display, field=self))

    def set_attributes_from_name(self, name: str) -> None:
        """Take the name of the attribute, unless the field was made with one, and all that follows from it."""
        self.name = getattr(self, "name", None) or name
        if not is_field_name(self.name):
            raise FieldError(
                f"A field cannot be called {self.name!r}: it must be a Python name, without '__' in it or '_' at its "
                f"end (queries join names by '__'), and 'pk' is the primary key. Give it another name, and its column "
                f"this one by db_column."
            )
        self.attname, self.column = self.get_attname_column()
        self.concrete = self.column is not None
        if self.verbose_name is None:
            self.verbose_name = self.name.replace("_", " ")

    def get_attname(self) -> str:
        """The attribute of instances that has the value."""
        return self.name

    def get_attname_column(self) -> tuple[str, str | None]:
        """The attribute of instances and the column of the table; no column: None."""
        attname = self.get_attname()
        return attname, self.db_column or attname

    def __copy__(self) -> Any:
        other = object.__new__(type(self))
        other.__dict__.update({key: value for key, value in vars(self).items() if key not in CACHED})
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """The field as each heir of an abstract model gets it: what is given stays shared, the other end does not."""
        other = copy.copy(self)
        memo[id(self)] = other
        if self.remote_field is not None:
            # Not copy.copy: the other end is pickled, and so copied, by the name of its field.
            relation = other.remote_field = object.__new__(type(self.remote_field))
            relation.__dict__.update(vars(self.remote_field))
            if relation.field is self:
                relation.field = other
        return other

    def __reduce__(self) -> Any:
        """A field of a model is pickled by its name; one without a model as it is."""
        model = getattr(self, "model", None)
        if model is None:
            return _new_field, (type(self),), {key: value for key, value in vars(self).items() if key not in CACHED}
        return _load_field, (model._meta.app_label, model._meta.object_name, self.name)

    # -- values in Python

    @property
    def unique(self) -> bool:
        """Whether no two rows may have the same value."""
        return self._unique or self.primary_key

    @property
    def db_returning(self) -> bool:
        """Whether the database makes the value of a new row, and the instance has to be told."""
        return self.is_auto_field or self.db_default is not NOT_PROVIDED

    def has_default(self) -> bool:
        """Whether a default was given."""
        return self.default is not NOT_PROVIDED

    def has_db_default(self) -> bool:
        """Whether the database has a default for the column."""
        return self.db_default is not NOT_PROVIDED

    def get_default(self) -> Any:
        """The value of a new instance for which none is given."""
        if callable(self.default):
            return self.default()
        return self.constant_default

    @property
    def constant_default(self) -> Any:
        """The default where it is always the same."""
        if self.default is not NOT_PROVIDED:
            return self.default
        if self.db_default is not NOT_PROVIDED:
            return DATABASE_DEFAULT
        return "" if self.empty_strings_allowed and not self.null else None

    def get_pk_value_on_save(self, instance: Any) -> Any:
        """The primary key for an instance that is saved without one."""
        return self.get_default() if self.has_default() else None

    def value_from_object(self, obj: Any) -> Any:
        """The value that an instance has."""
        return getattr(obj, self.attname)

    def value_to_string(self, obj: Any) -> str:
        """The value of an instance as text, for dumps."""
        return str(self.value_from_object(obj))

    def save_form_data(self, instance: Any, data: Any) -> None:
        """Give an instance the value that a form brought."""
        setattr(instance, self.name, data)

    def to_python(self, value: Any) -> Any:
        """The value as the type that the field has in Python. Raises ValidationError where that is not possible."""
        return value

    # -- validation

    @cached_property
    def validators(self) -> list[Callable[[Any], object]]:
        """Everything that `run_validators` calls with the value."""
        return [*self.default_validators, *self._own_validators(), *self._validators]

    def _own_validators(self) -> list[Callable[[Any], object]]:
        return []

    def run_validators(self, value: Any) -> None:
        """Call all validators; raises one ValidationError with everything that is wrong."""
        if value in self.empty_values:
            return
        errors: list[ValidationError] = []
        for validator in self.validators:
            try:
                validator(value)
            except ValidationError as error:
                code = getattr(error, "code", None)
                if code in self.error_messages:
                    error.message = self.error_messages[str(code)]
                errors.extend(error.error_list)
        if errors:
            raise ValidationError(errors)

    def validate(self, value: Any, model_instance: Any) -> None:
        """Raise ValidationError for a value that is no choice, or that is null or blank and must not be."""
        if not self.editable:
            return
        if self.choices is not None and value not in self.empty_values:
            if not any(value == choice for choice, _ in self.flatchoices):
                raise self._invalid("invalid_choice", value)
            return
        if value is None and not self.null:
            raise ValidationError(self.error_messages["null"], code="null")
        if not self.blank and value in self.empty_values:
            raise ValidationError(self.error_messages["blank"], code="blank")

    def clean(self, value: Any, model_instance: Any) -> Any:
        """The value as Python has it. Raises ValidationError for anything that the field does not accept."""
        value = self.to_python(value)
        self.validate(value, model_instance)
        self.run_validators(value)
        return value

    def _invalid(self, code: str, value: Any, **params: Any) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code, params={"value": value, **params})

    # -- to the database and back

    def sql_type(self) -> TypeEngine[Any]:
        """The type of the column, the same for all databases; variants of it where they differ."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say what its column is. Give it sql_type(), which returns a type of "
            f"SQLAlchemy, or db_type(connection), which returns SQL."
        )

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """The value to save; `add` says whether it goes into a new row.

        A class that does more here sets `has_own_pre_save`.
        """
        return getattr(model_instance, self.attname)

    def get_prep_value(self, value: Any) -> Any:
        """The value as the column's type takes it; for a question as well as for a write."""
        return value

    def get_save_value(self, value: Any) -> Any:
        """The value as the column's type takes it, for a write: rounded to what the column holds, for example."""
        return self.get_prep_value(value)

    def get_internal_type(self) -> str:
        """The name of the field's class."""
        return type(self).__name__

    @property
    def target_field(self) -> Any:
        """The field itself; a relation has the one it points to here."""
        return self

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        own = vars(cls)
        if "pre_save" in own and "has_own_pre_save" not in own:
            cls.has_own_pre_save = True
            if "pre_save_sets_value" not in own:
                cls.pre_save_sets_value = False
        if ("get_prep_value" in own or "get_save_value" in own or "to_python" in own) and "exact_type" not in own:
            cls.exact_type = None

    # -- taking apart

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """The name, the dotted path of the class, and the arguments that make an equal field."""
        keywords: dict[str, Any] = {}
        for name, default in {**_ARGUMENTS, **self.own_arguments}.items():
            value = getattr(self, _KEPT_AS.get(name, name))
            if name == "validators" and value == [] or name == "error_messages" and not value:
                continue
            if value is not default and not (default in ((), "") and value == default):
                keywords[name] = value
        return getattr(self, "name", ""), _path(type(self)), [], keywords

    def clone(self) -> Any:
        """An equal field without a model."""
        _, _, args, keywords = self.deconstruct()
        return type(self)(*args, **keywords)


# Arguments of `Field`, with their defaults, in the order in which they are written; and where those are kept that
# are not kept under their names.
_ARGUMENTS: dict[str, Any] = {
    "verbose_name": None,
    "primary_key": False,
    "max_length": None,
    "unique": False,
    "blank": False,
    "null": False,
    "db_index": False,
    "default": NOT_PROVIDED,
    "db_default": NOT_PROVIDED,
    "editable": True,
    "serialize": True,
    "unique_for_date": None,
    "unique_for_month": None,
    "unique_for_year": None,
    "choices": None,
    "help_text": "",
    "db_column": None,
    "db_tablespace": None,
    "auto_created": False,
    "validators": (),
    "error_messages": None,
    "db_comment": None,
}
_KEPT_AS = {
    "unique": "_unique",
    "error_messages": "_error_messages",
    "validators": "_validators",
    "verbose_name": "_verbose_name",
}

# What a copy of a field does not take over.
CACHED = frozenset({"validators", "_labels"})


def is_field_name(name: str) -> bool:
    """Whether a field can have this name: it can be an attribute, an argument, and part of a name in a query."""
    if not name.isidentifier() or keyword.iskeyword(name) or "__" in name or name.endswith("_") or name == "pk":
        return False
    # Python reads names in this form: in a class statement too.
    return name.isascii() or unicodedata.normalize("NFKC", name) == name


def _path(cls: type) -> str:
    """The dotted path of a class; that of our own fields is the short one that people write."""
    if cls.__module__.startswith("webframe.db.models."):
        return f"webframe.db.models.{cls.__qualname__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def _new_field(cls: type) -> Any:
    return object.__new__(cls)


def _load_field(app_label: str, model_name: str, field_name: str) -> Any:
    return apps.get_registered_model(app_label, model_name)._meta.get_field(field_name)


def not_a(what: str, field: Field, value: Any, error: Exception) -> Exception:
    """An error of the same class that names the field: a TypeError stays one, a ValueError too."""
    try:
        shown = repr(value)
    except ValueError:  # more digits than Python writes out
        shown = f"one with {value.bit_length()} bits"
    return type(error)(f"Field {getattr(field, 'name', '?')!r} expected {what} but got {shown}.")
