"""A model with one field of each kind, for the tests of expressions, functions, look-ups and aggregates."""

from __future__ import annotations

from webframe.db import models

from ..registries import models_of_a_test

registry = models_of_a_test("things")


class Thing(models.Model):
    name = models.CharField(max_length=50, default="")
    text = models.TextField(null=True)
    number = models.IntegerField(null=True)
    small = models.SmallIntegerField(null=True)
    big = models.BigIntegerField(null=True)
    ratio = models.FloatField(null=True)
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    clock = models.TimeField(null=True)
    span = models.DurationField(null=True)
    flag = models.BooleanField(null=True)
    data = models.JSONField(null=True)
    code = models.UUIDField(null=True)

    class Meta:
        app_label = "things"
        apps = registry

    def __str__(self) -> str:
        return self.name


def names(queryset: object) -> list[str]:
    """The names of what a queryset has, in alphabetical order."""
    return sorted(thing.name for thing in queryset)  # type: ignore[attr-defined]
