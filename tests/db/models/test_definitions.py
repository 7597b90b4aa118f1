"""Mistakes in the definition of a model are found where they are made."""

from __future__ import annotations

import enum

import pytest

from webframe.core.checks import Info, run_checks
from webframe.core.exceptions import FieldError
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


# --- names and keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["save", "delete", "clean", "from_db", "_state", "_meta", "DoesNotExist", "NotUpdated"]
)
def test_a_field_cannot_hide_what_every_model_has(define, name):
    with pytest.raises(FieldError, match=f"A field of tests.Pizza cannot be called '{name}': .* by db_column"):
        define("Pizza", **{name: models.IntegerField()})
    with pytest.raises(FieldError, match=f"A manager of tests.Pizza cannot be called '{name}'"):
        define("Pizza", **{name: models.Manager()})
    with pytest.raises(FieldError, match=f"A field of tests.Abstract cannot be called '{name}'"):
        define("Abstract", **{name: models.ForeignKey("Pizza", models.CASCADE)}, Meta={"abstract": True})


def test_methods_of_models_can_be_written_anew_and_models_called_like_them(define):
    Pizza = define("Pizza", save=lambda self: "saved")
    assert Pizza().save() == "saved"
    Delete = define("Delete", pizzas=models.ManyToManyField(Pizza))
    assert Delete.pizzas.through._meta.get_field("delete").related_model is Delete


def test_a_model_has_one_primary_key(define):
    with pytest.raises(FieldError, match=r"tests.Pizza has 2 fields with primary_key=True: code, name\. .*unique=True"):
        define("Pizza", code=models.TextField(primary_key=True), name=models.TextField(primary_key=True))
    Keyed = define("Keyed", code=models.TextField(primary_key=True), Meta={"abstract": True})
    with pytest.raises(FieldError, match="2 fields with primary_key=True: code, name"):
        define("Other", Keyed, name=models.TextField(primary_key=True))
    assert define("Same", Keyed, code=models.IntegerField(primary_key=True))._meta.pk.name == "code"
    Parent = define("Parent", code=models.TextField(primary_key=True))
    assert define("Child", Parent, name=models.TextField(primary_key=True))._meta.pk.name == "name"


def test_a_field_called_id_is_the_key_or_beside_one(define):
    with pytest.raises(FieldError, match="tests.Pizza has a field 'id' that is not its primary key"):
        define("Pizza", id=models.IntegerField())
    with pytest.raises(FieldError, match="tests.Pizza has a field 'id' that is not its primary key"):
        define("Pizza", id=models.ManyToManyField("Other"))
    Pizza = define("Pizza", id=models.IntegerField(), code=models.TextField(primary_key=True))
    assert Pizza._meta.pk.name == "code"


def test_two_fields_cannot_have_one_name_or_one_column(define):
    Other = define("Other")
    with pytest.raises(
        FieldError, match="have 'cook_id' twice: of the field tests.Pizza.cook and .*tests.Pizza.cook_id"
    ):
        define("Pizza", cook=models.ForeignKey(Other, models.CASCADE), cook_id=models.IntegerField())
    with pytest.raises(FieldError, match="'name' and 'title' of tests.Pizza .* column 'name'. .* another db_column"):
        define("Pizza", name=models.TextField(), title=models.TextField(db_column="name"))


def test_two_parents_cannot_have_one_name(define):
    One, Two = define("One"), define("Two")
    with pytest.raises(
        FieldError, match="tests.Both would have 'id' twice: of the field tests.One.id and .* tests.Two.id"
    ):
        define("Both", One, Two)
    Three = define("Three", key=models.BigAutoField(primary_key=True))
    assert [field.name for field in define("Other", One, Three)._meta.fields] == ["id", "key", "three_ptr", "one_ptr"]


# --- relations ----------------------------------------------------------------------------------------------------

KINDS = {
    "key": lambda to, **options: models.ForeignKey(to, models.CASCADE, **options),
    "one": lambda to, **options: models.OneToOneField(to, models.CASCADE, **options),
    "many": models.ManyToManyField,
}


