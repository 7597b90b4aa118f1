"""`python -m webframe`, and the script `webframe`."""

from __future__ import annotations

from webframe.core.management.cli import command_line


def main() -> None:
    """Run the command line and end the process with its exit code."""
    command_line()


if __name__ == "__main__":
    main()
