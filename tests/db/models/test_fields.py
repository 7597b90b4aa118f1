"""Fields: what they accept, how values go to the database and come back, and what they say of themselves."""

from __future__ import annotations

import datetime
import decimal
import json
import pickle
import uuid
import zoneinfo

import pytest

from webframe.core.exceptions import FieldError, ValidationError
from webframe.db import models
from webframe.db.errors import DataError
from webframe.test import override_settings

D = decimal.Decimal
UTC = datetime.UTC
ROME = zoneinfo.ZoneInfo("Europe/Rome")
MOMENT = datetime.datetime(2024, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)
UUID = uuid.UUID("12345678123456781234567812345678")


# --- from text and other things to Python -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (models.CharField(max_length=5), 12, "12"),
        (models.TextField(), None, None),
        (models.IntegerField(), "12", 12),
        (models.IntegerField(), 12.9, 12),
        (models.FloatField(), "1.5", 1.5),
        (models.DecimalField(max_digits=5, decimal_places=2), "1.50", D("1.50")),
        (models.DecimalField(max_digits=5, decimal_places=2), 0.1, D("0.10000")),
        (models.DecimalField(max_digits=5, decimal_places=2), 3, D(3)),
        (models.BooleanField(), "true", True),
        (models.BooleanField(), "0", False),
        (models.BooleanField(), 1, True),
        (models.BooleanField(null=True), "", None),
        (models.DateField(), "2024-07-01", datetime.date(2024, 7, 1)),
        (models.DateField(), "2024-7-1", datetime.date(2024, 7, 1)),
        (models.DateField(), MOMENT, datetime.date(2024, 7, 1)),
        (models.DateTimeField(), "2024-07-01T12:30:15.123456Z", MOMENT),
        (models.DateTimeField(), "2024-07-01 12:30", datetime.datetime(2024, 7, 1, 12, 30)),
        (models.TimeField(), "12:30", datetime.time(12, 30)),
        (models.TimeField(), MOMENT, datetime.time(12, 30, 15, 123456)),
        (models.DurationField(), "3 04:05:06.5", datetime.timedelta(3, 14706, 500000)),
        (models.DurationField(), "-1 day, 0:00:01", datetime.timedelta(-1, 1)),
        (models.DurationField(), "P3DT4H", datetime.timedelta(3, 14400)),
        (models.DurationField(), "-PT1.5S", datetime.timedelta(seconds=-1.5)),
        (models.DurationField(), str(datetime.timedelta(days=2, microseconds=5)), datetime.timedelta(2, 0, 5)),
        (models.UUIDField(), str(UUID), UUID),
        (models.UUIDField(), UUID.int, UUID),
        (models.BinaryField(), "YWI=", b"ab"),
        (models.GenericIPAddressField(), "2001:0db8:0:0::1", "2001:db8::1"),
        (models.GenericIPAddressField(unpack_ipv4=True), "::ffff:192.0.2.1", "192.0.2.1"),
        (models.GenericIPAddressField(), "::ffff:c000:201", "::ffff:192.0.2.1"),
        (models.GenericIPAddressField(), " 192.0.2.1 ", "192.0.2.1"),
    ],
)
def test_values_become_their_type(field, value, expected):
    value = field.to_python(value)
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (models.IntegerField(), "a"),
        (models.IntegerField(), float("inf")),
        (models.FloatField(), "a"),
        (models.DecimalField(max_digits=5, decimal_places=2), "a"),
        (models.DecimalField(max_digits=5, decimal_places=2), float("nan")),
        (models.DecimalField(max_digits=5, decimal_places=2), D("Infinity")),
        (models.DecimalField(max_digits=5, decimal_places=2), (1, 2)),
        (models.BooleanField(), "maybe"),
        (models.BooleanField(), None),
        (models.BooleanField(), []),
        (models.DateField(), "2024-13-01"),
        (models.DateField(), "2024-2-31"),
        (models.DateField(), "first of May"),
        (models.DateTimeField(), "yesterday"),
        (models.DateTimeField(), 5),
        (models.TimeField(), "25:00"),
        (models.DurationField(), "long"),
        (models.DurationField(), "9" * 30),
        (models.UUIDField(), "x"),
        (models.UUIDField(), -1),
        (models.BinaryField(), "not base64!"),
        (models.GenericIPAddressField(), "1::2::3"),
    ],
)
def test_what_cannot_be_that_type_is_refused(field, value):
    with pytest.raises(ValidationError):
        field.to_python(value)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        (models.CharField(max_length=2), "abc", "max_length"),
        (models.CharField(max_length=2), "", "blank"),
        (models.CharField(max_length=2), None, "null"),
        (models.TextField(max_length=2), "abc", "max_length"),
        (models.IntegerField(), 2**31, "max_value"),
        (models.SmallIntegerField(), -(2**15) - 1, "min_value"),
        (models.BigIntegerField(), 2**63, "max_value"),
        (models.PositiveIntegerField(), -1, "min_value"),
        (models.DecimalField(max_digits=4, decimal_places=2), "123.4", "max_whole_digits"),
        (models.EmailField(), "a", "invalid"),
        (models.URLField(), "a", "invalid"),
        (models.SlugField(), "a b", "invalid"),
        (models.GenericIPAddressField(protocol="IPv4"), "::1", "invalid"),
        (models.CharField(max_length=2, choices=[("a", "A")]), "b", "invalid_choice"),
        (models.JSONField(), object(), "invalid"),
        (models.BinaryField(max_length=1, editable=True), b"ab", "max_length"),
    ],
)
def test_cleaning_says_what_is_wrong(field, value, code):
    with pytest.raises(ValidationError) as caught:
        field.clean(value, None)
    assert code in [error.code for error in caught.value.error_list]


