"""What stands in the code for type checkers only; what they make of it is in tests/typing."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import webframe.db.models.handed_on as handed_on
from webframe.db import models
from webframe.db.models.querysets.raw import RawQuerySet


@pytest.mark.parametrize("cls", [models.QuerySet, models.Manager, RawQuerySet])
def test_a_class_that_is_told_its_rows_is_the_class_itself(cls):
    assert cls["Pizza"] is cls[int] is cls


def test_type_checkers_are_told_of_every_method_that_managers_are_given():
    told = set()
    for node in ast.walk(ast.parse(Path(handed_on.__file__).read_text())):
        if isinstance(node, ast.ClassDef) and node.name == "HandedOn":
            functions = (ast.FunctionDef, ast.AsyncFunctionDef)
            told |= {each.name for each in node.body if isinstance(each, functions)}
            told |= {each.targets[0].id for each in node.body if isinstance(each, ast.Assign)}
    made = {name for name, value in vars(models.Manager.__base__).items() if inspect.isfunction(value)}
    as_parts_of_others = {"key", "references", "build_select", "build_column", "selection_in", "sql_with_params"}
    assert made - told - set(vars(models.Manager)) == as_parts_of_others
    assert [name for name in told if not hasattr(models.Manager, name)] == []
