"""The graph of migrations: plans, ends, circles, and what is missing."""

from __future__ import annotations

import pytest

from webframe.db.migrations.errors import CircularDependencyError, NodeNotFoundError
from webframe.db.migrations.graph import MigrationGraph
from webframe.db.migrations.migration import Key, Migration


def graph_of(*lines: str) -> MigrationGraph:
    """A graph from lines like "shop.2: shop.1 menu.1", which say what comes after what."""
    graph = MigrationGraph()
    dependencies = []
    for line in lines:
        child, _, parents = line.partition(":")
        migration = Migration(key(child)[1], key(child)[0])
        graph.add_node(key(child), migration)
        dependencies += [(migration, key(child), key(parent)) for parent in parents.split()]
    for migration, child, parent in dependencies:
        graph.add_dependency(migration, child, parent, skip_validation=True)
    return graph


def key(text: str) -> Key:
    app_label, _, name = text.strip().partition(".")
    return app_label, name


def keys(text: str) -> list[Key]:
    return [key(each) for each in text.split()]


PIZZERIA = "menu.1", "menu.2: menu.1", "menu.3: menu.2 shop.1", "shop.1: menu.1", "shop.2: shop.1 menu.3"


def test_a_plan_has_what_comes_before_and_ends_with_its_target() -> None:
    graph = graph_of(*PIZZERIA)
    assert graph.forwards_plan(key("menu.1")) == keys("menu.1")
    assert graph.forwards_plan(key("menu.3")) == keys("menu.1 menu.2 shop.1 menu.3")
    assert graph.forwards_plan(key("shop.2")) == keys("menu.1 menu.2 shop.1 menu.3 shop.2")


def test_a_plan_backwards_has_what_comes_after_first() -> None:
    graph = graph_of(*PIZZERIA)
    assert graph.backwards_plan(key("shop.2")) == keys("shop.2")
    assert graph.backwards_plan(key("menu.2")) == keys("shop.2 menu.3 menu.2")
    assert set(graph.backwards_plan(key("menu.1"))) == set(graph.nodes)


def test_roots_and_leaves_are_those_of_their_app() -> None:
    graph = graph_of(*PIZZERIA, "shop.2b: shop.1")
    assert graph.root_nodes() == keys("menu.1 shop.1")
    assert graph.root_nodes("shop") == keys("shop.1")
    assert graph.leaf_nodes() == keys("menu.3 shop.2 shop.2b")
    assert graph.leaf_nodes("menu") == keys("menu.3")


def test_a_very_long_history_is_no_problem() -> None:
    graph = graph_of("shop.0", *(f"shop.{n}: shop.{n - 1}" for n in range(1, 5000)))
    graph.ensure_not_cyclic()
    assert len(graph.forwards_plan(key("shop.4999"))) == len(graph.backwards_plan(key("shop.0"))) == 5000


def test_many_ways_to_the_same_migration_are_walked_once() -> None:
    layers = [f"shop.{n}{side}: shop.{n - 1}a shop.{n - 1}b" for n in range(1, 60) for side in "ab"]
    graph = graph_of("shop.0a", "shop.0b", *layers)
    graph.ensure_not_cyclic()
    assert len(graph.forwards_plan(key("shop.59a"))) == 119


def test_a_circle_is_drawn() -> None:
    graph = graph_of("menu.1", "menu.2: menu.1 shop.2", "shop.1: menu.1", "shop.2: shop.1 offers.1", "offers.1: menu.2")
    with pytest.raises(CircularDependencyError) as caught:
        graph.ensure_not_cyclic()
    assert (
        str(caught.value)
        == """\
Migrations depend on each other in a circle, so that none of them can be the first:
    menu.2
    └─ comes after shop.2
       └─ comes after offers.1
          └─ comes after menu.2, where the circle closes
Take one of these dependencies out; where both apps refer to each other, move one of the fields into a migration of \
its own that comes after both."""
    )


def test_a_migration_may_not_come_after_itself() -> None:
    with pytest.raises(CircularDependencyError, match=r"menu\.1\n.*comes after menu\.1, where the circle closes"):
        graph_of("menu.1: menu.1").ensure_not_cyclic()


def test_a_missing_migration_is_named_with_who_wants_it_and_what_is_close() -> None:
    graph = graph_of("menu.0001_initial", "shop.0001_initial: menu.0001_inital")
    with pytest.raises(NodeNotFoundError) as caught:
        graph.validate_consistency()
    assert str(caught.value) == (
        "The migration shop.0001_initial refers to menu.0001_inital, which does not exist. Did you mean 0001_initial?"
    )
    assert caught.value.node == ("menu", "0001_inital")
    assert str(caught.value.origin) == "shop.0001_initial"


def test_a_missing_migration_of_an_unknown_app_names_apps_that_are_close() -> None:
    graph = graph_of("orders.0001_initial", "shop.0001_initial: order.0001_initial")
    with pytest.raises(NodeNotFoundError, match="The app 'order' has no migrations. Did you mean orders?"):
        graph.validate_consistency()


def test_asking_for_an_unknown_migration_says_which_there_are() -> None:
    graph = graph_of(*PIZZERIA)
    with pytest.raises(NodeNotFoundError, match=r"no migration menu.zzz. The app 'menu' has 1, 2, 3."):
        graph.forwards_plan(("menu", "zzz"))
    with pytest.raises(NodeNotFoundError, match=r"no migration menu.zzz"):
        graph.backwards_plan(("menu", "zzz"))


def test_a_squashed_migration_takes_the_place_of_what_it_replaces() -> None:
    graph = graph_of(*PIZZERIA, "menu.squashed")
    graph.remove_replaced_nodes(key("menu.squashed"), keys("menu.1 menu.2"))
    graph.validate_consistency()
    assert key("menu.1") not in graph
    assert graph.forwards_plan(key("shop.2")) == keys("menu.squashed shop.1 menu.3 shop.2")
    assert graph.backwards_plan(key("menu.squashed"))[-1] == key("menu.squashed")


def test_a_squashed_migration_that_is_left_out_hands_its_children_to_the_last_it_replaces() -> None:
    graph = graph_of("menu.1", "menu.2: menu.1", "menu.squashed", "shop.1: menu.squashed")
    graph.remove_replacement_node(key("menu.squashed"), keys("menu.1 menu.2"))
    assert graph.forwards_plan(key("shop.1")) == keys("menu.1 menu.2 shop.1")


def test_nodes_are_equal_to_their_keys_and_sorted_by_them() -> None:
    graph = graph_of("menu.2: menu.1", "menu.1")
    node = graph.node_map[key("menu.2")]
    assert node == key("menu.2") and hash(node) == hash(key("menu.2")) and str(node) == "menu.2"
    assert key("menu.1") in node.parents
    assert sorted(graph.node_map.values()) == keys("menu.1 menu.2")
    assert repr(graph) == "<MigrationGraph: 2 migrations, 1 dependencies>"
