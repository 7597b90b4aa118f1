"""Every error that webframe raises on purpose, in one tree.

::

    WebframeError
     +-- ImproperlyConfigured            a setting, an app or a call of `Webframe` is wrong
     |    +-- AppRegistryNotReady        apps or models were asked for before they were loaded
     +-- SynchronousOnlyOperation        something that blocks was called on a running event loop
     +-- MiddlewareError                 a middleware generator broke the rules of `yield`
     +-- ClientDisconnected              the client went away while its body was being read
     +-- NoReverseMatch                  no route has that name and takes those values
     +-- FieldError                      a query or a model names something that is not there, or not usable so
     +-- FieldDoesNotExist               a model has no field of that name
     +-- ObjectDoesNotExist              base of every `Model.DoesNotExist`
     +-- MultipleObjectsReturned         base of every `Model.MultipleObjectsReturned`
     +-- ObjectNotUpdated                base of every `Model.NotUpdated`
     +-- ValidationError                 values that do not hold what fields, forms or models ask of them
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

# Type checkers know this name; importing typing for it would cost more than this whole file.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


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


class FieldError(WebframeError):
    """A query or a model names something that is not there, or that cannot be used in that way."""


class FieldDoesNotExist(WebframeError):
    """A model has no field of that name; the message has the names there are."""


class ObjectDoesNotExist(WebframeError):
    """Base of every `Model.DoesNotExist`: the one object asked for is not there."""


class MultipleObjectsReturned(WebframeError):
    """Base of every `Model.MultipleObjectsReturned`: one object was asked for, and there are several."""


class ObjectNotUpdated(WebframeError):
    """Base of every `Model.NotUpdated`: a save that had to update a row found none."""


# The key of `ValidationError.message_dict` for errors that concern no single field.
NON_FIELD_ERRORS = "__all__"


class ValidationError(WebframeError):
    """Values that do not hold what a validator, a field or a model asks of them.

    `message` is one text, a list of texts and ValidationErrors, or a dictionary
    from field names to any of those. `params` fill the text, ``%``-style, when it
    is shown; `code` names the kind of mistake for programs.
    """

    def __init__(self, message: Any, code: str | None = None, params: Mapping[str, object] | None = None) -> None:
        super().__init__(message, code, params)
        if isinstance(message, ValidationError):
            if hasattr(message, "error_dict"):
                message = message.error_dict
            elif not hasattr(message, "message"):
                message = message.error_list
            else:
                message, code, params = message.message, message.code, message.params
        if isinstance(message, dict):
            self.error_dict: dict[str, list[ValidationError]] = {
                str(field): ValidationError(messages).error_list for field, messages in message.items()
            }
        elif isinstance(message, (list, tuple)):
            self.error_list: list[ValidationError] = []
            for each in message:
                error = each if isinstance(each, ValidationError) else ValidationError(each)
                if hasattr(error, "error_dict"):
                    self.error_list.extend(one for errors in error.error_dict.values() for one in errors)
                else:
                    self.error_list.extend(error.error_list)
        else:
            self.message: Any = message
            self.code = code
            self.params = params
            self.error_list = [self]

    @property
    def message_dict(self) -> dict[str, list[str]]:
        """The texts by field. Raises AttributeError where the errors are not known by field."""
        return {field: ValidationError(errors).messages for field, errors in self.error_dict.items()}

    @property
    def messages(self) -> list[str]:
        """All texts, with their parameters filled in."""
        if hasattr(self, "error_dict"):
            return [text for errors in self.error_dict.values() for text in ValidationError(errors).messages]
        return [str(error.message) % error.params if error.params else str(error.message) for error in self.error_list]

    def update_error_dict(self, errors: dict[str, list[ValidationError]]) -> dict[str, list[ValidationError]]:
        """Add these errors to a dictionary of lists, by field, and return it."""
        if hasattr(self, "error_dict"):
            for field, each in self.error_dict.items():
                errors.setdefault(field, []).extend(each)
        else:
            errors.setdefault(NON_FIELD_ERRORS, []).extend(self.error_list)
        return errors

    def __iter__(self) -> Iterator[object]:
        """Texts; or, where errors are known by field, pairs of a field and its texts."""
        return iter(self.message_dict.items()) if hasattr(self, "error_dict") else iter(self.messages)

    def __str__(self) -> str:
        return repr(self.message_dict if hasattr(self, "error_dict") else self.messages)

    def __repr__(self) -> str:
        return f"ValidationError({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValidationError) and self._as_data() == other._as_data()

    def __hash__(self) -> int:
        return hash(str(self))

    def _as_data(self) -> object:
        if hasattr(self, "error_dict"):
            return {field: [error._as_data() for error in errors] for field, errors in self.error_dict.items()}
        if hasattr(self, "message"):
            return str(self.message), self.code, dict(self.params or {})
        return sorted(repr(error._as_data()) for error in self.error_list)


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