def test_validators_of_the_field_are_called_too():
    def even(value):
        if value % 2:
            raise ValidationError("odd", code="odd")

    field = models.IntegerField(validators=[even], error_messages={"odd": "It is odd."})
    assert field.clean("4", None) == 4
    with pytest.raises(ValidationError, match="It is odd."):
        field.clean("3", None)


# --- to the database and back -----------------------------------------------------------------------------------

VALUES = {
    "char": (models.CharField(max_length=20), ["", "aé'\"%\\_", "日本"]),
    "text": (models.TextField(), ["", "a" * 100_000]),
    "slug": (models.SlugField(), ["a-b"]),
    "email": (models.EmailField(), ["a@example.org"]),
    "url": (models.URLField(), ["https://example.org/?a=%20"]),
    "small": (models.SmallIntegerField(), [-(2**15), 2**15 - 1]),
    "number": (models.IntegerField(), [-(2**31), 0, 2**31 - 1]),
    "big": (models.BigIntegerField(), [-(2**63), 2**63 - 1]),
    "positive": (models.PositiveIntegerField(), [0, 2**31 - 1]),
    "positive_small": (models.PositiveSmallIntegerField(), [0, 2**15 - 1]),
    "positive_big": (models.PositiveBigIntegerField(), [0, 2**63 - 1]),
    "float": (models.FloatField(), [0.0, -1.5, 1e300, 0.1]),
    "decimal": (models.DecimalField(max_digits=12, decimal_places=3), [D("0.000"), D("-123456789.123"), D("1.100")]),
    "flag": (models.BooleanField(), [True, False]),
    "date": (models.DateField(), [datetime.date(1000, 1, 1), datetime.date.max]),
    "moment": (models.DateTimeField(), [MOMENT, datetime.datetime(2024, 1, 1, tzinfo=UTC)]),
    "time": (models.TimeField(), [datetime.time(0, 0), datetime.time(23, 59, 59, 999999)]),
    "duration": (
        models.DurationField(),
        [datetime.timedelta(0), datetime.timedelta(days=-3, microseconds=1), datetime.timedelta(days=100_000)],
    ),
    "uuid": (models.UUIDField(), [UUID]),
    "json": (
        models.JSONField(),
        [{}, [], {"a": [1, 2.5, None, True, "é"]}, "text", 5, 0, True, False, "", [None], "5"],
    ),
    "binary": (models.BinaryField(), [b"", b"\x00\xff'\\", bytes(70_000)]),
    "address": (models.GenericIPAddressField(), ["192.0.2.1", "2001:db8::1"]),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back_as_they_were_saved(name, define, create_tables):
    field, values = VALUES[name]
    Thing = define("Thing", value=field.clone(), maybe=_nullable(field))
    create_tables(Thing)
    for value in values:
        saved = Thing(value=value)
        saved.save()
        found = Thing.objects.get(pk=saved.pk)
        assert found.value == value
        assert type(found.value) is type(value)
        assert repr(found.value) == repr(value)
        assert found.maybe is None
        if name != "json":  # equality of documents is a question of its own
            assert Thing.objects.filter(value=value, pk=saved.pk).exists()


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back_as_they_were_written_in_bulk(name, define, create_tables):
    field, values = VALUES[name]
    Thing = define("Thing", maybe=_nullable(field))
    create_tables(Thing)
    given = [*values, None] * 10
    things = Thing.objects.bulk_create([Thing() for _ in given])
    if things[0].pk is None:  # MySQL does not tell
        things = list(Thing.objects.order_by("pk"))
    for some in (given, given[::-1], [given[0]] * len(given), [None] * len(given)):
        for thing, value in zip(things, some, strict=True):
            thing.maybe = value
        assert Thing.objects.bulk_update(things, ["maybe"]) == len(things)
        assert [repr(thing.maybe) for thing in Thing.objects.order_by("pk")] == list(map(repr, some))


def _nullable(field):
    copy = field.clone()
    copy.null = True
    return copy


def test_moments_are_kept_in_utc_whatever_zone_they_are_given_in(define, create_tables):
    Thing = define("Thing", at=models.DateTimeField())
    create_tables(Thing)
    thing = Thing(at=MOMENT.astimezone(ROME))
    thing.save()
    found = Thing.objects.get()
    assert found.at == MOMENT
    assert found.at.tzinfo is UTC
    assert Thing.objects.filter(at=MOMENT.astimezone(ROME)).count() == 1


def test_naive_moments_are_understood_in_time_zone_with_a_warning(define, create_tables):
    Thing = define("Thing", at=models.DateTimeField())
    create_tables(Thing)
    with override_settings(TIME_ZONE="Europe/Rome"):
        with pytest.warns(RuntimeWarning, match="DateTimeField Thing.at received a naive datetime"):
            Thing(at=datetime.datetime(2024, 7, 1, 14)).save()
        assert Thing.objects.get().at == datetime.datetime(2024, 7, 1, 12, tzinfo=UTC)


def test_a_time_of_day_has_no_zone(define, create_tables):
    """Beside a date an offset says which moment it is; alone it says nothing that could be kept."""
    Thing = define("Thing", at=models.TimeField())
    create_tables(Thing)
    aware = datetime.time(14, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match=r"TimeField Thing\.at received .*has a time zone.*DateTimeField"):
        Thing(at=aware).save()
    with pytest.raises(ValueError, match="has a time zone"):
        list(Thing.objects.filter(at__gte=aware))
    Thing(at="14:30:00+02:00").save()
    assert Thing.objects.get().at == datetime.time(14, 30)


def test_without_time_zones_moments_are_naive(define, create_tables):
    Thing = define("Thing", at=models.DateTimeField(), made=models.DateTimeField(auto_now=True))
    create_tables(Thing)
    with override_settings(USE_TZ=False):
        Thing(at=datetime.datetime(2024, 7, 1, 14, 0, 0, 7)).save()
        found = Thing.objects.get()
        assert found.at == datetime.datetime(2024, 7, 1, 14, 0, 0, 7)
        assert found.made.tzinfo is None


def test_decimals_are_rounded_to_their_places_half_to_even(define, create_tables):
    Thing = define("Thing", price=models.DecimalField(max_digits=6, decimal_places=2))
    create_tables(Thing)
    for given, kept in [("1.005", "1.00"), ("1.015", "1.02"), (2, "2.00"), (0.1, "0.10")]:
        thing = Thing(price=given if not isinstance(given, str) else D(given))
        thing.save()
        assert str(Thing.objects.get(pk=thing.pk).price) == kept


def test_a_decimal_without_room_is_an_error_of_the_database(define, create_tables):
    Thing = define("Thing", price=models.DecimalField(max_digits=6, decimal_places=2))
    create_tables(Thing)
    with pytest.raises(DataError, match="6 digits"):
        Thing(price=D("12345.67")).save()


@pytest.mark.engines("sqlite")
def test_a_decimal_that_sqlite_would_change_is_refused(define, create_tables):
    Thing = define("Thing", price=models.DecimalField(max_digits=30, decimal_places=10))
    create_tables(Thing)
    Thing(price=D("12345.0123456789")).save()
    assert Thing.objects.get().price == D("12345.0123456789")
    with pytest.raises(DataError, match="SQLite keeps 15 digits"):
        Thing(price=D("12345678901234567890.0123456789")).save()


def test_a_number_that_is_too_large_is_an_error_of_the_database(define, create_tables):
    Thing = define("Thing", number=models.BigIntegerField())
    create_tables(Thing)
    with pytest.raises(DataError):
        Thing(number=2**70).save()


@pytest.mark.engines("postgresql", "mysql")
def test_a_text_that_is_too_long_is_an_error_of_the_database(define, create_tables):
    Thing = define("Thing", name=models.CharField(max_length=3))
    create_tables(Thing)
    with pytest.raises(DataError):
        Thing(name="abcd").save()


def test_members_of_enumerations_are_saved_as_their_values(define, create_tables):
    class Size(models.TextChoices):
        SMALL = "S", "small"

    class Stars(models.IntegerChoices):
        ONE = 1

    Thing = define("Thing", size=models.CharField(max_length=1, choices=Size), stars=models.IntegerField(choices=Stars))
    create_tables(Thing)
    Thing(size=Size.SMALL, stars=Stars.ONE).save()
    found = Thing.objects.get(size=Size.SMALL, stars=Stars.ONE)
    assert (type(found.size), found.size) == (str, "S")
    assert (type(found.stars), found.stars) == (int, 1)


def test_json_with_encoder_and_decoder(define, create_tables):
    Thing = define("Thing", data=models.JSONField(encoder=_Encoder, decoder=_Decoder))
    create_tables(Thing)
    Thing(data={"at": MOMENT}).save()
    assert Thing.objects.get().data == {"at": MOMENT}


class _Encoder(json.JSONEncoder):
    def default(self, o):
        return {"moment": o.isoformat()} if isinstance(o, datetime.datetime) else super().default(o)


class _Decoder(json.JSONDecoder):
    def __init__(self, **keywords):
        super().__init__(object_hook=self.read, **keywords)

    def read(self, value):
        return datetime.datetime.fromisoformat(value["moment"]) if "moment" in value else value


class Comma(models.CharField):
    """A custom field: a list of texts, joined by commas."""

    def __init__(self, *args, **keywords):
        keywords["max_length"] = 100
        super().__init__(*args, **keywords)

    def get_prep_value(self, value):
        return ",".join(value) if value is not None else None

    def from_db_value(self, value, expression, connection):
        return value.split(",") if value is not None else None


class Named(models.Field):
    """A custom field that names its column type itself."""

    def db_type(self, connection):
        return "varchar(7)"


def test_custom_fields_convert_both_ways(define, create_tables):
    Thing = define("Thing", tags=Comma(), code=Named())
    create_tables(Thing)
    thing = Thing(tags=["a", "b"], code="x")
    thing.save()
    found = Thing.objects.get(tags=["a", "b"])
    assert (found.tags, found.code) == (["a", "b"], "x")
    found.tags.append("c")
    found.save()
    assert Thing.objects.get().tags == ["a", "b", "c"]
    assert list(Thing.objects.values_list("tags", flat=True)) == [["a", "b", "c"]]


class Upper(models.CharField):
    def pre_save(self, instance, add):
        value = getattr(instance, self.attname).upper()
        setattr(instance, self.attname, value)
        return value


def test_a_field_may_do_something_before_it_is_saved(define, create_tables):
    Thing = define("Thing", name=Upper(max_length=10))
    create_tables(Thing)
    thing = Thing(name="a")
    thing.save()
    assert thing.name == "A"
    assert Thing.objects.get(name="A") == thing


def test_auto_now_and_auto_now_add(define, create_tables):
    Thing = define(
        "Thing",
        name=models.CharField(max_length=10),
        made=models.DateTimeField(auto_now_add=True),
        changed=models.DateTimeField(auto_now=True),
        day=models.DateField(auto_now=True),
        hour=models.TimeField(auto_now=True),
    )
    create_tables(Thing)
    thing = Thing(name="a")
    thing.save()
    made, changed = thing.made, thing.changed
    assert made.tzinfo is UTC and isinstance(thing.day, datetime.date) and isinstance(thing.hour, datetime.time)
    thing.save()
    assert thing.made == made
    assert thing.changed > changed
    thing.save(update_fields=["name"])
    found = Thing.objects.get()
    assert (found.made, found.changed) == (thing.made, thing.changed)


def test_defaults_of_the_database(define, create_tables):
    Thing = define("Thing", name=models.CharField(max_length=10), stars=models.IntegerField(db_default=3))
    create_tables(Thing)
    thing = Thing(name="a")
    thing.save()
    assert thing.stars == 3
    assert Thing.objects.get().stars == 3
    other = Thing(name="b", stars=5)
    other.save()
    assert Thing.objects.get(name="b").stars == 5
    other.full_clean()
    Thing(name="c").full_clean()


@pytest.mark.parametrize("auto", [models.AutoField, models.BigAutoField, models.SmallAutoField])
def test_numbers_that_the_database_gives_out(auto, define, create_tables):
    Thing = define("Thing", number=auto(primary_key=True), name=models.CharField(max_length=10))
    create_tables(Thing)
    first, second = Thing(name="a"), Thing(name="b")
    first.save()
    second.save()
    assert isinstance(first.number, int)
    assert second.number > first.number
    assert first.pk == first.number
    Thing(number=second.number + 10, name="c").save()
    assert Thing.objects.get(pk=second.number + 10).name == "c"


def test_naming_the_column(define, create_tables):
    Thing = define("Thing", name=models.CharField(max_length=10, db_column="select"))
    create_tables(Thing)
    Thing(name="a").save()
    assert Thing.objects.get(name="a").name == "a"


# --- bad input to questions and writes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        (models.IntegerField(), "abc", ValueError),
        (models.IntegerField(), [], TypeError),
        (models.FloatField(), "abc", ValueError),
        (models.DateField(), "abc", ValidationError),
        (models.UUIDField(), "abc", ValidationError),
        (models.BinaryField(), 5, TypeError),
        (models.BooleanField(), "abc", ValidationError),
    ],
)
def test_values_that_cannot_be_written_are_named(field, value, error):
    field.set_attributes_from_name("thing")
    with pytest.raises(error) as caught:
        field.get_prep_value(value)
    assert "abc" in str(caught.value) or "thing" in str(caught.value)


