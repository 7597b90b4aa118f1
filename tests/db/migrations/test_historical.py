"""The models of a moment as classes: made when they are asked for, related to each other, and used again."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from webframe.apps import apps as installed_apps
from webframe.apps import setup
from webframe.core.exceptions import FieldError
from webframe.db import models
from webframe.db.migrations.errors import InvalidBasesError, InvalidStateError
from webframe.db.migrations.model_state import ModelState
from webframe.db.migrations.operations import CreateModel
from webframe.db.migrations.state import ProjectState
from webframe.db.models.signals import class_prepared

from ..schema_helpers import empty
from .history import History, key

CASCADE = models.CASCADE


def state_of(*states: ModelState) -> ProjectState:
    state = ProjectState()
    for each in states:
        state.add_model(each)
    return state


def author(*fields: tuple[str, Any]) -> ModelState:
    return ModelState("shop", "Author", [key(), ("name", models.CharField(max_length=50)), *fields])


def book(*fields: tuple[str, Any]) -> ModelState:
    return ModelState("shop", "Book", [key(), ("author", models.ForeignKey("shop.author", CASCADE)), *fields])


def lonely() -> ModelState:
    return ModelState("crm", "Lonely", [key()])


class TestClasses:
    def test_they_are_models_of_a_module_that_there_is_not(self) -> None:
        Author = state_of(author()).apps.get_model("shop", "author")
        assert issubclass(Author, models.Model)
        assert (Author.__module__, Author.__name__, Author._meta.label) == ("__fake__", "Author", "shop.Author")
        assert Author(name="Ada").name == "Ada"

    def test_fields_come_in_the_order_of_the_state(self) -> None:
        b, a = models.IntegerField(), models.IntegerField()
        fields = [("a", a), key(), ("b", b)]
        state = state_of(ModelState("shop", "Thing", fields))
        assert [field.name for field in state.apps.get_model("shop.Thing")._meta.fields] == ["a", "id", "b"]

    def test_relations_lead_both_ways(self) -> None:
        state = state_of(author(), book(("also_by", models.ManyToManyField("shop.Author", related_name="more"))))
        Author, Book = state.apps.get_model("shop", "Author"), state.apps.get_model("shop", "Book")
        assert Book._meta.get_field("author").related_model is Author
        assert Author._meta.get_field("book").related_model is Book
        assert hasattr(Author, "book_set") and hasattr(Author, "more")
        through = Book.also_by.through
        assert through is state.apps.get_model("shop", "Book_also_by")
        assert through._meta.auto_created is Book

    def test_the_model_between_can_be_asked_for_first(self) -> None:
        state = state_of(author(), book(("also_by", models.ManyToManyField("shop.Author", related_name="more"))))
        assert state.apps.get_model("shop", "book_also_by")._meta.auto_created

    def test_parents_mixins_and_proxies(self) -> None:
        class Shouting:
            def shout(self) -> str:
                return self.name.upper()  # type: ignore[attr-defined,no-any-return]

        link = models.OneToOneField("shop.author", CASCADE, primary_key=True, auto_created=True, parent_link=True)
        state = state_of(
            ModelState("shop", "Poet", [("author_ptr", link)], bases=(Shouting, "shop.author")),
            ModelState("shop", "Star", [], {"proxy": True}, bases=("shop.poet",)),
            author(),
        )
        Star, Poet, Author = (state.apps.get_model("shop", name) for name in ("Star", "Poet", "Author"))
        assert issubclass(Poet, Author) and issubclass(Star, Poet)
        assert Star._meta.concrete_model is Poet and Poet._meta.parents[Author].name == "author_ptr"
        assert Poet(name="ada").shout() == "ADA"
        assert not hasattr(Author(name="ada"), "shout")

    def test_managers_that_migrations_use(self) -> None:
        state = state_of(ModelState("shop", "Author", [key()], managers=[("all_of_them", Few("x")), ("others", Few())]))
        Author = state.apps.get_model("shop", "Author")
        assert isinstance(Author.all_of_them, Few) and Author._default_manager is Author.all_of_them
        assert Author.all_of_them.model is Author and Author.all_of_them.of == "x"
        assert not hasattr(Author, "objects")

    def test_names_may_clash_for_a_while(self) -> None:
        again = models.ForeignKey("shop.author", CASCADE)
        state = state_of(author(), book(("editor", again)))
        assert [field.name for field in state.apps.get_model("shop", "Book")._meta.fields] == ["id", "author", "editor"]

    def test_nobody_hears_that_they_are_prepared(self) -> None:
        heard: list[Any] = []
        with class_prepared.connected_to(lambda sender, **kwargs: heard.append(sender)):
            state = state_of(author(), book(("tags", models.ManyToManyField("self"))))
            assert len(state.apps.get_models(include_auto_created=True)) == 3
        assert heard == []

    def test_they_do_not_come_into_the_registry_of_the_process(self) -> None:
        state_of(author()).apps.get_models()
        assert "author" not in installed_apps.all_models["shop"]


class Few(models.Manager):
    use_in_migrations = True

    def __init__(self, of: str = "") -> None:
        super().__init__()
        self.of = of


class TestBeingMade:
    def test_only_what_is_related_is_made(self) -> None:
        apps = state_of(author(), book(), lonely()).apps
        assert apps.all_models["shop"] == {}
        apps.get_model("shop", "author")
        assert list(apps.all_models["shop"]) == ["author", "book"]
        assert apps.all_models["crm"] == {}

    def test_what_has_not_changed_is_used_again(self) -> None:
        before = state_of(author(), book(), lonely())
        made = [before.apps.get_model(name) for name in ("shop.author", "shop.book", "crm.lonely")]
        after = before.clone()
        after.add_field("shop", "book", "title", models.CharField(max_length=5))
        now = [after.apps.get_model(name) for name in ("shop.author", "shop.book", "crm.lonely")]
        assert [one is other for one, other in zip(made, now, strict=True)] == [False, False, True]
        assert now[1]._meta.get_field("author").related_model is now[0]
        assert [before.apps.get_model(name) for name in ("shop.author", "shop.book")] == made[:2]

    def test_a_change_is_seen_at_once(self) -> None:
        state = state_of(author())
        assert not hasattr(state.apps.get_model("shop.author"), "book_set")
        state.add_model(book())
        assert hasattr(state.apps.get_model("shop.author"), "book_set")

    def test_what_nobody_needs_any_more_goes_away(self) -> None:
        state = state_of(author(), book())
        gone = weakref.ref(state.apps.get_model("shop.book"))
        del state
        gc.collect()
        assert gone() is None

    def test_what_failed_can_be_tried_again(self) -> None:
        wrong = ModelState("shop", "Author", [("pk", models.IntegerField())])
        state = state_of(wrong, book())
        for _ in range(2):
            with pytest.raises(FieldError, match="cannot be called 'pk'"):
                state.apps.get_model("shop", "book")
        assert state.apps.all_models["shop"] == {}

    def test_what_is_referred_to_must_be_there(self) -> None:
        with pytest.raises(InvalidStateError, match=r"shop.Book.author refers to shop.author.*depend"):
            state_of(book()).apps.get_model("shop", "Book")
        heir = ModelState("shop", "Poet", [], bases=("crm.author",))
        with pytest.raises(InvalidBasesError, match=r"shop.Poet inherits from crm.author.*no app 'crm'"):
            state_of(heir).apps.get_model("shop", "Poet")

    def test_models_cannot_inherit_from_each_other_in_a_circle(self) -> None:
        one = ModelState("shop", "One", [], bases=("shop.two",))
        two = ModelState("shop", "Two", [], bases=("shop.one",))
        with pytest.raises(InvalidBasesError, match="circle: shop.one -> shop.two"):
            state_of(one, two).apps.get_model("shop", "One")


class TestRegistry:
    def test_a_model_that_is_not_there_is_named(self) -> None:
        with pytest.raises(LookupError, match=r"no model shop.Autor at this point.*Author.*depend"):
            state_of(author()).apps.get_model("shop", "Autor")
        with pytest.raises(LookupError):
            state_of(author()).apps.get_app_config("shop").get_model("Autor")

    def test_apps_are_those_with_models(self) -> None:
        apps = state_of(author(), book(), lonely()).apps
        assert [config.label for config in apps.get_app_configs()] == ["crm", "shop"]
        assert [model.__name__ for model in apps.get_app_config("shop").get_models()] == ["Author", "Book"]
        assert apps.get_app_config("crm").get_model("lonely").__name__ == "Lonely"
        with pytest.raises(LookupError):
            apps.get_app_config("other")

    def test_all_models(self) -> None:
        apps = state_of(author(), book(("tags", models.ManyToManyField("self"))), lonely()).apps
        assert [model.__name__ for model in apps.get_models()] == ["Lonely", "Author", "Book"]
        names = [model.__name__ for model in apps.get_models(include_auto_created=True)]
        assert sorted(names) == ["Author", "Book", "Book_tags", "Lonely"]

    def test_apps_without_migrations_are_as_they_are_now(self, define: Any) -> None:
        setup()
        config = AnApp(define)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(installed_apps, "get_app_config", lambda label: config)
            define("Visitor")
            define(
                "Visit",
                by=models.ForeignKey("Visitor", CASCADE),
                of=models.CharField(max_length=9),
            )
            state = ProjectState(real_apps={"tests"})
            state.add_model(author(("visited", models.ForeignKey("tests.visitor", CASCADE))))
            Visit = state.apps.get_model("tests", "Visit")
            assert [field.name for field in Visit._meta.fields] == ["id", "of"]
            complete = state.complete_apps
            assert complete.get_model("tests.visit")._meta.get_field("by").related_model is complete.get_model(
                "tests.visitor"
            )
            assert state.clone().apps.get_model("tests", "Visit") is Visit


class AnApp:
    def __init__(self, define: Any) -> None:
        self.define = define

    def get_models(self) -> list[Any]:
        return list(self.define.registry.all_models["tests"].values())


class TestTableModels:
    def test_the_model_is_whole_and_others_have_their_keys_only(self) -> None:
        state = state_of(author(), book(), lonely())
        Book = state.table_model("shop", "Book")
        assert [field.name for field in Book._meta.fields] == ["id", "author"]
        assert [field.name for field in Book._meta.get_field("author").related_model._meta.fields] == ["id"]
        Author = state.table_model("shop", "Author")
        assert [field.name for field in Author._meta.fields] == ["id", "name"]
        assert Author._meta.related_objects == ()
        Author = state.table_model("shop", "Author", with_referring=True)
        assert [each.related_model.__name__ for each in Author._meta.related_objects] == ["Book"]

    def test_they_have_no_instances(self) -> None:
        with pytest.raises(TypeError, match="for its table only.*get_model"):
            state_of(author()).table_model("shop", "Author")(name="Ada")

    def test_changes_elsewhere_do_not_matter(self) -> None:
        before = state_of(author(), book())
        made = before.table_model("shop", "Book")
        after = before.clone()
        after.add_field("shop", "author", "born", models.DateField())
        after.add_model(lonely())
        assert after.table_model("shop", "Book") is not None
        after.remove_field("shop", "book", "author")
        assert after.table_model("shop", "Book") is not made

    def test_a_model_that_is_not_there_is_named(self) -> None:
        with pytest.raises(LookupError, match="no model shop.autor"):
            state_of(author()).table_model("shop", "Autor")


def test_they_are_used_like_any_models(engine: Any) -> None:
    history = History(engine)
    link = models.OneToOneField("shop.author", CASCADE, primary_key=True, auto_created=True, parent_link=True)
    history.do(
        CreateModel("Author", [key(), ("name", models.CharField(max_length=50))]),
        CreateModel("Poet", [("author_ptr", link), ("verses", models.IntegerField(default=1))], bases=("shop.author",)),
        CreateModel("Book", [key(), ("by", models.ForeignKey("shop.author", CASCADE, related_name="books"))]),
        CreateModel("Shelf", [key(), ("books", models.ManyToManyField("shop.book", related_name="shelves"))]),
    )
    Poet, Book, Shelf = (history.model(name) for name in ("Poet", "Book", "Shelf"))
    ada = Poet.objects.create(name="Ada", verses=3)
    shelf = Shelf.objects.create()
    shelf.books.add(Book.objects.create(by=ada), Book.objects.create(by=ada))
    Author = history.model("Author")
    assert Author.objects.get(books__shelves=shelf.pk, books=1).poet.verses == 3
    assert Author.objects.filter(poet__verses=3).prefetch_related("books").get().books.count() == 2
    Author.objects.all().delete()
    assert (Poet.objects.count(), Book.objects.count(), shelf.books.count()) == (0, 0, 0)
    empty(engine)
