"""The models of the tests of the signals' contract."""

from __future__ import annotations

import uuid

from webframe.db import models

from ..registries import models_of_a_test

registry = models_of_a_test("contract")


class Author(models.Model):
    name = models.CharField(max_length=50)
    age = models.IntegerField(default=30)

    class Meta:
        app_label = "contract"
        apps = registry


class Novelist(Author):
    class Meta:
        app_label = "contract"
        apps = registry
        proxy = True


class Book(models.Model):
    title = models.CharField(max_length=50)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    editor = models.ForeignKey(Author, models.SET_NULL, null=True, related_name="edited")
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "contract"
        apps = registry


class Page(models.Model):
    number = models.IntegerField()
    book = models.ForeignKey(Book, models.CASCADE, related_name="pages")

    class Meta:
        app_label = "contract"
        apps = registry


class Licence(models.Model):
    """Protects the author who has one."""

    author = models.ForeignKey(Author, models.PROTECT)

    class Meta:
        app_label = "contract"
        apps = registry


class Ticket(models.Model):
    """A key with a default."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    seat = models.CharField(max_length=10, unique=True)

    class Meta:
        app_label = "contract"
        apps = registry


class Place(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "contract"
        apps = registry


class Restaurant(Place):
    stars = models.IntegerField(default=0)

    class Meta:
        app_label = "contract"
        apps = registry


class Topping(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "contract"
        apps = registry


class Pizza(models.Model):
    name = models.CharField(max_length=50)
    toppings = models.ManyToManyField(Topping, related_name="pizzas")

    class Meta:
        app_label = "contract"
        apps = registry


class SpecialPizza(Pizza):
    class Meta:
        app_label = "contract"
        apps = registry
        proxy = True


class Base(models.Model):
    """An abstract model with a relation of its own."""

    label = models.CharField(max_length=50)
    toppings = models.ManyToManyField(Topping, related_name="+")

    class Meta:
        app_label = "contract"
        apps = registry
        abstract = True


class Calzone(Base):
    class Meta:
        app_label = "contract"
        apps = registry


class Focaccia(Base):
    class Meta:
        app_label = "contract"
        apps = registry
