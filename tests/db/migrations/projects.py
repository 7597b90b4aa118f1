"""Projects for tests of migrations: apps whose files are written as a test goes on, and programs that migrate them."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webframe.apps import apps, setup
from webframe.test import override_settings

ROOT = Path(__file__).parents[3]

CREATE_PIZZA = (
    'migrations.CreateModel("Pizza", [("id", models.BigAutoField(primary_key=True)), '
    '("name", models.CharField(max_length=50))])'
)
ADD_PRICE = 'migrations.AddField("Pizza", "price", models.IntegerField(default=7))'
# Two tables, and something that fails after them.
FAIL = "migrations.RunPython(lambda apps, editor: 1 / 0, migrations.RunPython.noop)"

# Migrates everything; says what it does.
MIGRATE = """
import sys
from webframe.conf import settings
settings.configure(INSTALLED_APPS=sys.argv[2:], DATABASES={"default": sys.argv[1]})
from webframe.apps import setup
setup()
from webframe.db import connection
from webframe.db.migrations.executor import MigrationExecutor
from webframe.db.migrations.lock import migration_lock

def tell(*words):
    print(*words, flush=True)

with migration_lock(connection, tell):
    executor = MigrationExecutor(connection, tell)
    targets = executor.loader.graph.leaf_nodes()
    executor.migrate(targets, executor.migration_plan(targets))
tell("done")
"""


class Project:
    """Apps in a folder of the import path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.labels: list[str] = []

    def write(self, path: str, source: str = "") -> Path:
        """Write a file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        return file

    def app(self, label: str) -> None:
        """Make an app without models, if there is none."""
        if label not in self.labels:
            self.labels.append(label)
            self.write(f"{label}/__init__.py")

    def migration(
        self, label: str, name: str, *operations: str, after: Sequence[tuple[str, str]] = (), **attributes: Any
    ) -> None:
        """Write a migration; operations are given as source."""
        self.app(label)
        self.write(f"{label}/migrations/__init__.py")
        lines = [f"    {key} = {value!r}" for key, value in {"dependencies": list(after), **attributes}.items()]
        lines += ["    operations = [", *(f"        {operation}," for operation in operations), "    ]"]
        head = "from webframe.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
        self.write(f"{label}/migrations/{name}.py", head + "\n".join(lines) + "\n")
        self.forget()

    def forget(self) -> None:
        """Let everything be imported anew."""
        importlib.invalidate_caches()
        for name in list(sys.modules):
            if name.partition(".")[0] in {*self.labels, *(f"{label}_migrations" for label in self.labels)}:
                del sys.modules[name]

    @contextmanager
    def installed(self, *labels: str) -> Iterator[None]:
        """These apps, or all, are those that there are."""
        setup()
        with override_settings(INSTALLED_APPS=list(labels or self.labels)):
            apps.check_apps_ready()
            yield

    def start(self, url: str, script: str = MIGRATE) -> subprocess.Popen[str]:
        """Start a program that migrates a database, or does something else with it."""
        path = os.pathsep.join([str(self.folder), str(ROOT)])
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, url, *self.labels],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
