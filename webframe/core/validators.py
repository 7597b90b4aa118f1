"""Validators: callables that raise ValidationError for a value that is not good enough.

Functions and objects for the `validators` of fields. Those made from a limit
take a callable too, which is then asked each time.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from webframe._lazy import LateModule, late_pattern
from webframe.core.exceptions import ValidationError

if TYPE_CHECKING:
    import ipaddress
    from urllib import parse as urls
else:
    ipaddress = LateModule("ipaddress")
    urls = LateModule("urllib.parse")

# Values that count as no value at all: nothing but `required` is asked of them.
EMPTY_VALUES: tuple[Any, ...] = (None, "", [], (), {})


class _Comparable:
    """Equal to others of its class that were made with equal arguments: what migrations compare."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *sorted((name, repr(value)) for name, value in vars(self).items())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """The dotted path of the class and the arguments that make an equal one."""
        return f"{type(self).__module__}.{type(self).__qualname__}", [], dict(vars(self))


class RegexValidator(_Comparable):
    """The text must contain a match of `regex`; with `inverse_match` it must not."""

    regex: Any = ""
    message: Any = "Enter a valid value."
    code = "invalid"
    inverse_match = False
    flags = 0
    # Longer texts are refused without being matched: some expressions take very long for them. None: any length.
    max_length: int | None = None

    def __init__(
        self,
        regex: Any = None,
        message: Any = None,
        code: str | None = None,
        inverse_match: bool | None = None,
        flags: int | None = None,
    ) -> None:
        if regex is not None:
            self.regex = regex
        if message is not None:
            self.message = message
        if code is not None:
            self.code = code
        if inverse_match is not None:
            self.inverse_match = inverse_match
        if flags is not None:
            self.flags = flags
        if self.flags and not isinstance(self.regex, str):
            raise TypeError("RegexValidator takes flags only with a regex that is a text, not with a compiled one.")

    def __call__(self, value: Any) -> None:
        text = str(value)
        too_long = self.max_length is not None and len(text) > self.max_length
        pattern = re.compile(self.regex, self.flags) if isinstance(self.regex, str) else self.regex
        if too_long or bool(pattern.search(text)) is self.inverse_match:
            raise ValidationError(self.message, code=self.code, params={"value": value})


_HOST_LABEL = r"[a-z0-9¡-￿](?:[a-z0-9¡-￿_-]{0,61}[a-z0-9¡-￿])?"
_LAST_LABEL = r"(?!-)(?:[a-z¡-￿-]{2,63}|xn--[a-z0-9]{1,59})(?<!-)"


@cache
def _host() -> re.Pattern[str]:
    """What the name of a host looks like; compiled at the first need, which takes 20 milliseconds."""
    return re.compile(rf"(?:{_HOST_LABEL}\.)+{_LAST_LABEL}\.?\Z", re.IGNORECASE)


class URLValidator(_Comparable):
    """The text must be an absolute URL with one of `schemes`."""

    message: Any = "Enter a valid URL."
    code = "invalid"
    schemes: Sequence[str] = ("http", "https", "ftp", "ftps")
    max_length = 2048

    def __init__(self, schemes: Sequence[str] | None = None, message: Any = None, code: str | None = None) -> None:
        if schemes is not None:
            self.schemes = schemes
        if message is not None:
            self.message = message
        if code is not None:
            self.code = code

    def __call__(self, value: Any) -> None:
        if not isinstance(value, str) or len(value) > self.max_length or not self._is_valid(value):
            raise ValidationError(self.message, code=self.code, params={"value": value})

    def _is_valid(self, value: str) -> bool:
        if re.search(r"[\s\x00-\x1f\x7f<>\"\\^`{|}]", value):
            return False
        try:
            parts = urls.urlsplit(value)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return False
        if parts.scheme.lower() not in self.schemes or not host or len(host) > 253:
            return False
        return host == "localhost" or _is_address(host) or _host().match(host) is not None


# RFC 5322's dot-atom and quoted string; RFC 3696 §3: 320 characters at most.
_LOCAL_PART = late_pattern(
    r"(?:[-!#$%&'*+/=?^_`{}|~0-9A-Z]+(?:\.[-!#$%&'*+/=?^_`{}|~0-9A-Z]+)*"
    r'|"(?:[\001-\010\013\014\016-\037!#-\[\]-\177]|\\[\001-\011\013\014\016-\177])*")\Z',
    re.IGNORECASE,
)


class EmailValidator(_Comparable):
    """The text must look like an address for e-mail; `allowlist` names domains that need no dot."""

    message: Any = "Enter a valid email address."
    code = "invalid"
    allowlist: Sequence[str] = ("localhost",)

    def __init__(self, message: Any = None, code: str | None = None, allowlist: Sequence[str] | None = None) -> None:
        if message is not None:
            self.message = message
        if code is not None:
            self.code = code
        if allowlist is not None:
            self.allowlist = allowlist

    def __call__(self, value: Any) -> None:
        if not isinstance(value, str) or len(value) > 320 or not self._is_valid(value):
            raise ValidationError(self.message, code=self.code, params={"value": value})

    def _is_valid(self, value: str) -> bool:
        local, at, domain = value.rpartition("@")
        if not (at and _LOCAL_PART.match(local)):
            return False
        if domain in self.allowlist or (len(domain) <= 253 and _host().match(domain)):
            return True
        return domain[:1] == "[" and domain[-1:] == "]" and _is_address(domain[1:-1])


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


validate_email = EmailValidator()
validate_slug = RegexValidator(
    r"^[-a-zA-Z0-9_]+\Z", "Enter a valid “slug” consisting of letters, numbers, underscores or hyphens."
)
validate_unicode_slug = RegexValidator(
    r"^[-\w]+\Z", "Enter a valid “slug” consisting of Unicode letters, numbers, underscores, or hyphens."
)


def int_list_validator(
    sep: str = ",", message: Any = None, code: str = "invalid", allow_negative: bool = False
) -> RegexValidator:
    """A validator for numbers that are joined by `sep`."""
    number = r"-?\d+" if allow_negative else r"\d+"
    return RegexValidator(
        rf"^{number}(?:{re.escape(sep)}{number})*\Z", message or "Enter only digits separated by commas.", code
    )


validate_comma_separated_integer_list = int_list_validator()


def validate_integer(value: Any) -> None:
    """The text must be a whole number, in digits."""
    if not re.match(r"-?\d{1,4000}\Z", str(value)):
        raise ValidationError("Enter a valid integer.", code="invalid", params={"value": value})


def validate_ipv4_address(value: Any) -> None:
    """The text must be an IPv4 address."""
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        raise ValidationError(
            "Enter a valid %(protocol)s address.", code="invalid", params={"protocol": "IPv4", "value": value}
        ) from None


def validate_ipv6_address(value: Any) -> None:
    """The text must be an IPv6 address."""
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        raise ValidationError(
            "Enter a valid %(protocol)s address.", code="invalid", params={"protocol": "IPv6", "value": value}
        ) from None


def validate_ipv46_address(value: Any) -> None:
    """The text must be an IPv4 or an IPv6 address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ValidationError(
            "Enter a valid %(protocol)s address.", code="invalid", params={"protocol": "IPv4 or IPv6", "value": value}
        ) from None


