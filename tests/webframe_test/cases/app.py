"""An application for the test cases beside it."""

from __future__ import annotations

import os
from pathlib import Path

from webframe import Response, Webframe, redirect, render
from webframe.db import models, transaction

app = Webframe(
    __name__,
    DATABASES={"default": os.environ["CASES_DEFAULT"], "archive": os.environ["CASES_ARCHIVE"]},
    FIXTURE_DIRS=[Path(__file__).parent / "fixtures"],
)
told = []


class Shelf(models.Model):
    name = models.CharField(max_length=50)


class Note(models.Model):
    text = models.CharField(max_length=50)
    shelf = models.ForeignKey(Shelf, models.CASCADE, null=True)


@app.get("/notes")
def notes(request):
    return [note.text for note in Note.objects.order_by("pk")]


@app.get("/notes/later")
async def notes_later(request):
    return [note.text async for note in Note.objects.order_by("pk")]


@app.post("/notes")
def write(request):
    with transaction.atomic(durable=True):
        note = Note.objects.create(text=request.json["text"])
        transaction.on_commit(lambda: told.append(note.text))
    return redirect(f"/notes/{note.pk}?by=Ann&at=home")


@app.get("/notes/<int:pk>")
def show(request, pk):
    return render("note.html", note=Note.objects.get_or_404(pk=pk))


@app.get("/visits")
def visits(request):
    count = int(request.cookies.get("visits", 0)) + 1
    response = Response(str(count))
    response.set_cookie("visits", str(count))
    return response
