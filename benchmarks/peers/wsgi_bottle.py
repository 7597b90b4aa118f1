"""Bottle: one file, no dependencies, and quick for it."""

import bottle
from _exchanges import DOCUMENT, GREETING, PIECE, PIECES, Burnt
from bottle import request


def plaintext():
    return GREETING


def stream():
    for _ in range(PIECES):
        yield PIECE


def read():
    return f"{request.query['search']} {request.headers['X-Token']} {request.cookies['session']}"


def order():
    data = request.json
    return f"{data['customer']}: {len(data['items'])}"


def fail():
    raise Burnt


def views():
    app = bottle.Bottle()
    app.get("/", callback=plaintext)
    app.get("/json", callback=lambda: DOCUMENT)
    app.get("/read", callback=read)
    app.post("/order", callback=order)
    app.post("/form", callback=lambda: request.forms["street"])
    app.get("/error", callback=fail)
    app.get("/stream", callback=stream)
    return app


def pages():
    # Bottle's error handlers are by status only; an exception has become a 500 by then.
    app = views()
    app.error(404)(lambda error: "There is no such page.")
    app.error(500)(lambda error: "The oven is too hot.")
    return app


def routes(count):
    app = bottle.Bottle()
    for index in range(count):
        app.get(f"/section{index}/<number:int>", callback=lambda number: str(number))
    return app


def statics(count):
    app = bottle.Bottle()
    for index in range(count):
        app.get(f"/page{index}", callback=plaintext)
    return app


def pass_through(callback):
    def wrapper(*args, **named):
        return callback(*args, **named)

    return wrapper


def middleware(count):
    app = bottle.Bottle()
    for _ in range(count):
        # A plugin is installed once per object, hence a function of its own for each.
        app.install(lambda callback: pass_through(callback))
    app.get("/", callback=plaintext)
    return app
