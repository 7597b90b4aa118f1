"""Making instances: the generated constructor, with and without listeners, and classes that have their own."""

from __future__ import annotations

import copy
import functools
import inspect
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webframe.db import models, router
from webframe.db.models import Value
from webframe.db.models.functions import Upper
from webframe.db.models.signals import class_prepared, post_init, post_save, pre_init, pre_save


@pytest.fixture
def Pizza(define):
    return define(
        "Pizza",
        name=models.CharField(max_length=50),
        price=models.IntegerField(default=9),
        toppings=models.JSONField(default=list),
    )


def test_values_are_given_by_position_or_by_name(Pizza):
    pizza = Pizza(1, "Regina", price=10)
    assert (pizza.id, pizza.name, pizza.price, pizza.toppings) == (1, "Regina", 10, [])
    assert pizza.pk == 1


def test_the_signature_can_be_read(Pizza):
    assert list(inspect.signature(Pizza).parameters) == ["id", "name", "price", "toppings", "kwargs"]


def test_defaults_that_are_callables_are_called_for_each_instance(Pizza):
    one, other = Pizza(), Pizza()
    assert one.toppings == other.toppings == []
    assert one.toppings is not other.toppings
    assert Pizza(toppings=None).toppings is None


def test_pk_and_properties_can_be_given(define):
    class Priced:
        @property
        def euros(self):
            return self.cents / 100

        @euros.setter
        def euros(self, value):
            self.cents = round(value * 100)

    Pizza = define("Pizza", models.Model, Priced, cents=models.IntegerField(null=True))
    pizza = Pizza(pk=7, euros=9.5)
    assert (pizza.id, pizza.cents) == (7, 950)


def test_unknown_names_are_named_with_what_was_meant(Pizza):
    with pytest.raises(TypeError, match=r"Pizza\(\) got unexpected keyword arguments: nmae. Did you mean name\?"):
        Pizza(nmae="x")
    with pytest.raises(TypeError, match="It takes id, name, price, toppings."):
        Pizza(zzzzzzzz="x")


def test_too_many_and_double_values_are_refused(Pizza):
    with pytest.raises(TypeError):
        Pizza(1, "a", 2, [], 5)
    with pytest.raises(TypeError):
        Pizza(1, "a", name="b")


def test_abstract_models_have_no_instances(define):
    Base = define("Base", name=models.CharField(), Meta={"abstract": True})
    with pytest.raises(TypeError, match="abstract"):
        Base(name="x")
    with pytest.raises(TypeError, match="Model itself"):
        models.Model()


def test_fields_may_be_called_as_python_calls_its_parameters(define):
    Thing = define(
        "Thing",
        self=models.IntegerField(),
        kwargs=models.IntegerField(),
        args=models.IntegerField(),
        cls=models.IntegerField(),
    )
    thing = Thing(self=1, kwargs=2, args=3, cls=4)
    assert (thing.self, thing.kwargs, thing.args, thing.cls) == (1, 2, 3, 4)


# --- classes with a constructor of their own --------------------------------------------------------------------


def test_a_class_keeps_its_own_constructor(define):
    def __init__(self, *args, **kwargs):
        super(Pizza, self).__init__(*args, **kwargs)
        self.shouted = self.name.upper()

    Pizza = define("Pizza", name=models.CharField(), __init__=__init__)
    assert Pizza(name="a").shouted == "A"
    assert not Pizza._meta.plain_init


def test_an_heir_with_a_constructor_does_not_disturb_its_parent(define):
    Pizza = define("Pizza", name=models.CharField())

    def __init__(self, *args, **kwargs):
        super(Calzone, self).__init__(*args, **kwargs)
        self.folded = True

    Calzone = define("Calzone", Pizza, __init__=__init__, Meta={"proxy": True})
    assert Calzone(name="a").folded
    assert Calzone(None, "a").name == "a"
    pizza = Pizza(None, "a")
    assert (pizza.name, hasattr(pizza, "folded")) == ("a", False)
    assert Pizza._meta.plain_init


