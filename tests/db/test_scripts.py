"""Scripts of SQL, taken apart into statements."""

from __future__ import annotations

import pytest

from webframe.db.scripts import statements_of

ENGINES = ["sqlite", "postgresql", "mysql"]


@pytest.mark.parametrize("vendor", ENGINES)
@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("", []),
        (" ;\n; ", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 2;\n", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';', \"a;b\", 'it''s; so'; SELECT 2", ["SELECT ';', \"a;b\", 'it''s; so'", "SELECT 2"]),
        ("-- one; two\nSELECT 1 -- three;\n; -- four", ["-- one; two\nSELECT 1 -- three;"]),
        ("/* one; \n two */ SELECT 1; /* three; */", ["/* one; \n two */ SELECT 1"]),
        ("SELECT 1 - -1; SELECT 2 / 1", ["SELECT 1 - -1", "SELECT 2 / 1"]),
    ],
)
def test_semicolons_end_statements_unless_they_are_quoted(vendor: str, script: str, statements: list[str]) -> None:
    assert statements_of(script, vendor) == statements


def test_a_trigger_of_sqlite_is_one_statement() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = 1; UPDATE a SET c = ';'; END"
    assert statements_of(f"SELECT 1; {trigger}; SELECT 2", "sqlite") == ["SELECT 1", trigger, "SELECT 2"]
    assert statements_of("SELECT `a;b`, [c;d]; SELECT 2", "sqlite") == ["SELECT `a;b`, [c;d]", "SELECT 2"]


def test_a_function_of_postgresql_is_one_statement() -> None:
    function = "CREATE FUNCTION f() RETURNS int AS $body$ BEGIN PERFORM $$;$$; RETURN 1; END $body$ LANGUAGE plpgsql"
    assert statements_of(f"{function}; SELECT f()", "postgresql") == [function, "SELECT f()"]
    assert statements_of(r"SELECT E'\';', 'a\'; SELECT $1", "postgresql") == [r"SELECT E'\';', 'a\'", "SELECT $1"]


def test_mysql_has_backslashes_in_strings_and_comments_behind_hashes() -> None:
    assert statements_of(r"SELECT 'a\';', `b;c`; SELECT 2 # three; four", "mysql") == [
        r"SELECT 'a\';', `b;c`",
        "SELECT 2 # three; four",
    ]
    assert statements_of("SELECT 1; # nothing; more", "mysql") == ["SELECT 1"]
