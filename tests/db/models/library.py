"""Models with every kind of relation, and a few rows, for the tests of querysets."""

from __future__ import annotations

from types import SimpleNamespace

from webframe.db import models

from ..registries import models_of_a_test

registry = models_of_a_test("library")


class Base(models.Model):
    class Meta:
        app_label = "library"
        apps = registry
        abstract = True

    def __str__(self) -> str:
        return str(getattr(self, "name", None) or getattr(self, "title", self.pk))


class Country(Base):
    name = models.CharField(max_length=50, unique=True)

    class Meta(Base.Meta):
        abstract = False
        ordering = ["name"]


class Author(Base):
    name = models.CharField(max_length=50)
    country = models.ForeignKey(Country, on_delete=models.CASCADE, null=True, related_name="authors")

    class Meta(Base.Meta):
        abstract = False
        ordering = ["name"]


class Tag(Base):
    name = models.CharField(max_length=50)


class Book(Base):
    title = models.CharField(max_length=50)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    editor = models.ForeignKey(Author, on_delete=models.SET_NULL, null=True, related_name="edited")
    rating = models.IntegerField(null=True)
    published = models.DateField(null=True)
    tags = models.ManyToManyField(Tag, related_name="books")


class Profile(Base):
    author = models.OneToOneField(Author, on_delete=models.CASCADE)
    text = models.CharField(max_length=50)


class Novel(Book):
    pages = models.IntegerField()


def fill() -> SimpleNamespace:
    """A few rows, by short names."""
    import datetime

    ch, de = [Country.objects.create(name=name) for name in ("CH", "DE")]
    ann = Author.objects.create(name="Ann", country=ch)
    bob = Author.objects.create(name="Bob", country=de)
    cid = Author.objects.create(name="Cid")
    profile = Profile.objects.create(author=ann, text="about Ann")
    red, blue, old = [Tag.objects.create(name=name) for name in ("red", "blue", "old")]
    day = datetime.date
    one = Book.objects.create(title="One", author=ann, editor=bob, rating=1, published=day(2020, 1, 5))
    two = Book.objects.create(title="Two", author=ann, rating=5, published=day(2020, 7, 1))
    three = Book.objects.create(title="Three", author=bob, editor=bob, published=day(2021, 7, 1))
    four = Book.objects.create(title="Four", author=bob, editor=cid, rating=3)
    one.tags.add(red, blue)
    two.tags.add(red)
    four.tags.add(old)
    return SimpleNamespace(**locals())