def test_a_constructor_of_a_mixin_and_of_an_abstract_parent_counts(define):
    class Loud:
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.loud = True

    assert define("Pizza", Loud, models.Model, name=models.CharField())(name="a").loud

    def __init__(self, *args, **kwargs):
        models.Model.__init__(self, *args, **kwargs)
        self.calm = True

    Base = define("Base", __init__=__init__, Meta={"abstract": True})
    assert define("Heir", Base, name=models.CharField())(name="a").calm


def test_attributes_that_are_set_in_another_way_are_seen(define):
    seen = []

    def __setattr__(self, name, value):
        seen.append(name)
        object.__setattr__(self, name, value)

    Pizza = define("Pizza", name=models.CharField(), __setattr__=__setattr__)
    Pizza(name="a")
    assert seen == ["id", "name"]
    assert not Pizza._meta.plain_init


def test_a_field_that_comes_later_is_a_parameter_too(Pizza):
    models.IntegerField(default=3).contribute_to_class(Pizza, "stars")
    assert Pizza().stars == 3
    assert Pizza(stars=4).stars == 4


# --- listeners --------------------------------------------------------------------------------------------------


def test_the_quick_constructor_is_back_when_nobody_listens_any_more(Pizza):
    quick = Pizza.__init__

    def hear(**kwargs): ...

    pre_init.connect(hear, sender=Pizza)
    assert Pizza.__init__ is not quick
    pre_init.disconnect(hear, sender=Pizza)
    assert Pizza.__init__ is quick
    with post_init.connected_to(hear):
        assert Pizza.__init__ is not quick
    assert Pizza.__init__ is quick


def test_listeners_of_one_model_do_not_slow_down_others(Pizza, define):
    Other = define("Other")
    quick = Other.__init__

    def hear(**kwargs): ...

    with_sender = post_init.connect(hear, sender=Pizza)
    assert with_sender is None
    assert Other.__init__ is quick
    post_init.disconnect(hear, sender=Pizza)


def test_a_model_that_is_defined_while_somebody_listens_is_heard(define):
    heard = []

    def hear(sender, **kwargs):
        heard.append(sender)

    with post_init.connected_to(hear):
        Pizza = define("Pizza", name=models.CharField())
        Pizza()
    Pizza()
    assert heard == [Pizza]


def test_a_class_with_its_own_constructor_is_heard_once(define):
    def __init__(self, *args, **kwargs):
        super(Pizza, self).__init__(*args, **kwargs)

    Base = define("Base", name=models.CharField())
    Pizza = define("Pizza", Base, __init__=__init__, Meta={"proxy": True})
    heard = []

    def hear(sender, args, kwargs, **rest):
        heard.append((sender, args, dict(kwargs)))

    with pre_init.connected_to(hear):
        Pizza(None, name="a")
        Base(name="b")
    Pizza()
    assert heard == [(Pizza, [None], {"name": "a"}), (Base, [], {"name": "b"})]


def test_arguments_may_be_exchanged_before_they_are_used(Pizza):
    def change(args, kwargs, **rest):
        args.append("Regina")
        kwargs["price"] = 1

    with pre_init.connected_to(change):
        pizza = Pizza(5)
    assert (pizza.id, pizza.name, pizza.price) == (5, "Regina", 1)


@given(st.text())
def test_any_text_as_an_argument_is_a_field_or_an_error(name):
    try:
        note = Note(**{name: 5})
    except TypeError as error:
        assert name not in ("id", "text", "pk")
        assert name in str(error)
    else:
        assert getattr(note, name) == 5


class Note(models.Model):
    text = models.CharField(max_length=20)

    class Meta:
        app_label = "construction"


