"""Falcon: the fastest WSGI framework in pure Python (it is compiled where its wheels are), and the one to beat."""

import falcon
from _exchanges import DOCUMENT, GREETING, PIECE, PIECES, Burnt


class Plaintext:
    def on_get(self, request, response):
        response.text = GREETING


class Json:
    def on_get(self, request, response):
        response.content_type = falcon.MEDIA_JSON
        response.media = DOCUMENT


class Read:
    def on_get(self, request, response):
        token = request.get_header("X-Token")
        response.text = f"{request.get_param('search')} {token} {request.cookies['session']}"


class Order:
    def on_post(self, request, response):
        data = request.get_media()
        response.text = f"{data['customer']}: {len(data['items'])}"


class Form:
    def on_post(self, request, response):
        response.text = request.get_media()["street"]


class Failing:
    def on_get(self, request, response):
        raise Burnt


class Stream:
    def on_get(self, request, response):
        response.stream = (PIECE for _ in range(PIECES))


class Section:
    def on_get(self, request, response, number):
        response.text = str(number)


class PassThrough:
    def process_request(self, request, response):
        pass

    def process_response(self, request, response, resource, succeeded):
        pass


def new_app(**options):
    app = falcon.App(**options)
    app.resp_options.default_media_type = "text/html; charset=utf-8"
    return app


def views():
    app = new_app()
    app.add_route("/", Plaintext())
    app.add_route("/json", Json())
    app.add_route("/read", Read())
    app.add_route("/order", Order())
    app.add_route("/form", Form())
    app.add_route("/error", Failing())
    app.add_route("/stream", Stream())
    return app


def pages():
    app = views()

    def missing(request, response, error, params):
        response.status = falcon.HTTP_404
        response.text = "There is no such page."

    def burnt(request, response, error, params):
        response.status = falcon.HTTP_500
        response.text = "The oven is too hot."

    app.add_error_handler(falcon.HTTPNotFound, missing)
    app.add_error_handler(Burnt, burnt)
    return app


def routes(count):
    app = new_app()
    for index in range(count):
        app.add_route(f"/section{index}/{{number:int}}", Section())
    return app


def statics(count):
    app = new_app()
    for index in range(count):
        app.add_route(f"/page{index}", Plaintext())
    return app


def middleware(count):
    app = new_app(middleware=[PassThrough() for _ in range(count)])
    app.add_route("/", Plaintext())
    return app