class BaseValidator(_Comparable):
    """The base of validators that compare a value with a limit."""

    message: Any = "Ensure this value is %(limit_value)s (it is %(show_value)s)."
    code = "limit_value"

    def __init__(self, limit_value: Any, message: Any = None) -> None:
        self.limit_value = limit_value
        if message is not None:
            self.message = message

    def __call__(self, value: Any) -> None:
        cleaned = self.clean(value)
        limit = self.limit_value() if callable(self.limit_value) else self.limit_value
        if self.compare(cleaned, limit):
            params = {"limit_value": limit, "show_value": cleaned, "value": value}
            raise ValidationError(self.message, code=self.code, params=params)

    def compare(self, value: Any, limit: Any) -> bool:
        """Whether the value is wrong."""
        return value is not limit

    def clean(self, value: Any) -> Any:
        """What is compared: the value itself, or its length."""
        return value


class MaxValueValidator(BaseValidator):
    message = "Ensure this value is less than or equal to %(limit_value)s."
    code = "max_value"

    def compare(self, value: Any, limit: Any) -> bool:
        return bool(value > limit)


class MinValueValidator(BaseValidator):
    message = "Ensure this value is greater than or equal to %(limit_value)s."
    code = "min_value"

    def compare(self, value: Any, limit: Any) -> bool:
        return bool(value < limit)


class StepValueValidator(BaseValidator):
    """The value must be `offset` plus a multiple of the limit."""

    message = "Ensure this value is a multiple of step size %(limit_value)s."
    code = "step_size"

    def __init__(self, limit_value: Any, message: Any = None, offset: Any = None) -> None:
        super().__init__(limit_value, message)
        if offset is not None:
            self.offset = offset
            if message is None:
                self.message = f"Ensure this value is {offset} plus a multiple of step size %(limit_value)s."

    def compare(self, value: Any, limit: Any) -> bool:
        remainder = math.remainder(float(value) - float(getattr(self, "offset", 0)), float(limit))
        return not math.isclose(remainder, 0, abs_tol=1e-9)


