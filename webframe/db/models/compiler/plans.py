"""Plans: what is left of a statement once SQLAlchemy has compiled it.

The SQL text, a function that makes the driver's positional parameters of the
question's literals, and, for statements that return rows, the conversions of
their columns. Making a plan costs hundreds of microseconds, using one next to
nothing: it lies in ``wrapper.plans``, under the shape of its question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from webframe._lazy import LateModule
from webframe.db.models.compiler.generated import compile_factory

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement, types
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine
else:
    types = LateModule("sqlalchemy.types")


Values = Sequence[Any] | Mapping[str, Any]
Convert = Callable[[Any], Any]
MakeParameters = Callable[[Values], Sequence[Any]]


class Slot(NamedTuple):
    """Where a parameter has its value from: the literal with this index, and what becomes of it first.

    Instead of an index it may be an attribute: then the literals are the dictionary of an instance.
    """

    literal: int | str
    convert: Convert | None
    # Values of exactly this type need no `convert`.
    exact_type: type | None
    # How many literals it stands for: that one and those that follow it, as often as the parameter is repeated.
    repeats: int = 1


class Plan:
    """A compiled statement."""

    __slots__ = ("answer", "empty", "parameters", "sql")

    def __init__(self, sql: str, parameters: MakeParameters | None, answer: Any = None, empty: bool = False) -> None:
        # As SQLAlchemy wrote it for the positional style of the driver.
        self.sql = sql
        # Makes the driver's parameters of the literals; None: the literals are the parameters.
        self.parameters = parameters
        # What becomes of the rows; its form is a matter between whoever makes a plan and whoever uses it.
        self.answer = answer
        # Known to match nothing: there is no need to ask.
        self.empty = empty

    def arguments(self, values: Sequence[Any]) -> Sequence[Any]:
        """The driver's parameters for these literals."""
        return values if self.parameters is None else self.parameters(values)


def make_plan(
    statement: ClauseElement,
    wrapper: Any,
    slots: dict[str, Slot],
    literals: int,
    answer: Any = None,
    *,
    empty: bool = False,
    columns: list[str] | None = None,
) -> Plan:
    """Compile a statement for a wrapper.

    `columns` are those of an INSERT that names none itself; None: as the statement says.

    `slots` has every bound parameter that stands for a literal, by its name;
    all others are constants. `literals` says how many literals there are.
    """
    dialect = wrapper.dialect
    compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
    return Plan(compiled.string, parameter_maker(compiled, dialect, slots, literals), answer, empty)


def parameter_maker(compiled: Any, dialect: Dialect, slots: dict[str, Slot], literals: int) -> MakeParameters | None:
    """A function from literals to positional parameters; None if they are the same."""
    namespace = _Namespace()
    terms: list[str] = []
    plain = True
    position, names = 0, compiled.positiontup or ()
    while position < len(names):
        bind = compiled.binds[names[position]]
        process = bind.type.dialect_impl(dialect).bind_processor(dialect)
        slot = slots.get(bind.key)
        if slot is None:
            value = bind.effective_value
            term = namespace.name(value if process is None else process(value))
        elif slot.repeats == 1:
            term = _term(slot, process, namespace)
        else:
            term = _term_of_many(slot, process, namespace)
            position += slot.repeats - 1
        plain = plain and term == f"v[{position}]"
        terms.append(term)
        position += 1
    if plain and len(terms) == literals:
        return None
    source = f"def factory({namespace}):\n    return lambda v: ({''.join(f'{term}, ' for term in terms)})\n"
    made: MakeParameters = compile_factory(source)(*namespace.values)
    return made


class _Namespace:
    """What the source of a function refers to, under names."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._names: dict[int, str] = {}

    def name(self, value: Any) -> str:
        """The name of a value, the same one each time."""
        name = self._names.get(id(value))
        if name is None:
            name = self._names[id(value)] = f"c{len(self.values)}"
            self.values.append(value)
        return name

    def __str__(self) -> str:
        return ", ".join(self._names.values())


def _term(slot: Slot, process: Convert | None, namespace: _Namespace) -> str:
    """The source of one parameter."""
    term, convert = f"v[{slot.literal!r}]", slot.convert
    if slot.exact_type is bool and convert is not None and process is not None:
        # Every driver takes True and False as they are.
        text = f"{namespace.name(process)}({namespace.name(convert)}(x))"
        return f"(x if type(x := {term}) is {namespace.name(bool)} else {text})"
    if convert is not None:
        call = namespace.name(convert)
        if slot.exact_type is None:
            term = f"{call}({term})"
        else:
            term = f"(x if type(x := {term}) is {namespace.name(slot.exact_type)} else {call}(x))"
    return term if process is None else f"{namespace.name(process)}({term})"


def _term_of_many(slot: Slot, process: Convert | None, namespace: _Namespace) -> str:
    """The source of the parameters that are made of a row of literals."""
    assert isinstance(slot.literal, int)
    some = f"v[{slot.literal}:{slot.literal + slot.repeats}]"
    one = _term(slot._replace(literal=0), process, namespace).replace("v[0]", "y")
    return f"*{some}" if one == "y" else f"*[{one} for y in {some}]"


# Column types as drivers know them, for those processors of SQLAlchemy that ask: PostgreSQL's numeric and float8.
_POSTGRESQL_NUMERIC, _POSTGRESQL_FLOAT = 1700, 701


def result_converter(sql_type: TypeEngine[Any], field: Any, wrapper: Any, expression: Any = None) -> Convert | None:
    """What turns a driver's value of a column into a Python value; None: it is one."""
    dialect = wrapper.dialect
    hint: Any = None
    if dialect.name == "postgresql" and isinstance(sql_type, types.Numeric):
        hint = _POSTGRESQL_FLOAT if isinstance(sql_type, types.Float) else _POSTGRESQL_NUMERIC
    process = sql_type.dialect_impl(dialect).result_processor(dialect, hint)
    from_db_value = getattr(field, "from_db_value", None)
    if from_db_value is None:
        return process
    if process is None:
        return lambda value: from_db_value(value, expression, wrapper)
    convert = process
    return lambda value: from_db_value(convert(value), expression, wrapper)


def exact_type_of(field: Any) -> type | None:
    """The type whose values need no ``get_prep_value``: as the field says, unless a subclass has one of its own."""
    for kind in type(field).__mro__:
        if "exact_type" in kind.__dict__:
            exact: type | None = field.exact_type  # a foreign key's is that of the field it points to
            return exact
        if "get_prep_value" in kind.__dict__ or "get_save_value" in kind.__dict__:
            return None
    return None
