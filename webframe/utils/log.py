"""Logging: what we do unless told otherwise, and what LOGGING lays over it.

Four loggers are ours: `webframe.request` (every 4xx and 5xx once),
`webframe.security` (what looks like an attack), `webframe.dispatch` (errors of
receivers in robust sends) and `webframe.server` (the development server). By
default they write to stderr, each line with the id of the request it belongs
to. Nothing else of the process's logging is touched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from webframe.conf import settings
from webframe.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    import logging

# Tells the id of the request that the current context works for, when a line is written; `http/request.py` puts its
# own here.
id_of_current_request: Callable[[], str | None] = str

FORMAT = "{asctime} {levelname:<7} [{request_id}] {name}: {message}"


class RequestIDFilter:
    """Gives every record a `request_id`: that of the current request, "-" outside of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = request_id()
        return True


class UnlessRootWrites:
    """Lets a record pass unless the root logger writes it to the terminal anyway, as after logging.basicConfig()."""

    def filter(self, record: logging.LogRecord) -> bool:
        import logging

        if not logging.getLogger("webframe").propagate:
            return True
        return not any(
            getattr(handler, "stream", None) in (sys.stderr, sys.stdout) and handler.level <= record.levelno
            for handler in logging.getLogger().handlers
        )


class CurrentStderr:
    """Whatever `sys.stderr` is at the moment of writing; it may be exchanged after logging is configured."""

    def write(self, text: str) -> object:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


current_stderr = CurrentStderr()

# What LOGGING is laid over: a dictionary for logging.config.dictConfig.
DEFAULT_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request_id": {"()": "webframe.utils.log.RequestIDFilter"},
        "unless_root_writes": {"()": "webframe.utils.log.UnlessRootWrites"},
    },
    "formatters": {
        "webframe": {"format": FORMAT, "style": "{"},
    },
    "handlers": {
        "webframe": {
            "class": "logging.StreamHandler",
            "stream": "ext://webframe.utils.log.current_stderr",
            "formatter": "webframe",
            "filters": ["unless_root_writes", "request_id"],
        },
    },
    "loggers": {
        "webframe": {"handlers": ["webframe"], "level": "INFO"},
        # What clients do wrong (4xx, at WARNING) fills the log of a public server without telling anything.
        "webframe.request": {"level": "ERROR"},
    },
}


def request_id() -> str:
    """The id of the current request, or "-". Never raises: a line of the log is not worth a request."""
    try:
        return id_of_current_request() or "-"
    except Exception:
        return "?"


def configure_logging() -> None:
    """Configure logging as LOGGING_CONFIG and LOGGING say.

    With LOGGING, dictConfig does what it always does: handlers that exist
    anywhere in the process are closed. Without it only the logger `webframe` is
    given a handler, if it has none.
    """
    if not settings.LOGGING_CONFIG:
        return
    if not settings.LOGGING:
        _add_default_handler()
        return
    from logging.config import dictConfig

    try:
        dictConfig(laid_over(DEFAULT_LOGGING, settings.LOGGING))
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        raise ImproperlyConfigured(
            f"The setting LOGGING is not what logging.config.dictConfig takes: {error}"
            f"{f' ({error.__cause__})' if error.__cause__ else ''}."
        ) from error


def _add_default_handler() -> None:
    """Do what DEFAULT_LOGGING says without dictConfig, which would close the handlers of others."""
    import logging

    logger = logging.getLogger("webframe")
    if logger.handlers:
        return
    handler = logging.StreamHandler(current_stderr)
    handler.setFormatter(logging.Formatter(FORMAT, style="{"))
    handler.addFilter(UnlessRootWrites())
    handler.addFilter(RequestIDFilter())
    handler.name = "webframe"
    logger.addHandler(handler)
    for name, level in (("webframe", logging.INFO), ("webframe.request", logging.ERROR)):
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(level)


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `below` with the entries of `above`; where both have a dictionary, that is laid over likewise."""
    merged = dict(below)
    for key, value in above.items():
        beneath = merged.get(key)
        if isinstance(value, Mapping) and isinstance(beneath, Mapping):
            value = laid_over(beneath, value)
        merged[key] = value
    return merged
