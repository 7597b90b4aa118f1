"""Claim: `loaddata` of 50,000 objects takes at most a third of Django's time, and memory does not grow with the rows.

Both load the same files into an SQLite database with the same tables, each in a fresh interpreter, in turns: rows that
are new, rows that are there already, rows with a many-to-many relation, and rows whose signals somebody receives, which
both then save one by one. Time is that of the processor, of the load alone; the figure that counts is the median of the
ratios. The memory is the peak of what Python has allocated (tracemalloc) while JSON lines are loaded and dumped, ten
times as many the second time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _harness import ROOT

OBJECTS = 50_000
AUTHORS = 100
GOAL = 1 / 3
# Bytes that ten times as many rows may take more.
GROWTH = 1.2

MODELS = """
class Author(models.Model):
    id = models.AutoField(primary_key=True)
    name = models.CharField(max_length=100)

    class Meta:
        app_label = "bench"


class Book(models.Model):
    id = models.AutoField(primary_key=True)
    author = models.ForeignKey(Author, models.CASCADE)
    title = models.CharField(max_length=200)
    pages = models.IntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
    printed = models.DateField()
    stamp = models.DateTimeField()
    readers = models.ManyToManyField(Author, related_name="read")

    class Meta:
        app_label = "bench"
"""

WEBFRAME = """
import sys
from webframe.apps import AppConfig, apps
from webframe.conf import settings

settings.configure(DATABASES={"default": f"sqlite:///{sys.argv[1]}"})
from webframe.db import models
from webframe.db.models.signals import post_save
from webframe.db.fixtures import load_fixtures
from webframe.core import serializers

MODELS
apps.populate([AppConfig("bench", sys.modules[__name__])])
from webframe.db.schema import create_all

create_all(Author, Book)

def load(path):
    load_fixtures(path)

def dump(stream):
    serializers.serialize("jsonl", Book.objects.iterator(), stream=stream)
"""

DJANGO = """
import sys
import django
from django.apps import AppConfig
from django.conf import settings

sys.modules["bench"] = sys.modules[__name__]
bench = type("Bench", (AppConfig,), {"path": "."})("bench", sys.modules[__name__])
settings.configure(
    LOGGING_CONFIG=None, SECRET_KEY="benchmark", USE_TZ=True, INSTALLED_APPS=[bench],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
)
django.setup()
from django.core import serializers
from django.core.management import call_command
from django.db import connection, models
from django.db.models.signals import post_save

MODELS
with connection.schema_editor() as editor:
    editor.create_model(Author)
    editor.create_model(Book)

def load(path):
    call_command("loaddata", path, verbosity=0)

def dump(stream):
    serializers.serialize("jsonl", Book.objects.iterator(), stream=stream)
"""

MEASURE = """
import json, time, tracemalloc

def measure(what):
    # Whatever is imported and compiled at the first use is not what is measured.
    if what == "memory":
        tracemalloc.start()
    start = time.process_time()
    load(sys.argv[3])
    taken = time.process_time() - start
    peak = tracemalloc.get_traced_memory()[1]
    dumped = 0
    if what == "memory":
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        with open(sys.argv[3] + ".out", "w") as stream:
            dump(stream)
        dumped = tracemalloc.get_traced_memory()[1] - before
    return {"seconds": taken, "loaded": peak, "dumped": dumped, "books": Book.objects.count()}

load(sys.argv[2])
what = sys.argv[4]
if what == "again":
    load(sys.argv[3])
if what == "heard":
    def hear(sender, **kwargs):
        pass
    post_save.connect(hear)
