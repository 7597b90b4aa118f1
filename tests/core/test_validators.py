"""Validators accept what is good and say what is not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from webframe.core import validators
from webframe.core.exceptions import ValidationError


@pytest.mark.parametrize(
    ("validator", "value"),
    [
        (validators.validate_email, "a@example.org"),
        (validators.validate_email, "a.b+c@xn--bcher-kva.example"),
        (validators.validate_email, "a@localhost"),
        (validators.validate_email, "a@[127.0.0.1]"),
        (validators.validate_email, '"a\\ b"@example.org'),
        (validators.URLValidator(), "https://example.org/a?b=c#d"),
        (validators.URLValidator(), "http://localhost:8000/"),
        (validators.URLValidator(), "http://user:password@[::1]:80/x"),
        (validators.URLValidator(), "ftp://bücher.example/"),
        (validators.URLValidator(["git"]), "git://example.org"),
        (validators.validate_slug, "a-b_c9"),
        (validators.validate_unicode_slug, "héé-9"),
        (validators.validate_comma_separated_integer_list, "1,2,3"),
        (validators.int_list_validator("-", allow_negative=False), "1-2"),
        (validators.validate_integer, "-12"),
        (validators.validate_ipv4_address, "192.0.2.1"),
        (validators.validate_ipv6_address, "2001:db8::1"),
        (validators.validate_ipv46_address, "192.0.2.1"),
        (validators.MaxValueValidator(3), 3),
        (validators.MinValueValidator(lambda: 3), 3),
        (validators.MinLengthValidator(2), "ab"),
        (validators.StepValueValidator(0.1), 0.3),
        (validators.StepValueValidator(3, offset=1), 7),
        (validators.DecimalValidator(4, 2), Decimal("12.34")),
        (validators.DecimalValidator(4, 2), Decimal("0.00")),
        (validators.DecimalValidator(4, 2), Decimal("1E+1")),
        (validators.RegexValidator("^a"), "ab"),
        (validators.RegexValidator("^a", inverse_match=True), "b"),
        (validators.FileExtensionValidator(["txt"]), "a.TXT"),
        (validators.ProhibitNullCharactersValidator(), "a"),
    ],
)
def test_good_values_pass(validator, value):
    assert validator(value) is None


@pytest.mark.parametrize(
    ("validator", "value"),
    [
        (validators.validate_email, "a"),
        (validators.validate_email, "a@b"),
        (validators.validate_email, "a@-example.org"),
        (validators.validate_email, "a b@example.org"),
        (validators.validate_email, "a@example.org\n"),
        (validators.validate_email, "a" * 330 + "@example.org"),
        (validators.validate_email, None),
        (validators.URLValidator(), "example.org"),
        (validators.URLValidator(), "http://"),
        (validators.URLValidator(), "http://a b.example/"),
        (validators.URLValidator(), "javascript:alert(1)"),
        (validators.URLValidator(), "http://[::1"),
        (validators.URLValidator(), "http://example.org:port/"),
        (validators.URLValidator(), "http://example.org/\n"),
        (validators.URLValidator(), "http://example"),
        (validators.validate_slug, "a b"),
        (validators.validate_slug, "a\n"),
        (validators.validate_comma_separated_integer_list, "1,,2"),
        (validators.validate_integer, "1.0"),
        (validators.validate_integer, "9" * 5000),
        (validators.validate_ipv4_address, "192.0.2.256"),
        (validators.validate_ipv6_address, "2001::db8::1"),
        (validators.validate_ipv46_address, "x"),
        (validators.MaxValueValidator(3), 4),
        (validators.MinValueValidator(3), 2),
        (validators.MaxLengthValidator(2), "abc"),
        (validators.MinLengthValidator(2), "a"),
        (validators.StepValueValidator(2), 3),
        (validators.DecimalValidator(4, 2), Decimal("123.4")),
        (validators.DecimalValidator(4, 2), Decimal("1.234")),
        (validators.DecimalValidator(4, 2), Decimal("12345")),
        (validators.DecimalValidator(4, 2), Decimal("NaN")),
        (validators.DecimalValidator(4, 2), Decimal("Infinity")),
        (validators.RegexValidator("^a"), "b"),
        (validators.FileExtensionValidator(["txt"]), "a.exe"),
        (validators.ProhibitNullCharactersValidator(), "a\x00"),
    ],
)
def test_bad_values_are_refused(validator, value):
    with pytest.raises(ValidationError) as caught:
        validator(value)
    assert caught.value.messages


def test_the_message_has_the_limit_and_the_value():
    with pytest.raises(ValidationError) as caught:
        validators.MaxLengthValidator(2)("abc")
    assert caught.value.messages == ["Ensure this value has at most 2 characters (it has 3)."]
    assert caught.value.code == "max_length"


def test_equal_arguments_make_equal_validators():
    assert validators.MaxValueValidator(3) == validators.MaxValueValidator(3)
    assert validators.MaxValueValidator(3) != validators.MaxValueValidator(4)
    assert validators.MaxValueValidator(3) != validators.MinValueValidator(3)
    assert validators.RegexValidator("a") == validators.RegexValidator("a")
    assert len({validators.MaxValueValidator(3), validators.MaxValueValidator(3)}) == 1


def test_flags_need_a_text():
    import re

    with pytest.raises(TypeError, match="flags"):
        validators.RegexValidator(re.compile("a"), flags=re.IGNORECASE)


@pytest.mark.parametrize("validator", [validators.validate_email, validators.URLValidator(), validators.validate_slug])
def test_a_megabyte_is_refused_at_once(validator):
    import time

    start = time.process_time()
    with pytest.raises(ValidationError):
        validator("a" * 1_000_000 + "!")
    assert time.process_time() - start < 0.5
