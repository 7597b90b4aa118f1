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
    namespace: list[Any] = []
    terms: list[str] = []
    plain = True
    for position, name in enumerate(compiled.positiontup or ()):
        bind = compiled.binds[name]
        process = bind.type.dialect_impl(dialect).bind_processor(dialect)
        slot = slots.get(bind.key)
        if slot is None:
            value = bind.effective_value
            terms.append(_name(namespace, value if process is None else process(value)))
            plain = False
            continue
        term = f"v[{slot.literal!r}]"
        convert = slot.convert
        if slot.exact_type is bool and convert is not None and process is not None:
            # Every driver takes True and False as they are.
            text = f"{_name(namespace, process)}({_name(namespace, convert)}(x))"
            terms.append(f"(x if type(x := {term}) is {_name(namespace, bool)} else {text})")
            plain = False
            continue
        if convert is not None:
            call = f"{_name(namespace, convert)}({term})"
            if slot.exact_type is not None:
                kind = _name(namespace, slot.exact_type)
                call = f"(x if type(x := {term}) is {kind} else {_name(namespace, convert)}(x))"
            term = call
        if process is not None:
            term = f"{_name(namespace, process)}({term})"
        terms.append(term)
        plain = plain and term == f"v[{position}]"
    if plain and len(terms) == literals:
        return None
    names = ", ".join(f"c{index}" for index in range(len(namespace)))
    source = f"def factory({names}):\n    return lambda v: ({''.join(f'{term}, ' for term in terms)})\n"
    made: MakeParameters = compile_factory(source)(*namespace)
    return made


def _name(namespace: list[Any], value: Any) -> str:
    namespace.append(value)
    return f"c{len(namespace) - 1}"


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
