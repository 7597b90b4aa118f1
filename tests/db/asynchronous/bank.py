"""The models of the tests of async code: what is to be there as a whole, or not at all."""

from __future__ import annotations

from webframe.db import models

from ..registries import models_of_a_test

registry = models_of_a_test("bank")


class Base(models.Model):
    class Meta:
        app_label = "bank"
        apps = registry
        abstract = True


class Account(Base):
    owner = models.CharField(max_length=50, unique=True)
    balance = models.IntegerField(default=0)


class Entry(Base):
    """One line of an account."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="entries")
    amount = models.IntegerField()


class Note(Base):
    """What receivers write."""

    text = models.CharField(max_length=100)


class Label(Base):
    name = models.CharField(max_length=50)
    accounts = models.ManyToManyField(Account, related_name="labels")
