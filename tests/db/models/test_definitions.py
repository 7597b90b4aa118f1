"""Mistakes in the definition of a model are found where they are made."""

from __future__ import annotations

import enum

import pytest

from webframe.db import models

# --- arguments of fields ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: models.IntegerField(nul=True), r"IntegerField has no argument 'nul'\. Did you mean null\?"),
        (lambda: models.CharField(max_lenght=5), r"CharField has no argument 'max_lenght'\. Did you mean max_length\?"),
        (lambda: models.SlugField(allow_unicod=True), r"Did you mean allow_unicode\?"),
        (lambda: models.AutoField(primary_keys=True), r"Did you mean primary_key\?"),
        (lambda: models.ForeignKey("A", models.CASCADE, relate_name="b"), r"ForeignKey .* Did you mean related_name\?"),
        (lambda: models.OneToOneField("A", models.CASCADE, nul=True), r"OneToOneField .* Did you mean null\?"),
        (lambda: models.ManyToManyField("A", thru="B"), r"ManyToManyField has no argument 'thru'\."),
        (lambda: models.ManyToManyField("A", on_delete=models.CASCADE), r"ManyToManyField has no argument 'on_delete'"),
        (lambda: models.DateField(auto_nov=True), r"DateField .* Did you mean auto_now\? Its arguments are .*verbose_"),
    ],
)
def test_an_argument_that_no_field_takes_is_named_with_the_one_that_was_meant(make, says):
    with pytest.raises(TypeError, match=says):
        make()


def test_arguments_of_fields_of_ones_own_are_among_those_that_may_be_meant():
    class StarsField(models.IntegerField):
        def __init__(self, *args, at_most=5, **keywords):
            self.at_most = at_most
            super().__init__(*args, **keywords)

    assert StarsField(at_most=3).at_most == 3
    with pytest.raises(TypeError, match=r"StarsField has no argument 'at_mots'\. Did you mean at_most\?"):
        StarsField(at_mots=3)


def test_two_unknown_arguments_are_both_named():
    with pytest.raises(
        TypeError, match=r"no argument 'nul' and no argument 'blanc'\. Did you mean null\? Did you .*k\?"
    ):
        models.IntegerField(nul=True, blanc=True)


@pytest.mark.parametrize(
    "choices",
    [
        ["a", "bcd"],
        ["ab", "cd"],  # of two characters each, and no pairs all the same
        "ab",
        [("a", "A", "x")],
        [1, 2],
        5,
        [("group", ["a", "b"])],
        {"group": [("a", "A", "x")]},
    ],
)
def test_choices_that_are_no_pairs_are_refused_with_the_name_of_the_field(define, choices):
    with pytest.raises(TypeError, match=r"choices of tests.Pizza.size are pairs .*models\.TextChoices"):
        define("Pizza", size=models.CharField(max_length=9, choices=choices))


def test_choices_of_a_callable_are_looked_at_when_it_is_called(define):
    calls = []

    def choices():
        calls.append(1)
        return ["small"]

    Pizza = define("Pizza", size=models.CharField(max_length=9, choices=choices))
    assert calls == []
    with pytest.raises(TypeError, match=r"choices of tests.Pizza.size are pairs .* 'small' among them is not"):
        Pizza(size="x").get_size_display()


def test_choices_of_an_iterator_are_there_more_than_once(define):
    Pizza = define("Pizza", size=models.CharField(max_length=9, choices=((size, size.upper()) for size in "sl")))
    assert Pizza._meta.get_field("size").choices == [("s", "S"), ("l", "L")]
    assert Pizza(size="s").get_size_display() == "S"


def test_an_enumeration_of_pythons_own_is_no_list_of_choices(define):
    class Size(enum.Enum):
        SMALL = "s"

    Pizza = define("Pizza", size=models.CharField(max_length=9, choices=[(each.value, each.name) for each in Size]))
    assert Pizza(size="s").get_size_display() == "SMALL"
    with pytest.raises(TypeError, match=r"models\.TextChoices"):
        define("Other", size=models.CharField(max_length=9, choices=list(Size)))


@pytest.mark.parametrize("kind", [models.ForeignKey, models.OneToOneField])
def test_a_relation_without_on_delete_says_what_may_be_given(define, kind):
    Pizza = define("Pizza")
    with pytest.raises(TypeError, match=rf"{kind.__name__} to 'tests.Pizza' needs on_delete\. .*on_delete=models.CASC"):
        kind(Pizza)
    with pytest.raises(TypeError, match=rf"{kind.__name__} to 'shop.Pizza' has on_delete='CASCADE', which cannot be c"):
        kind("shop.Pizza", on_delete="CASCADE")


# --- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_that_no_float_can_hold_is_refused_with_the_name_of_the_field(engine, define, digits):
    Pizza = define("Pizza", ratio=models.FloatField())
    field = Pizza._meta.get_field("ratio")
    for use in (field.get_prep_value, lambda value: str(Pizza.objects.filter(ratio__gt=value).query)):
        with pytest.raises(OverflowError, match=r"Field 'ratio' expected a number of at most 1\.8e\+308 but got"):
            use(10**digits)


def test_infinity_is_no_integer(define):
    field = define("Pizza", number=models.IntegerField())._meta.get_field("number")
    with pytest.raises(OverflowError, match=r"Field 'number' expected a number but got inf\."):
        field.get_prep_value(float("inf"))