@pytest.fixture(params=KINDS)
def relation(request):
    """Makes a relation, of each kind."""
    return KINDS[request.param]


def test_two_relations_to_one_model_need_names_of_their_own(define, relation):
    define("Team")
    with pytest.raises(
        FieldError, match=r"Team.match(_set)? of tests.Match.away clashes with that of tests.Match.home\. "
    ):
        define("Match", home=relation("Team"), away=relation("Team"))


def test_two_relations_with_names_of_their_own_do_not_clash(define, relation):
    Team = define("Team")
    define(
        "Match",
        home=relation(Team),
        away=relation(Team, related_name="away_matches"),
        third=relation(Team, related_name="+"),
    )
    define("Other", home=relation(Team, related_name="+"), away=relation(Team, related_name="+"))
    Me = define(
        "Me", friends=models.ManyToManyField("self"), foes=models.ManyToManyField("self"), boss=relation("self")
    )
    assert {each.name for each in Me._meta.related_objects if not each.hidden} <= {"me"}
    assert Team.away_matches


def test_relations_clash_although_the_target_is_defined_later(define, relation):
    define("Match", home=relation("Team"), away=relation("Team"))
    with pytest.raises(FieldError, match=r"tests.Match.away clashes with that of tests.Match.home"):
        define("Team")


def test_relations_of_different_kinds_and_models_clash_as_well(define):
    Team = define("Team")
    define("Match", home=models.ForeignKey(Team, models.CASCADE, related_name="games"))
    with pytest.raises(FieldError, match="Team.games of tests.Cup.teams clashes with that of tests.Match.home"):
        define("Cup", teams=models.ManyToManyField(Team, related_name="games"))
    with pytest.raises(FieldError, match="The name 'games' of tests.Ball.team in queries of Team clashes with that of"):
        define("Ball", team=models.OneToOneField(Team, models.CASCADE, related_query_name="games"))


def test_a_name_at_the_other_end_cannot_be_that_of_a_field_there(define, relation):
    Cook = define("Cook", name=models.TextField())
    Team = define(
        "Team", games=models.IntegerField(), cup=models.TextField(), cook=models.ForeignKey(Cook, models.CASCADE)
    )
    with pytest.raises(FieldError, match="Team.games of tests.Match.home clashes with the field tests.Team.games"):
        define("Match", home=relation(Team, related_name="games"))
    with pytest.raises(FieldError, match="Team.cook_id of tests.Match2.away clashes with the field tests.Team.cook"):
        define("Match2", away=relation(Team, related_name="cook_id"))
    with pytest.raises(
        FieldError, match="(Team.cup|The name 'cup') of tests.Cup.team .*clashes with the field tests.Team"
    ):
        define("Cup", team=relation(Team))
    with pytest.raises(FieldError, match="Node.parent of tests.Node.parent clashes with the field tests.Node.parent"):
        define(
            "Node",
            parent=relation(
                "self", related_name="parent", **({} if relation is not KINDS["many"] else {"symmetrical": False})
            ),
        )


@pytest.mark.parametrize("name", ["save", "pk", "DoesNotExist", "objects"])
def test_a_way_back_cannot_hide_what_every_model_has(define, relation, name):
    Team = define("Team")
    with pytest.raises(FieldError, match=f"Team.{name} of tests.Match.home would hide"):
        define("Match", home=relation(Team, related_name=name))


def test_a_child_called_like_a_method_is_refused_with_the_way_out(define):
    Action = define("Action")
    with pytest.raises(
        FieldError, match=r"Action.delete .* would hide .*action_ptr = OneToOneField\(Action, .*parent_li"
    ):
        define("Delete", Action)


def test_an_abstract_relation_needs_a_name_for_each_heir(define, relation):
    Team = define("Team")
    Base = define("Base", team=relation(Team, related_name="games"), Meta={"abstract": True})
    define("Match", Base)
    with pytest.raises(
        FieldError, match=r"tests.Cup.team clashes with that of tests.Match.team\. Write %\(class\)s into"
    ):
        define("Cup", Base)
    Good = define("Good", team=relation(Team, related_name="%(class)s_of_%(app_label)s"), Meta={"abstract": True})
    define("Ball", Good)
    define("Card", Good)
    assert Team.ball_of_tests and Team.card_of_tests
    with pytest.raises(FieldError, match=r"related_name='%\(clas\)s': what may stand in it is %\(class\)s, "):
        define("Bad", team=relation(Team, related_name="%(clas)s"))


