"""Deleting and what depends on it. The signals of it are in tests/db/contract."""

from __future__ import annotations

import pytest

from webframe.db import connection, models, transaction
from webframe.db.errors import IntegrityError
from webframe.db.models import ProtectedError, RestrictedError
from webframe.db.models.deletion import Collector
from webframe.db.models.signals import post_delete, pre_delete

pytestmark = pytest.mark.both_ways


@pytest.fixture
def family(define, create_tables):
    """Defines a Parent, and a Child whose foreign key `parent` has this rule."""

    def make(on_delete, **options):
        Parent = define("Parent", name=models.CharField(max_length=20, default=""))
        Child = define(
            "Child", parent=models.ForeignKey(Parent, on_delete=on_delete, related_name="children", **options)
        )
        create_tables()
        return Parent, Child

    return make


@pytest.fixture(params=["unheard", "heard"])
def heard(request):
    """Both ways of deleting: in as few statements as possible, and with somebody who listens to all."""
    if request.param == "unheard":
        yield
    else:
        with pre_delete.connected_to(lambda **kwargs: None), post_delete.connected_to(lambda **kwargs: None):
            yield


# --- rules --------------------------------------------------------------------------------------------------------


def test_cascade(heard, family):
    Parent, Child = family(models.CASCADE)
    parent, other = Parent.objects.create(), Parent.objects.create()
    for _ in range(3):
        Child.objects.create(parent=parent)
    kept = Child.objects.create(parent=other)
    assert parent.delete() == (4, {"tests.Child": 3, "tests.Parent": 1})
    assert parent.pk is None
    assert list(Child.objects.all()) == [kept] and list(Parent.objects.all()) == [other]


def test_protect(heard, family):
    Parent, Child = family(models.PROTECT)
    parent = Parent.objects.create()
    child = Child.objects.create(parent=parent)
    with pytest.raises(ProtectedError, match=r"'Parent'.*'Child.parent'") as caught:
        parent.delete()
    assert caught.value.protected_objects == {child}
    assert isinstance(caught.value, IntegrityError)
    assert parent.pk is not None
    child.delete()
    assert parent.delete() == (1, {"tests.Parent": 1})


def test_set_null(heard, family):
    Parent, Child = family(models.SET_NULL, null=True)
    parent = Parent.objects.create()
    Child.objects.create(parent=parent)
    assert parent.delete() == (1, {"tests.Parent": 1})
    assert Child.objects.get().parent is None


def test_set_default(heard, family):
    Parent, Child = family(models.SET_DEFAULT, default=None, null=True)
    parent = Parent.objects.create()
    Child.objects.create(parent=parent)
    parent.delete()
    assert Child.objects.get().parent_id is None


def test_set_to_a_value_or_to_what_is_called(heard, define, create_tables):
    Parent = define("Parent")
    called = []

    def other():
        called.append(True)
        return Parent.objects.order_by("pk").first().pk

    Child = define("Child", parent=models.ForeignKey(Parent, on_delete=models.SET(other)))
    create_tables()
    first, second = Parent.objects.create(), Parent.objects.create()
    Child.objects.create(parent=second)
    second.delete()
    assert Child.objects.get().parent == first and called
    assert models.SET(3).deconstruct() == ("webframe.db.models.SET", (3,), {})
    assert models.SET(3) == models.SET(3) != models.SET(4)


def test_do_nothing_leaves_it_to_the_database(family):
    Parent, Child = family(models.DO_NOTHING, db_constraint=False)
    parent = Parent.objects.create()
    child = Child.objects.create(parent=parent)
    parent.delete()
    with pytest.raises(Parent.DoesNotExist):
        Child.objects.get(pk=child.pk).parent  # noqa: B018


def test_restrict(heard, define, create_tables):
    Artist = define("Artist")
    Album = define("Album", artist=models.ForeignKey(Artist, on_delete=models.CASCADE))
    Song = define(
        "Song",
        artist=models.ForeignKey(Artist, on_delete=models.CASCADE),
        album=models.ForeignKey(Album, on_delete=models.RESTRICT),
    )
    create_tables()
    one, two = Artist.objects.create(), Artist.objects.create()
    album = Album.objects.create(artist=one)
    song = Song.objects.create(artist=one, album=album)
    with pytest.raises(RestrictedError, match=r"'Album'.*'Song.album'") as caught:
        album.delete()
    assert caught.value.restricted_objects == {song}
    foreign = Song.objects.create(artist=two, album=album)
    with pytest.raises(RestrictedError) as caught:
        one.delete()
    assert caught.value.restricted_objects == {foreign}
    foreign.delete()
    assert one.delete() == (3, {"tests.Song": 1, "tests.Album": 1, "tests.Artist": 1})