# --- what fields say of themselves ------------------------------------------------------------------------------


def test_choices_may_be_pairs_groups_mappings_enumerations_or_callables():
    pairs = [("a", "A"), ("b", "B")]
    assert models.CharField(choices=pairs).choices == pairs
    assert models.CharField(choices=dict(pairs)).choices == pairs
    assert models.CharField(choices=lambda: pairs).choices == pairs
    grouped = models.CharField(choices={"letters": dict(pairs), "c": "C"})
    assert grouped.choices == [("letters", pairs), ("c", "C")]
    assert grouped.flatchoices == [*pairs, ("c", "C")]
    assert grouped.get_choices()[0] == ("", "---------")


def test_labels_of_choices(define):
    class Stars(models.IntegerChoices):
        ONE = 1, "one"

    Thing = define(
        "Thing",
        size=models.CharField(max_length=1, choices=[("S", "small"), ("sizes", [("L", "large")])]),
        stars=models.IntegerField(choices=Stars, null=True),
    )
    assert Thing(size="S").get_size_display() == "small"
    assert Thing(size="L").get_size_display() == "large"
    assert Thing(size="X").get_size_display() == "X"
    assert Thing(stars=1).get_stars_display() == Thing(stars=Stars.ONE).get_stars_display() == "one"
    assert Thing().get_stars_display() is None


