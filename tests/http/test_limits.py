"""The limits of a request, and where they come from."""

from __future__ import annotations

import dataclasses

import pytest

from webframe.conf import settings
from webframe.http.limits import SETTINGS, Limits
from webframe.test import override_settings


def test_every_limit_has_its_setting() -> None:
    limits = Limits.from_settings()
    assert {field.name for field in dataclasses.fields(Limits)} == set(SETTINGS)
    assert {name: getattr(limits, name) for name in SETTINGS} == {
        name: getattr(settings, setting) for name, setting in SETTINGS.items()
    }


def test_limits_are_computed_once() -> None:
    assert Limits.from_settings() is Limits.from_settings()


@pytest.mark.parametrize(("limit", "setting"), SETTINGS.items())
def test_limits_follow_the_settings(limit: str, setting: str) -> None:
    before = getattr(Limits.from_settings(), limit)
    with override_settings(**{setting: 7}):
        assert getattr(Limits.from_settings(), limit) == 7
    assert getattr(Limits.from_settings(), limit) == before


def test_limits_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits.from_settings().max_fields = 3


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=x", "Multipart/Form-Data ;boundary=x"]
)
def test_multipart_forms_may_be_larger(content_type: str) -> None:
    limits = dataclasses.replace(Limits.from_settings(), max_content_length=10, max_upload_length=99)
    assert limits.for_content_type(content_type) == 99


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "multipart/mixed", "x-multipart/form-data"])
def test_other_bodies_have_the_usual_limit(content_type: str | None) -> None:
    limits = dataclasses.replace(Limits.from_settings(), max_content_length=10, max_upload_length=99)
    assert limits.for_content_type(content_type) == 10


@pytest.mark.parametrize(("length", "allowed"), [(10, True), (11, False)])
def test_a_length_within_every_limit_is_allowed_whatever_the_content_type(length: int, allowed: bool) -> None:
    usual = dataclasses.replace(Limits.from_settings(), max_content_length=10, max_upload_length=99)
    assert usual.allow(length) is allowed
    assert dataclasses.replace(usual, max_content_length=99, max_upload_length=10).allow(length) is allowed
