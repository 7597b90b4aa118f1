"""Packages and models to load in tests of apps."""

from __future__ import annotations

import sys
import textwrap
from types import SimpleNamespace

import pytest


@pytest.fixture
def write_package(tmp_path, monkeypatch):
    """Write modules that can be imported until the end of the test: ``write_package({"shop/apps.py": "..."})``."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content))

    yield write
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def make_model():
    """Make something that has what the registry asks of a model class."""

    def make(app_label, name, *, module="shop.models", auto_created=False, swapped=None):
        meta = SimpleNamespace(
            app_label=app_label,
            model_name=name.lower(),
            auto_created=auto_created,
            swapped=swapped,
            expired=0,
        )
        meta._expire_cache = lambda: setattr(meta, "expired", meta.expired + 1)
        return type(name, (), {"__module__": module, "__qualname__": name, "_meta": meta})

    return make