class MinLengthValidator(BaseValidator):
    message = "Ensure this value has at least %(limit_value)d characters (it has %(show_value)d)."
    code = "min_length"

    def compare(self, value: Any, limit: Any) -> bool:
        return bool(value < limit)

    def clean(self, value: Any) -> Any:
        return len(value)


class MaxLengthValidator(BaseValidator):
    message = "Ensure this value has at most %(limit_value)d characters (it has %(show_value)d)."
    code = "max_length"

    def compare(self, value: Any, limit: Any) -> bool:
        return bool(value > limit)

    def clean(self, value: Any) -> Any:
        return len(value)


class DecimalValidator(_Comparable):
    """The number must be finite, with at most `max_digits` digits, `decimal_places` of them after the point."""

    messages: ClassVar[dict[str, str]] = {
        "invalid": "Enter a number.",
        "max_digits": "Ensure that there are no more than %(max)s digits in total.",
        "max_decimal_places": "Ensure that there are no more than %(max)s decimal places.",
        "max_whole_digits": "Ensure that there are no more than %(max)s digits before the decimal point.",
    }

    def __init__(self, max_digits: int | None, decimal_places: int | None) -> None:
        self.max_digits = max_digits
        self.decimal_places = decimal_places

    def __call__(self, value: Decimal) -> None:
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int):  # NaN and the infinities
            raise ValidationError(self.messages["invalid"], code="invalid", params={"value": value})
        digits = len(value.as_tuple().digits) if value else 1
        places = max(-exponent, 0)
        whole = max(digits + exponent, 0) if value else 0
        self._check("max_digits", max(whole + places, 1), self.max_digits, value)
        self._check("max_decimal_places", places, self.decimal_places, value)
        if self.max_digits is not None and self.decimal_places is not None:
            self._check("max_whole_digits", whole, self.max_digits - self.decimal_places, value)

    def _check(self, code: str, number: int, limit: int | None, value: Decimal) -> None:
        if limit is not None and number > limit:
            raise ValidationError(self.messages[code], code=code, params={"max": limit, "value": value})


class FileExtensionValidator(_Comparable):
    """The name (of a path, or of what has a `name`) must end with one of the extensions, given without the dot."""

    message: Any = "File extension “%(extension)s” is not allowed. Allowed extensions are: %(allowed_extensions)s."
    code = "invalid_extension"

    def __init__(
        self, allowed_extensions: Sequence[str] | None = None, message: Any = None, code: str | None = None
    ) -> None:
        self.allowed_extensions = None if allowed_extensions is None else [each.lower() for each in allowed_extensions]
        if message is not None:
            self.message = message
        if code is not None:
            self.code = code

    def __call__(self, value: Any) -> None:
        extension = os.path.splitext(str(getattr(value, "name", value)))[1][1:].lower()
        if self.allowed_extensions is not None and extension not in self.allowed_extensions:
            params = {"extension": extension, "allowed_extensions": ", ".join(self.allowed_extensions), "value": value}
            raise ValidationError(self.message, code=self.code, params=params)


class ProhibitNullCharactersValidator(_Comparable):
    """The text must not contain the character NUL, which PostgreSQL refuses."""

    message: Any = "Null characters are not allowed."
    code = "null_characters_not_allowed"

    def __init__(self, message: Any = None, code: str | None = None) -> None:
        if message is not None:
            self.message = message
        if code is not None:
            self.code = code

    def __call__(self, value: Any) -> None:
        if "\x00" in str(value):
            raise ValidationError(self.message, code=self.code, params={"value": value})


def ip_address_validators(protocol: str, unpack_ipv4: bool) -> list[Callable[[Any], None]]:
    """The validators for addresses of a protocol: "both", "IPv4" or "IPv6"."""
    known = {"both": validate_ipv46_address, "ipv4": validate_ipv4_address, "ipv6": validate_ipv6_address}
    if protocol.lower() not in known:
        raise ValueError(f"The protocol {protocol!r} is unknown; it is one of 'both', 'IPv4', 'IPv6'.")
    if unpack_ipv4 and protocol.lower() != "both":
        raise ValueError(f"unpack_ipv4 makes sense only with the protocol 'both', not with {protocol!r}.")
    return [known[protocol.lower()]]