def test_a_class_may_have_its_own_way_to_show_a_choice(define):
    Thing = define(
        "Thing", size=models.CharField(max_length=1, choices=[("S", "small")]), get_size_display=lambda self: "!"
    )
    assert Thing(size="S").get_size_display() == "!"


@pytest.mark.parametrize("name", [*VALUES, "auto"])
def test_taking_apart_and_putting_together(name):
    field = VALUES[name][0] if name in VALUES else models.AutoField(primary_key=True)
    _, path, args, keywords = field.deconstruct()
    assert path.startswith("webframe.db.models.")
    again = type(field)(*args, **keywords)
    assert again.deconstruct() == field.deconstruct()


def test_only_what_differs_from_the_default_is_written_down():
    field = models.CharField("the name", max_length=10, null=True, validators=[print], db_column="x")
    assert field.deconstruct() == (
        "",
        "webframe.db.models.CharField",
        [],
        {"verbose_name": "the name", "max_length": 10, "null": True, "validators": [print], "db_column": "x"},
    )
    assert models.DateTimeField(auto_now=True).deconstruct()[3].pop("auto_now")
    assert "db_index" not in models.SlugField().deconstruct()[3]
    assert models.SlugField(db_index=False).deconstruct()[3]["db_index"] is False


def test_names_that_a_query_could_not_say_are_refused(define):
    for name in ("a__b", "a_", "pk", "class", "a b", "", "ﬁeld", "a;b"):
        with pytest.raises(FieldError, match="cannot be called"):
            define("Thing", **{name: models.IntegerField()})


