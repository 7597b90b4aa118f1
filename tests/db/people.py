"""People, who know each other and meet in clubs: many-to-many relations of every kind, for several files of tests."""

from __future__ import annotations

from webframe.db import models

from .registries import models_of_a_test

registry = models_of_a_test("people")


class Person(models.Model):
    name = models.CharField(max_length=50)
    friends = models.ManyToManyField("self")
    follows = models.ManyToManyField("self", symmetrical=False, related_name="followers")

    class Meta:
        app_label = "people"
        apps = registry


class Club(models.Model):
    name = models.CharField(max_length=50)
    members = models.ManyToManyField(
        Person, through="Membership", through_fields=("club", "person"), related_name="clubs"
    )

    class Meta:
        app_label = "people"
        apps = registry


class Membership(models.Model):
    """The class in the middle that somebody wrote."""

    club = models.ForeignKey(Club, on_delete=models.CASCADE)
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    invited_by = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, related_name="+")
    role = models.CharField(max_length=20, default="member")

    class Meta:
        app_label = "people"
        apps = registry
