"""Keys of related objects that were saved after they were assigned.

`order.customer = customer` takes over the key of the customer, which has none
before it is saved. Such an order is marked, and gets the key when it is saved itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def prepare_related_fields_for_save(
    instance: Any, operation_name: str = "save", fields: Iterable[Any] | None = None
) -> None:
    """Take over the keys of related objects that were saved after they were assigned.

    Raises ValueError for one that is not saved: the row would refer to nothing.
    """
    attributes = instance.__dict__
    for field in instance._meta.concrete_fields if fields is None else fields:
        if field.is_relation and attributes.get(field.cache_name) is not None:
            _prepare_related_field(instance, field, operation_name)


def _prepare_related_field(instance: Any, field: Any, operation_name: str) -> None:
    attributes = instance.__dict__
    related, key = attributes[field.cache_name], attributes.get(field.attname)
    is_awaited = field.unsaved_name in attributes and key in field.empty_values
    if not is_awaited and (key is None or key != getattr(related, field.target_field.attname)):
        field.delete_cached_value(instance)  # the key was changed since
    elif related.pk is None:
        if not field.remote_field.multiple:
            field.remote_field.delete_cached_value(related)
        raise ValueError(
            f"{operation_name}() prohibited to prevent data loss due to unsaved related object {field.name!r}."
        )
    elif is_awaited:
        setattr(instance, field.name, related)
