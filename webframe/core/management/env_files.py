"""Files of environment variables: `.env` and `.webframeenv` in the current folder.

What the real environment says stands; after it the first file that names a
variable wins. The format is what these files have in common everywhere:

::

    # a comment
    export SECRET_KEY='taken as it is'       # single quotes: nothing is special inside
    GREETING="two\\nlines"                    # double quotes: \\n, \\t, \\r, \\", \\$ and \\\\ are escapes
    WEBFRAME_DEBUG=true                      # no quotes: up to the end of the line or to " #"

Quoted values may go over several lines. Variables inside values are not expanded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, MutableMapping

from webframe._lazy import late_pattern

# In order of rank, first wins: .env is this machine's own, .webframeenv goes with the project.
ENV_FILES = (".env", ".webframeenv")

ASSIGNMENT = late_pattern(
    r"""
    [ \t]* (?:export[ \t]+)? (?P<name>[A-Za-z_][A-Za-z0-9_]*) [ \t]* = [ \t]*
    (?: '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | (?P<bare>(?!['"])[^\n]*?) )
    [ \t]* (?:(?<=[ \t])\#[^\n]*)? (?:\n|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
NOTHING = late_pattern(r"[ \t]*(?:\#[^\n]*)?(?:\n|\Z)")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$", "\n": ""}


def load_env_files(
    folder: str | os.PathLike[str], environ: MutableMapping[str, str] = os.environ
) -> tuple[dict[str, str], list[str]]:
    """Add the variables of the files in `folder` that `environ` does not have yet.

    Returns what was added, and one line for each thing that could not be read.
    """
    added: dict[str, str] = {}
    complaints: list[str] = []
    for file in ENV_FILES:
        path = os.path.join(folder, file)
        if not os.path.isfile(path):
            continue
        try:
            with open(path, encoding="utf-8-sig") as opened:
                values, wrong_lines = parse_env(opened.read())
        except (OSError, UnicodeError) as error:
            complaints.append(f"{file} cannot be read and is passed over: {error}")
            continue
        # The line itself is not shown: it may hold a secret.
        complaints += [f"{file}, line {number}: expected NAME=value; passed over." for number in wrong_lines]
        added |= _add_missing(values, environ)
    return added, complaints


def parse_env(text: str) -> tuple[dict[str, str], list[int]]:
    """Read `NAME=value` lines: the variables in their order, and the numbers of the lines that make no sense."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    values: dict[str, str] = {}
    wrong_lines: list[int] = []
    for position, match in _statements(text):
        if match is None:
            wrong_lines.append(text.count("\n", 0, position) + 1)
        else:
            values[match["name"]] = _value(match)
    return values, wrong_lines


def _statements(text: str) -> Iterator[tuple[int, re.Match[str] | None]]:
    """Yield where each assignment begins with its match, or None where a line is no assignment."""
    position = 0
    while position < len(text):
        if blank := NOTHING.match(text, position):
            position = blank.end()
        elif assignment := ASSIGNMENT.match(text, position):
            yield position, assignment
            position = assignment.end()
        else:
            yield position, None
            end_of_line = text.find("\n", position)
            position = len(text) if end_of_line < 0 else end_of_line + 1


def _value(match: re.Match[str]) -> str:
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return re.sub(r"\\(.)", lambda escape: ESCAPES.get(escape[1], escape[0]), match["double"], flags=re.DOTALL)
    return match["bare"]


def _add_missing(values: Mapping[str, str], environ: MutableMapping[str, str]) -> dict[str, str]:
    missing = {name: value for name, value in values.items() if name not in environ and "\0" not in value}
    environ.update(missing)
    return missing
