"""A pizzeria, to show what a program made with webframe looks like; `app` is what servers are given.

Its database is the file pizzeria.db in the folder where it is started; put the URL of another one, such as
postgresql://user:password@host/name, into DATABASE_URL. Every start applies the migrations that it has not had, and the
first one loads the fixture `menu`. The tutorial in docs/tutorial builds a smaller pizzeria step by step.

models.py, menu.py and orders.py know nothing of the web. signals.py tells when an order is placed, news.py listens to
what changes in the database, board.py to the life of every request. The views are in pages.py, kitchen.py and api.py,
one group of routes each; they are plain functions, because the database may make them wait.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from werkzeug.routing import BaseConverter

from example_app.api import api
from example_app.kitchen import kitchen
from example_app.menu import prepare
from example_app.pages import pages
from webframe import Request, Response, Webframe, abort, render
from webframe.core.exceptions import Http404


class Slug(BaseConverter):
    """What can be the name of a pizza in an address; not every database takes any text there is."""

    regex = "[-a-zA-Z0-9_]+"


# `webframe --app example_app run`, `gunicorn example_app:app`, `uvicorn example_app:app`.
app = application = Webframe(
    __name__, DATABASES={"default": {"ENGINE": "sqlite3", "NAME": str(Path.cwd() / "pizzeria.db")}}
)
app.on_startup(prepare)
app.converters["slug"] = Slug
app.include(pages)
app.include(kitchen)
app.include(api)
app.static("/static", Path(__file__).with_name("static"))


@app.middleware
def guard(request: Request) -> Generator[None, Response, None]:
    """Take changes from our own pages only, and let browsers load nothing from anywhere else."""
    # Browsers say in Origin which site a form was on. Programs that are no browsers send none, and may order.
    site = request.headers.get("Origin", "").partition("://")[2]
    if request.method == "POST" and "Origin" in request.headers and site != request.host:
        abort(403, "Orders are taken from the pages of this site only.")
    response = yield
    response.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    # With "no-referrer" browsers would send "Origin: null" with our own forms.
    response.headers["Referrer-Policy"] = "same-origin"


@app.errorhandler(404)
def not_found(request: Request, error: Exception) -> tuple[str, int]:
    """A friendly page for people; programs that ask for something else get webframe's own answer."""
    if "text/html" not in request.headers.get("Accept", ""):
        raise error
    # What we raise ourselves has something to say to people; an unknown address has not, nor what get_or_404() says.
    ours = isinstance(error, Http404) and error.__cause__ is None
    return render("404.html", message=str(error) if ours else ""), 404
