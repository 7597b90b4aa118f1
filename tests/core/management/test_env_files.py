"""The files .env and .webframeenv."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webframe.core.management.env_files import load_env_files, parse_env


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("NAME=value", {"NAME": "value"}),
        ("  export NAME = value  \n", {"NAME": "value"}),
        ("NAME=", {"NAME": ""}),
        ("NAME=  # only a comment", {"NAME": ""}),
        ("NAME=value # a comment", {"NAME": "value"}),
        ("NAME=value#no-comment", {"NAME": "value#no-comment"}),
        ("NAME=a b  c", {"NAME": "a b  c"}),
        ("URL=postgresql://u:p=1@host/db?x=1", {"URL": "postgresql://u:p=1@host/db?x=1"}),
        ("NAME='as # it \\n is'  # a comment", {"NAME": "as # it \\n is"}),
        (r'NAME="a\tb\n\"c\" \$d \\ \x"', {"NAME": 'a\tb\n"c" $d \\ \\x'}),
        ("KEY='first\nsecond'\nNEXT=1", {"KEY": "first\nsecond", "NEXT": "1"}),
        ('JSON={"a": ["b"]}', {"JSON": '{"a": ["b"]}'}),
        ("# comment\r\n\r\nNAME=1\r\nOTHER='2'\r\n", {"NAME": "1", "OTHER": "2"}),
        ("NAME=1\nNAME=2", {"NAME": "2"}),
        ("", {}),
    ],
)
def test_lines_are_read_as_everywhere(text: str, values: dict[str, str]) -> None:
    assert parse_env(text) == (values, [])


@pytest.mark.parametrize("line", ["no assignment", "=value", "1NAME=x", "NAME='open", 'NAME="open', "NAME='a' b"])
def test_a_line_without_sense_is_reported_by_number_and_the_others_count(line: str) -> None:
    values, wrong_lines = parse_env(f"BEFORE=1\n{line}\nAFTER=2\n")
    assert values == {"BEFORE": "1", "AFTER": "2"}
    assert wrong_lines == [2]


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    values, wrong_lines = parse_env(text)
    assert all(isinstance(value, str) for value in values.values())
    assert len(wrong_lines) <= text.count("\n") + text.count("\r") + 1


@given(st.text(alphabet=st.characters(exclude_characters="\r", exclude_categories=["Cs"])))
def test_a_double_quoted_text_comes_back_as_it_was(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_env(f'NAME="{quoted}"') == ({"NAME": text}, [])


def test_the_real_environment_wins_then_env_then_webframeenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REAL=env\nLOCAL=env\n")
    (tmp_path / ".webframeenv").write_text("REAL=project\nLOCAL=project\nSHARED=project\n")
    environ = {"REAL": "real"}
    added, complaints = load_env_files(tmp_path, environ)
    assert environ == {"REAL": "real", "LOCAL": "env", "SHARED": "project"}
    assert added == {"LOCAL": "env", "SHARED": "project"}
    assert complaints == []


def test_without_files_nothing_happens(tmp_path: Path) -> None:
    assert load_env_files(tmp_path, {}) == ({}, [])


def test_what_cannot_be_read_is_named_without_showing_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GOOD=1\nhunter2\n")
    (tmp_path / ".webframeenv").write_bytes(b"NAME=\xff\n")
    added, complaints = load_env_files(tmp_path, {})
    assert added == {"GOOD": "1"}
    assert complaints[0] == ".env, line 2: expected NAME=value; passed over."
    assert complaints[1].startswith(".webframeenv cannot be read and is passed over:")
    assert "hunter2" not in "".join(complaints)


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfNAME=1")
    assert load_env_files(tmp_path, {})[0] == {"NAME": "1"}
