"""`inspectdb`: models for what is in a database. They are imported and used, on each engine."""

from __future__ import annotations

import io
import sys
import types
from decimal import Decimal

import pytest

from webframe import Webframe
from webframe.apps import AppConfig, apps, setup
from webframe.core.management import CommandError, call_command
from webframe.core.management.inspecting import class_name, field_name
from webframe.db import connection, models
from webframe.db.models import Q


@pytest.fixture
def tables(empty_database, define):
    """Runs SQL, statement by statement; or makes the tables of models."""
    from webframe.db.schema import create_all

    def make(*parts):
        for part in parts:
            if isinstance(part, str):
                with connection.cursor() as cursor:
                    cursor.execute(part)
            else:
                create_all(part)

    return make


@pytest.fixture
def inspected():
    """Runs inspectdb; gives the module that it writes, with its text as `text`."""
    setup()
    site = Webframe("of_no_module")
    made = []

    def run(*names, **options):
        output = io.StringIO()
        call_command("inspectdb", *names, app=site, stdout=output, **options)
        module = types.ModuleType(f"inspected{len(made)}")
        made.append(module.__name__)
        sys.modules[module.__name__] = module
        apps.register_app(_config(module))
        exec(compile(output.getvalue(), module.__name__, "exec"), module.__dict__)
        module.text = output.getvalue()
        return module

    yield run
    for name in made:
        del sys.modules[name]
        apps.all_models.pop(name, None)


def _config(module):
    class Config(AppConfig):
        path = "."

    return Config(module.__name__, module)


def test_models_of_ours_come_back(define, tables, inspected):
    topping = define("Topping", name=models.CharField(max_length=40, unique=True))
    pizza = define(
        "Pizza",
        name=models.CharField(max_length=50),
        slug=models.SlugField(unique=True),
        remark=models.TextField(null=True),
        price=models.DecimalField(max_digits=6, decimal_places=2),
        heat=models.SmallIntegerField(default=1),
        sold=models.BigIntegerField(),
        weight=models.FloatField(),
        vegetarian=models.BooleanField(default=True),
        made=models.DateTimeField(null=True),
        day=models.DateField(null=True),
        hour=models.TimeField(null=True),
        picture=models.BinaryField(null=True),
        best=models.ForeignKey(topping, models.CASCADE, null=True, related_name="best_on"),
        parent=models.ForeignKey("self", models.CASCADE, null=True),
        toppings=models.ManyToManyField(topping),
        Meta={
            "constraints": [
                models.UniqueConstraint(fields=["name", "heat"], name="name_and_heat"),
                models.UniqueConstraint(fields=["day"], name="some_days", condition=Q(heat__gt=3))
                if connection.features.supports_partial_indexes
                else models.CheckConstraint(condition=Q(heat__gt=-1), name="warm"),
            ]
        },
    )
    recipe = define("Recipe", pizza=models.OneToOneField(pizza, models.CASCADE, primary_key=True))
    tables(topping, pizza, recipe)
    module = inspected()
    found = module.TestsPizza
    fields = {field.name: field for field in found._meta.fields}
    assert set(fields) == {field.name for field in pizza._meta.fields}
    assert found._meta.managed is False
    assert found._meta.db_table == "tests_pizza"
    assert {name for name, field in fields.items() if field.null} == {
        field.name for field in pizza._meta.fields if field.null
    }
    assert {name for name, field in fields.items() if field.unique} == {"id", "slug"}
    assert [set(names) for names in found._meta.unique_together] == [{"name", "heat"}]
    assert fields["name"].max_length == 50
    assert (fields["price"].max_digits, fields["price"].decimal_places) == (6, 2)
    assert fields["parent"].related_model is found
    assert fields["best"].related_model is module.TestsTopping
    assert isinstance(module.TestsRecipe._meta.get_field("pizza"), models.OneToOneField)
    assert module.TestsRecipe._meta.pk.name == "pizza"
    assert "AutoField" in type(fields["id"]).__name__
    kinds = {name: type(field).__name__ for name, field in fields.items()}
    for name, kind in {
        "made": "DateTimeField",
        "day": "DateField",
        "hour": "TimeField",
        "picture": "BinaryField",
        "weight": "FloatField",
        "vegetarian": "BooleanField",
        "remark": "TextField",
        "sold": "BigIntegerField",
    }.items():
        assert kinds[name] == kind, name
    made = found.objects.create(
        name="Margherita", slug="m", price=Decimal("7.50"), heat=2, sold=2**40, weight=0.5, vegetarian=True
    )
    again = found.objects.get(slug="m")
    assert (again.pk, again.price, again.sold, again.vegetarian) == (made.pk, Decimal("7.50"), 2**40, True)
    assert module.TestsPizzaToppings.objects.count() == 0


def test_names_are_made_so_that_python_and_models_take_them(tables, inspected):
    quote = connection.ops.quote_name
    names = ["class", "2nd", "A b", "a_b", "save", "x__y_", "naïve-é"]
    columns = ", ".join(f"{quote(name)} INTEGER NOT NULL" for name in names)
    tables(f"CREATE TABLE {quote('odd table-2')} (pk INTEGER PRIMARY KEY, {columns})")
    model = inspected().OddTable2
    assert {field.name: field.column for field in model._meta.fields} == {
        "pk_field": "pk",
        "class_field": "class",
        "number_2nd": "2nd",
        "a_b_2": "A b",
        "a_b": "a_b",
        "save_field": "save",
        "x_y": "x__y_",
        "naïve_é": "naïve-é",
    }
    model.objects.create(pk_field=7, **{field.name: 1 for field in model._meta.fields if field.name != "pk_field"})
    assert model.objects.get(pk_field=7).class_field == 1


