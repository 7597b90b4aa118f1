"""How every benchmark here is measured: interleaved rounds, CPU time, ratios to a bare baseline.

A benchmark is a list of cases; a case builds its contenders, and a contender is a function that performs the
operation `n` times. All contenders of a case are timed in every round, in random order, so that a slow second of
the machine hits them alike; what is reported is therefore the median of the ratios within each round, which holds
on a noisy machine where absolute times do not. A second, identical baseline (`control`) shows the noise: its ratio
should be 1.00, and no difference smaller than its distance from 1.00 means anything.

What the control cannot show is what differs between processes, and from minute to minute: where objects lie in memory,
and who else empties the caches. Ratios near a goal are therefore measured in several processes, one after another.

    def build():
        return {"bare": repeat(bare), "bare again": repeat(bare_twin), "webframe": loop("send(Sender)", send=send)}

    if __name__ == "__main__":
        run(__doc__, [Case("send", build, goals=[Goal("webframe", "bare", 1.2)])])

This module decides nothing by time: a missed goal is printed, never an exit code.
"""

from __future__ import annotations

import argparse
import fnmatch
import gc
import json
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

# A benchmark run as a file finds its own folder first; the tree beside it is what it is to measure.
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

Batch = Callable[[int], object]
"""Performs the operation as many times as its argument says."""

BATCH_NANOSECONDS = 3_000_000
"""About 3 ms a batch: 10,000 times the clock's resolution, yet shorter than a scheduler's slice."""

MOST_NOISE = 0.05
"""How far the control may be from 1 for a ratio to the baseline to mean anything."""


@dataclass(frozen=True)
class Goal:
    """What the median ratio of `subject` to `peer` within one case should be at most."""

    subject: str
    peer: str
    at_most: float


@dataclass(frozen=True)
class Growth:
    """How much dearer, as ratios to the baseline, `subject` may be in `case` than in `against`."""

    subject: str
    case: str
    against: str
    at_most: float


@dataclass(frozen=True)
class Case:
    """One operation that several contenders perform; `build` is called only if the case is selected."""

    name: str
    build: Callable[[], Mapping[str, Batch]]
    goals: Sequence[Goal] = ()
    bare: str = "bare"
    control: str = "bare again"


@dataclass
class Result:
    """The times of one case: for each contender, nanoseconds per operation, one figure a round."""

    case: Case
    times: dict[str, list[float]] = field(default_factory=dict)
    # In how many processes; the rounds of each follow those of the one before.
    processes: int = 1

    def ratio(self, subject: str, peer: str) -> float:
        """The median over the rounds of `subject`'s time by `peer`'s in the same round."""
        return statistics.median(self._ratios(subject, peer))

    def ratios(self, subject: str, peer: str) -> list[float]:
        """The same of the rounds of each process."""
        found = self._ratios(subject, peer)
        size = len(found) // self.processes
        return [statistics.median(found[start : start + size]) for start in range(0, len(found), size)]

    def _ratios(self, subject: str, peer: str) -> list[float]:
        pairs = zip(self.times[subject], self.times[peer], strict=True)
        return [mine / theirs for mine, theirs in pairs]

    def has(self, *names: str) -> bool:
        """Whether all these contenders took part."""
        return all(name in self.times for name in names)


# --- contenders ---------------------------------------------------------------------------------------------------


def repeat(function: Callable[[], object]) -> Batch:
    """A contender that calls `function` again and again; for operations well above the cost of a call."""

    def batch(times: int) -> None:
        for _ in range(times):
            function()

    return batch


def loop(statement: str, setup: str = "", /, **names: Any) -> Batch:
    """A contender that executes the statement itself in a loop; for operations as short as a call.

    `names` are local variables of the loop and so is what `setup` (one statement) assigns, as in `timeit`.
    """
    parameters = "".join(f", {name}={name}" for name in names)
    source = (
        f"def batch(_times{parameters}):\n    {setup or 'pass'}\n    for _ in range(_times):\n        {statement}\n"
    )
    namespace: dict[str, Any] = dict(names)
    exec(compile(source, f"<loop: {statement}>", "exec"), namespace)
    batch: Batch = namespace["batch"]
    return batch


# --- running ------------------------------------------------------------------------------------------------------


