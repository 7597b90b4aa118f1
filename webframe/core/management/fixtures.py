"""`loaddata` and `dumpdata`: rows from files and into files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from webframe.apps import apps
from webframe.core.exceptions import ValidationError
from webframe.core.management.databases import database as wrapper_of
from webframe.core.management.databases import database_option, reported, verbosity_option
from webframe.core.management.errors import CommandError
from webframe.core.management.project import pass_app
from webframe.db.fixtures.dumping import new_file, rows_of
from webframe.db.fixtures.errors import DeserializationError, FixtureNotFound, SerializationError
from webframe.db.fixtures.finding import Fixture, find_fixtures, stream_fixture
from webframe.db.fixtures.loading import load
from webframe.db.fixtures.records import COMPRESSIONS, FORMATS, FileKind, kind_of_file, write_records
from webframe.db.fixtures.selecting import models_of_labels, models_to_dump, sort_dependencies
from webframe.db.fixtures.serializing import Serializer

if TYPE_CHECKING:
    from webframe.app import Webframe

# As the name of a fixture: what comes in on standard input.
STDIN = "-"


@click.command()
@pass_app
@click.argument("labels", nargs=-1, required=True, metavar="FIXTURE...")
@database_option("The database to load into.")
@click.option("--app", "app_label", metavar="LABEL", help="Look for the fixtures in this app only.")
@click.option(
    "-i", "--ignorenonexistent", is_flag=True, help="Pass over models and fields that are not there any more."
)
@click.option("-e", "--exclude", multiple=True, metavar="APP[.MODEL]", help="Pass over an app or a model; repeatable.")
@click.option("--format", type=click.Choice(FORMATS), default="json", help="The format of what comes in as '-'.")
@verbosity_option
def loaddata(
    app: Webframe,
    labels: tuple[str, ...],
    database: str,
    app_label: str | None,
    ignorenonexistent: bool,
    exclude: tuple[str, ...],
    format: str,
    verbosity: int,
) -> None:
    """Load fixtures, all of them or nothing.

    A fixture is a file in the folder `fixtures` of an app, in a folder of FIXTURE_DIRS or here, with or without its
    ending, or a path; "-" is the standard input.
    """
    connection = wrapper_of(database)
    _check_labels(exclude)
    found: dict[Any, Fixture] = {}
    with ExitStack() as stack, reported(connection):
        for label in labels:
            if label == STDIN:
                found[None] = stream_fixture(stack.enter_context(standard_input()), format)
            else:
                found.update((fixture.path, fixture) for fixture in _find(label, database, app_label))
        try:
            loaded = load(found.values(), database, ignorenonexistent=ignorenonexistent, exclude=exclude)
        except DeserializationError as error:
            raise CommandError(str(error)) from error
    for fixture, count in loaded.fixtures:
        if verbosity >= 2:
            click.echo(f"{fixture.name}: {count} record(s).")
        if verbosity and not count:
            click.echo(f"Warning: {fixture.name} has no records.", err=True)
    if verbosity:
        of = f" (of {loaded.records})" if loaded.records != loaded.objects else ""
        click.echo(f"Installed {loaded.objects} object(s){of} from {len(loaded.fixtures)} fixture(s)")


@click.command()
@pass_app
@click.argument("labels", nargs=-1, metavar="[APP[.MODEL]]...")
@click.option("--format", type=click.Choice(FORMATS), help="The format; otherwise that of the file, else json.")
@click.option("--indent", type=click.IntRange(0), metavar="N", help="Spread records over lines, indented by N spaces.")
@database_option("The database to dump.")
@click.option("-e", "--exclude", multiple=True, metavar="APP[.MODEL]", help="Leave out an app or a model; repeatable.")
@click.option("--natural-foreign", is_flag=True, help="Name related objects by their natural keys where they have any.")
@click.option("--natural-primary", is_flag=True, help="Leave out the keys of objects that have natural ones.")
@click.option("-a", "--all", "every", is_flag=True, help="All rows, also those that default managers leave out.")
@click.option("--pks", metavar="KEY,...", help="Only the rows with these primary keys, of the one model that is named.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@verbosity_option
def dumpdata(
    app: Webframe,
    labels: tuple[str, ...],
    format: str | None,
    indent: int | None,
    database: str,
    exclude: tuple[str, ...],
    natural_foreign: bool,
    natural_primary: bool,
    every: bool,
    pks: str | None,
    output: Path | None,
    verbosity: int,
) -> None:
    """Write the rows of all apps, or of some apps and models, as a fixture."""
    connection = wrapper_of(database)
    _check_labels([*labels, *exclude])
    models = models_to_dump(labels, exclude, apps, database)
    _tell_of_proxies(labels)
    if natural_foreign or natural_primary:
        models = sort_dependencies(models, allow_cycles=True)
    kind = _kind(format, output)
    serializer = Serializer(use_natural_foreign_keys=natural_foreign, use_natural_primary_keys=natural_primary)
    rows = rows_of(models, database, every=every, pks=_keys(pks, labels, models), natural_foreign=natural_foreign)

    def write_to(put: Callable[[str], object]) -> int:
        with reported(connection, SerializationError):
            return write_records(serializer.records(rows), put, kind.format, indent)

    if output is None:
        write_to(lambda text: click.echo(text, nl=False))
        return
    try:
        with new_file(output, kind) as file:
            count = write_to(file.write)
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {error.strerror or error}.") from error
    if verbosity:
        click.echo(f"Wrote {count} object(s) to {output}")


def _check_labels(labels: Sequence[str]) -> None:
    """Raise CommandError for a label of no app or model."""
    try:
        models_of_labels(labels, apps)
    except (LookupError, ValueError) as error:
        raise CommandError(str(error), returncode=2) from error


@contextmanager
def standard_input() -> Iterator[IO[str]]:
    """The standard input as text in UTF-8, whatever the locale says."""
    buffer = getattr(sys.stdin, "buffer", None)
    if buffer is None:
        yield sys.stdin
        return
    wrapper = TextIOWrapper(buffer, encoding="utf-8-sig", newline="\n")
    try:
        yield wrapper
    finally:
        wrapper.detach()  # otherwise it closes the standard input when it is collected


def _find(label: str, alias: str, app_label: str | None) -> list[Fixture]:
    try:
        return find_fixtures(label, apps, alias, app_label)
    except FixtureNotFound as error:
        raise CommandError(str(error)) from error
    except LookupError as error:
        raise CommandError(str(error), returncode=2) from error


def _tell_of_proxies(labels: Sequence[str]) -> None:
    for model in models_of_labels([label for label in labels if "." in label], apps):
        if model._meta.proxy:
            click.echo(
                f"Warning: {model._meta.label} is a proxy and has no rows of its own; dump "
                f"{model._meta.concrete_model._meta.label}.",
                err=True,
            )


def _kind(format: str | None, output: Path | None) -> FileKind:
    """What to write: the name of the file decides, unless it says nothing."""
    if output is None:
        return FileKind(format or "json")
    kind = kind_of_file(output.name)[1]
    if kind is None:
        ending = output.suffix.removeprefix(".")
        compression = ending if ending in COMPRESSIONS else None
        _refuse_ending(output if compression is None else output.with_suffix(""))
        return FileKind(format or "json", compression)
    if format is not None and format != kind.format:
        raise CommandError(
            f"--format {format} and a file .{kind.format} do not go together: loaddata goes by the ending. Name it "
            f"{kind_of_file(output.name)[0]}.{format}, or leave the option out.",
            returncode=2,
        )
    return kind


def _refuse_ending(output: Path) -> None:
    """Raise CommandError for a file whose name ends as if it had another format."""
    if output.suffix:
        known = " and ".join(f".{each}" for each in FORMATS)
        raise CommandError(
            f"{output.name!r} ends with {output.suffix}, which is no format of fixtures: loaddata would refuse that "
            f"file. There are {known}, each also with {', '.join(f'.{each}' for each in COMPRESSIONS)} behind it.",
            returncode=2,
        )


def _keys(given: str | None, labels: Sequence[str], models: Sequence[Any]) -> list[Any] | None:
    """The keys that were typed, as the model has them."""
    if given is None:
        return None
    if len(labels) != 1 or "." not in labels[0] or len(models) != 1:
        raise CommandError("--pks are keys of one model. Name it: webframe dumpdata shop.Pizza --pks 1,2", returncode=2)
    pk = models[0]._meta.pk
    try:
        return [pk.to_python(each.strip()) for each in given.split(",")]
    except ValidationError as error:
        raise CommandError(f"--pks {given}: {' '.join(error.messages)}", returncode=2) from error
