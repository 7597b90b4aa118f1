"""ForeignKey, OneToOneField and ManyToManyField as fields: names, ends, tables and what they refuse."""

from __future__ import annotations

import pytest

from webframe.core.exceptions import FieldError, ValidationError
from webframe.db import models
from webframe.db.models.related.rels import ManyToManyRel, ManyToOneRel, OneToOneRel

from . import world as w


def test_a_target_is_a_class_a_name_a_name_with_its_app_or_self():
    assert w.Book._meta.get_field("editor").related_model is w.Author
    assert w.Author._meta.get_field("country").related_model is w.Country
    assert w.Book._meta.get_field("author").related_model is w.Author
    assert w.Author._meta.get_field("mentor").related_model is w.Author


def test_a_name_waits_for_its_model(define):
    Book = define("Book", author=models.ForeignKey("Author", on_delete=models.CASCADE))
    assert Book._meta.get_field("author").related_model == "Author"
    with pytest.raises(FieldError, match="not defined"):
        Book._meta.get_field("author").target_field  # noqa: B018
    Author = define("Author")
    assert Book._meta.get_field("author").related_model is Author
    assert Author._meta.get_field("book").related_model is Book
    assert hasattr(Author, "book_set")


def test_names_of_attribute_and_column():
    field = w.Book._meta.get_field("author")
    assert (field.attname, field.column, field.db_index) == ("author_id", "author_id", True)
    assert w.Book._meta.get_field("author_id") is field
    assert w.Profile._meta.get_field("author").unique
    assert w.Book._meta.get_field("tags").column is None


def test_the_other_end_is_a_field_of_the_target():
    relation = w.Author._meta.get_field("books")
    assert isinstance(relation, ManyToOneRel) and relation.one_to_many and not relation.hidden
    assert (relation.related_model, relation.model, relation.get_accessor_name()) == (w.Book, w.Author, "books")
    assert isinstance(w.Author._meta.get_field("profile"), OneToOneRel)
    relation = w.Tag._meta.get_field("books")
    assert isinstance(relation, ManyToManyRel) and relation.many_to_many
    assert repr(relation) == "<ManyToManyRel: world.Book.tags>"


def test_related_names_tell_the_heirs_of_an_abstract_model_apart():
    assert hasattr(w.Author, "world_note_set") and hasattr(w.Author, "world_sketch_set")
    assert hasattr(w.Tag, "notes") and hasattr(w.Tag, "sketchs")
    assert w.Note.tags.through is not w.Sketch.tags.through
    assert w.Note.tags.through._meta.db_table == "world_note_tags"


def test_a_related_name_that_ends_with_a_plus_leaves_no_trace(define):
    Tag = define("Tag")
    Book = define(
        "Book",
        one=models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="+"),
        many=models.ManyToManyField(Tag, related_name="+"),
    )
    assert not [name for name in vars(Tag) if "book" in name.lower()]
    assert Tag._meta.related_objects == () or all(each.hidden for each in Tag._meta.related_objects)
    assert Book._meta.get_field("one").remote_field.hidden


def test_a_query_name_of_its_own(define):
    Tag = define("Tag")
    define(
        "Book", tag=models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="all_books", related_query_name="b")
    )
    assert Tag._meta.get_field("b").get_accessor_name() == "all_books"


def test_the_model_between_is_made_of_the_owner():
    through = w.Book.tags.through
    assert through._meta.auto_created is w.Book
    assert through.__name__ == "Book_tags"
    assert [field.name for field in through._meta.fields] == ["id", "book", "tag"]
    assert through._meta.unique_together == (("book", "tag"),)
    assert [field.name for field in w.Person.friends.through._meta.fields] == ["id", "from_person", "to_person"]


def test_a_model_between_may_be_given():
    field = w.Club._meta.get_field("members")
    assert w.Club.members.through is w.Membership
    assert (field.m2m_field_name(), field.m2m_reverse_field_name()) == ("club", "person")