def run(
    doc: str | None,
    cases: Iterable[Case],
    *,
    subject: str = "webframe",
    growth: Sequence[Growth] = (),
    packages: Sequence[str] = (),
    rounds: int = 60,
    processes: int = 1,
    arguments: Sequence[str] | None = None,
) -> list[Result]:
    """Measure the cases the command line selects and print them, as tables or, with --json, as one JSON object.

    `subject` is the contender that the tables compare with each other one, `packages` are the distributions whose
    versions belong to the figures. `rounds` are those of each of the `processes`; with more than one the file is run
    that many times, and this process measures nothing itself.
    """
    cases = list(cases)
    options = _options(doc, rounds, processes, arguments)
    chosen = [case for case in cases if _selected(case.name, options.only)]
    if not chosen:
        names = ", ".join(case.name for case in cases)
        raise SystemExit(f"--only {options.only!r} selects no case; there are: {names}.")
    report = sys.stderr if options.json else sys.stdout
    title = (doc or "Benchmark").strip().splitlines()[0]
    print(f"{title}\n{_circumstances(options, packages)}", file=report, flush=True)
    results = []
    for result in _measured_apart(chosen, options) if options.processes > 1 else _measured(chosen, options):
        _print_table(result, subject, report)
        results.append(result)
    if options.times:
        times = {result.case.name: result.times for result in results}
        Path(options.times).write_text(json.dumps(times), encoding="utf-8")
    verdicts = _verdicts(results, growth)
    _print_verdicts(verdicts, report)
    if options.json:
        json.dump(_as_json(title, options, packages, results, verdicts), sys.stdout, indent=1)
        print()
    return results


def _measured(cases: Sequence[Case], options: argparse.Namespace) -> Iterator[Result]:
    for case in cases:
        yield measure(case, options.rounds, random.Random(options.seed), options.peers)


def _measured_apart(cases: Sequence[Case], options: argparse.Namespace) -> list[Result]:
    """The times of all cases from so many processes, which run this file one after another."""
    results = [Result(case, processes=options.processes) for case in cases]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        times = Path(folder) / "times"
        for number in range(options.processes):
            command = [sys.executable, sys.argv[0], "--processes=1", f"--rounds={options.rounds}", f"--times={times}"]
            # Each in an order of its own.
            command += [f"--seed={options.seed + number}", f"--only={','.join(case.name for case in cases)}"]
            command += [f"--peers={','.join(options.peers)}"]
            ended = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
            if ended.returncode:
                raise SystemExit(ended.returncode)
            measured = json.loads(times.read_text(encoding="utf-8"))
            for result in results:
                for name, taken in measured[result.case.name].items():
                    result.times.setdefault(name, []).extend(taken)
    return results


def measure(case: Case, rounds: int, shuffler: random.Random, peers: Sequence[str] = ()) -> Result:
    """Time all contenders of a case in each of so many rounds, each round in another order."""
    contenders = {
        name: batch
        for name, batch in case.build().items()
        if not peers or name in (case.bare, case.control) or _selected(name, peers)
    }
    # What the contenders have built lives for ever: frozen, it is neither walked by the collections that happen
    # while somebody is timed, nor charged to whoever happens to run when the oldest generation is due.
    gc.collect()
    gc.freeze()
    try:
        sizes = {name: _calibrate(batch) for name, batch in contenders.items()}
        result = Result(case, {name: [] for name in contenders})
        order = list(contenders)
        for _ in range(rounds):
            shuffler.shuffle(order)
            for name in order:
                size = sizes[name]
                result.times[name].append(_time(contenders[name], size) / size)
    finally:
        gc.unfreeze()
    return result


def _time(batch: Batch, size: int) -> int:
    """The CPU time, in nanoseconds, this process spends on one batch, all its threads together.

    Collection is due before the batch, so that nobody pays for another's garbage, and stays on within it:
    reference cycles are part of what an operation costs. A batch may have `prepare(times)` and `finish()`, which are
    called before and after it, outside its time.
    """
    prepare, finish = getattr(batch, "prepare", None), getattr(batch, "finish", None)
    if prepare is not None:
        prepare(size)
    gc.collect()
    start = time.process_time_ns()
    batch(size)
    taken = time.process_time_ns() - start
    if finish is not None:
        finish()
    return taken


