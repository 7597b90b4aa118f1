"""Flask, as its quick start shows it."""

from _exchanges import DOCUMENT, GREETING, PIECE, PIECES, Burnt
from flask import Flask, request


def plaintext():
    return GREETING


def section(number):
    return str(number)


def views():
    app = Flask("bench")
    app.get("/")(plaintext)

    @app.get("/json")
    def give_json():
        return DOCUMENT

    @app.get("/read")
    def read():
        return f"{request.args['search']} {request.headers['X-Token']} {request.cookies['session']}"

    @app.post("/order")
    def order():
        data = request.get_json()
        return f"{data['customer']}: {len(data['items'])}"

    @app.post("/form")
    def form():
        return request.form["street"]

    @app.get("/error")
    def fail():
        raise Burnt

    @app.get("/stream")
    def stream():
        return (PIECE for _ in range(PIECES))

    return app


def pages():
    app = views()
    app.register_error_handler(404, lambda error: ("There is no such page.", 404))
    app.register_error_handler(Burnt, lambda error: ("The oven is too hot.", 500))
    return app


def routes(count):
    app = Flask("bench")
    for index in range(count):
        app.add_url_rule(f"/section{index}/<int:number>", f"section{index}", section)
    return app


def statics(count):
    app = Flask("bench")
    for index in range(count):
        app.add_url_rule(f"/page{index}", f"page{index}", plaintext)
    return app


def middleware(count):
    app = Flask("bench")
    app.get("/")(plaintext)
    for _ in range(count):
        app.before_request(lambda: None)
        app.after_request(lambda response: response)
    return app
