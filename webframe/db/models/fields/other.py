"""Fields for what is neither text, number nor date: UUIDs, JSON, bytes, addresses of the internet."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.core import validators
from webframe.core.exceptions import ValidationError
from webframe.db.models.fields.base import Field

if TYPE_CHECKING:
    import base64
    import ipaddress
    import json

    from sqlalchemy.types import TypeEngine

    from webframe.db.models.fields import types
else:
    base64 = LateModule("base64")
    ipaddress = LateModule("ipaddress")
    json = LateModule("json")
    types = LateModule("webframe.db.models.fields.types")


class UUIDField(Field):
    """A `uuid.UUID`."""

    description = "Universally unique identifier"
    empty_strings_allowed = False
    default_error_messages = {"invalid": "“%(value)s” is not a valid UUID."}
    exact_type = uuid.UUID

    def sql_type(self) -> TypeEngine[Any]:
        return types.uuid_type()

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, uuid.UUID):
            return value
        try:
            return uuid.UUID(int=value) if isinstance(value, int) else uuid.UUID(hex=value)
        except (AttributeError, TypeError, ValueError):
            raise self._invalid("invalid", value) from None

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(value)


class JSONField(Field):
    """Anything that JSON can say: dictionaries, lists, texts, numbers, booleans.

    None is NULL. `encoder` and `decoder` are classes for the json module.
    """

    description = "A JSON object"
    empty_strings_allowed = False
    default_error_messages = {"invalid": "Value must be valid JSON."}
    own_arguments = {"encoder": None, "decoder": None}

    def __init__(
        self,
        verbose_name: Any = None,
        name: str | None = None,
        encoder: type[json.JSONEncoder] | None = None,
        decoder: type[json.JSONDecoder] | None = None,
        **keywords: Any,
    ) -> None:
        for argument, given in (("encoder", encoder), ("decoder", decoder)):
            if given is not None and not callable(given):
                raise ValueError(f"JSONField({argument}={given!r}): give a class for the json module.")
        self.encoder = encoder
        self.decoder = decoder
        super().__init__(verbose_name, name, **keywords)

    def sql_type(self) -> TypeEngine[Any]:
        return types.JSONDocument(self.encoder, self.decoder)

    def validate(self, value: Any, model_instance: Any) -> None:
        super().validate(value, model_instance)
        try:
            json.dumps(value, cls=self.encoder, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise self._invalid("invalid", value) from None

    def value_to_string(self, obj: Any) -> str:
        return json.dumps(self.value_from_object(obj), cls=self.encoder)


class BinaryField(Field):
    """Bytes."""

    description = "Raw binary data"
    empty_values: tuple[Any, ...] = (None, b"")
    exact_type = bytes

    own_arguments = {"editable": False}

    def __init__(self, *args: Any, **keywords: Any) -> None:
        keywords.setdefault("editable", False)
        super().__init__(*args, **keywords)

    def sql_type(self) -> TypeEngine[Any]:
        return types.binary_type()

    @property
    def constant_default(self) -> Any:
        default = super().constant_default
        return b"" if default == "" else default

    def get_default(self) -> Any:
        return self.default() if callable(self.default) else self.constant_default

    def to_python(self, value: Any) -> Any:
        """Bytes as they are; text is taken for base64."""
        if isinstance(value, str):
            try:
                return base64.b64decode(value.encode("ascii"), validate=True)
            except ValueError:
                raise ValidationError("Text for a BinaryField must be base64.", code="invalid") from None
        return value

    def get_prep_value(self, value: Any) -> Any:
        if value is None or type(value) is bytes:
            return value
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        raise TypeError(f"Field {getattr(self, 'name', '?')!r} expected bytes but got {value!r}.")

    def value_to_string(self, obj: Any) -> str:
        return base64.b64encode(self.value_from_object(obj)).decode("ascii")

    def _own_validators(self) -> list[Callable[[Any], object]]:
        return [] if self.max_length is None else [validators.MaxLengthValidator(self.max_length)]


class GenericIPAddressField(Field):
    """An address of IPv4 or IPv6, as text in its shortest form.

    `protocol` is "both", "IPv4" or "IPv6"; with `unpack_ipv4`,
    ``::ffff:192.0.2.1`` becomes ``192.0.2.1``.
    """

    description = "IP address"
    empty_strings_allowed = False
    default_error_messages = {"invalid": "Enter a valid %(protocol)s address."}
    own_arguments = {"protocol": "both", "unpack_ipv4": False}

    def __init__(
        self,
        verbose_name: Any = None,
        name: str | None = None,
        protocol: str = "both",
        unpack_ipv4: bool = False,
        **keywords: Any,
    ) -> None:
        self.protocol = protocol
        self.unpack_ipv4 = unpack_ipv4
        self._form = validators.ip_address_validators(protocol, unpack_ipv4)
        keywords["max_length"] = 39
        super().__init__(verbose_name, name, **keywords)
        if self.blank and not self.null:
            raise TypeError("GenericIPAddressField(blank=True) needs null=True: no address is kept as NULL.")

    def sql_type(self) -> TypeEngine[Any]:
        return types.text_type(39)

    def to_python(self, value: Any) -> Any:
        if value is None:
            return None
        text = str(value).strip()
        if ":" not in text:
            return text
        try:
            return self._shortest(text)
        except ValueError:
            raise self._invalid("invalid", value, protocol="IPv6") from None

    def _shortest(self, text: str) -> str:
        address = ipaddress.IPv6Address(text)
        mapped = address.ipv4_mapped
        if mapped is None:
            return address.compressed
        return str(mapped) if self.unpack_ipv4 else f"::ffff:{mapped}"

    def get_prep_value(self, value: Any) -> Any:
        if value is None or value == "":
            return None
        text = str(value).strip()
        if ":" in text:
            try:
                return self._shortest(text)
            except ValueError:
                pass  # part of an address, as in `startswith`
        return text

    def _own_validators(self) -> list[Callable[[Any], object]]:
        return [*self._form]
