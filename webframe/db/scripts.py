"""Taking SQL of somebody's own apart into statements: drivers run one at a time."""

from __future__ import annotations

import re
import sqlite3

# What a semicolon may stand in without ending a statement, by engine. Quotes are doubled within quotes everywhere.
_STRINGS = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
_COMMENTS = r"--[^\n]*|/\*.*?\*/"
# What may be all that is left of a script: only MariaDB has comments behind hashes, and nowhere is a hash a statement.
_NO_CODE = rf"{_COMMENTS}|\#[^\n]*"
_SKIPPED = {
    "sqlite": rf"{_STRINGS}|`[^`]*`|\[[^\]]*\]|{_COMMENTS}",
    # Strings with backslashes begin with E; functions stand between dollar quotes.
    "postgresql": rf"[eE]'(?:[^'\\]|''|\\.)*'|{_STRINGS}|(\$(?:[A-Za-z_]\w*)?\$).*?\1|{_COMMENTS}",
    "mysql": rf"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\"|`(?:[^`]|``)*`|\#[^\n]*|{_COMMENTS}",
}


def statements_of(script: str, vendor: str) -> list[str]:
    """The statements of a script, without the semicolons between them and without comments that stand alone.

    On SQLite a trigger with its BEGIN and END is one statement. For MariaDB give
    such statements one by one, in a list.
    """
    skipped = _SKIPPED.get(vendor, _SKIPPED["sqlite"])
    statements: list[str] = []
    start = 0
    for match in re.finditer(rf"(?:{skipped})|(?P<end>;)", script, re.DOTALL):
        if match["end"] is None:
            continue
        statement = script[start : match.start()]
        if vendor == "sqlite" and not sqlite3.complete_statement(f"{statement};"):
            continue  # within a trigger
        statements.append(statement)
        start = match.end()
    statements.append(script[start:])
    return [statement.strip() for statement in statements if _has_code(statement)]


def _has_code(statement: str) -> bool:
    return bool(re.sub(_NO_CODE, "", statement, flags=re.DOTALL).strip())