def test_a_rule_may_be_a_function_of_ones_own(heard, define, create_tables):
    def unless_dear(collector, field, sub_objs, using):
        models.PROTECT(collector, field, sub_objs, using) if any(each.dear for each in sub_objs) else models.CASCADE(
            collector, field, sub_objs, using
        )

    Parent = define("Parent")
    Child = define("Child", parent=models.ForeignKey(Parent, on_delete=unless_dear), dear=models.BooleanField())
    create_tables()
    parent = Parent.objects.create()
    child = Child.objects.create(parent=parent, dear=True)
    with pytest.raises(ProtectedError):
        parent.delete()
    Child.objects.filter(pk=child.pk).update(dear=False)
    assert parent.delete()[0] == 2


# --- what goes along ----------------------------------------------------------------------------------------------


def test_many_levels_and_one_to_one(heard, define, create_tables):
    A = define("A")
    B = define("B", a=models.OneToOneField(A, on_delete=models.CASCADE))
    C = define("C", b=models.ForeignKey(B, on_delete=models.CASCADE))
    D = define("D", c=models.ForeignKey(C, on_delete=models.CASCADE), b=models.ForeignKey(B, on_delete=models.CASCADE))
    create_tables()
    a = A.objects.create()
    b = B.objects.create(a=a)
    for _ in range(2):
        c = C.objects.create(b=b)
        D.objects.create(c=c, b=b)
    assert a.delete() == (6, {"tests.D": 2, "tests.C": 2, "tests.B": 1, "tests.A": 1})


def test_rows_of_many_to_many_relations(heard, define, create_tables):
    Tag = define("Tag")
    Book = define("Book", tags=models.ManyToManyField(Tag), related=models.ManyToManyField("self"))
    create_tables()
    tag, book, other = Tag.objects.create(), Book.objects.create(), Book.objects.create()
    book.tags.add(tag)
    book.related.add(other)
    assert book.delete() == (4, {"tests.Book_tags": 1, "tests.Book_related": 2, "tests.Book": 1})
    other.tags.add(tag)
    assert tag.delete() == (2, {"tests.Book_tags": 1, "tests.Tag": 1})
    assert Book.objects.get() == other


def test_children_and_parents_of_inherited_tables(heard, define, create_tables):
    Place = define("Place", name=models.CharField(max_length=9))
    Restaurant = define("Restaurant", Place, stars=models.IntegerField())
    Waiter = define("Waiter", restaurant=models.ForeignKey(Restaurant, on_delete=models.CASCADE))
    Guide = define("Guide", place=models.ForeignKey(Place, on_delete=models.CASCADE))
    create_tables()

    def serve():
        restaurant = Restaurant.objects.create(name="R", stars=1)
        Waiter.objects.create(restaurant=restaurant)
        Guide.objects.create(place=restaurant)
        return restaurant

    all_gone = (4, {"tests.Waiter": 1, "tests.Guide": 1, "tests.Restaurant": 1, "tests.Place": 1})
    assert serve().delete() == all_gone
    assert Place.objects.get(pk=serve().pk).delete() == all_gone
    serve()
    assert Restaurant.objects.all().delete() == all_gone
    restaurant = serve()
    assert restaurant.delete(keep_parents=True) == (2, {"tests.Waiter": 1, "tests.Restaurant": 1})
    assert Place.objects.count() == Guide.objects.count() == 1


def test_rows_of_one_table_that_point_to_each_other(heard, define, create_tables):
    Node = define("Node", parent=models.ForeignKey("self", on_delete=models.CASCADE, null=True))
    create_tables()
    root = Node.objects.create()
    node = root
    for _ in range(4):
        node = Node.objects.create(parent=node)
    Node.objects.filter(pk=root.pk).update(parent=node)
    assert root.delete() == (5, {"tests.Node": 5})


