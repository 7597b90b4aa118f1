"""Elements of SQL that SQLAlchemy does not have, each with what it becomes on each engine."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

__all__ = ["Infix"]


class Infix(FunctionElement[Any]):
    """Arithmetic between two elements; the operators are those of `expressions.Combinable`."""

    name = "arithmetic"
    inherit_cache = False

    def __init__(
        self,
        left: Any,
        operator: str,
        right: Any,
        sql_type: TypeEngine[Any],
        kinds: tuple[str | None, str | None] = (None, None),
    ) -> None:
        super().__init__(left, right)
        self.operator = operator
        # The families of the fields of both sides, as `outputs.kind_of` names them.
        self.kinds = kinds
        self.type = sql_type


@compiles(Infix)
def _infix(element: Infix, compiler: Any, **kw: Any) -> str:
    left, right = _operands(element, compiler, kw)
    operator = "%%" if element.operator == "%" and compiler.preparer._double_percents else element.operator
    return f"({left} {operator} {right})"


def _operands(element: FunctionElement[Any], compiler: Any, kw: dict[str, Any]) -> list[str]:
    kw.pop("add_to_result_map", None)
    return [compiler.process(clause, **kw) for clause in element.clauses]
