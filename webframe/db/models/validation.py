"""Validating instances: `full_clean` and its four steps, which `save` does not call by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from webframe.core.exceptions import NON_FIELD_ERRORS, ValidationError
from webframe.db.connections import router
from webframe.db.models.state import state_db

# Fields that must be unique together, and the class whose table must not have them twice.
UniqueCheck = tuple[type[Any], tuple[str, ...]]
# (class, "date" | "year" | "month", field that is unique for it, date field)
DateCheck = tuple[type[Any], str, str, str]


class Validating:
    """What a model can do to be validated."""

    _meta: Any

    def full_clean(
        self,
        exclude: Collection[str] | None = None,
        validate_unique: bool = True,
        validate_constraints: bool = True,
    ) -> None:
        """Check fields, the model as a whole, uniqueness and constraints; raises one ValidationError with all errors.

        What failed a step is left out of those after it.
        """
        errors: dict[str, list[ValidationError]] = {}
        left_out = set(exclude or ())
        for step in (
            lambda: self.clean_fields(exclude=left_out),
            self.clean,
            (lambda: self.validate_unique(exclude=left_out)) if validate_unique else None,
            (lambda: self.validate_constraints(exclude=left_out)) if validate_constraints else None,
        ):
            if step is None:
                continue
            try:
                step()
            except ValidationError as error:
                error.update_error_dict(errors)
            left_out.update(name for name in errors if name != NON_FIELD_ERRORS)
        if errors:
            raise ValidationError(errors)

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Turn each field's value into its type in Python, and check it; raises ValidationError by field."""
        exclude = exclude or ()
        errors: dict[str, list[ValidationError]] = {}
        for field in self._meta.fields:
            if field.name in exclude or field.generated:
                continue
            value = getattr(self, field.attname)
            if field.blank and value in field.empty_values:
                continue
            if field.has_db_default() and value is field.constant_default:
                continue
            try:
                setattr(self, field.attname, field.clean(value, self))
            except ValidationError as error:
                errors[field.name] = error.error_list
        if errors:
            raise ValidationError(errors)

    def clean(self) -> None:
        """Check what concerns several fields: for subclasses. Raise ValidationError."""

    def validate_unique(self, exclude: Collection[str] | None = None) -> None:
        """Ask the database whether another row has values that must be unique; raises ValidationError by field."""
        unique, dated = self._get_unique_checks(exclude)
        errors: dict[str, list[ValidationError]] = {}
        for key, error in chain(self._unique_errors(unique), self._date_errors(dated)):
            errors.setdefault(key, []).append(error)
        if errors:
            raise ValidationError(errors)

    def _get_unique_checks(
        self, exclude: Collection[str] | None = None, include_meta_constraints: bool = False
    ) -> tuple[list[UniqueCheck], list[DateCheck]]:
        """What must be unique and can be checked without the fields in `exclude`."""
        exclude = set(exclude or ())
        unique: list[UniqueCheck] = []
        dated: list[DateCheck] = []
        for cls in (type(self), *self._meta.all_parents):
            for names in cls._meta.unique_together:
                if not exclude.intersection(names):
                    unique.append((cls, tuple(names)))
            if include_meta_constraints:
                for constraint in cls._meta.constraints:
                    names = tuple(getattr(constraint, "fields", ()) or ())
                    if names and getattr(constraint, "condition", None) is None and not exclude.intersection(names):
                        unique.append((cls, names))
        for cls in (type(self), *self._meta.all_parents):
            for field in cls._meta.fields if cls._meta.proxy else cls._meta.local_fields:
                if field.name in exclude:
                    continue
                if field.unique:
                    unique.append((cls, (field.name,)))
                for kind in ("date", "year", "month"):
                    other = getattr(field, f"unique_for_{kind}", None)
                    if other and other not in exclude:
                        dated.append((cls, kind, field.name, other))
        return unique, dated

    def _unique_errors(self, checks: list[UniqueCheck]) -> Iterator[tuple[str, ValidationError]]:
        for cls, names in checks:
            values: dict[str, Any] = {}
            for name in names:
                field = self._meta.get_field(name)
                value = getattr(self, field.attname)
                # NULL is not equal to itself; a new row's number is not known.
                if value is None or (field.has_db_default() and value is field.constant_default):
                    break
                if field.primary_key and not self._state.adding:  # type: ignore[attr-defined]
                    break
                values[name] = value
            else:
                if self._others(cls).filter(**values).exists():
                    key = names[0] if len(names) == 1 else NON_FIELD_ERRORS
                    yield key, self.unique_error_message(cls, names)

    def _date_errors(self, checks: list[DateCheck]) -> Iterator[tuple[str, ValidationError]]:
        for cls, kind, name, date_name in checks:
            date = getattr(self, date_name)
            if date is None:
                continue
            values: dict[str, Any] = {name: getattr(self, self._meta.get_field(name).attname)}
            for part in ("year", "month", "day") if kind == "date" else (kind,):
                values[f"{date_name}__{part}"] = getattr(date, part)
            if self._others(cls).filter(**values).exists():
                yield name, self.date_error_message(name, kind, date_name)

    def _others(self, cls: type[Any]) -> Any:
        """The rows of a model but for this instance's own."""
        rows = cls._default_manager.all()
        alias = state_db(self)
        if alias is not None:
            rows = rows.using(alias)
        key = self._get_pk_val(cls._meta)  # type: ignore[attr-defined]
        if not self._state.adding and key is not None:  # type: ignore[attr-defined]
            rows = rows.exclude(pk=key)
        return rows

    def date_error_message(self, lookup_name: str, field_name: str, unique_for: str) -> ValidationError:
        """The error of a field that another row has already for the same date, year or month."""
        meta = self._meta
        field = meta.get_field(lookup_name)
        return ValidationError(
            field.error_messages["unique_for_date"],
            code="unique_for_date",
            params={
                "model": self,
                "model_name": _capitalised(meta.verbose_name),
                "lookup_type": field_name,
                "field": lookup_name,
                "field_label": _capitalised(field.verbose_name),
                "date_field": unique_for,
                "date_field_label": _capitalised(meta.get_field(unique_for).verbose_name),
            },
        )

    def unique_error_message(self, model_class: type[Any], unique_check: tuple[str, ...]) -> ValidationError:
        """The error of values that another row has already."""
        meta = model_class._meta
        params: dict[str, Any] = {
            "model": self,
            "model_class": model_class,
            "model_name": _capitalised(meta.verbose_name),
            "unique_check": unique_check,
        }
        if len(unique_check) == 1:
            field = meta.get_field(unique_check[0])
            params["field_label"] = _capitalised(field.verbose_name)
            return ValidationError(field.error_messages["unique"], code="unique", params=params)
        labels = [_capitalised(meta.get_field(name).verbose_name) for name in unique_check]
        params["field_labels"] = f"{', '.join(labels[:-1])} and {labels[-1]}"
        return ValidationError(
            "%(model_name)s with this %(field_labels)s already exists.", code="unique_together", params=params
        )

    def get_constraints(self) -> list[tuple[type[Any], list[Any]]]:
        """The constraints of the model and of its parents, by class."""
        classes = (type(self), *self._meta.all_parents)
        return [(cls, cls._meta.constraints) for cls in classes if cls._meta.constraints]

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Check the constraints in Meta; raises ValidationError, by field where a constraint concerns one only."""
        using = state_db(self) or router.db_for_write(type(self), instance=self)
        errors: dict[str, list[ValidationError]] = {}
        for cls, constraints in self.get_constraints():
            for constraint in constraints:
                try:
                    constraint.validate(cls, self, exclude=exclude, using=using)
                except ValidationError as error:
                    names = tuple(getattr(constraint, "fields", ()) or ())
                    if getattr(error, "code", None) == "unique" and len(names) == 1:
                        errors.setdefault(names[0], []).append(error)
                    else:
                        error.update_error_dict(errors)
        if errors:
            raise ValidationError(errors)


def _capitalised(text: Any) -> str:
    shown = str(text)
    return shown[:1].upper() + shown[1:]
