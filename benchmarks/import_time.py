"""Claim: `import webframe` takes under 10 ms, and a hello-world app imports within 1.25 of werkzeug's own time.

Each statement runs in a fresh interpreter, which times itself from after its own start to the end of the statement;
the statements take turns in random order, and the first round, which fills the caches of the disk and of byte code,
is not counted. Beside the times stands what of the heavy libraries got loaded: a hello-world app needs no SQLAlchemy,
Jinja2 or click, and no asyncio under WSGI, not even once it has served a request.
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
from typing import Any

from _harness import ROOT

HEAVY = ["sqlalchemy", "jinja2", "click", "asyncio", "werkzeug"]
FORBIDDEN = ["sqlalchemy", "jinja2", "click", "asyncio"]

HELLO = """
from webframe import Webframe
app = Webframe("hello")
@app.get("/")
def hello(request):
    return "Hello, World!"
"""

SERVED = """
import io
environ = {
    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:8000",
    "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0),
    "wsgi.multithread": False, "wsgi.multiprocess": True, "wsgi.run_once": False,
}
status = []
body = app(environ, lambda line, headers, exc_info=None: status.append(line))
assert b"".join(body) == b"Hello, World!" and status == ["200 OK"], status
getattr(body, "close", lambda: None)()
"""

FLASK_HELLO = """
from flask import Flask
app = Flask("hello")
@app.get("/")
def hello():
    return "Hello, World!"
"""

STATEMENTS = {
    "nothing": "pass",
    "import webframe": "import webframe",
    "import werkzeug": "import werkzeug",
    "import werkzeug again": "import werkzeug",
    "import werkzeug.wrappers": "import werkzeug.wrappers",
    "webframe hello": HELLO,
    "webframe hello, served": HELLO + SERVED,
    "import webframe.dispatch": "import webframe.dispatch",
    "import flask": "import flask",
    "flask hello": FLASK_HELLO,
    "flask hello, served": FLASK_HELLO + SERVED,
    "import falcon": "import falcon",
    "import starlette": "import starlette.applications, starlette.routing, starlette.responses",
}

# What the child runs: its own clock, around the statement only.
CHILD = """
import sys, time
code = compile(sys.argv[1], "<statement>", "exec")
before = set(sys.modules)
wall, cpu = time.perf_counter_ns(), time.process_time_ns()
exec(code, {"__name__": "hello"})
wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
heavy = [name for name in sys.argv[2].split(",") if name in sys.modules]
print(wall, cpu, len(set(sys.modules) - before), ",".join(heavy))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="how often each statement runs (default %(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only statements whose name contains this")
    parser.add_argument("--seed", type=int, default=1, help="of the order within the rounds (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    samples = measure([name for name in STATEMENTS if options.only in name], options.rounds, options.seed)
    figures = {name: summary(taken) for name, taken in samples.items()}
    goals = verdicts(samples)
    if options.json:
        found = {"python": platform.python_version(), "rounds": options.rounds, "statements": figures, "goals": goals}
        print(json.dumps(found, indent=1))
        return
    print(f"{(__doc__ or '').splitlines()[0]}\nCPython {platform.python_version()}; {options.rounds} rounds\n")
    print(f"{'':<26}{'CPU ms':>8}{'min':>8}{'wall ms':>9}{'modules':>9}  of the heavy ones")
    for name, figure in figures.items():
        times = f"{figure['cpu_ms']:>8.1f}{figure['cpu_min_ms']:>8.1f}{figure['wall_ms']:>9.1f}"
        print(f"{name:<26}{times}{figure['modules']:>9}  {', '.join(figure['heavy']) or 'none'}")
    print("\nGoals")
    for text in goals:
        print(f"  {text}")


Sample = tuple[int, int, int, list[str]]
"""Wall and CPU nanoseconds, how many modules were loaded, and which of the heavy ones."""


def measure(names: list[str], rounds: int, seed: int) -> dict[str, list[Sample]]:
    """Run the statements in turn; one that fails is named on standard error and takes no further part."""
    shuffler = random.Random(seed)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for round_number in range(rounds + 1):
        order = list(samples)
        shuffler.shuffle(order)
        for name in order:
            done = run_child(STATEMENTS[name])
            if isinstance(done, str):
                print(f"{name} does not take part: {done}", file=sys.stderr)
                del samples[name]
            elif round_number:
                samples[name].append(done)
    return samples


def run_child(statement: str) -> Sample | str:
    """One fresh interpreter; a text is the last line of its complaint."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, statement, ",".join(HEAVY)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        return child.stderr.strip().splitlines()[-1] if child.stderr.strip() else f"exit code {child.returncode}"
    wall, cpu, modules, *heavy = child.stdout.split()
    return int(wall), int(cpu), int(modules), heavy[0].split(",") if heavy else []


def summary(samples: list[Sample]) -> dict[str, Any]:
    return {
        "cpu_ms": round(statistics.median(sample[1] for sample in samples) / 1e6, 3),
        "cpu_min_ms": round(min(sample[1] for sample in samples) / 1e6, 3),
        "wall_ms": round(statistics.median(sample[0] for sample in samples) / 1e6, 3),
        "modules": samples[-1][2],
        "heavy": samples[-1][3],
    }


def verdicts(samples: dict[str, list[Sample]]) -> list[str]:
    found = []

    def word(reached: bool) -> str:
        return "ok" if reached else "MISSED"

    def ratio(name: str, peer: str, at_most: float | None = None) -> None:
        if name in samples and peer in samples:
            pairs = zip(samples[name], samples[peer], strict=True)
            value = statistics.median(mine[1] / theirs[1] for mine, theirs in pairs)
            goal = f"(goal <= {at_most:.2f}) {word(value <= at_most)}" if at_most else "(the noise)"
            found.append(f"{name} / {peer} {value:.2f} {goal}")

    ratio("import werkzeug again", "import werkzeug")
    if "import webframe" in samples:
        taken = statistics.median(sample[1] for sample in samples["import webframe"]) / 1e6
        found.append(f"import webframe {taken:.2f} ms (goal <= 10.00 ms) {word(taken <= 10)}")
    ratio("webframe hello", "import werkzeug", 1.25)
    for name in ("webframe hello", "webframe hello, served"):
        if name in samples:
            loaded = [module for module in samples[name][-1][3] if module in FORBIDDEN]
            found.append(f"{name} loads {', '.join(loaded) or 'nothing'} of {', '.join(FORBIDDEN)} {word(not loaded)}")
    if "import webframe.dispatch" in samples:
        taken = statistics.median(sample[1] for sample in samples["import webframe.dispatch"]) / 1e6
        found.append(f"import webframe.dispatch {taken:.2f} ms (goal <= 10.00 ms) {word(taken <= 10)}")
    return found


if __name__ == "__main__":
    main()