print(json.dumps(measure(what)))
"""

CASES = {"new": "plain", "again": "plain", "relations": "relations", "heard": "plain"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="how often each load is timed (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object; the table goes to standard error")
    options = parser.parse_args()
    report = sys.stderr if options.json else sys.stdout
    print((__doc__ or "").splitlines()[0], file=report)
    with tempfile.TemporaryDirectory(prefix="webframe-bench-") as folder:
        files = write_files(Path(folder))
        times = compare(Path(folder), files, min(options.rounds, 10), report)
        memory = {
            name: measure(WEBFRAME, Path(folder), files[name], "memory", files) for name in ("lines", "many lines")
        }
    kinds = {"loaded": "loading", "dumped": "dumping"}
    print(f"\n{'peak MB':<16}{'5,000 rows':>14}{'50,000 rows':>14}{'x':>8}", file=report)
    for kind, title in kinds.items():
        few, many = (memory[name][kind] / 1e6 for name in ("lines", "many lines"))
        word = "ok" if many / few < GROWTH else "MISSED"
        print(f"  {title:<14}{few:>14.2f}{many:>14.2f}{many / few:>8.2f} (goal < {GROWTH}) {word}", file=report)
    if options.json:
        json.dump({"title": (__doc__ or "").splitlines()[0], "times": times, "memory": memory}, sys.stdout, indent=1)
        print()


def compare(folder: Path, files: dict[str, Path], rounds: int, report: Any) -> dict[str, Any]:
    times: dict[str, dict[str, list[float]]] = {}
    print(f"\n{f'{OBJECTS:,} objects':<16}{'webframe s':>12}{'django s':>12}{'ratio':>8}", file=report)
    for case, name in CASES.items():
        taken: dict[str, list[float]] = {"webframe": [], "django": []}
        for _ in range(rounds):
            for who, code in (("webframe", WEBFRAME), ("django", DJANGO)):
                taken[who].append(measure(code, folder, files[name], case, files)["seconds"])
        times[case] = taken
        ratio = statistics.median(a / b for a, b in zip(taken["webframe"], taken["django"], strict=True))
        line = f"  {case:<14}{min(taken['webframe']):>12.2f}{min(taken['django']):>12.2f}{ratio:>8.3f}"
        print(f"{line} (goal <= {GOAL:.2f}) {'ok' if ratio <= GOAL else 'MISSED'}", file=report, flush=True)
    return times


def measure(code: str, folder: Path, file: Path, case: str, files: dict[str, Path]) -> dict[str, Any]:
    database = folder / "bench.sqlite3"
    database.unlink(missing_ok=True)
    script = code.replace("MODELS\n", MODELS, 1) + MEASURE
    command = [sys.executable, "-c", script, str(database), str(files["authors"]), str(file), case]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    answer: dict[str, Any] = json.loads(run.stdout)
    assert answer["books"] == (OBJECTS if file != files["lines"] else OBJECTS // 10), answer
    return answer


def write_files(folder: Path) -> dict[str, Path]:
    """Fixtures: the authors, and the books with and without their readers."""
    authors = [
        {"model": "bench.author", "pk": key, "fields": {"name": f"Author {key}"}} for key in range(1, AUTHORS + 1)
    ]
    files = {"authors": folder / "authors.json", "plain": folder / "plain.json", "relations": folder / "relations.json"}
    files["authors"].write_text(json.dumps(authors))
    files["plain"].write_text(json.dumps([book(number) for number in range(OBJECTS)]))
    files["relations"].write_text(json.dumps([book(number, readers=2) for number in range(OBJECTS)]))
    for name, count in (("lines", OBJECTS // 10), ("many lines", OBJECTS)):
        files[name] = folder / f"{name.replace(' ', '_')}.jsonl"
        with files[name].open("w") as file:
            for number in range(count):
                file.write(json.dumps(book(number, readers=2)) + "\n")
    return files


def book(number: int, readers: int = 0) -> dict[str, Any]:
    fields = {
        "author": number % AUTHORS + 1,
        "title": f"The book number {number}",
        "pages": number % 700,
        "price": f"{number % 90}.50",
        "printed": f"2{number % 1000:03}-02-03",
        "stamp": f"2024-02-{number % 28 + 1:02}T04:05:06.007Z",
    }
    if readers:
        fields["readers"] = [(number + each) % AUTHORS + 1 for each in range(readers)]
    return {"model": "bench.book", "pk": number + 1, "fields": fields}


if __name__ == "__main__":
    main()