def test_receivers_may_come_and_go_in_other_threads_while_instances_are_made(Pizza):
    stop = threading.Event()
    errors = []

    def hear(**kwargs): ...

    def come_and_go():
        while not stop.is_set():
            pre_init.connect(hear, sender=Pizza)
            post_init.connect(hear)
            pre_init.disconnect(hear, sender=Pizza)
            post_init.disconnect(hear)

    def make():
        try:
            for number in range(2000):
                pizza = Pizza(None, "a", price=number)
                assert (pizza.name, pizza.price, pizza.toppings) == ("a", number, [])
        except BaseException as error:
            errors.append(error)

    others = [threading.Thread(target=come_and_go) for _ in range(2)]
    makers = [threading.Thread(target=make) for _ in range(4)]
    for thread in others + makers:
        thread.start()
    for thread in makers:
        thread.join()
    stop.set()
    for thread in others:
        thread.join()
    assert errors == []
    assert Pizza.__init__ is Pizza._meta.quick


# --- create -----------------------------------------------------------------------------------------------------


@pytest.fixture
def Cake(define, create_tables):
    Cake = define(
        "Cake",
        name=models.CharField(max_length=50),
        price=models.IntegerField(default=9),
        toppings=models.JSONField(default=list),
    )
    create_tables(Cake)
    return Cake


def test_create_takes_what_the_constructor_takes_by_name(Cake):
    cake = Cake.objects.create(name="Sacher", toppings=["apricot"])
    assert (cake.name, cake.price, cake.toppings) == ("Sacher", 9, ["apricot"])
    assert Cake.objects.create(pk=70, name="b").id == 70
    assert Cake.objects.values_list("name", "price").get(pk=cake.pk) == ("Sacher", 9)
    assert Cake.objects.create(name="c").toppings is not Cake.objects.create(name="c").toppings
    with pytest.raises(TypeError, match=r"Cake\(\) got unexpected keyword arguments: nmae. Did you mean name\?"):
        Cake.objects.create(nmae="x")
    with pytest.raises(TypeError, match="positional"):
        Cake.objects.create(7)
    assert "self" in inspect.signature(type(Cake.objects).create).parameters


def test_create_is_heard_by_those_who_begin_to_listen_after_it_was_used(Cake):
    Cake.objects.create(name="a")
    heard = []

    def hear(*, kwargs=None, instance=None, **others):
        heard.append(dict(kwargs) if instance is None else instance.name)

    with pre_init.connected_to(hear, sender=Cake), post_init.connected_to(hear, sender=Cake):
        Cake.objects.create(name="b", price=9)
    Cake.objects.create(name="c")
    assert heard == [{"name": "b", "price": 9}, "b"]


def test_create_saves_with_the_save_of_the_class(Cake, monkeypatch):
    Cake.objects.create(name="a")
    saved = []
    monkeypatch.setattr(Cake, "save", lambda self, **arguments: saved.append((self.name, arguments)))
    Cake.objects.create(name="b")
    assert saved == [("b", {"force_insert": True, "using": "default"})]


def test_create_uses_a_constructor_that_comes_later(Cake, monkeypatch):
    Cake.objects.create(name="a")
    generated = Cake.__init__

    def dear(self, *args, **kwargs):
        generated(self, *args, **kwargs)
        self.price *= 2

    monkeypatch.setattr(Cake, "__init__", dear)
    assert Cake.objects.create(name="b").price == 18


def test_what_create_gives_knows_where_it_is(Cake):
    cake = Cake.objects.create(name="a")
    assert (cake._state.db, cake._state.adding) == ("default", False)
    assert cake.pk == cake.id == Cake.objects.get(name="a").pk
    cake.price = 3
    cake.save(update_fields=["price"])
    cake.save()
    assert Cake.objects.get().price == 3
    assert copy.copy(Cake.objects.create(name="b")).name == "b"


def test_create_takes_expressions_and_values_of_other_types(Cake):
    assert Cake.objects.create(name="a", price=Value(4)).price == 4
    assert Cake.objects.create(name=Upper(Value("b")), price="7").price == "7"
    assert sorted(Cake.objects.values_list("name", "price")) == [("B", 7), ("a", 4)]
    with pytest.raises(ValueError, match="price"):
        Cake.objects.create(name="c", price="dear")


