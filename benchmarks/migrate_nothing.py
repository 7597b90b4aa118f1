"""Claim: with nothing to do, `migrate` and `makemigrations` take at most half of Django's time, start-up included.

Two projects are written into a temporary folder, one for each framework: 20 apps with 10 migrations each, 3 models in
each app, every app related to the one before. Both are migrated once, into SQLite; then the commands run as processes
of their own, in turns and in random order. Time is that of the processor, from the start of the interpreter to its
end; the figure that counts is the median of the ratios of each round. "webframe again" is the noise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from _harness import ROOT

APPS = 20
MIGRATIONS = 10
GOAL = 0.5

KEY = '("id", models.BigAutoField({key}))'
# What each framework writes for a key.
KEYS = {"django": "primary_key=True, serialize=False", "webframe": "primary_key=True"}

# What the migrations after the first one do to each app, one after another: the operation, and its line in the models.
STEPS = [
    (
        'migrations.AddField("item", "price", models.DecimalField(decimal_places=2, default=0, max_digits=9))',
        "price = models.DecimalField(decimal_places=2, default=0, max_digits=9)",
    ),
    (
        'migrations.AddField("item", "note", models.TextField(blank=True, default=""))',
        'note = models.TextField(blank=True, default="")',
    ),
    ('migrations.AddField("item", "stock", models.IntegerField(default=0))', ""),
    (
        'migrations.AlterField("item", "stock", models.IntegerField(default=1, null=True))',
        "stock = models.IntegerField(default=1, null=True)",
    ),
    (
        'migrations.AddField("item", "made", models.DateTimeField(null=True))',
        "made = models.DateTimeField(null=True)",
    ),
    ('migrations.RenameField("item", "title", "name")', "name = models.CharField(max_length=100)"),
    (
        'migrations.AddIndex("item", models.Index(fields=["name"], name="{label}_item_name"))',
        "",
    ),
    (
        'migrations.CreateModel("Line", [' + KEY + ', ("item", models.ForeignKey(to="{label}.item", '
        'on_delete=models.CASCADE)), ("count", models.PositiveIntegerField(default=1))])',
        "",
    ),
    (
        'migrations.AddField("item", "groups", models.ManyToManyField(to="{label}.group"))',
        "groups = models.ManyToManyField(Group)",
    ),
]

MODELS = """
from {framework}.db import models

class Group(models.Model):
    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=50, unique=True)
    before = models.ForeignKey("{before}.Group", models.SET_NULL, null=True{reverse})

class Item(models.Model):
    id = models.BigAutoField(primary_key=True)
    {fields}

    class Meta:
        indexes = [models.Index(fields=["name"], name="{label}_item_name")]

class Line(models.Model):
    id = models.BigAutoField(primary_key=True)
    item = models.ForeignKey(Item, models.CASCADE)
    count = models.PositiveIntegerField(default=1)
"""

MIGRATION = """
from {framework}.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [{dependencies}]
    operations = [{operations}]
"""

DJANGO = """
import sys
from django.conf import settings
settings.configure(
    SECRET_KEY="secret", DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "project.db"}}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", INSTALLED_APPS={apps!r}, USE_TZ=True,
)
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""

WEBFRAME = """
from webframe import Webframe
app = Webframe(__name__, DATABASES={{"default": "sqlite:///project.db"}}, INSTALLED_APPS={apps!r})
"""


class Taken(NamedTuple):
    """Seconds that one run took."""

    cpu: float
    wall: float


def write_project(folder: Path, framework: str) -> list[str]:
    """Write a project; returns the words that a command begins with."""
    labels = [f"app{number:02}" for number in range(APPS)]
    for number, label in enumerate(labels):
        before = labels[max(number - 1, 0)]
        reverse = ', related_name="next"' if number == 0 else f', related_name="{label}_groups"'
        package = folder / label / "migrations"
        package.mkdir(parents=True)
        (folder / label / "__init__.py").touch()
        (package / "__init__.py").touch()
        fields = "\n    ".join(line for _, line in STEPS if line)
        (folder / label / "models.py").write_text(
            MODELS.format(framework=framework, before=before, reverse=reverse, label=label, fields=fields)
        )
        target = f'models.ForeignKey(to="{before}.group", on_delete=models.SET_NULL, null=True{reverse})'
        name = "models.CharField(max_length=50, unique=True)"
        first = (
            f'migrations.CreateModel("Group", [{KEY}, ("name", {name}), ("before", {target})]), '
            f'migrations.CreateModel("Item", [{KEY}, ("title", models.CharField(max_length=100))])'
        )
        operations = [step.format(label=label, key=KEYS[framework]) for step in (first, *(step for step, _ in STEPS))]
        for place, operation in enumerate(operations[:MIGRATIONS], start=1):
            parent = f'("{label}", "{place - 1:04}_step")' if place > 1 else ""
            if place == 1 and number:
                parent = f'("{before}", "0001_step")'
            (package / f"{place:04}_step.py").write_text(
                MIGRATION.format(framework=framework, dependencies=parent, operations=operation)
            )
    program = {"django": "manage.py", "webframe": "site_of_apps.py"}[framework]
    (folder / program).write_text({"django": DJANGO, "webframe": WEBFRAME}[framework].format(apps=labels))
    if framework == "django":
        return [sys.executable, program]
    return [sys.executable, "-m", "webframe", "--app", "site_of_apps"]


