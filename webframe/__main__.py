"""`python -m webframe`, and the script `webframe`."""

from __future__ import annotations

import gc

# Nearly all that is made while modules are imported stays, and the collector would look at it again and again: a tenth
# of the time of a short command. Afterwards it looks seldom enough, too.
gc.set_threshold(50_000, 10, 10)

from webframe.core.management.cli import command_line  # noqa: E402


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        command_line()
    finally:
        # At its end Python lets the collector look at all there is once more, which takes as long as importing it.
        gc.freeze()


if __name__ == "__main__":
    main()
