"""`flush`: a database as it was after the first `migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from webframe.apps.registry import apps
from webframe.core.management.databases import (
    Output,
    confirmed,
    database,
    database_option,
    no_input_option,
    reported,
    verbosity_option,
)
from webframe.core.management.project import pass_app
from webframe.db.connections import router
from webframe.db.emptying import emptiable_tables, empty_tables
from webframe.db.migrations.announcing import emit_post_migrate, import_receivers

if TYPE_CHECKING:
    from webframe.app import Webframe


@click.command()
@database_option("The database to empty.")
@click.option("--inhibit-post-migrate", is_flag=True, help="Send no post_migrate afterwards.")
@no_input_option
@verbosity_option
@pass_app
def flush(app: Webframe, database: str, inhibit_post_migrate: bool, interactive: bool, verbosity: int) -> None:
    """Delete every row of every model, and tell the apps.

    Tables stay, and so does the record of applied migrations. Numbers given out as keys begin with 1 again.
    """
    empty(database, interactive, verbosity, announce=not inhibit_post_migrate)


def empty(alias: str, interactive: bool, verbosity: int, announce: bool) -> None:
    """Empty the tables of all models, after having asked, and send post_migrate."""
    connection = database(alias)
    import_receivers()
    with reported(connection):
        tables = emptiable_tables(apps, connection)
    name = connection.settings_dict["NAME"]
    if interactive and not confirmed(
        f"This deletes all data in the {len(tables)} tables of the models in the database {alias!r} ({str(name)!r}).\n"
        f"It cannot be undone. Type 'yes' to go on, or anything else to leave it as it is."
    ):
        click.echo("Nothing was deleted.")
        return
    with reported(connection):
        try:
            empty_tables(connection, tables)
        except Exception as error:
            error.add_note("The database was not emptied. Is its user allowed to, and do other tables refer to these?")
            raise
    if tables and announce:
        emit_post_migrate(
            verbosity=verbosity,
            interactive=interactive,
            using=alias,
            stdout=Output(),
            plan=[],
            apps=apps,
            created_models=[
                model
                for config in apps.get_app_configs()
                for model in router.get_migratable_models(config, alias, include_auto_created=True)
            ],
        )
