"""How much of everything a request may have.

The settings give the limits of the whole process; a route that takes larger uploads gets a copy with other numbers
(`dataclasses.replace`), which the core stores as `request.limits`. The limits of the header fields are no part of it:
they are checked before there is a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webframe.conf import settings
from webframe.core.signals import setting_changed

MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that hold for one request; going over one is answered with 413, JSON nested too deep with 400.

    >>> Limits.from_settings().for_content_type("application/json")
    10485760
    """

    max_content_length: int
    """Bytes a body without files may have; also the bytes that all text fields of a multipart form have together."""

    max_upload_length: int
    """Bytes a multipart/form-data body may have, files included."""

    max_form_memory_size: int
    """Bytes a single text field of a multipart form may have."""

    max_fields: int
    """Fields a form, or a query string, may have."""

    max_files: int
    """Files a multipart form may have."""

    json_max_depth: int
    """How deep brackets may nest in a JSON body."""

    spool_size: int
    """Bytes of a file that are kept in memory; what is larger goes to disk."""

    @classmethod
    def from_settings(cls) -> Limits:
        """Return the limits that the settings give; computed once, and again when one of the settings changes."""
        return _current or _from_settings()

    def allow(self, length: int) -> bool:
        """Whether a body may have so many bytes, whatever its content type."""
        return length <= self.max_content_length and length <= self.max_upload_length

    def for_content_type(self, content_type: str | None) -> int:
        """Return how many bytes a body of this content type may have."""
        if content_type is not None and content_type.partition(";")[0].strip(" \t").lower() == MULTIPART:
            return self.max_upload_length
        return self.max_content_length


# Where each limit comes from.
SETTINGS = {
    "max_content_length": "MAX_CONTENT_LENGTH",
    "max_upload_length": "MAX_UPLOAD_LENGTH",
    "max_form_memory_size": "MAX_FORM_MEMORY_SIZE",
    "max_fields": "DATA_UPLOAD_MAX_NUMBER_FIELDS",
    "max_files": "DATA_UPLOAD_MAX_NUMBER_FILES",
    "json_max_depth": "JSON_MAX_DEPTH",
    "spool_size": "FILE_UPLOAD_MAX_MEMORY_SIZE",
}

_current: Limits | None = None


def _from_settings() -> Limits:
    global _current
    _current = limits = Limits(**{limit: getattr(settings, name) for limit, name in SETTINGS.items()})
    return limits


def _forget(sender: Any, *, setting: str, **kwargs: Any) -> None:
    global _current
    if setting in SETTINGS.values():
        _current = None


setting_changed.connect(_forget)
