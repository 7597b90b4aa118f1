"""Claim: `iterator()` over 200,000 rows needs less than 10 MB, where a list of them needs more than ten times that.

Each way to read the rows runs in a fresh interpreter, on an SQLite file of its own with the same rows, and reports the
peak of what Python has allocated (tracemalloc), the growth of the process (maximum resident set) and, in a second run
without tracemalloc, its CPU time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _harness import ROOT

ROWS = 200_000
GOAL = 10.0

CHILD = """
import json, resource, sqlite3, sys, time, tracemalloc

path, way, traced = sys.argv[1], sys.argv[2], sys.argv[3] == "traced"

if way.startswith("webframe"):
    from webframe.conf import settings
    from webframe.db import models

    settings.configure(DATABASES={"default": f"sqlite:///{path}"})

    class Visit(models.Model):
        id = models.AutoField(primary_key=True)
        place = models.CharField(max_length=50)
        minutes = models.IntegerField()

        class Meta:
            app_label, db_table = "bench", "visit"

    Visit.objects.first()

    def rows():
        found = Visit.objects.all()
        return found.iterator() if way == "webframe iterator" else list(found)
else:
    connection = sqlite3.connect(path)

    def rows():
        found = connection.execute("SELECT id, place, minutes FROM visit")
        return found if way == "bare cursor" else found.fetchall()

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if traced:
    tracemalloc.start()
start = time.process_time()
count = sum(1 for row in rows())
taken = time.process_time() - start
peak = tracemalloc.get_traced_memory()[1] if traced else 0
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert count == ROWS, count
print(json.dumps({"peak_mb": peak / 1e6, "grown_mb": grown / 1e3, "seconds": taken}))
"""

WAYS = ["bare cursor", "bare list", "webframe iterator", "webframe list"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object; the table goes to standard error")
    parser.add_argument("--rounds", type=int, help="accepted as by the other files, and without effect")
    options = parser.parse_args()
    report = sys.stderr if options.json else sys.stdout
    print(__doc__.splitlines()[0], file=report)
    with tempfile.TemporaryDirectory(prefix="webframe-bench-") as folder:
        path = Path(folder) / "visits.sqlite3"
        fill(path)
        found = {way: measure(path, way) for way in WAYS}
    print(f"\n{f'{ROWS:,} rows':<24}{'peak MB':>10}{'grown MB':>10}{'CPU s':>10}", file=report)
    for way, figures in found.items():
        print(
            f"  {way:<22}{figures['peak_mb']:>10.1f}{figures['grown_mb']:>10.1f}{figures['seconds']:>10.2f}",
            file=report,
        )
    peak = found["webframe iterator"]["peak_mb"]
    word = "ok" if peak < GOAL else "MISSED"
    print(f"\nwebframe iterator {peak:.1f} MB (goal < {GOAL:.0f} MB) {word}", file=report)
    if options.json:
        json.dump({"title": __doc__.splitlines()[0], "rows": ROWS, "ways": found}, sys.stdout, indent=1)
        print()


def fill(path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE visit (id integer PRIMARY KEY, place varchar(50) NOT NULL, minutes integer NOT NULL)"
    )
    rows = ((f"The reading room {number}", number % 60) for number in range(ROWS))
    connection.executemany("INSERT INTO visit (place, minutes) VALUES (?, ?)", rows)
    connection.commit()
    connection.close()


def measure(path: Path, way: str) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for traced in ("traced", "plain"):
        code = f"ROWS = {ROWS}\n{CHILD}"
        command = [sys.executable, "-c", code, str(path), way, traced]
        answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
        if traced == "traced":
            figures["peak_mb"] = answer["peak_mb"]
        else:
            figures.update(grown_mb=answer["grown_mb"], seconds=answer["seconds"])
    return figures


if __name__ == "__main__":
    main()