def test_create_asks_routers_and_tells_the_signals_of_saving_once_there_are_any(Cake):
    Cake.objects.create(name="a")
    heard = []

    def hear(*, signal, instance, **others):
        heard.append((instance.name, instance.pk is None))

    with pre_save.connected_to(hear, sender=Cake), post_save.connected_to(hear, sender=Cake):
        Cake.objects.create(name="b")
    Cake.objects.create(name="c")
    assert heard == [("b", True), ("b", False)]

    class Router:
        def db_for_write(self, model, **hints):
            heard.append((model, hints))

    router.routers = [Router()]
    try:
        Cake.objects.create(name="d")
    finally:
        router.routers = None
    assert heard[-1] == (Cake, {})


def test_create_of_an_owner_and_what_it_owns(define, create_tables):
    Baker = define("Baker", name=models.CharField(max_length=50))
    Bun = define("Bun", baker=models.ForeignKey(Baker, on_delete=models.CASCADE, null=True))
    create_tables(Baker, Bun)
    baker = Baker.objects.create(name="Ann")
    assert Bun.objects.create(baker=baker).baker_id == baker.pk
    assert Bun.objects.create(baker_id=baker.pk).baker == baker
    assert Bun.objects.create().baker is None
    with pytest.raises(ValueError, match="unsaved"):
        Bun.objects.create(baker=Baker(name="Bob"))
    assert Bun.objects.count() == 3


def test_create_knows_a_field_that_comes_later(Pizza, monkeypatch):
    monkeypatch.setattr(Pizza, "save", lambda self, **arguments: None)
    Pizza.objects.create(name="a")
    models.IntegerField(default=3).contribute_to_class(Pizza, "stars")
    assert Pizza.objects.create(name="b", stars=4).stars == 4
    assert Pizza.objects.create(name="c").stars == 3


def test_create_of_managers_that_do_more_calls_them(define, create_tables):
    class Dear(models.Manager):
        def create(self, **kwargs):
            return super().create(price=100, **kwargs)

    class Careful(models.QuerySet):
        def create(self, **kwargs):
            return super().create(**{**kwargs, "name": "careful"})

    Cake = define(
        "Cake",
        name=models.CharField(max_length=50),
        price=models.IntegerField(default=9),
        objects=models.Manager(),
        dear=Dear(),
        careful=Careful.as_manager(),
    )
    create_tables(Cake)
    assert Cake.objects.create(name="a").price == 9
    assert Cake.dear.create(name="a").price == 100
    assert Cake.careful.create(name="a").name == "careful"


def test_create_of_an_heir_makes_heirs(Cake, define):
    Cake.objects.create(name="a")
    Torte = define("Torte", Cake, Meta={"proxy": True})
    assert type(Torte.objects.create(name="b")) is Torte
    assert type(Cake.objects.create(name="c")) is Cake


def test_create_takes_related_objects_and_refuses_those_that_are_not_saved(define, create_tables):
    Author = define("Author", name=models.CharField(max_length=50))
    Book = define("Book", author=models.ForeignKey(Author, models.CASCADE))
    create_tables(Author, Book)
    author = Author.objects.create(name="a")
    book = Book.objects.create(author=author)
    assert book.author is author
    assert Book.objects.create(author_id=author.pk).author == author
    with pytest.raises(ValueError, match="unsaved related object"):
        Book.objects.create(author=Author(name="b"))


def test_create_of_fields_that_are_called_as_python_calls_its_parameters(define, create_tables):
    Thing = define("Thing", self=models.IntegerField(), kwargs=models.IntegerField(), model=models.IntegerField())
    create_tables(Thing)
    thing = Thing.objects.create(self=1, kwargs=2, model=3)
    assert Thing.objects.values_list("self", "kwargs", "model").get(pk=thing.pk) == (1, 2, 3)


