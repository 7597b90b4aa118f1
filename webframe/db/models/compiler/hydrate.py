"""Rows to objects, by code that is generated once for each model and set of columns.

An `Answer` says what becomes of the rows of a question. For those that become
instances, `Instances`, the columns of a row are a tree of nodes: the model itself,
and below it the related objects of select_related.
An instance is filled by plain attribute stores; a model with its own `__init__`
or `from_db`, or with receivers of the init signals, is made by calling them.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Sequence
from itertools import islice, repeat, starmap
from operator import itemgetter
from typing import Any, NamedTuple

from webframe.db.models.compiler.generated import compile_factory
from webframe.db.models.fields.types import LEFT_ALONE
from webframe.db.models.sending import listens
from webframe.db.models.signals import post_init, pre_init

Row = Sequence[Any]

# A row as a tuple, whatever it is: quicker than tuple() for the records of asyncpg.
_whole = itemgetter(slice(None))


class Hydrators(NamedTuple):
    """Generated functions that make instances, of all rows or of one, and of the alias of their database."""

    all: Callable[[Sequence[Row], str], list[Any]]
    one: Callable[[Row, str], Any]


class Node:
    """One instance in each row: its model, the fields it has, and the related instances it remembers."""

    def __init__(self, model: Any, fields: Sequence[Any], start: int, complete: bool) -> None:
        self.model = model
        self.fields = tuple(fields)
        # The column of its first field.
        self.start = start
        # Whether it has all fields; else reading one of the others loads it.
        self.complete = complete
        # (the relation, the related instance, whether it remembers this one too), in order of columns.
        self.related: list[tuple[Any, Node]] = []

    def walk(self) -> list[Node]:
        """This node and all below."""
        return [self, *[below for _, node in self.related for below in node.walk()]]

    @property
    def pk_column(self) -> int:
        """The column of the primary key."""
        return self.start + self.fields.index(self.model._meta.pk)


class Answer:
    """What becomes of the rows of a question."""

    # Whether it is made without calling anybody, as long as nobody listens to the init signals.
    is_quiet = True

    def __init__(self, every: Callable[[Sequence[Row], str], list[Any]]) -> None:
        # From the rows, and the alias of their database.
        self.all = every


class Instances(Answer):
    """Instances made of rows; a model with its own `__init__` or `from_db` is called for them."""

    def __init__(
        self, root: Node, annotations: Sequence[tuple[str, int]], converters: Sequence[Any], typed: bool
    ) -> None:
        self.root = root
        # (name, column) of what is set on the root instance beside its fields.
        self.annotations = tuple(annotations)
        self.converters = tuple(converters)
        # Whether the values of a column are all of one type, or None.
        self.typed = typed
        nodes = root.walk()
        self._models = tuple(node.model for node in nodes)
        for node in nodes:
            if not node.complete:
                node.model._meta.enable_deferred()
        self.is_quiet = all(model._meta.plain_init for model in self._models)
        self._hydrators: dict[tuple[bool, ...], Hydrators] = {}
        careful = Hydrators(self.all_carefully, self.one_carefully)
        called = (False,) * len(nodes)
        self.all, self.one = _Writer(self, called, careful).hydrators() if self.is_quiet else careful

    def all_carefully(self, rows: Sequence[Row], alias: str) -> list[Any]:
        """The instances for these rows, with the init signals for those that somebody hears of."""
        return self._careful().all(rows, alias)

    def one_carefully(self, row: Row, alias: str) -> Any:
        """The same for one row."""
        return self._careful().one(row, alias)

    def _careful(self) -> Hydrators:
        """What calls those models that want to be called."""
        return self._hydrator(
            tuple(not model._meta.plain_init or listens(model, pre_init, post_init) for model in self._models)
        )

    def _hydrator(self, called: tuple[bool, ...]) -> Hydrators:
        hydrator = self._hydrators.get(called)
        if hydrator is None:
            hydrator = self._hydrators[called] = _Writer(self, called).hydrators()
        return hydrator


class _Writer:
    """Writes the source of hydrators."""

    def __init__(self, instances: Instances, called: tuple[bool, ...], careful: Hydrators | None = None) -> None:
        """Where anybody listens to the init signals, or a value has to be converted first, the functions that are
        written leave it to the `careful` ones.
        """
        self.instances = instances
        self.careful = careful
        self.converters = list(instances.converters)
        # (column, type) of values that need no conversion if the first one is of this type.
        self.trusted: list[tuple[int, type]] = []
        if careful is not None and instances.typed:
            for column, convert in enumerate(self.converters):
                left_alone = LEFT_ALONE.get(convert)
                if left_alone is not None:
                    self.trusted.append((column, left_alone))
                    self.converters[column] = None
        # For each node: whether from_db has to be called.
        self.called = iter(called)
        self.constants: list[Any] = []
        self.lines: list[str] = []
        self.objects = 0
        # Where the columns of a row go: into variables, or straight into attributes of the root, once that is there.
        self.targets = [f"v{column}" for column in range(len(instances.converters))]
        # The place of the line that takes a row apart.
        self.apart = 0
        # The endless supply of empty instances of the root's model; "" where those are made in another way.
        self.blanks = ""

    def hydrators(self) -> Hydrators:
        """The functions from (rows, alias) to a list of instances, and from (row, alias) to an instance."""
        root = self.node(self.instances.root, 0)
        for name, column in self.instances.annotations:
            self.fill(0, root, name, column)
        targets = ", ".join(self.targets) + ("," if len(self.targets) == 1 else "")
        # A slice of a tuple is that tuple; one of a record of asyncpg is a tuple, which is taken apart more quickly.
        self.lines.insert(self.apart, f"{targets} = row[{self.constant(slice(None))}]")
        many = self.loop(root)
        one = [*self.lines, f"return {root}"]
        if self.careful is not None:
            many.insert(0, self.guard(self.careful.all, "rows", "rows and rows[0]"))
            one.insert(0, self.guard(self.careful.one, "row", "row"))
        constants = ", ".join(f"c{place}" for place in range(len(self.constants)))
        source = "\n".join(
            [
                f"def factory(new, {constants}):",
                "    def all_of(rows, alias):",
                *[f"        {line}" for line in many],
                "    def one_of(row, alias):",
                *[f"        {line}" for line in one],
                "    return all_of, one_of",
            ]
        )
        return Hydrators(*compile_factory(source)(object.__new__, *self.constants))

    def guard(self, carefully: Callable[..., Any], found: str, first: str) -> str:
        """The line that leaves what was found, of which `first` is the first row, to another function."""
        reasons = [f"{self.constant(signal)}.active" for signal in (pre_init, post_init)]
        reasons += [f"{first}[{column}].__class__ is not {self.constant(kind)}" for column, kind in self.trusted]
        return f"if {' or '.join(reasons)}: return {self.constant(carefully)}({found}, alias)"

    def loop(self, root: str) -> list[str]:
        """The lines for all rows."""
        if not self.blanks:
            found, each, lines = "[]", "row in rows", [*self.lines, f"found.append({root})"]
        else:
            # The first line makes an empty instance; C does that more quickly, and puts them all into a list.
            blanks = f"{self.constant(islice)}({self.blanks}, len(rows))"
            found, each, lines = f"list({blanks})", f"row, {root} in zip(rows, found)", self.lines[1:]
        return [f"found = {found}", f"for {each}:", *[f"    {line}" for line in lines], "return found"]

    def constant(self, value: Any) -> str:
        self.constants.append(value)
        return f"c{len(self.constants) - 1}"

    def term(self, column: int) -> str:
        """The value of a column, converted."""
        return converted(f"v{column}", self.converters[column], self.constant)

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def fill(self, depth: int, target: str, name: str, column: int) -> None:
        """Set an attribute to the value of a column."""
        if self.apart and depth == 0 and self.converters[column] is None and is_plain(name):
            self.targets[column] = f"{target}.{name}"
        else:
            self.store(depth, target, name, self.term(column))

    def store(self, depth: int, target: str, name: str, value: str) -> None:
        """Set an attribute; what is no Python name goes into the dictionary."""
        attribute = f"{target}.{name}" if is_plain(name) else f"{target}.__dict__[{self.constant(name)}]"
        self.line(depth, f"{attribute} = {value}")

    def node(self, node: Node, depth: int) -> str:
        """The lines that make the instance of a node; returns its variable."""
        name = f"o{self.objects}"
        self.objects += 1
        columns = range(node.start, node.start + len(node.fields))
        if next(self.called):
            make = self.constant(node.model.from_db)
            names = self.constant([field.attname for field in node.fields])
            self.line(depth, f"{name} = {make}(alias, {names}, [{', '.join(map(self.term, columns))}])")
        else:
            self.line(depth, f"{name} = new({self.constant(node.model)})")
            if depth == 0:
                self.apart, self.blanks = 1, self.constant(starmap(object.__new__, repeat((node.model,))))
            for field, column in zip(node.fields, columns, strict=True):
                self.fill(depth, name, field.attname, column)
            self.line(depth, f"{name}._db = alias")
        for relation, below in node.related:
            self.related(name, relation, below, depth)
        return name

    def related(self, owner: str, relation: Any, below: Node, depth: int) -> None:
        place = len(self.lines)
        name = self.node(below, depth + 1)
        self.lines.insert(place, "    " * depth + f"if v{below.pk_column} is None:")
        self.lines.insert(place + 1, "    " * (depth + 1) + f"{name} = None")
        self.lines.insert(place + 2, "    " * depth + "else:")
        remote = relation.remote_field
        if not getattr(remote, "multiple", True) or relation.one_to_one:
            self.store(depth + 1, name, remote.cache_name, owner)
        self.store(depth, owner, relation.cache_name, name)


def is_plain(name: str) -> bool:
    """Whether source can have an attribute of this name."""
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name) and not name.startswith("__")


# --- rows that stay rows ----------------------------------------------------------------------------------------


def converted(value: str, convert: Any, constant: Callable[[Any], str]) -> str:
    """The source for a converted value; `constant` gives the name of an object in it."""
    if convert is None:
        return value
    left_alone = LEFT_ALONE.get(convert)
    call = f"{constant(convert)}({value})"
    return call if left_alone is None else f"({value} if {value}.__class__ is {constant(left_alone)} else {call})"


def value_rows(
    shape: str, names: Sequence[str], converters: Sequence[Any], width: int, row_class: Any = None
) -> Answer:
    """What values() and values_list() make of rows.

    `shape`: "dict", "tuple", "flat" or "named". Only the first `width` columns count.
    """
    constants: list[Any] = []

    def constant(value: Any) -> str:
        constants.append(value)
        return f"c{len(constants) - 1}"

    terms = []
    for column, convert in enumerate(converters[:width]):
        terms.append(converted(f"v{column}", convert, constant))
    columns = ", ".join(f"v{column}" for column in range(len(converters))) + ("," if len(converters) == 1 else "")
    if shape == "dict":
        item = "{" + ", ".join(f"{constant(name)}: {term}" for name, term in zip(names, terms, strict=True)) + "}"
    elif shape == "flat":
        item = terms[0]
    elif shape == "named":
        item = f"{constant(row_class)}({', '.join(terms)})"
    elif width == len(converters) and not any(converters):
        return Answer(lambda rows, alias: list(map(_whole, rows)))
    else:
        item = f"({', '.join(terms)},)"
    names_of_constants = ", ".join(f"c{place}" for place in range(len(constants)))
    source = (
        f"def factory({names_of_constants}):\n"
        f"    def shape(rows, alias):\n"
        f"        return [{item} for {columns} in rows]\n"
        f"    return shape\n"
    )
    return Answer(compile_factory(source)(*constants))
