"""What to write instead of names that Flask and Django have and webframe has not, for error messages.

Only what code written for the others uses on its first pages; the whole comparison
is in docs/how-to/coming-from-*.md. Names to import have such a table in their door.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Attributes of apps and groups.
GROUP = {
    "add_url_rule": 'route("/about", name="about")(view)',
    "after_request": "middleware: a generator function, with what comes after its yield",
    "app_context": "nothing: none is needed",
    "app_errorhandler": "errorhandler of the app",
    "before_app_request": "middleware of the app: a generator function, with what comes before its yield",
    "before_request": "middleware: a generator function, with what comes before its yield",
    "cli": "an entry point of the group webframe.commands",
    "config": "settings of webframe.conf, and keywords of Webframe()",
    "context_processor": "webframe.template.context_processors.append()",
    "debug": "the setting DEBUG",
    "jinja_env": "webframe.template: its globals, filters and environment",
    "logger": "logging.getLogger()",
    "register_blueprint": "include(group)",
    "register_error_handler": "errorhandler(404)(function)",
    "run": "the command webframe run",
    "secret_key": "the setting SECRET_KEY",
    "teardown_appcontext": "request.on_close(), or the signal request_finished",
    "teardown_request": "request.on_close(), or the signal request_finished",
    "template_filter": "webframe.template.filters.register",
    "template_global": "webframe.template.globals.register",
    "test_client": "webframe.test.Client(app)",
    "test_request_context": "webframe.test.RequestFactory",
    "testing": "webframe.test.Client(app), which raises errors unless told otherwise",
    "url_map": "routes() and converters",
    "view_functions": "routes()",
    "wsgi_app": "wsgi",
}

# Attributes of requests.
REQUEST = {
    "COOKIES": "cookies",
    "FILES": "files",
    "GET": "args",
    "META": "headers, remote_addr, or environ, which is there under ASGI too",
    "POST": "form",
    "blueprint": "endpoint",
    "body": "get_data()",
    "build_absolute_uri": "url",
    "get_full_path": "full_path",
    "get_host": "host",
    "get_port": "host",
    "path_info": "path",
    "resolver_match": "endpoint and view_args",
    "session": "a cookie or a row of your own: there are no sessions in this version",
    "user": "middleware that sets it: request.user = ...",
}

# Settings that protect or route a project of Django's, and would do nothing here without a word.
SETTINGS = {
    "DATA_UPLOAD_MAX_MEMORY_SIZE": "MAX_CONTENT_LENGTH",
    "MIDDLEWARE": "app.middleware(function), once for each",
    "ROOT_URLCONF": "app.include(group), or routes of the app",
    "SECURE_HSTS_SECONDS": "middleware that sets the header",
    "SECURE_PROXY_SSL_HEADER": "TRUSTED_PROXIES",
    "SECURE_SSL_REDIRECT": "middleware that redirects",
    "TEMPLATES": "TEMPLATE_DIRS",
    "USE_X_FORWARDED_HOST": "TRUSTED_PROXIES",
}


class Absent:
    """In the place of an attribute that others have: reading it is an error that says what to write; it may be set.

    A `__getattr__` of the class would make all other attributes slower to read.
    """

    def __init__(self, name: str, instead: str) -> None:
        self.name = name
        self.instead = instead

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError(
            f"{owner.__name__!r} object has no attribute {self.name!r}. Write {self.instead}.",
            name=self.name,
            obj=owner if instance is None else instance,
        )


def mark_absent(cls: type, instead: Mapping[str, str]) -> None:
    """Put an `Absent` in the place of each name of a table."""
    for name, text in instead.items():
        setattr(cls, name, Absent(name, text))