def test_one_default_for_all_must_not_be_changeable():
    for default in ({}, [], set()):
        with pytest.raises(TypeError, match="callable"):
            models.JSONField(default=default)


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.DateField(auto_now=True, auto_now_add=True),
        lambda: models.AutoField(),
        lambda: models.DecimalField(max_digits=2, decimal_places=3),
        lambda: models.GenericIPAddressField(blank=True),
    ],
)
def test_contradictions_are_refused_where_they_are_written(make):
    with pytest.raises(TypeError):
        make()


def test_a_date_of_saving_has_no_default(define):
    with pytest.raises(TypeError, match="not auto_now and default"):
        define("Thing", a=models.DateField(auto_now=True, default=datetime.date.today))


def test_an_address_must_be_of_a_known_protocol():
    with pytest.raises(ValueError, match="protocol"):
        models.GenericIPAddressField(protocol="IPv5")


def test_a_model_has_one_auto_field(define):
    with pytest.raises(TypeError, match="more than one"):
        define("Thing", a=models.AutoField(primary_key=True), b=models.AutoField(primary_key=True))


def test_fields_are_in_order_of_declaration_and_equal_to_themselves_only():
    first, second = models.IntegerField(), models.IntegerField()
    assert first < second and not second < first
    assert first != second
    assert len({first, second}) == 2


def test_a_field_of_no_model_can_be_pickled():
    field = pickle.loads(pickle.dumps(models.CharField(max_length=5)))
    assert field.max_length == 5
    assert field.validators[0].limit_value == 5


def test_a_field_without_a_type_says_so():
    class Nothing(models.Field):
        pass

    with pytest.raises(NotImplementedError, match="sql_type"):
        Nothing().sql_type()


def test_the_default_is_what_is_given_or_nothing():
    assert models.CharField().get_default() == ""
    assert models.CharField(null=True).get_default() is None
    assert models.IntegerField().get_default() is None
    assert models.BinaryField().get_default() == b""
    assert models.IntegerField(default=3).get_default() == 3
    assert models.UUIDField(default=uuid.uuid4).get_default().version == 4
    assert models.JSONField(default=dict).get_default() == {}
