"""The command line: one group of commands, ours and those of other packages.

Our commands are imported when they are named or listed; what another package
brings is found by the entry point group `webframe.commands` and imported just
as late.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from webframe._lazy import LateModule
from webframe.core.exceptions import ImproperlyConfigured
from webframe.core.management.env_files import load_env_files
from webframe.core.management.errors import CommandError
from webframe.core.management.project import Project

if TYPE_CHECKING:
    import difflib
    import platform
    from importlib import metadata
else:
    difflib = LateModule("difflib")
    platform = LateModule("platform")

# The entry point group in which other packages offer commands, each of them a click.Command.
ENTRY_POINTS = "webframe.commands"

_PLACE = "webframe.core.management"


class OurCommand(NamedTuple):
    """A command of ours, before it is imported."""

    # The module that has it, under its own name.
    module: str
    # The first sentence of its help: `--help` lists commands without importing them.
    summary: str


# Each of our commands, in the order in which `--help` lists them.
OUR_COMMANDS = {
    "run": OurCommand(f"{_PLACE}.server", "Serve the app on this machine, while you work on it."),
    "routes": OurCommand(
        f"{_PLACE}.introspection", "List every route: methods, rule, name, view and the middleware around it."
    ),
    "signals": OurCommand(
        f"{_PLACE}.introspection", "List every signal with its receivers, in the order in which they are called."
    ),
    "shell": OurCommand(f"{_PLACE}.shell", "Open Python with the app imported and set up."),
    "test": OurCommand(
        f"{_PLACE}.testing", "Run the tests with pytest, for the app and with the settings of the other commands."
    ),
    "check": OurCommand(f"{_PLACE}.checking", "Set the app up and look for mistakes in it and in its settings."),
    "makemigrations": OurCommand(f"{_PLACE}.making", "Write migrations for what has changed in the models."),
    "migrate": OurCommand(f"{_PLACE}.migrating", "Apply migrations, or undo them down to the one that is named."),
    "showmigrations": OurCommand(f"{_PLACE}.showing", "List the migrations, and which of them are applied."),
    "sqlmigrate": OurCommand(f"{_PLACE}.showing", "Write the SQL of a migration."),
    "squashmigrations": OurCommand(f"{_PLACE}.squashing", "Write one migration that replaces several."),
    "syncdb": OurCommand(f"{_PLACE}.migrating", "Deprecated: what migrate --run-syncdb does."),
    "loaddata": OurCommand(f"{_PLACE}.fixtures", "Load fixtures, all of them or nothing."),
    "dumpdata": OurCommand(
        f"{_PLACE}.fixtures", "Write the rows of all apps, or of some apps and models, as a fixture."
    ),
    "flush": OurCommand(f"{_PLACE}.flushing", "Delete every row of every model, and tell the apps."),
    "dbshell": OurCommand(f"{_PLACE}.dbshell", "Open the database's own command line."),
    "inspectdb": OurCommand(f"{_PLACE}.inspecting", "Write models for the tables of a database that has none yet."),
}


class CommandLine(click.Group):
    """The group of all commands. Ours have the first right to a name; a broken one of a package spoils no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command: ours first, then those added or brought by packages."""
        return list(dict.fromkeys([*OUR_COMMANDS, *sorted({*self.commands, *_entry_points()})]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; one that cannot be imported is a warning and None, so that `--help` lists the others."""
        try:
            return self.load_command(cmd_name)
        except CommandError as error:
            click.echo(f"Warning: {error}", err=True)
            return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed; what is wrong with it is said once, as an error."""
        name = args[0]
        command = self.load_command(name)
        if command is None and not ctx.resilient_parsing:
            ctx.fail(f"There is no command {name!r}.{self.near_misses(ctx, name)}")
        return (name if command else None), command, args[1:]

    def load_command(self, name: str) -> click.Command | None:
        """Import a command, or return None when there is none of that name.

        Raises CommandError, naming the package, when another package's command is broken.
        """
        if name in OUR_COMMANDS:
            ours: click.Command = getattr(import_module(OUR_COMMANDS[name].module), name)
            return ours
        if name in self.commands:
            return self.commands[name]
        entry_point = _entry_points().get(name)
        return _load_entry_point(entry_point) if entry_point is not None else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what the project has configured wrongly is one line, because such an error says it all."""
        try:
            return super().invoke(ctx)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each command does; ours are not imported for that."""
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names))
        rows = [(name, help) for name in names if (help := self._summary(ctx, name, room)) is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _summary(self, ctx: click.Context, name: str, room: int) -> str | None:
        """What a command does, in so many characters; None for one that is broken or hidden."""
        if name in OUR_COMMANDS:
            return click.Command(name, help=OUR_COMMANDS[name].summary).get_short_help_str(room)
        command = self.get_command(ctx, name)
        return None if command is None or command.hidden else command.get_short_help_str(room)

    def near_misses(self, ctx: click.Context, name: str) -> str:
        """A question to add to a message about an unknown command, or nothing."""
        matches = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
        return f" Did you mean {matches[0]!r}?" if matches else ""


def _entry_points() -> dict[str, metadata.EntryPoint]:
    """What packages offer, by name; of two with the same name the first stands."""
    from importlib import metadata  # a tenth of what starting a command takes, and most need it not

    found: dict[str, metadata.EntryPoint] = {}
    for entry_point in metadata.entry_points(group=ENTRY_POINTS):
        found.setdefault(entry_point.name, entry_point)
    return found


def _load_entry_point(entry_point: metadata.EntryPoint) -> click.Command:
    package = entry_point.dist.name if entry_point.dist is not None else entry_point.module
    where = f"The command {entry_point.name!r} of package {package!r}"
    try:
        command = entry_point.load()
    except Exception as error:
        raise CommandError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(command, click.Command):
        raise CommandError(f"{where} is {command!r} ({entry_point.value}), not a click.Command.")
    return command


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    click.echo(
        f"webframe {version_of('webframe')} (Python {platform.python_version()}, werkzeug {version_of('werkzeug')})"
    )
    ctx.exit()


def version_of(package: str) -> str:
    """The installed version of a package, for people."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(not installed)"


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-A",
    "--app",
    "target",
    metavar="MODULE[:ATTRIBUTE]",
    help="The app: a module or file, and the name of the Webframe in it or a call that makes one. "
    "Without it: WEBFRAME_APP, then wsgi.py, asgi.py, app.py or main.py here, then [tool.webframe] in pyproject.toml.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the versions of webframe, Python and werkzeug, and exit.",
)
@click.pass_context
def command_line(ctx: click.Context, target: str | None) -> None:
    """Run and inspect an app made with webframe."""
    project = Project(target)
    project.from_env_files, complaints = load_env_files(os.getcwd())
    for complaint in complaints:
        click.echo(f"Warning: {complaint}", err=True)
    ctx.obj = project
