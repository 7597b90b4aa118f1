"""Models with relations of every kind, for the tests of them."""

from __future__ import annotations

from webframe.db import models

from ...people import Club as Club
from ...people import Membership as Membership
from ...people import Person as Person
from ...registries import models_of_a_test

registry = models_of_a_test("world")


class Published(models.Manager):
    """Leaves out what is hidden."""

    def get_queryset(self):
        return super().get_queryset().filter(hidden=False)

    def loud(self):
        return [book.title.upper() for book in self.order_by("title")]


class Country(models.Model):
    code = models.CharField(max_length=2, unique=True)

    class Meta:
        app_label = "world"
        apps = registry


class Author(models.Model):
    name = models.CharField(max_length=50)
    country = models.ForeignKey(
        "Country", on_delete=models.SET_NULL, null=True, related_name="authors", to_field="code"
    )
    mentor = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="pupils")

    class Meta:
        app_label = "world"
        apps = registry


class Book(models.Model):
    title = models.CharField(max_length=50)
    hidden = models.BooleanField(default=False)
    author = models.ForeignKey("world.Author", on_delete=models.CASCADE, related_name="books")
    editor = models.ForeignKey(Author, on_delete=models.SET_NULL, null=True, related_name="edited")
    tags = models.ManyToManyField("Tag", related_name="books")

    objects = models.Manager()
    published = Published()

    class Meta:
        app_label = "world"
        apps = registry


class Tag(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "world"
        apps = registry
        ordering = ["name"]


class Profile(models.Model):
    author = models.OneToOneField(Author, on_delete=models.CASCADE)
    text = models.CharField(max_length=50, default="")

    class Meta:
        app_label = "world"
        apps = registry


class Place(models.Model):
    name = models.CharField(max_length=50, unique=True)

    class Meta:
        app_label = "world"
        apps = registry


class Restaurant(Place):
    stars = models.IntegerField(default=0)

    class Meta:
        app_label = "world"
        apps = registry


class Waiter(models.Model):
    name = models.CharField(max_length=50)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.CASCADE, related_name="waiters")

    class Meta:
        app_label = "world"
        apps = registry


class Review(models.Model):
    """Points to a child by a field of its parent."""

    text = models.CharField(max_length=50)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.CASCADE, to_field="name", related_name="reviews")

    class Meta:
        app_label = "world"
        apps = registry


class Marked(models.Model):
    """Abstract: each heir has relations of its own."""

    owner = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="%(app_label)s_%(class)s_set")
    tags = models.ManyToManyField(Tag, related_name="%(class)ss")

    class Meta:
        app_label = "world"
        apps = registry
        abstract = True


class Note(Marked):
    class Meta(Marked.Meta):
        abstract = False


class Sketch(Marked):
    class Meta(Marked.Meta):
        abstract = False