def _calibrate(batch: Batch) -> int:
    """How many operations fill a batch; getting there warms every cache up."""
    for _ in range(3):
        # What is made at first need, such as a compiled statement, says nothing of how long an operation takes.
        _time(batch, 1)
    size = 1
    while True:
        taken = _time(batch, size)
        if taken > BATCH_NANOSECONDS // 2:
            # Once more with the size that would be right, because the first batches ran cold.
            size = max(1, size * BATCH_NANOSECONDS // taken)
            return max(1, size * BATCH_NANOSECONDS // max(1, _time(batch, size)))
        size *= 2


# --- the command line ---------------------------------------------------------------------------------------------


def _options(doc: str | None, rounds: int, processes: int, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rounds", type=int, default=rounds, help="how often every contender is timed (default %(default)s)")
    add("--processes", type=int, default=processes, help="in how many, one after another (default %(default)s)")
    add("--only", type=_patterns, default=[], metavar="CASES", help="cases to run, with wildcards: json,route_*")
    add("--peers", type=_patterns, default=[], metavar="NAMES", help="contenders to time beside the baselines")
    add("--seed", type=int, default=1, help="of the order within the rounds (default %(default)s)")
    add("--json", action="store_true", help="print one JSON object; the tables go to standard error")
    add("--times", metavar="FILE", help="write the nanoseconds of each round there, as JSON")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: there must be at least one round")
    if options.processes < 1:
        parser.error(f"--processes {options.processes}: there must be at least one process")
    return options


def _patterns(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _selected(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _circumstances(options: argparse.Namespace, packages: Sequence[str]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in _versions(packages).items())
    python = f"{platform.python_implementation()} {platform.python_version()}"
    each = f" in each of {options.processes} processes" if options.processes > 1 else ""
    return f"{python}{versions and ', '}{versions}; {options.rounds} rounds{each}, seed {options.seed}, CPU time"


def _versions(packages: Sequence[str]) -> dict[str, str]:
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "absent"
    return versions


# --- reporting ----------------------------------------------------------------------------------------------------


def _print_table(result: Result, subject: str, report: TextIO) -> None:
    case, times = result.case, result.times
    compare = subject in times
    last = f"{subject + '/it':>14}" if compare else ""
    print(f"\n{case.name:<24}{'min us':>10}{'median us':>11}{'x ' + case.bare:>10}{last}", file=report)
    for name, taken in times.items():
        line = f"  {name:<22}{min(taken) / 1000:>10.2f}{statistics.median(taken) / 1000:>11.2f}"
        line += f"{result.ratio(name, case.bare):>10.2f}" if case.bare in times else f"{'':>10}"
        line += f"{result.ratio(subject, name):>14.2f}" if compare and name != subject else ""
        print(line, file=report)
    for _, text, _ in _verdicts([result], ()):
        print(f"  {text}", file=report)
    report.flush()


Verdict = tuple[str, str, bool]
"""The case, the sentence about it, and whether its goal is reached."""


def _verdicts(results: Sequence[Result], growth: Sequence[Growth]) -> list[Verdict]:
    found = []
    for result in results:
        for goal in result.case.goals:
            if result.has(goal.subject, goal.peer):
                ratio, each = result.ratio(goal.subject, goal.peer), result.ratios(goal.subject, goal.peer)
                found.append(_verdict(result.case.name, f"{goal.subject}/{goal.peer}", ratio, goal.at_most, each))
                if goal.peer == result.case.bare:
                    found[-1] = _doubted(found[-1], result)
    by_name = {result.case.name: result for result in results}
    for rule in growth:
        case, against = by_name.get(rule.case), by_name.get(rule.against)
        if case and against and case.has(rule.subject, case.case.bare) and against.has(rule.subject, against.case.bare):
            ratio = case.ratio(rule.subject, case.case.bare) / against.ratio(rule.subject, against.case.bare)
            found.append(_verdict(rule.case, f"{rule.subject}, against {rule.against}", ratio, rule.at_most))
    return found


def _verdict(case: str, what: str, ratio: float, at_most: float, each: Sequence[float] = ()) -> Verdict:
    """`each`: the ratios within each process."""
    reached = ratio <= at_most
    # Two digits say enough, except of small ratios, whose goals are fractions such as an eighth.
    digits = 2 if at_most >= 0.5 else 3
    word = "ok" if reached else f"MISSED by {ratio / at_most - 1:.0%}"
    among = f", {min(each):.{digits}f} to {max(each):.{digits}f} in a process" if len(each) > 1 else ""
    return case, f"{what} {ratio:.{digits}f}{among} (goal <= {at_most:.{digits}f}) {word}", reached


def _doubted(verdict: Verdict, result: Result) -> Verdict:
    """The same, with a word about the control where it is so far from 1 that the ratio says nothing."""
    case = result.case
    control = result.ratio(case.control, case.bare) if result.has(case.control) else 1.0
    if abs(control - 1) <= MOST_NOISE:
        return verdict
    name, text, reached = verdict
    return name, f"{text}, which means nothing: {case.control} is {control:.2f}", reached


def _print_verdicts(verdicts: Sequence[Verdict], report: TextIO) -> None:
    if not verdicts:
        return
    reached = sum(1 for *_, good in verdicts if good)
    print(f"\nGoals reached: {reached} of {len(verdicts)}", file=report)
    for case, text, _ in verdicts:
        print(f"  {case:<22}{text}", file=report)
    report.flush()


def _as_json(
    title: str,
    options: argparse.Namespace,
    packages: Sequence[str],
    results: Sequence[Result],
    verdicts: Sequence[Verdict],
) -> dict[str, Any]:
    return {
        "title": title,
        "python": platform.python_version(),
        "packages": _versions(packages),
        "rounds": options.rounds,
        "processes": options.processes,
        "seed": options.seed,
        "cases": {
            result.case.name: {
                name: {
                    "min_us": round(min(taken) / 1000, 4),
                    "median_us": round(statistics.median(taken) / 1000, 4),
                    "ratio_to_bare": round(result.ratio(name, result.case.bare), 4)
                    if result.case.bare in result.times
                    else None,
                }
                for name, taken in result.times.items()
            }
            for result in results
        },
        "goals": [{"case": case, "goal": text, "reached": reached} for case, text, reached in verdicts],
    }