def test_which_foreign_keys_are_meant_must_be_clear(define):
    Person = define("Person")
    Club = define("Club", members=models.ManyToManyField(Person, through="Membership"))
    define(
        "Membership",
        club=models.ForeignKey(Club, on_delete=models.CASCADE),
        person=models.ForeignKey(Person, on_delete=models.CASCADE),
        inviter=models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+"),
    )
    with pytest.raises(FieldError, match="through_fields"):
        Club._meta.get_field("members").join_steps()


@pytest.mark.parametrize("through", [None, "Layer"])
def test_a_model_may_be_related_to_many_of_its_parent_or_of_its_child(define, create_tables, through):
    Dish = define("Dish", sides=models.ManyToManyField("Pizza", through=through, related_name="mains"))
    Pizza = define("Pizza", Dish, dips=models.ManyToManyField(Dish, related_name="dipped"))
    if through:
        define(
            "Layer",
            dish=models.ForeignKey(Dish, on_delete=models.CASCADE, related_name="+"),
            pizza=models.ForeignKey(Pizza, on_delete=models.CASCADE, related_name="+"),
        )
    create_tables()
    oil, pizza = Dish.objects.create(), Pizza.objects.create()
    pizza.dips.add(oil)
    oil.sides.add(pizza)
    assert (list(pizza.dips.all()), list(oil.dipped.all())) == ([oil], [pizza])
    assert (list(oil.sides.all()), list(pizza.mains.all())) == ([pizza], [oil])
    assert (Pizza.objects.get(dips=oil), Dish.objects.get(sides=pizza)) == (pizza, oil)


def test_a_foreign_key_to_the_ends_must_be_there(define):
    Person = define("Person")
    Club = define("Club", members=models.ManyToManyField(Person, through="Membership"))
    define("Membership", club=models.ForeignKey(Club, on_delete=models.CASCADE))
    with pytest.raises(FieldError, match="no foreign key to tests.Person"):
        Club._meta.get_field("members").join_steps()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.ForeignKey(3, on_delete=models.CASCADE), "must be either a model"),
        (lambda: models.ForeignKey("X", on_delete="cascade"), "models.CASCADE"),
        (lambda: models.ForeignKey("X", on_delete=models.SET_NULL), "null=True"),
        (lambda: models.ForeignKey("X", on_delete=models.SET_DEFAULT), "default"),
        (lambda: models.ForeignKey(w.Marked, on_delete=models.CASCADE), "abstract"),
        (lambda: models.ManyToManyField("X", null=True), "no column"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_a_table_and_a_model_between_exclude_each_other():
    with pytest.raises(ValueError, match="db_table"):
        models.ManyToManyField("X", through="Y", db_table="z")


def test_a_field_can_be_taken_apart_and_put_together():
    name, path, args, keywords = w.Book._meta.get_field("editor").deconstruct()
    assert (name, path, args) == ("editor", "webframe.db.models.ForeignKey", [])
    assert keywords == {"null": True, "on_delete": models.SET_NULL, "related_name": "edited", "to": "world.author"}
    assert w.Author._meta.get_field("country").deconstruct()[3]["to_field"] == "code"
    assert w.Club._meta.get_field("members").deconstruct()[3] == {
        "related_name": "clubs",
        "through": "people.Membership",
        "through_fields": ("club", "person"),
        "to": "people.person",
    }
    assert "unique" not in w.Profile._meta.get_field("author").deconstruct()[3]


def test_validation_looks_whether_the_object_is_there(world):
    author = world.Author.objects.create(name="A")
    world.Book(title="x", author=author).full_clean(exclude=["tags", "editor"])
    with pytest.raises(ValidationError, match="does not exist"):
        world.Book(title="x", author_id=author.pk + 1).full_clean(exclude=["editor"])


def test_limit_choices_to_is_held_by_validation(define, create_tables):
    Kind = define("Kind", ripe=models.BooleanField())
    Fruit = define("Fruit", kind=models.ForeignKey(Kind, on_delete=models.CASCADE, limit_choices_to={"ripe": True}))
    create_tables()
    Fruit(kind=Kind.objects.create(ripe=True)).full_clean()
    with pytest.raises(ValidationError):
        Fruit(kind=Kind.objects.create(ripe=False)).full_clean()
