"""The graph of all migrations: which must come before which, across apps.

Nodes are pairs of an app label and the name of a migration. A parent must be
applied before its child. `loader.py` fills the graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webframe.conf import close_match
from webframe.db.migrations.errors import CircularDependencyError, NodeNotFoundError
from webframe.db.migrations.migration import Key, Migration
from webframe.db.migrations.state import ProjectState


class Node:
    """One migration in the graph; equal to its key, and sorted by it."""

    __slots__ = ("children", "key", "parents")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.parents: set[Node] = set()
        self.children: set[Node] = set()

    def __eq__(self, other: object) -> bool:
        return self is other or self.key == (other.key if isinstance(other, Node) else other)

    def __hash__(self) -> int:
        return hash(self.key)

    def __lt__(self, other: Node | Key) -> bool:
        return self.key < (other.key if isinstance(other, Node) else other)

    def __getitem__(self, item: int) -> str:
        return self.key[item]

    def __str__(self) -> str:
        return ".".join(self.key)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.key!r}>"


class DummyNode(Node):
    """Stands for a migration that something refers to and that does not exist (yet)."""

    __slots__ = ("origin",)

    def __init__(self, key: Key, origin: Migration | None) -> None:
        super().__init__(key)
        # The migration that refers to it.
        self.origin = origin


class MigrationGraph:
    """All migrations, and which of them depend on which."""

    def __init__(self) -> None:
        self.node_map: dict[Key, Node] = {}
        self.nodes: dict[Key, Migration | None] = {}

    def __contains__(self, key: object) -> bool:
        return key in self.nodes

    def __repr__(self) -> str:
        edges = sum(len(node.parents) for node in self.node_map.values())
        return f"<{type(self).__name__}: {len(self.node_map)} migrations, {edges} dependencies>"

    # -- filling

    def add_node(self, key: Key, migration: Migration | None) -> None:
        """Add a migration."""
        self.node_map[key] = Node(key)
        self.nodes[key] = migration

    def add_dummy_node(self, key: Key, origin: Migration | None) -> None:
        """Note that a migration refers to one that is not there; `validate_consistency` complains about what stays."""
        self.node_map[key] = DummyNode(key, origin)
        self.nodes[key] = None

    def add_dependency(
        self, migration: Migration | None, child: Key, parent: Key, skip_validation: bool = False
    ) -> None:
        """Note that `child` depends on `parent`, because `migration` says so.

        Either may be unknown; with `skip_validation` that is accepted for the moment.
        """
        for key in (child, parent):
            if key not in self.node_map:
                self.add_dummy_node(key, migration)
        self.node_map[child].parents.add(self.node_map[parent])
        self.node_map[parent].children.add(self.node_map[child])
        if not skip_validation:
            self.validate_consistency()

    def remove_replaced_nodes(self, replacement: Key, replaced: Iterable[Key]) -> None:
        """Let a squashed migration take the place of those that it replaces."""
        new = self._known(replacement)
        replaced = set(replaced) - {replacement}
        for key in replaced:
            old = self._remove(key)
            if old is None:
                continue
            for child in old.children:
                if child.key not in replaced and child is not new:
                    child.parents.add(new)
                    new.children.add(child)
            for parent in old.parents:
                if parent.key not in replaced and parent is not new:
                    parent.children.add(new)
                    new.parents.add(parent)

    def remove_replacement_node(self, replacement: Key, replaced: Iterable[Key]) -> None:
        """Leave a squashed migration out; what depends on it depends on the last of those that it replaces."""
        old = self._known(replacement)
        self._remove(replacement)
        stand_ins = {self.node_map[key] for key in replaced if key in self.node_map}
        last = stand_ins - {parent for node in stand_ins for parent in node.parents}
        for child in old.children:
            for node in last:
                node.children.add(child)
                child.parents.add(node)

    def _remove(self, key: Key) -> Node | None:
        """Take a node out, and out of the sets of its neighbours; it keeps its own sets."""
        self.nodes.pop(key, None)
        node = self.node_map.pop(key, None)
        if node is not None:
            for child in node.children:
                child.parents.discard(node)
            for parent in node.parents:
                parent.children.discard(node)
        return node

    # -- checking

    def validate_consistency(self) -> None:
        """Raise `NodeNotFoundError` if something refers to a migration that does not exist."""
        for node in self.node_map.values():
            if isinstance(node, DummyNode):
                raise self._not_found(node.key, node.origin)

    def ensure_not_cyclic(self) -> None:
        """Raise `CircularDependencyError`, which draws the circle, if migrations depend on each other in one."""
        done: set[Node] = set()
        for start in self.node_map.values():
            path: dict[Node, None] = {}
            stack = [(start, False)]
            while stack:
                node, left = stack.pop()
                if left:
                    path.popitem()
                    done.add(node)
                elif node in path:
                    nodes = list(path)
                    circle = nodes[nodes.index(node) :]
                    raise CircularDependencyError(self._drawn([*circle, node]), [each.key for each in circle])
                elif node not in done:
                    path[node] = None
                    stack.append((node, True))
                    stack += [(parent, False) for parent in node.parents]

    def _drawn(self, circle: list[Node]) -> str:
        lines = [f"    {circle[0]}{self._place(circle[0])}"]
        for depth, node in enumerate(circle[1:]):
            again = ", where the circle closes" if node is circle[0] else self._place(node)
            lines.append(f"    {'   ' * depth}└─ comes after {node}{again}")
        return (
            "Migrations depend on each other in a circle, so that none of them can be the first:\n"
            + "\n".join(lines)
            + "\nTake one of these dependencies out; where both apps refer to each other, move one of the fields into "
            "a migration of its own that comes after both."
        )

    def _place(self, node: Node) -> str:
        migration = self.nodes.get(node.key)
        return "" if migration is None or migration.file is None else f"  ({migration.file})"

    def _known(self, key: Key) -> Node:
        try:
            return self.node_map[key]
        except KeyError:
            raise self._not_found(key) from None

    def _not_found(self, key: Key, origin: Migration | None = None) -> NodeNotFoundError:
        app_label, name = key
        names = sorted(
            known[1] for known, node in self.node_map.items() if known[0] == app_label and type(node) is Node
        )
        if names:
            hint = close_match(name, names) or f" The app {app_label!r} has {_listed(names)}."
        else:
            apps = {known[0] for known, node in self.node_map.items() if type(node) is Node}
            hint = f" The app {app_label!r} has no migrations.{close_match(app_label, sorted(apps))}"
        if origin is None:
            message = f"There is no migration {app_label}.{name}.{hint}"
        else:
            place = f" ({origin.file})" if origin.file else ""
            message = f"The migration {origin}{place} refers to {app_label}.{name}, which does not exist.{hint}"
        return NodeNotFoundError(message, key, origin=origin)

    # -- asking

    def forwards_plan(self, target: Key) -> list[Key]:
        """The migrations that must be applied to have this one, which is the last, in an order that works."""
        return self.iterative_dfs(self._known(target))

    def backwards_plan(self, target: Key) -> list[Key]:
        """The migrations that must be undone to undo this one, which is the last, in an order that works."""
        return self.iterative_dfs(self._known(target), forwards=False)

    def iterative_dfs(self, start: Node, forwards: bool = True) -> list[Key]:
        """All ancestors of a node (or all descendants) and the node itself, each after those it depends on."""
        visited: dict[Node, None] = {}
        stack = [(start, False)]
        while stack:
            node, left = stack.pop()
            if node in visited:
                continue
            if left:
                visited[node] = None
            else:
                stack.append((node, True))
                following = node.parents if forwards else node.children
                stack += [(each, False) for each in sorted(following, reverse=True) if each not in visited]
        return [node.key for node in visited]

    def root_nodes(self, app: str | None = None) -> list[Key]:
        """The migrations that depend on no other of their app, of one app or of all."""
        return self._ends(app, "parents")

    def leaf_nodes(self, app: str | None = None) -> list[Key]:
        """The migrations that no other of their app depends on, of one app or of all.

        An app with more than one has a conflict.
        """
        return self._ends(app, "children")

    def _ends(self, app: str | None, direction: str) -> list[Key]:
        return sorted(
            key
            for key, node in self.node_map.items()
            if (app is None or key[0] == app) and all(other.key[0] != key[0] for other in getattr(node, direction))
        )

    def make_state(self, nodes: Key | Iterable[Key] | None = None, at_end: bool = True, real_apps: Any = None) -> Any:
        """The state after some migrations and all that they depend on; by default, after all there are.

        With ``at_end=False`` it is the state before the migrations named.
        """
        targets = self.leaf_nodes() if nodes is None else _keys(nodes)
        state = ProjectState(real_apps=real_apps)
        for key in self._generate_plan(targets, at_end):
            migration = self.nodes[key]
            if migration is not None:
                state = migration.mutate_state(state, preserve=False)
        return state

    def _generate_plan(self, nodes: Iterable[Key], at_end: bool) -> list[Key]:
        nodes = list(nodes)
        plan = dict.fromkeys(key for node in nodes for key in self.forwards_plan(node))
        return list(plan) if at_end else [key for key in plan if key not in nodes]


def _keys(nodes: Any) -> list[Key]:
    """One key or several, as several."""
    found = list(nodes)
    return [(found[0], found[1])] if found and isinstance(found[0], str) else found


def _listed(names: list[str]) -> str:
    """Some of the names, the last ones, for a message."""
    few = ", ".join(names[-5:])
    return few if len(names) <= 5 else f"{len(names)} migrations, the last of them {few}"
