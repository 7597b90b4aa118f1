"""Threads that meet in what is made at its first use: plans, tables, hydrators, managers of relations, receivers."""

from __future__ import annotations

import random
import sys
import threading
from types import SimpleNamespace

import pytest

from webframe.db import connections, models, transaction
from webframe.db.models import Avg, Count, Exists, F, Max, OuterRef, Prefetch, Q, Sum
from webframe.db.models.signals import m2m_changed, post_delete, post_save, pre_save

THREADS = 8


@pytest.fixture(autouse=True)
def hurry():
    """Threads take turns as often as possible."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def at_once(*works):
    """Run functions in threads that begin at the same moment; raises what one of them raised."""
    start, errors = threading.Barrier(len(works)), []

    def run(work):
        try:
            start.wait()
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.fixture
def shop(define, create_tables):
    """Models that nobody has asked anything of yet, but for the rows that are there."""
    Topping = define("Topping", name=models.CharField(max_length=20))
    Cook = define(
        "Cook", name=models.CharField(max_length=20), boss=models.ForeignKey("self", models.CASCADE, null=True)
    )
    Pizza = define(
        "Pizza",
        name=models.CharField(max_length=20),
        price=models.IntegerField(),
        cook=models.ForeignKey(Cook, models.SET_NULL, null=True, related_name="pizzas"),
        toppings=models.ManyToManyField(Topping, related_name="pizzas"),
    )
    Recipe = define("Recipe", pizza=models.OneToOneField(Pizza, models.CASCADE), text=models.TextField())
    create_tables()
    toppings = [Topping(pk=number, name=f"t{number}") for number in range(1, 6)]
    Topping.objects.bulk_create(toppings)
    Cook.objects.bulk_create([Cook(pk=1, name="ann"), Cook(pk=2, name="bob", boss_id=1)])
    Pizza.objects.bulk_create([Pizza(name=f"p{n}", price=n, cook_id=(1, 2, None)[n % 3]) for n in range(1, 31)])
    through = Pizza._meta.get_field("toppings").remote_field.through
    through.objects.bulk_create(
        [through(pizza_id=n, topping_id=t) for n in range(1, 31) for t in range(1, 6) if n % t == 0]
    )
    Recipe.objects.bulk_create([Recipe(pizza_id=n, text=f"r{n}") for n in range(1, 11)])
    connections.close_all()

    return SimpleNamespace(Topping=Topping, Cook=Cook, Pizza=Pizza, Recipe=Recipe)


def questions(shop):
    """Functions that ask something, and what they must answer."""
    Topping, Cook, Pizza, Recipe = shop.Topping, shop.Cook, shop.Pizza, shop.Recipe
    everything = range(1, 31)
    asked = []

    def ask(expected, question):
        asked.append((question, expected))

    for number in (1, 7, 30):
        ask(f"p{number}", lambda number=number: Pizza.objects.get(pk=number).name)
        ask(number, lambda number=number: Pizza.objects.get(name=f"p{number}").price)
        ask(list(range(number, 31)), lambda number=number: keys(Pizza.objects.filter(price__gte=number)))
        ask(list(range(1, number)), lambda number=number: keys(Pizza.objects.exclude(price__gte=number)))
        ask(31 - number, lambda number=number: Pizza.objects.filter(pk__gte=number).count())
    for size in range(1, 9):
        wanted = list(range(1, size + 1))
        ask(wanted, lambda wanted=wanted: keys(Pizza.objects.filter(pk__in=wanted)))
        ask(wanted, lambda size=size: keys(Pizza.objects.order_by("price")[:size]))
        ask(sum(wanted), lambda size=size: Pizza.objects.filter(price__lte=size).aggregate(s=Sum("price"))["s"])
    ask([n for n in everything if n % 3 == 0], lambda: keys(Pizza.objects.filter(cook__name="ann")))
    ask([n for n in everything if n % 3 == 1], lambda: keys(Pizza.objects.filter(cook__boss__name="ann")))
    ask([n for n in everything if n % 3 == 2], lambda: keys(Pizza.objects.filter(cook__isnull=True)))
    ask([n for n in everything if n % 5 == 0], lambda: keys(Pizza.objects.filter(toppings__name="t5")))
    ask([n for n in everything if n % 5], lambda: keys(Pizza.objects.exclude(toppings__name="t5")))
    ask([n for n in everything if n % 20 == 0], lambda: keys(Pizza.objects.filter(toppings=4).filter(toppings=5)))
    ask([3, 4, 30], lambda: keys(Pizza.objects.filter(Q(pk__in=[3, 4]) | Q(name="p30"))))
    ask(list(range(1, 11)), lambda: keys(Pizza.objects.filter(recipe__isnull=False)))
    ask("r7", lambda: Pizza.objects.select_related("recipe").get(pk=7).recipe.text)
    ask("ann", lambda: Pizza.objects.select_related("cook__boss").get(pk=1).cook.boss.name)
    ask(["t1", "t2", "t3", "t5"], lambda: [t.name for t in Pizza.objects.get(pk=30).toppings.order_by("name")])
    ask(
        [sum(n % t == 0 for t in range(1, 6)) for n in everything],
        lambda: list(Pizza.objects.annotate(n=Count("toppings")).order_by("pk").values_list("n", flat=True)),
    )
    ask([30, 15, 10, 7, 6], lambda: [t.n for t in Topping.objects.annotate(n=Count("pizzas")).order_by("pk")])
    ask(
        [{"cook": 1, "m": 30}, {"cook": 2, "m": 28}],
        lambda: list(Pizza.objects.exclude(cook=None).values("cook").annotate(m=Max("price")).order_by("cook")),
    )
    ask([1, 2], lambda: keys(Cook.objects.filter(Exists(Pizza.objects.filter(cook=OuterRef("pk"))))))
    ask(15.5, lambda: Pizza.objects.aggregate(mean=Avg("price"))["mean"])
    ask([10, 10], lambda: [len(c.pizzas.all()) for c in Cook.objects.prefetch_related("pizzas").order_by("pk")])
    ask(
        [[30], [30]],
        lambda: [
            [p.pk for p in t.dear]
            for t in Topping.objects.filter(pk__in=[1, 5])
            .order_by("pk")
            .prefetch_related(Prefetch("pizzas", Pizza.objects.filter(price__gte=30), to_attr="dear"))
        ],
    )
    ask({1: "ann", 2: "bob"}, lambda: {pk: cook.name for pk, cook in Cook.objects.in_bulk().items()})
    ask(list(everything), lambda: [p.pk for p in Pizza.objects.order_by("pk").iterator(chunk_size=7)])
    ask([2, 4], lambda: keys(Pizza.objects.filter(pk=2).union(Pizza.objects.filter(pk=4)).order_by("pk"), order=False))
    ask(list(range(2, 32)), lambda: [p.more for p in Pizza.objects.annotate(more=F("price") + 1).order_by("pk")])
    ask("p9", lambda: Pizza.objects.only("price").get(pk=9).name)
    ask("p8", lambda: Pizza.objects.defer("name").get(pk=8).name)
    ask((30, "p30"), lambda: Pizza.objects.values_list("price", "name").last())
    ask(True, lambda: Pizza.objects.filter(recipe__text="r3").exists())
    ask("p3", lambda: Recipe.objects.get(text="r3").pizza.name)
    return asked


def keys(queryset, *, order=True):
    return [each.pk for each in (queryset.order_by("pk") if order and not queryset.is_sliced else queryset)]


@pytest.mark.parametrize("round", range(3))
def test_many_questions_at_once_over_a_cold_cache_of_plans(shop, round):
    asked = questions(shop)

    def work(number):
        def ask():
            mine = list(asked)
            if number:  # two threads in the same order, the others each in one of its own
                random.Random(number // 2 + 10 * round).shuffle(mine)
            for question, expected in mine + mine:
                assert question() == expected

        return ask

    at_once(*(work(number) for number in range(THREADS)))


def test_plans_that_are_thrown_away_while_others_use_them(shop):
    asked, done = questions(shop), threading.Event()

    def ask():
        for question, expected in asked * 2:
            assert question() == expected

    def throw_away():
        while not done.wait(0.001):
            connections["default"].plans.clear()
            shop.Pizza._meta._expire_cache()

    thrower = threading.Thread(target=throw_away)
    thrower.start()
    try:
        at_once(*[ask] * 4)
    finally:
        done.set()
        thrower.join()


def test_managers_of_relations_first_used_at_once(shop):
    Pizza, Cook, Topping = shop.Pizza, shop.Cook, shop.Topping
    pizza, cook, topping = Pizza(pk=30, cook_id=1), Cook(pk=1), Topping(pk=5)
    seen = []

    def use():
        seen.append((type(pizza.toppings), type(cook.pizzas), type(topping.pizzas)))
        assert sorted(t.pk for t in pizza.toppings.all()) == [1, 2, 3, 5]
        assert cook.pizzas.count() == 10
        assert topping.pizzas.filter(cook=cook).count() == 2
        assert cook.cook_set.get().name == "bob"
        assert Pizza(pk=30, cook_id=1).cook.name == "ann"
        assert Pizza.objects.get(pk=3).recipe.text == "r3"

    at_once(*[use] * THREADS)
    assert len(set(seen)) == 1


def test_models_first_saved_and_changed_at_once(shop, engine):
    Pizza, Cook, Topping = shop.Pizza, shop.Cook, shop.Topping
    rounds = 5 if engine.vendor == "sqlite" else 10

    def work(number):
        def write():
            for count in range(rounds):
                with transaction.atomic():
                    pizza = Pizza.objects.create(name=f"{number}-{count}", price=count, cook_id=2)
                    pizza.toppings.add(1, 2, 3)
                    pizza.toppings.remove(2)
                    pizza.price = F("price") + number
                    pizza.save(update_fields=["price"])
                    pizza.refresh_from_db()
                    assert pizza.price == count + number
                if count % 2:
                    pizza.delete()

        return write

    at_once(*(work(number) for number in range(THREADS)))
    left = sorted(Pizza.objects.filter(name__contains="-").values_list("name", flat=True))
    assert left == sorted(f"{number}-{count}" for number in range(THREADS) for count in range(0, rounds, 2))
    assert Topping.objects.get(pk=3).pizzas.filter(name__contains="-").count() == len(left)
    assert not Topping.objects.get(pk=2).pizzas.filter(name__contains="-").exists()
    assert Cook.objects.get(pk=2).pizzas.count() == 10 + len(left)


def test_receivers_come_and_go_while_others_save_relate_and_delete(shop):
    Pizza = shop.Pizza
    through = Pizza._meta.get_field("toppings").remote_field.through
    done, heard, errors = threading.Event(), [], []
    signals = [(pre_save, Pizza), (post_save, Pizza), (m2m_changed, through), (post_delete, Pizza)]

    def stay(signal, sender, instance, **kwargs):
        heard.append((signal.name, kwargs.get("action", ""), instance.name))

    def visit(signal, sender, **kwargs):
        if (signal, sender) not in signals:
            errors.append((signal, sender))

    def come_and_go():
        while not done.is_set():
            for signal, sender in signals:
                signal.connect(visit, sender=sender)
                signal.connect(visit)
            for signal, sender in signals:
                signal.disconnect(visit, sender=sender)
                signal.disconnect(visit)

    def work(number):
        def write():
            for count in range(6):
                name = f"{number}-{count}"
                pizza = Pizza.objects.create(name=name, price=1)
                pizza.toppings.set([1, 2])
                pizza.toppings.clear()
                pizza.delete()

        return write

    for signal, sender in signals:
        signal.connect(stay, sender=sender)
    visitor = threading.Thread(target=come_and_go)
    visitor.start()
    try:
        at_once(*(work(number) for number in range(THREADS)))
    finally:
        done.set()
        visitor.join()
        for signal, sender in signals:
            signal.disconnect(stay, sender=sender)
    steps = [("pre_save", ""), ("post_save", "")]
    steps += [("m2m_changed", action) for action in ("pre_add", "post_add", "pre_clear", "post_clear")]
    steps += [("post_delete", "")]
    names = [f"{number}-{count}" for number in range(THREADS) for count in range(6)]
    assert errors == []
    for name in names:
        assert [(signal, action) for signal, action, about in heard if about == name] == steps