def test_create_asks_the_metaclass_that_makes_instances(define, create_tables):
    class Counting(type(models.Model)):
        made = 0

        def __call__(cls, *args, **kwargs):
            Counting.made += 1
            return super().__call__(*args, **kwargs)

    class Counted(models.Model, metaclass=Counting):
        class Meta:
            abstract = True

    Thing = define("Thing", Counted, name=models.CharField(max_length=50))
    create_tables(Thing)
    Thing.objects.create(name="a")
    Thing.objects.create(name="b")
    assert Counting.made == 2


# --- constructors that take the place of ours later, as libraries have them that watch instances ----------------------


def watch(model, seen):
    """Give a model another constructor in the way of a decorator."""
    former = model.__init__

    @functools.wraps(former)
    def watched(self, *args, **kwargs):
        former(self, *args, **kwargs)
        seen.append(self.name)

    model.__init__ = watched
    return former


def test_a_constructor_that_comes_later_is_called_for_rows_as_well(Cake):
    Cake.objects.create(name="a")
    assert Cake.objects.get().name == "a"
    seen = []
    watch(Cake, seen)
    Cake(name="b"), Cake.objects.create(name="c"), list(Cake.objects.all()), Cake.objects.only("name").first()
    assert seen == ["b", "c", "a", "c", "a"]


def test_a_constructor_that_comes_later_stays_whoever_listens(Cake):
    seen, heard = [], []

    def hear(instance, **kwargs):
        heard.append(instance.name)

    watch(Cake, seen)
    post_init.connect(hear, sender=Cake)
    Cake(name="a")
    post_init.disconnect(hear, sender=Cake)
    Cake(name="b")
    assert (seen, heard) == (["a", "b"], ["a"])


def test_listeners_are_told_once_whatever_was_kept_of_the_former_constructor(Cake):
    seen, heard = [], []

    def hear(instance, **kwargs):
        heard.append(instance.name)

    quick = Cake.__init__
    post_init.connect(hear, sender=Cake)
    watch(Cake, seen)
    Cake.__init__ = lambda self, *args, **kwargs: quick(self, *args, **kwargs)
    Cake(name="a")
    assert (seen, heard) == ([], ["a"])


def test_heirs_have_the_constructor_that_their_parent_got_later(Cake, define):
    Tart = define("Tart", Cake, fruit=models.CharField(max_length=9))
    assert Tart(name="a", fruit="plum").fruit == "plum"
    seen = []
    former = watch(Cake, seen)
    tart = Tart(name="b", fruit="pear")
    assert (seen, tart.fruit) == (["b"], "pear")
    Cake.__init__ = former
    assert (Tart(name="c", fruit="fig").fruit, Cake(name="d").name, seen) == ("fig", "d", ["b"])


def test_a_constructor_may_come_when_the_class_is_prepared(define):
    seen = []

    def prepare(sender, **kwargs):
        if sender.__name__ == "Pie":
            watch(sender, seen)

    class_prepared.connect(prepare)
    Pie = define("Pie", name=models.CharField(max_length=9), size=models.IntegerField(default=3))
    class_prepared.disconnect(prepare)
    models.IntegerField(default=4).contribute_to_class(Pie, "height")
    pie = Pie(name="a", height=5)
    assert (seen, pie.size, pie.height) == (["a"], 3, 5)


def test_from_db_may_be_exchanged_later(Cake, monkeypatch):
    Cake.objects.create(name="a")
    assert Cake.objects.get().name == "a"
    former = Cake.from_db.__func__

    def from_db(cls, db, field_names, values):
        made = former(cls, db, field_names, values)
        made.came_from = db
        return made

    with monkeypatch.context() as patch:
        patch.setattr(Cake, "from_db", classmethod(from_db))
        assert Cake.objects.get().came_from == "default"
    assert not hasattr(Cake.objects.get(), "came_from")
