"""Deleting one object that little depends on: what `Collector` would do, without collecting anything.

Most deletions are of this kind: nobody listens, and what points to the object
(if anything does) cascades and has nothing that points to it in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.db import transaction
from webframe.db.models.deletion import DeletionPlan
from webframe.db.models.signals import post_delete, pre_delete

if TYPE_CHECKING:
    from webframe.db.models.compiler import write
else:
    write = LateModule("webframe.db.models.compiler.write")


def delete_simply(instance: Any, using: str) -> tuple[int, dict[str, int]] | None:
    """Delete an object and what points to it, where nobody listens and it goes no further; None: it takes a Collector.

    It comes to the same, without collecting anything.
    """
    if pre_delete.active or post_delete.active:
        return None
    meta = instance._meta
    plan = meta.plans.get("deletion") or DeletionPlan.of(type(instance))
    cascades = plan.cascades
    if cascades is None:
        return None
    pk = plan.pk
    key = instance.__dict__[pk.attname]
    if not cascades:
        count = write.delete_one(meta.concrete_model, pk, key, using)
        instance.__dict__[pk.attname] = None
        return count, {plan.label: count}
    plans = [(field, field.model._meta.plans.get("deletion") or DeletionPlan.of(field.model)) for field in cascades]
    for field, dependent in plans:
        if dependent.relations or any(link is not field for link in dependent.links):
            return None
    counts: dict[str, int] = {}
    with transaction.atomic(using=using, savepoint=False):
        for field, dependent in plans:
            value = getattr(instance, field.target_field.attname)
            if value is not None and (count := write.delete_one(field.model, field, value, using)):
                counts[dependent.label] = counts.get(dependent.label, 0) + count
        if count := write.delete_one(meta.concrete_model, pk, key, using):
            counts[plan.label] = counts.get(plan.label, 0) + count
    instance.__dict__[pk.attname] = None
    return sum(counts.values()), counts
