"""Run benchmarks one after another: `python benchmarks [file ...] [options]`, all files if none is named.

A file is named with or without its ending; options, from the first argument that begins with a dash, go to each file.
"""

from __future__ import annotations

import difflib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    arguments = sys.argv[1:]
    first_option = next((index for index, text in enumerate(arguments) if text.startswith("-")), len(arguments))
    named, options = arguments[:first_option], arguments[first_option:]
    known = sorted(path.stem for path in HERE.glob("[!_]*.py"))
    chosen = [Path(name).stem for name in named] or known
    for name in chosen:
        if name not in known:
            close = difflib.get_close_matches(name, known) or known
            print(f"There is no benchmark {name!r}; there is: {', '.join(close)}.", file=sys.stderr)
            return 2
    failed = [name for name in chosen if subprocess.call([sys.executable, str(HERE / f"{name}.py"), *options])]
    if failed:
        # Never by time: a file fails only when it cannot run or a framework gives a wrong answer.
        print(f"\nCould not be measured: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
