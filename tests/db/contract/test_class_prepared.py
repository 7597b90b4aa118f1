"""class_prepared: section 7 of the contract, decision D2, and trap 11. No database is needed."""

from __future__ import annotations

import pytest

from webframe.db import models
from webframe.db.models.signals import class_prepared, post_save
from webframe.dispatch import Signal

from ..registries import models_of_a_test


@pytest.fixture
def registry():
    return models_of_a_test("prepared")


@pytest.fixture
def define(registry):
    def define(name, /, *bases, options=(), **attributes):
        meta = type("Meta", (), {"app_label": "prepared", "apps": registry, **dict(options)})
        namespace = {"__module__": __name__, "Meta": meta, **attributes}
        return type(models.Model)(name, bases or (models.Model,), namespace)

    return define


@pytest.fixture
def names(log):
    log.listen(class_prepared)
    return lambda: [event.sender.__name__ for event in log]


def test_a_model_sends_it_once_with_nothing_but_itself(log, define):
    log.listen(class_prepared)
    pizza = define("Pizza", name=models.CharField(max_length=50))
    (event,) = log
    assert event.sender is pizza
    assert event.arguments == {}


def test_abstract_models_send_nothing(define, names):
    define("Base", options={"abstract": True})
    assert names() == []


def test_proxies_children_and_unmanaged_models_send_it_base_before_child(define, names):
    place = define("Place")
    define("Restaurant", place)
    define("Corner", place, options={"proxy": True})
    define("Legacy", options={"managed": False})
    assert names() == ["Place", "Restaurant", "Corner", "Legacy"]


def test_the_class_in_the_middle_comes_before_the_one_that_declares_the_relation(define, names):
    define("Topping")
    define("Pizza", toppings=models.ManyToManyField("prepared.Topping"))
    assert names() == ["Topping", "Pizza_toppings", "Pizza"]


def test_the_class_in_the_middle_does_not_wait_for_the_other_end(define, names):
    define("Pizza", toppings=models.ManyToManyField("prepared.Topping"))
    assert names() == ["Pizza_toppings", "Pizza"]
    define("Topping")
    assert names() == ["Pizza_toppings", "Pizza", "Topping"]


def test_an_explicit_class_in_the_middle_is_a_model_like_others(define, names):
    define("Topping")
    define("Pizza", toppings=models.ManyToManyField("prepared.Topping", through="prepared.Use"))
    define(
        "Use",
        pizza=models.ForeignKey("prepared.Pizza", models.CASCADE),
        topping=models.ForeignKey("prepared.Topping", models.CASCADE),
    )
    assert names() == ["Topping", "Pizza", "Use"]


def test_each_descendant_of_an_abstract_model_has_a_class_in_the_middle_of_its_own(define, names):
    define("Tag")
    base = define("Base", options={"abstract": True}, tags=models.ManyToManyField("prepared.Tag"))
    a1, a2 = define("A1", base), define("A2", base)
    assert names() == ["Tag", "A1_tags", "A1", "A2_tags", "A2"]
    assert a1.tags.through is not a2.tags.through


def test_the_class_is_registered_and_what_waits_for_it_is_not_done_yet(log, registry, define):
    order = []

    def look(sender, **kwargs):
        order.append("prepared")
        assert registry.get_registered_model("prepared", "Pizza") is sender
        assert registry.get_model("prepared.pizza") is sender
        assert sender._meta.get_field("name").max_length == 50

    registry.lazy_model_operation(lambda model: order.append("waited"), ("prepared", "pizza"))
    log.listen(class_prepared, then=look)
    define("Pizza", name=models.CharField(max_length=50))
    assert order == ["prepared", "waited"]


def test_receivers_that_wait_for_a_model_are_connected_after_it(log, registry, define):
    def hear(**kwargs): ...

    seen = []
    post_save.connect(hear, sender="prepared.Pizza", apps=registry)
    log.listen(class_prepared, then=lambda sender, **kwargs: seen.append(post_save.has_listeners(sender)))
    pizza = define("Pizza")
    assert seen == [False]
    assert post_save.has_listeners(pizza)


def test_it_is_a_plain_signal_to_which_a_text_is_no_name(log, define):
    assert type(class_prepared) is Signal
    log.listen(class_prepared, sender="prepared.Pizza")
    define("Pizza")
    assert log == []


def test_a_family_can_be_heard_though_its_children_are_not_defined_yet(define):
    heard = []

    def hear(sender, **kwargs):
        heard.append(sender.__name__)

    base = define("Base", options={"abstract": True})
    class_prepared.connect(hear, sender=base, include_subclasses=True)
    define("Other")
    define("Child", base)
    assert heard == ["Child"]


def test_an_error_of_a_receiver_leaves_the_definition(log, define):
    def fail(**kwargs):
        raise ZeroDivisionError

    log.listen(class_prepared, then=fail)
    with pytest.raises(ZeroDivisionError):
        define("Pizza")