def run(command: list[str], folder: Path, expected: str) -> Taken:
    """Run a command to its end; raises RuntimeError if it does not say what is expected."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name in ("PYTHONDONTWRITEBYTECODE", "DATABASE_URL"):
        environment.pop(name, None)
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - begun
        output.seek(0)
        text = output.read()
    if child.returncode or expected not in text or "in a migration" in text or "in no migration" in text:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}:\n{text}")
    return Taken(usage.ru_utime + usage.ru_stime, wall)


CASES = {
    "migrate": (["migrate"], "No migrations to apply."),
    "migrate --check": (["migrate", "--check"], ""),
    "makemigrations": (["makemigrations"], "No changes detected"),
    "makemigrations --check": (["makemigrations", "--check"], "No changes detected"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="how often each command runs (default %(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only commands whose words contain this")
    parser.add_argument("--seed", type=int, default=1, help="of the order within the rounds (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(prefix="webframe-bench-") as name:
        projects = {}
        for framework in ("django", "webframe"):
            folder = Path(name) / framework
            folder.mkdir()
            projects[framework] = (write_project(folder, framework), folder)
            run([*projects[framework][0], "migrate"], folder, "app19.0010_step... OK")
        projects["webframe again"] = projects["webframe"]
        for case in (case for case in CASES if options.only in case):
            found[case] = measure(case, projects, options.rounds, random.Random(options.seed))
    if options.json:
        print(json.dumps({"python": platform.python_version(), "rounds": options.rounds, "commands": found}, indent=1))
        return
    print(f"{(__doc__ or '').splitlines()[0]}\nCPython {platform.python_version()}; {options.rounds} rounds\n")
    print(f"{'':<24}{'Django ms':>11}{'webframe ms':>13}{'ratio':>8}{'noise':>8}{'wall':>8}")
    for case, figures in found.items():
        verdict = "ok" if figures["ratio"] <= GOAL else "MISSED"
        print(
            f"{case:<24}{figures['django']:>11.0f}{figures['webframe']:>13.0f}{figures['ratio']:>8.2f}"
            f"{figures['noise']:>8.2f}{figures['wall']:>8.2f}  (goal <= {GOAL:.2f}) {verdict}"
        )


def measure(
    case: str, projects: dict[str, tuple[list[str], Path]], rounds: int, shuffler: random.Random
) -> dict[str, float]:
    """Milliseconds of the processor of both, the median ratios of processor and wall time, and that of the noise."""
    words, expected = CASES[case]
    samples: dict[str, list[Taken]] = {name: [] for name in projects}
    for number in range(rounds + 1):
        order = list(projects)
        shuffler.shuffle(order)
        for name in order:
            command, folder = projects[name]
            taken = run([*command, *words], folder, expected)
            if number:  # the first round fills the caches of byte code and of the disk
                samples[name].append(taken)

    def ratio(one: str, other: str, measured: str) -> float:
        pairs = zip(samples[one], samples[other], strict=True)
        return statistics.median(getattr(mine, measured) / getattr(theirs, measured) for mine, theirs in pairs)

    return {
        "django": statistics.median(taken.cpu for taken in samples["django"]) * 1000,
        "webframe": statistics.median(taken.cpu for taken in samples["webframe"]) * 1000,
        "ratio": ratio("webframe", "django", "cpu"),
        "noise": ratio("webframe again", "webframe", "cpu"),
        "wall": ratio("webframe", "django", "wall"),
    }


if __name__ == "__main__":
    main()
