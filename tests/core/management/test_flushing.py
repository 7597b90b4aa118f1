"""`flush`, as it is typed. What it sends is tested in tests/db/migrations, how it empties in tests/db."""

from __future__ import annotations

import subprocess
from typing import Any

NOTES = """
from webframe import Webframe
from webframe.db import models
from webframe.db.models.signals import post_migrate
from webframe.dispatch import receiver

app = Webframe(__name__, DATABASES={"default": "sqlite:///notes.db"})

class Note(models.Model):
    text = models.CharField(max_length=200)

@receiver(post_migrate)
def fill_in(sender, using, **kwargs):
    Note.objects.using(using).get_or_create(text="Welcome")
"""
LOOK = "from notes import Note; print([(note.pk, note.text) for note in Note.objects.all()])"


def run(folder: Any, *words: str, input: str | None = None) -> Any:
    return subprocess.run(
        folder.command("--app", "notes", *words), env=folder.environ(), input=input, capture_output=True, text=True
    )


def test_after_a_yes_there_is_what_the_apps_fill_in(folder: Any) -> None:
    folder.write("notes.py", NOTES)
    assert run(folder, "migrate", "-v", "0").returncode == 0
    run(folder, "shell", "-c", "from notes import Note; Note.objects.create(text='Milk')")
    refused = run(folder, "flush", input="y\n")
    assert refused.stdout == (
        "This deletes all data in the 1 tables of the models in the database 'default' ('notes.db').\n"
        "It cannot be undone. Type 'yes' to go on, or anything else to leave it as it is.\n"
        "    Nothing was deleted.\n"
    )
    assert run(folder, "shell", "-c", LOOK).stdout == "[(1, 'Welcome'), (2, 'Milk')]\n"
    unanswered = run(folder, "flush", input="")
    assert (unanswered.returncode, unanswered.stderr.strip()) == (1, "Aborted!")
    assert run(folder, "shell", "-c", LOOK).stdout == "[(1, 'Welcome'), (2, 'Milk')]\n"
    assert run(folder, "flush", input="yes\n").returncode == 0
    assert run(folder, "shell", "-c", LOOK).stdout == "[(1, 'Welcome')]\n"
    assert run(folder, "flush", "--no-input", "--inhibit-post-migrate").returncode == 0
    assert run(folder, "shell", "-c", LOOK).stdout == "[]\n"