def test_heirs_have_the_ways_back_of_their_parents(define, relation):
    Team = define("Team")
    Club = define("Club", Team)
    define("Match", home=relation(Team, related_name="games"))
    with pytest.raises(FieldError, match="Club.games of tests.Cup.club clashes with that of tests.Match.home"):
        define("Cup", club=relation(Club, related_name="games"))
    define("Ball", club=relation(Club, related_name="balls"))
    with pytest.raises(FieldError, match="Team.balls of tests.Card.team clashes with that of tests.Ball.club"):
        define("Card", team=relation(Team, related_name="balls"))
    define("Left", left=relation(define("LeftTeam", Team), related_name="same"))
    define("Right", right=relation(define("RightTeam", Team), related_name="same"))
    Proxy = define("Proxy", Team, Meta={"proxy": True})
    with pytest.raises(FieldError, match="Proxy.games of tests.More.proxy clashes with that of tests.Match.home"):
        define("More", proxy=relation(Proxy, related_name="games"))


def test_a_name_of_the_other_end_is_one_that_python_and_queries_take(define, relation):
    Team = define("Team")
    for name in ("two words", "class", "1st"):
        with pytest.raises(
            FieldError, match=f"tests.Match.home has related_name='{name}', which cannot be an attribute"
        ):
            define("Match", home=relation(Team, related_name=name))
    for options in ({"related_name": "a__b"}, {"related_name": "a_"}, {"related_query_name": "a__b"}):
        with pytest.raises(FieldError, match=r"tests.Match.home is called 'a_.*' in queries from the other end"):
            define("Match", home=relation(Team, **options))
    with pytest.raises(FieldError, match="tests.Long__Name.home is called 'long__name' in queries"):
        define("Long__Name", home=relation(Team))


@pytest.mark.filterwarnings("ignore:The model tests.")
def test_a_model_with_many_to_many_relations_can_be_defined_again(define):
    def both():
        tag = define("Tag")
        return tag, define("Note", tags=models.ManyToManyField("tests.Tag"))

    both()
    tag, note = both()
    assert note.tags.field.model is note
    assert note.tags.field.related_model is tag
    through = note.tags.through
    assert {field.related_model for field in through._meta.fields if field.is_relation} == {note, tag}


@pytest.mark.filterwarnings("ignore:The model tests.Match is defined again")
@pytest.mark.parametrize("kind", [models.ForeignKey, models.OneToOneField])
def test_a_model_that_is_defined_again_does_not_clash_with_what_it_was(define, kind):
    Team = define("Team")
    define("Match", home=kind(Team, models.CASCADE))
    assert define("Match", home=kind(Team, models.CASCADE))._meta.get_field("home").related_model is Team


def test_relations_are_listed_by_models_and_of_each_the_keys_first(define):
    Target = define("Target")
    define("Early", target=models.ForeignKey(Target, models.CASCADE))
    define(
        "Many",
        one=models.ForeignKey(Target, models.CASCADE, related_name="ones"),
        many=models.ManyToManyField(Target),
        two=models.ForeignKey("Target", models.CASCADE, related_name="twos"),
    )
    define("Late", target=models.OneToOneField(Target, models.CASCADE))
    Child = define(
        "Child",
        Target,
        friends=models.ManyToManyField("self"),
        boss=models.ForeignKey("self", models.CASCADE, related_name="kids"),
    )
    define(
        "OnChild",
        child=models.ForeignKey(Child, models.CASCADE),
        children=models.ManyToManyField(Child, related_name="ons"),
    )
    # As Django 5.2 has them.
    target = ["early", "ones", "twos", "many", "late"]
    child = ["kids", "friends_rel_+", "onchild", "ons"]
    assert [each.name for each in Target._meta.related_objects] == [*target, "child"]
    assert [each.name for each in Child._meta.related_objects] == [*target, *child]
    own = ["kids", "onchild", "ons", "target_ptr", "boss", "friends"]
    assert [each.name for each in Child._meta.get_fields(include_parents=False)] == own
    assert [each.name for each in Child._meta.get_fields()] == [*target, "id", *own]
    assert [each.name for each in Target._meta.get_fields(include_hidden=True)] == [
        "early", "Many_many+", "ones", "twos", "many", "late", "child", "id",
    ]  # fmt: skip