@pytest.mark.parametrize(
    ("table", "name"),
    [("pizza", "Pizza"), ("order_line", "OrderLine"), ("2nd", "Table2nd"), ("None", "NoneModel"), ("__", "Table")],
)
def test_tables_become_classes(table, name):
    assert class_name(table) == name
    assert class_name(table, [name]) == f"{name}2"


def test_fields_never_share_a_name():
    assert field_name("Name", ["name"]) == "name_2"
    assert field_name("objects") == "objects_field"
    assert field_name("_") == "field"


def test_tables_without_a_key_or_with_one_of_several_columns_say_so(tables, inspected):
    tables(
        "CREATE TABLE bare (a INTEGER, b INTEGER)",
        "CREATE TABLE pair (a INTEGER NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b))",
    )
    module = inspected()
    assert "# The database knows no primary key" in module.text
    assert "# The primary key is (a, b)" in module.text
    assert module.Pair._meta.unique_together == (("a", "b"),)
    tables("INSERT INTO pair VALUES (1, 2)")
    assert module.Pair.objects.get().b == 2


def test_keys_that_refer_elsewhere_twice_or_to_another_column(tables, inspected):
    tables(
        "CREATE TABLE person (id INTEGER PRIMARY KEY, email VARCHAR(50) UNIQUE NOT NULL)",
        "CREATE TABLE letter (id INTEGER PRIMARY KEY, sender_id INTEGER REFERENCES person (id), "
        "addressee INTEGER REFERENCES person (id), reply_to VARCHAR(50) REFERENCES person (email))"
        if connection.vendor != "mysql"
        else "CREATE TABLE letter (id INTEGER PRIMARY KEY, sender_id INTEGER, addressee INTEGER, reply_to VARCHAR(50), "
        "FOREIGN KEY (sender_id) REFERENCES person (id), FOREIGN KEY (addressee) REFERENCES person (id), "
        "FOREIGN KEY (reply_to) REFERENCES person (email))",
    )
    module = inspected()
    letter = module.Letter
    person = module.Person.objects.create(id=1, email="ada@example.org")
    letter.objects.create(id=1, sender=person, addressee=person, reply_to=person)
    again = letter.objects.get(reply_to__email="ada@example.org")
    assert (again.sender_id, again.addressee_id, again.reply_to_id) == (1, 1, "ada@example.org")
    assert person.letter_sender_set.get() == again
    alone = inspected("letter")
    assert "# It refers to person.id." in alone.text
    assert alone.Letter.objects.get().sender_id == 1


def test_views_are_left_out_unless_asked_for(tables, inspected):
    tables("CREATE TABLE base (id INTEGER PRIMARY KEY)", "CREATE VIEW seen AS SELECT id FROM base")
    assert not hasattr(inspected(), "Seen")
    assert inspected(include_views=True).Seen.objects.count() == 0
    assert inspected("seen").Seen.objects.count() == 0
    with connection.cursor() as cursor:
        cursor.execute("DROP VIEW seen")


@pytest.mark.engines("postgresql")
def test_partitions_are_left_out_unless_asked_for(tables, inspected):
    tables(
        "CREATE TABLE whole (id INTEGER NOT NULL, place INTEGER) PARTITION BY LIST (place)",
        "CREATE TABLE part PARTITION OF whole FOR VALUES IN (1)",
    )
    assert not hasattr(inspected(), "Part")
    assert hasattr(inspected(include_partitions=True), "Part")


@pytest.mark.engines("postgresql", "mysql")
def test_comments_of_the_database_are_kept(tables, inspected):
    if connection.vendor == "mysql":
        tables("CREATE TABLE told (id INTEGER PRIMARY KEY COMMENT 'A \"number\"') COMMENT = 'Said\nat length'")
    else:
        tables(
            "CREATE TABLE told (id INTEGER PRIMARY KEY)",
            "COMMENT ON TABLE told IS 'Said\nat length'",
            "COMMENT ON COLUMN told.id IS 'A \"number\"'",
        )
    module = inspected()
    assert "    # Said\n    # at length\n" in module.text
    assert module.Told._meta.get_field("id").help_text == 'A "number"'


def test_what_is_not_known_is_a_guess_that_says_so(tables, inspected):
    kind = {"sqlite": "GEOMETRY", "postgresql": "POINT", "mysql": "POINT"}[connection.vendor]
    tables(f"CREATE TABLE places (id INTEGER PRIMARY KEY, place {kind})")
    assert "this is a guess." in inspected().text


def test_the_table_of_migrations_is_ours_and_unknown_tables_are_misuse(tables, inspected):
    tables("CREATE TABLE webframe_migrations (id INTEGER PRIMARY KEY)", "CREATE TABLE letters (id INTEGER PRIMARY KEY)")
    assert "webframe_migrations" not in inspected().text
    with pytest.raises(CommandError, match=r"There is no table 'leters'.* Did you mean 'letters'\?") as caught:
        inspected("leters")
    assert caught.value.returncode == 2
