"""Models as classes: what the metaclass makes of them, and what instances have from `Model` itself."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

from webframe.core.exceptions import FieldError, MultipleObjectsReturned, ObjectDoesNotExist
from webframe.db import models
from webframe.db.errors import DatabaseError
from webframe.db.models.base import app_label_of
from webframe.db.models.signals import class_prepared

# --- the class --------------------------------------------------------------------------------------------------


def test_fields_leave_the_class_and_other_attributes_stay(define):
    Pizza = define("Pizza", name=models.CharField(), size=30, shout=lambda self: self.name.upper())
    assert not hasattr(Pizza, "name")
    assert Pizza.size == 30
    assert Pizza(name="a").shout() == "A"


def test_a_key_is_added_where_none_is_declared(define):
    Pizza = define("Pizza", name=models.CharField())
    assert isinstance(Pizza._meta.pk, models.BigAutoField)
    assert [field.name for field in Pizza._meta.fields] == ["id", "name"]
    Other = define("Other", code=models.CharField(primary_key=True))
    assert [field.name for field in Other._meta.fields] == ["code"]
    assert Other(pk="x").code == "x"


def test_each_model_has_exceptions_of_its_own(define):
    Pizza, Other = define("Pizza"), define("Other")
    assert issubclass(Pizza.DoesNotExist, ObjectDoesNotExist)
    assert issubclass(Pizza.MultipleObjectsReturned, MultipleObjectsReturned)
    assert issubclass(Pizza.NotUpdated, DatabaseError)
    assert not issubclass(Pizza.DoesNotExist, Other.DoesNotExist)
    Proxy = define("Proxy", Pizza, Meta={"proxy": True})
    assert issubclass(Proxy.DoesNotExist, Pizza.DoesNotExist)
    assert Pizza.DoesNotExist.__qualname__ == "Pizza.DoesNotExist"


def test_there_is_a_manager_unless_one_is_declared(define):
    class Hot(models.Manager):
        pass

    assert type(define("Pizza").objects) is models.Manager
    Pizza = define("Other", hot=Hot(), cold=models.Manager())
    assert not hasattr(Pizza, "objects")
    assert Pizza._default_manager.name == "hot"
    assert type(Pizza._base_manager) is models.Manager
    Named = define("Named", hot=Hot(), cold=models.Manager(), Meta={"default_manager_name": "cold"})
    assert Named._default_manager.name == "cold"
    Based = define("Based", hot=Hot(), Meta={"base_manager_name": "hot"})
    assert isinstance(Based._base_manager, Hot)
    with pytest.raises(ValueError, match="no such manager"):
        _ = define("Wrong", hot=Hot(), Meta={"default_manager_name": "hto"})._default_manager
    with pytest.raises(ValueError, match="named 'objects'"):
        define("Clash", objects=models.IntegerField())


def test_managers_of_parents_are_inherited_for_the_heir(define):
    class Hot(models.Manager):
        pass

    Base = define("Base", hot=Hot(), Meta={"abstract": True})
    Pizza = define("Pizza", Base)
    assert isinstance(Pizza.hot, Hot)
    assert Pizza.hot.model is Pizza
    Proxy = define("Proxy", Pizza, extra=models.Manager(), Meta={"proxy": True})
    assert Proxy.hot.model is Proxy
    assert Proxy._default_manager.name == "extra"


def test_the_class_is_registered_and_then_announced(define):
    seen = []

    def hear(sender, **kwargs):
        seen.append((sender, define.registry.get_registered_model("tests", "pizza")))

    with class_prepared.connected_to(hear):
        Pizza = define("Pizza")
    assert seen == [(Pizza, Pizza)]


def test_what_waits_for_a_model_comes_after_it_is_announced(define):
    order = []
    define.registry.lazy_model_operation(lambda model: order.append("operation"), ("tests", "pizza"))
    with class_prepared.connected_to(lambda **kwargs: order.append("announced")):
        define("Pizza")
    assert order == ["announced", "operation"]


def test_arguments_of_the_class_statement_reach_init_subclass(define):
    class Marked:
        def __init_subclass__(cls, mark=None, **keywords):
            super().__init_subclass__(**keywords)
            cls.mark = mark

    class Pizza(Marked, models.Model, mark="x"):
        class Meta:
            app_label = "tests"
            apps = define.registry

        def itself(self):
            return __class__  # the cell must be that of the model

    assert Pizza.mark == "x"
    assert Pizza().itself() is Pizza


# --- inheriting -------------------------------------------------------------------------------------------------


def test_abstract_models_lend_fields_and_meta(define):
    Base = define(
        "Base",
        name=models.CharField(max_length=5),
        made=models.DateTimeField(auto_now_add=True),
        Meta={"abstract": True, "ordering": ["name"]},
    )
    One, Other = define("One", Base, size=models.IntegerField()), define("Other", Base)
    assert [field.name for field in One._meta.fields] == ["id", "name", "made", "size"]
    assert One._meta.ordering == ["name"]
    assert not One._meta.abstract
    assert One._meta.get_field("name") is not Other._meta.get_field("name")
    assert One._meta.get_field("name").model is One
    assert One._meta.get_field("name").max_length == 5
    assert One._meta.db_table == "tests_one"
    assert callable(One().get_next_by_made)


def test_a_field_of_an_abstract_model_can_be_exchanged_or_taken_away(define):
    Base = define("Base", name=models.CharField(), size=models.IntegerField(), Meta={"abstract": True})
    Pizza = define("Pizza", Base, name=models.TextField(), size=None)
    assert [type(field) for field in Pizza._meta.fields] == [models.BigAutoField, models.TextField]


def test_each_heir_of_an_abstract_model_has_relations_of_its_own(define):
    Author = define("Author")
    Base = define(
        "Base", author=models.ForeignKey(Author, models.CASCADE, related_name="%(class)ss"), Meta={"abstract": True}
    )
    One, Other = define("One", Base), define("Other", Base)
    assert One._meta.get_field("author").remote_field is not Other._meta.get_field("author").remote_field
    assert {each.name: each.related_model for each in Author._meta.related_objects} == {"ones": One, "others": Other}


def test_abstract_models_inherit_from_abstract_models(define):
    One = define("One", a=models.IntegerField(), Meta={"abstract": True})
    Two = define("Two", One, b=models.IntegerField(), Meta={"abstract": True})
    Mixed = define("Mixed", c=models.IntegerField(), Meta={"abstract": True})
    Pizza = define("Pizza", Two, Mixed, d=models.IntegerField())
    assert {field.name for field in Pizza._meta.fields} == {"id", "a", "b", "c", "d"}


def test_a_proxy_stands_for_its_model(define):
    Pizza = define("Pizza", name=models.CharField(), Meta={"ordering": ["name"]})
    Proxy = define("Proxy", Pizza, shout=lambda self: self.name.upper(), Meta={"proxy": True})
    assert Proxy._meta.concrete_model is Pizza
    assert Proxy._meta.proxy_for_model is Pizza
    assert Proxy._meta.db_table == Pizza._meta.db_table
    assert Proxy._meta.fields == Pizza._meta.fields
    assert Proxy._meta.pk is Pizza._meta.pk
    assert Proxy._meta.ordering == ["name"]
    assert Proxy(name="a").shout() == "A"
    assert Proxy(pk=1) == Pizza(pk=1)
    models.IntegerField(default=0).contribute_to_class(Pizza, "later")
    assert [field.name for field in Proxy._meta.fields] == ["id", "name", "later"]
    assert Proxy(later=3).later == 3


@pytest.mark.parametrize(
    ("parents", "attributes", "message"),
    [
        (["Pizza"], {"more": models.IntegerField()}, "no table to keep them in"),
        (["Pizza", "Other"], {}, "more than one non-abstract"),
        ([], {}, "no non-abstract"),
        (["Fielded", "Pizza"], {}, "inherits fields from the abstract"),
    ],
)
def test_what_a_proxy_cannot_be(parents, attributes, message, define):
    known = {
        "Pizza": define("Pizza"),
        "Other": define("Other"),
        "Fielded": define("Fielded", x=models.IntegerField(), Meta={"abstract": True}),
    }
    with pytest.raises(TypeError, match=message):
        define("Proxy", *(known[name] for name in parents), Meta={"proxy": True, "abstract": False}, **attributes)


def test_a_child_of_a_model_has_a_table_of_its_own_and_a_link(define):
    Place = define("Place", name=models.CharField(), Meta={"ordering": ["name"], "get_latest_by": "name"})
    Restaurant = define("Restaurant", Place, stars=models.IntegerField())
    meta = Restaurant._meta
    assert [field.name for field in meta.fields] == ["id", "name", "place_ptr", "stars"]
    assert [field.name for field in meta.local_fields] == ["place_ptr", "stars"]
    assert meta.pk.name == "place_ptr"
    assert meta.parents == {Place: meta.pk}
    assert meta.get_ancestor_link(Place) is meta.pk
    assert meta.all_parents == (Place,)
    assert meta.ordering == ["name"] and meta.get_latest_by == "name"
    assert meta.db_table == "tests_restaurant"
    Bistro = define("Bistro", Restaurant)
    assert Bistro._meta.get_base_chain(Place) == [Restaurant, Place]
    assert Bistro._meta.get_ancestor_link(Place) is Bistro._meta.pk
    assert issubclass(Bistro.DoesNotExist, Place.DoesNotExist)


def test_a_link_may_be_declared(define):
    Place = define("Place", name=models.CharField())
    Restaurant = define(
        "Restaurant", Place, place=models.OneToOneField(Place, models.CASCADE, parent_link=True, primary_key=True)
    )
    assert Restaurant._meta.pk.name == "place"
    assert Restaurant._meta.parents == {Place: Restaurant._meta.pk}


def test_fields_of_a_parent_with_a_table_cannot_be_declared_again(define):
    Place = define("Place", name=models.CharField())
    with pytest.raises(FieldError, match="clashes with field of the same name"):
        define("Restaurant", Place, name=models.TextField())


# --- labels of apps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "label"),
    [("shop", "shop"), ("shop.models", "shop"), ("house.shop.models.pizza", "shop"), ("models", "models")],
)
def test_the_label_is_that_of_the_module_where_there_is_no_app(module, label):
    assert app_label_of(module) == label


def test_models_work_alone_in_a_script(tmp_path):
    script = tmp_path / "notes.py"
    script.write_text(
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['werkzeug', 'jinja2', 'click'], None))\n"
        "from webframe.conf import settings\n"
        f"settings.configure(DATABASES={{'default': 'sqlite:///{tmp_path}/notes.db'}})\n"
        "from webframe.db import models\n"
        "from webframe.db.schema import create_all\n"
        "class Note(models.Model):\n"
        "    text = models.CharField(max_length=200)\n"
        "create_all(Note)\n"
        "Note(text='hi').save()\n"
        "print(Note._meta.label, Note._meta.db_table, [note.text for note in Note.objects.all()])\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", str(script)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("notes.Note notes_note ['hi']\n", "")


# --- instances --------------------------------------------------------------------------------------------------


def test_instances_are_equal_by_model_and_key(define):
    Pizza, Other = define("Pizza"), define("Other")
    assert Pizza(pk=1) == Pizza(pk=1)
    assert Pizza(pk=1) != Pizza(pk=2)
    assert Pizza(pk=1) != Other(pk=1)
    assert Pizza() != Pizza()
    pizza = Pizza()
    assert pizza == pizza
    assert (pizza == 1) is False
    assert hash(Pizza(pk=1)) == hash(Pizza(pk=1)) == hash(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Pizza())


def test_instances_show_themselves(define):
    Pizza = define("Pizza")
    assert repr(Pizza(pk=3)) == "<Pizza: Pizza object (3)>"
    Named = define("Named", __str__=lambda self: "Regina")
    assert repr(Named()) == "<Named: Regina>"


def test_a_new_instance_knows_that_it_is_new(define):
    pizza = define("Pizza")()
    assert (pizza._state.db, pizza._state.adding) == (None, True)
    assert pizza._state is pizza._state


def test_copies_have_a_state_of_their_own(define):
    Pizza = define("Pizza", tags=models.JSONField(default=list))
    pizza = Pizza(pk=1, tags=["a"])
    pizza._state.adding = False
    other = copy.copy(pizza)
    other._state.adding = True
    assert pizza._state.adding is False
    assert other == pizza and other.tags is pizza.tags
    deep = copy.deepcopy(pizza)
    assert deep.tags == ["a"] and deep.tags is not pizza.tags
    assert deep._state.adding is False


class Note(models.Model):
    text = models.CharField(max_length=20)


def test_instances_can_be_pickled():
    note = Note(pk=1, text="hi")
    note._state.db = "other"
    again = pickle.loads(pickle.dumps(note))
    assert (again, again.text, again._state.db) == (note, "hi", "other")
    assert type(pickle.loads(pickle.dumps(Note.DoesNotExist("gone")))) is Note.DoesNotExist


def test_deleting_what_is_not_saved_is_an_error(define):
    with pytest.raises(ValueError, match="its id attribute is set to None"):
        define("Pizza")().delete()
