"""werkzeug without a framework: a map, a request, a response, as its tutorial puts them together."""

import json

from _exchanges import DOCUMENT, GREETING, PIECE, PIECES, Burnt
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response


def plaintext(request):
    return Response(GREETING, mimetype="text/html")


def section(request, number):
    return Response(str(number), mimetype="text/html")


def give_json(request):
    return Response(json.dumps(DOCUMENT), mimetype="application/json")


def read(request):
    body = f"{request.args['search']} {request.headers['X-Token']} {request.cookies['session']}"
    return Response(body, mimetype="text/html")


def order(request):
    data = request.get_json()
    return Response(f"{data['customer']}: {len(data['items'])}", mimetype="text/html")


def form(request):
    return Response(request.form["street"], mimetype="text/html")


def fail(request):
    raise Burnt


def stream(request):
    return Response((PIECE for _ in range(PIECES)), mimetype="text/html")


def views(handlers=None):
    return new_app(
        [
            Rule("/", endpoint=plaintext, methods=["GET"]),
            Rule("/json", endpoint=give_json, methods=["GET"]),
            Rule("/read", endpoint=read, methods=["GET"]),
            Rule("/order", endpoint=order, methods=["POST"]),
            Rule("/form", endpoint=form, methods=["POST"]),
            Rule("/error", endpoint=fail, methods=["GET"]),
            Rule("/stream", endpoint=stream, methods=["GET"]),
        ],
        handlers or {},
    )


def pages():
    def missing(error):
        return Response("There is no such page.", 404, mimetype="text/html")

    def burnt(error):
        return Response("The oven is too hot.", 500, mimetype="text/html")

    return views({NotFound: missing, Burnt: burnt})


def routes(count):
    return new_app([Rule(f"/section{index}/<int:number>", endpoint=section, methods=["GET"]) for index in range(count)])


def statics(count):
    return new_app([Rule(f"/page{index}", endpoint=plaintext, methods=["GET"]) for index in range(count)])


def middleware(count):
    app = views()
    for _ in range(count):
        app = pass_through(app)
    return app


def pass_through(app):
    def wrapper(environ, start_response):
        return app(environ, start_response)

    return wrapper


def new_app(rules, handlers=None):
    url_map = Map(rules)

    def app(environ, start_response):
        request = Request(environ)
        adapter = url_map.bind_to_environ(environ)
        try:
            view, values = adapter.match()
            response = view(request, **values)
        except Exception as error:
            if handlers and type(error) in handlers:
                response = handlers[type(error)](error)
            elif isinstance(error, HTTPException):
                response = error
            else:
                response = InternalServerError()
        return response(environ, start_response)

    return app