# --- what only the whole tells ------------------------------------------------------------------------------------


def found_in(model):
    return [(message.id, message.obj) for message in model.check()]


def test_a_model_without_mistakes_has_no_messages(define):
    Cook = define("Cook", name=models.TextField(), Meta={"ordering": ["-name", "pk", "?", models.F("name").asc()]})
    Pizza = define(
        "Pizza",
        cook=models.ForeignKey(Cook, models.CASCADE),
        helpers=models.ManyToManyField(Cook, related_name="+"),
        Meta={
            "ordering": ["cook__name", "-cook_id"],
            "unique_together": [("id", "cook")],
            "indexes": [models.Index(fields=["-cook"], name="by_cook")],
            "constraints": [models.UniqueConstraint(fields=["cook"], name="one_cook")],
        },
    )
    assert Cook.check() == Pizza.check() == define("Proxy", Pizza, Meta={"proxy": True}).check() == []
    assert define("Abstract", cook=models.ForeignKey("Cok", models.CASCADE), Meta={"abstract": True}).check() == []


def test_a_relation_to_a_model_that_does_not_exist_is_found(define):
    define("Cook")
    Pizza = define(
        "Pizza", cook=models.ForeignKey("Cok", models.CASCADE), helpers=models.ManyToManyField("shop.Nobody")
    )
    assert found_in(Pizza) == [("fields.E300", Pizza), ("fields.E300", Pizza)]
    first, second = Pizza.check()
    assert (first.msg, first.hint) == (
        "tests.Pizza.cook points to 'Cok', and there is no such model.",
        "Did you mean Cook?",
    )
    assert second.hint == "Define that model, or install the app that has it."


def test_a_field_that_is_added_later_may_clash(define):
    Cook = define("Cook")
    Pizza = define("Pizza", cook=models.ForeignKey(Cook, models.CASCADE, related_name="pizzas"))
    Cook.add_to_class("pizzas", models.IntegerField())
    assert found_in(Pizza) == [("fields.E302", Pizza)]
    assert Pizza.check()[0].hint.startswith("Give tests.Pizza.cook a related_name")


def test_names_in_meta_that_no_field_has_are_found(define):
    Pizza = define(
        "Pizza",
        name=models.TextField(),
        others=models.ManyToManyField("self"),
        Meta={
            "ordering": ["nme", "-cook__name"],
            "unique_together": [("name", "size")],
            "indexes": [models.Index(fields=["nam"], name="i")],
            "constraints": [models.UniqueConstraint(fields=["others"], name="c")],
        },
    )
    ids = ["models.E015", "models.E015", "models.E012", "models.E012", "models.E013"]
    assert found_in(Pizza) == [(id, Pizza) for id in ids]
    assert [message.hint for message in Pizza.check()] == [
        "Did you mean name?",
        "There are id, name, others.",
        "There are id, name, others.",
        "Did you mean name?",
        "Leave it out.",
    ]


def test_the_check_of_the_process_asks_every_model(define):
    class Configuration:
        def get_models(self):
            return [Sound, Own, Wrong]

    Sound = define("Sound", Meta={"ordering": ["nme"]})
    Own = define("Own", check=classmethod(lambda cls, **kwargs: [Info("Well done.", obj=cls, id="shop.I001")]))
    Wrong = define("Wrong", check=lambda self: None)
    found = run_checks(tags=["models"], app_configs=[Configuration()])
    ours = [(message.id, message.obj) for message in found if message.id != "signals.E001"]
    assert ours == [("models.E015", Sound), ("shop.I001", Own), ("models.E020", Wrong)]
