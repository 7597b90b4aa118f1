"""How the database gets its tables and the menu that the pizzeria opens with, which is the fixture `menu`."""

from __future__ import annotations

from example_app.models import Pizza
from webframe.core.exceptions import ImproperlyConfigured
from webframe.core.management import CommandError, call_command
from webframe.db import IntegrityError, connection


def prepare() -> None:
    """Bring the tables up to date, and write the first menu if there is none.

    It is called whenever a process starts, and several may start at once: one of
    them migrates while the others wait. Raises `ImproperlyConfigured` where nothing
    can be kept.
    """
    try:
        # With fake_initial: pizzerias older than the first migration have its tables already.
        call_command("migrate", app="example_app:app", fake_initial=True, interactive=False, verbosity=0)
        open_menu()
    except CommandError as error:
        raise ImproperlyConfigured(
            f"The pizzeria cannot keep its orders in {connection.settings_dict['NAME']}: {error} Start it in a folder "
            "that it may write to, or put the URL of another database into DATABASE_URL, such as "
            "sqlite:////tmp/pizzeria.db."
        ) from error


def open_menu() -> None:
    """Load the first menu, all of it or nothing, unless there is something to eat already."""
    if Pizza.objects.exists():
        return
    try:
        call_command("loaddata", "menu", app="example_app:app", verbosity=0)
    except CommandError as error:
        if not isinstance(error.__cause__, IntegrityError):
            raise
        # Another process was faster: it has written the same.
