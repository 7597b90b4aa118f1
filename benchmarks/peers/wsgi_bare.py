"""The baseline: by hand, against the protocol alone, what each exchange needs and nothing else."""

import json
from urllib.parse import parse_qs, unquote_plus

from _exchanges import DOCUMENT, GREETING, PIECE, PIECES, Burnt

HTML = "text/html; charset=utf-8"


def answer(start_response, status, body, content_type=HTML):
    body = body.encode()
    start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]


def plaintext(environ, start_response):
    return answer(start_response, "200 OK", GREETING)


def give_json(environ, start_response):
    return answer(start_response, "200 OK", json.dumps(DOCUMENT), "application/json")


def read(environ, start_response):
    search = parse_qs(environ["QUERY_STRING"])["search"][0]
    cookies = dict(part.split("=", 1) for part in environ["HTTP_COOKIE"].split("; "))
    return answer(start_response, "200 OK", f"{search} {environ['HTTP_X_TOKEN']} {cookies['session']}")


def order(environ, start_response):
    data = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    return answer(start_response, "200 OK", f"{data['customer']}: {len(data['items'])}")


def form(environ, start_response):
    pairs = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode().split("&")
    fields = {unquote_plus(name): unquote_plus(value) for name, _, value in (pair.partition("=") for pair in pairs)}
    return answer(start_response, "200 OK", fields["street"])


def error(environ, start_response):
    try:
        raise Burnt
    except Burnt:
        return answer(start_response, "500 Internal Server Error", "The oven is too hot.")


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", HTML)])
    return (PIECE for _ in range(PIECES))


def missing(environ, start_response):
    return answer(start_response, "404 Not Found", "There is no such page.")


VIEWS = {
    "/": plaintext,
    "/json": give_json,
    "/read": read,
    "/order": order,
    "/form": form,
    "/error": error,
    "/stream": stream,
}


def views():
    def app(environ, start_response):
        return VIEWS.get(environ["PATH_INFO"], missing)(environ, start_response)

    return app


pages = views


def routes(count):
    def section(start_response, number):
        return answer(start_response, "200 OK", str(number))

    sections = {f"/section{index}": section for index in range(count)}

    def app(environ, start_response):
        prefix, _, number = environ["PATH_INFO"].rpartition("/")
        return sections[prefix](start_response, int(number))

    return app


def statics(count):
    paths = {f"/page{index}": plaintext for index in range(count)}

    def app(environ, start_response):
        return paths[environ["PATH_INFO"]](environ, start_response)

    return app


def middleware(count):
    # A baseline has no middleware: what the ratio shows is the whole price of having some.
    return views()