def test_tables_that_point_to_each_other(heard, define, create_tables):
    Hen = define("Hen", egg=models.ForeignKey("Egg", on_delete=models.CASCADE, null=True, related_name="hens"))
    Egg = define("Egg", hen=models.ForeignKey(Hen, on_delete=models.CASCADE, null=True, related_name="eggs"))
    create_tables()
    hen = Hen.objects.create()
    hen.egg = Egg.objects.create(hen=hen)
    hen.save()
    assert hen.delete() == (2, {"tests.Hen": 1, "tests.Egg": 1})


def test_a_proxy_goes_like_what_it_stands_for(heard, family, define):
    Parent, Child = family(models.CASCADE)
    Proxy = define("Proxy", Parent, Meta={"proxy": True})
    proxy = Proxy.objects.create()
    Child.objects.create(parent=proxy)
    assert proxy.delete() == (2, {"tests.Child": 1, "tests.Proxy": 1})
    assert Parent.objects.count() == 0


def test_what_points_to_another_field_than_the_key(heard, define, create_tables):
    Country = define("Country", code=models.CharField(max_length=2, unique=True))
    City = define("City", country=models.ForeignKey(Country, to_field="code", on_delete=models.CASCADE))
    define("Street", city=models.ForeignKey(City, on_delete=models.CASCADE))
    create_tables()
    country = Country.objects.create(code="it")
    City.objects.create(country=country)
    assert country.delete() == (2, {"tests.City": 1, "tests.Country": 1})


# --- querysets and transactions -----------------------------------------------------------------------------------


def test_a_queryset(heard, family):
    Parent, Child = family(models.CASCADE)
    for name in "aab":
        Child.objects.create(parent=Parent.objects.create(name=name))
    assert Parent.objects.filter(name="c").delete() == (0, {})
    assert Parent.objects.filter(name="a").delete() == (4, {"tests.Child": 2, "tests.Parent": 2})
    assert Child.objects.filter(parent__name="b").delete() == (1, {"tests.Child": 1})
    assert Parent.objects.all().delete() == (1, {"tests.Parent": 1})


def test_more_rows_than_a_statement_takes(family):
    Parent, Child = family(models.CASCADE)
    count = 2500
    parents = Parent.objects.bulk_create([Parent() for _ in range(count)])
    parents = list(Parent.objects.all())
    Child.objects.bulk_create([Child(parent=parent) for parent in parents])
    assert Parent.objects.all().delete()[0] == 2 * count


def test_an_object_without_a_key(family):
    Parent, _ = family(models.CASCADE)
    with pytest.raises(ValueError, match="can't be deleted"):
        Parent().delete()


def test_an_error_undoes_all(family):
    Parent, Child = family(models.CASCADE)
    parent = Parent.objects.create()
    Child.objects.create(parent=parent)

    def refuse(**kwargs):
        raise RuntimeError("no")

    for signal in (pre_delete, post_delete):
        for sender in (Parent, Child):
            with signal.connected_to(refuse, sender=sender), pytest.raises(RuntimeError):
                parent.delete()
            assert parent.pk is not None
            assert (Parent.objects.count(), Child.objects.count()) == (1, 1)


def test_deleting_within_a_transaction(heard, family):
    Parent, Child = family(models.CASCADE)
    parent = Parent.objects.create()
    Child.objects.create(parent=parent)
    with pytest.raises(RuntimeError), transaction.atomic():
        parent.delete()
        raise RuntimeError
    assert (Parent.objects.count(), Child.objects.count()) == (1, 1)


def test_the_collector_can_be_used_by_itself(family):
    Parent, Child = family(models.CASCADE)
    parent = Parent.objects.create()
    child = Child.objects.create(parent=parent)
    with pre_delete.connected_to(lambda **kwargs: None):
        collector = Collector(using="default")
        collector.collect([parent])
    assert [list(objs) for objs in collector.data.values()] == [[parent], [child]]


def test_what_nobody_hears_is_not_loaded(family):
    Parent, Child = family(models.CASCADE)
    parent = Parent.objects.create()
    Child.objects.create(parent=parent)
    asked = []

    def note(execute, sql, params, many, context):
        asked.append(sql.split()[0].upper())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        parent.delete()
        Child.objects.all().delete()
    assert [word for word in asked if word in ("SELECT", "DELETE")] == ["DELETE", "DELETE", "DELETE"]
