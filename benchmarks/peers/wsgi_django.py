"""Django with no middleware at all but what a case asks for, which is faster than any Django in production."""

import json
from types import ModuleType

import django
from _exchanges import DOCUMENT, GREETING, PIECE, PIECES, Burnt
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

if not settings.configured:
    settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="benchmark", LOGGING_CONFIG=None, MIDDLEWARE=[])
    django.setup()


def plaintext(request):
    return HttpResponse(GREETING)


def give_json(request):
    return JsonResponse(DOCUMENT)


def read(request):
    return HttpResponse(f"{request.GET['search']} {request.headers['X-Token']} {request.COOKIES['session']}")


def order(request):
    data = json.loads(request.body)
    return HttpResponse(f"{data['customer']}: {len(data['items'])}")


def form(request):
    return HttpResponse(request.POST["street"])


def fail(request):
    raise Burnt


def stream(request):
    return StreamingHttpResponse(PIECE for _ in range(PIECES))


def section(request, number):
    return HttpResponse(str(number))


VIEWS = [
    path("", plaintext),
    path("json", give_json),
    path("read", read),
    path("order", order),
    path("form", form),
    path("error", fail),
    path("stream", stream),
]


def new_app(patterns, middleware=(), **handlers):
    # Settings are of the process: the application made last is the one that answers, and a case makes only one.
    urlconf = ModuleType("urlconf")
    urlconf.urlpatterns = patterns
    vars(urlconf).update(handlers)
    settings.ROOT_URLCONF = urlconf
    settings.MIDDLEWARE = list(middleware)
    return WSGIHandler()


def views():
    return new_app(VIEWS)


def pages():
    def missing(request, exception):
        return HttpResponse("There is no such page.", status=404)

    def burnt(request):
        return HttpResponse("The oven is too hot.", status=500)

    return new_app(VIEWS, handler404=missing, handler500=burnt)


def routes(count):
    return new_app([path(f"section{index}/<int:number>", section) for index in range(count)])


def statics(count):
    return new_app([path(f"page{index}", plaintext) for index in range(count)])


def pass_through(get_response):
    def middleware(request):
        return get_response(request)

    return middleware


def middleware(count):
    return new_app(VIEWS, [f"{__name__}.pass_through"] * count)
