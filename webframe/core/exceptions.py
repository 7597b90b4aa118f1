"""Every error that webframe raises on purpose, in one tree.

::

    WebframeError
     +-- ImproperlyConfigured            a setting, an app or a call of `Webframe` is wrong
     |    +-- AppRegistryNotReady        apps or models were asked for before they were loaded
     +-- SynchronousOnlyOperation        something that blocks was called on a running event loop
     +-- MiddlewareError                 a middleware generator broke the rules of `yield`
     +-- ClientDisconnected              the client went away while its body was being read
     +-- NoReverseMatch                  no route has that name and takes those values
     +-- HTTPError                       answered with a status below 500; see `status_code`
          +-- BadRequest             400
          |    +-- SuspiciousOperation   somebody may be up to something; logged under `webframe.security`
          |         +-- DisallowedHost   the Host header is not in ALLOWED_HOSTS
          +-- PermissionDenied       403
          +-- Http404                404
          +-- RequestTimeout         408
          +-- RequestDataTooBig      413
          |    +-- TooManyFieldsSent
          |    +-- TooManyFilesSent
          +-- RequestHeadersTooBig   431

werkzeug's own `HTTPException` classes are answered just as well: raise
whichever you have at hand. The classes here know nothing of werkzeug, so that
the persistence module can raise `Http404` without loading the web part.
"""

from __future__ import annotations


class WebframeError(Exception):
    """Base of every error that webframe raises on purpose."""


class ImproperlyConfigured(WebframeError):
    """A setting, an app or a call of `Webframe` is wrong; the message says which and how to put it right."""


class AppRegistryNotReady(ImproperlyConfigured):
    """Apps or models were asked for before they were loaded."""


class SynchronousOnlyOperation(WebframeError, RuntimeError):
    """Something that blocks was called on a running event loop; the message names what to call instead."""


class MiddlewareError(WebframeError, RuntimeError):
    """A middleware generator broke the rules of `yield`; the message names the middleware."""


class ClientDisconnected(WebframeError, OSError):
    """The client went away while its body was being read."""


class NoReverseMatch(WebframeError, LookupError):
    """No route has that name and takes those values."""


class HTTPError(WebframeError):
    """Base of the errors that are answered with a 4xx status.

    The text given, if any, is shown to the client below the name of the status.
    """

    # The HTTP status with which the error is answered.
    status_code = 400

    @property
    def description(self) -> str:
        """The text given when the error was raised, or an empty string."""
        return str(self.args[0]) if self.args else ""


class BadRequest(HTTPError):
    """Answered with 400: the request cannot be understood."""


class SuspiciousOperation(BadRequest):
    """Answered with 400 and logged under `webframe.security`: somebody may be up to something."""


class DisallowedHost(SuspiciousOperation):
    """Answered with 400: the Host header is malformed or not in ALLOWED_HOSTS."""


class PermissionDenied(HTTPError):
    """Answered with 403: known who asks, and they may not."""

    status_code = 403


class Http404(HTTPError):
    """Answered with 404: there is nothing at this address."""

    status_code = 404


class RequestTimeout(HTTPError):
    """Answered with 408: the body did not arrive in time."""

    status_code = 408


class RequestDataTooBig(HTTPError):
    """Answered with 413: the body is larger than the limit for this route."""

    status_code = 413


class TooManyFieldsSent(RequestDataTooBig):
    """Answered with 413: more form fields than DATA_UPLOAD_MAX_NUMBER_FIELDS."""


class TooManyFilesSent(RequestDataTooBig):
    """Answered with 413: more files than DATA_UPLOAD_MAX_NUMBER_FILES."""


class RequestHeadersTooBig(HTTPError):
    """Answered with 431: more or larger headers than the limits allow."""

    status_code = 431
