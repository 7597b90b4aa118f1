"""Time zones: the default one, the active one, and moments with and without."""

from __future__ import annotations

import datetime
import threading
import zoneinfo

import pytest

from webframe.test import override_settings
from webframe.utils import timezone

NAIVE = datetime.datetime(2024, 7, 1, 12)
AWARE = datetime.datetime(2024, 7, 1, 12, tzinfo=datetime.UTC)
ROME = zoneinfo.ZoneInfo("Europe/Rome")


def test_now_is_aware_and_in_utc_unless_time_zones_are_off():
    assert timezone.now().tzinfo is datetime.UTC
    with override_settings(USE_TZ=False, TIME_ZONE="Europe/Rome"):
        now = timezone.now()
        assert now.tzinfo is None
        assert abs(now - datetime.datetime.now(ROME).replace(tzinfo=None)) < datetime.timedelta(seconds=5)


def test_another_zone_can_be_active_for_a_while():
    with override_settings(TIME_ZONE="America/Lima"):
        assert timezone.get_current_timezone_name() == "-05"
        with timezone.override("Europe/Rome"):
            assert timezone.get_current_timezone() is ROME
            assert timezone.localtime(AWARE).hour == 14
            with timezone.override(None):
                assert timezone.get_current_timezone() == zoneinfo.ZoneInfo("America/Lima")
        assert timezone.localtime(AWARE).hour == 7


def test_activating_concerns_this_thread_only():
    seen = []
    timezone.activate(ROME)
    try:
        thread = threading.Thread(target=lambda: seen.append(timezone.get_current_timezone()))
        thread.start()
        thread.join()
        assert timezone.get_current_timezone() is ROME
    finally:
        timezone.deactivate()
    assert seen == [timezone.get_default_timezone()]


def test_aware_and_naive_are_told_apart_and_turned_into_each_other():
    assert timezone.is_aware(AWARE) and not timezone.is_naive(AWARE)
    assert timezone.is_naive(NAIVE) and not timezone.is_aware(NAIVE)
    assert timezone.make_aware(NAIVE, ROME) == datetime.datetime(2024, 7, 1, 10, tzinfo=datetime.UTC)
    assert timezone.make_naive(AWARE, ROME) == datetime.datetime(2024, 7, 1, 14)


def test_doing_it_twice_is_refused():
    with pytest.raises(ValueError, match="naive"):
        timezone.make_aware(AWARE)
    with pytest.raises(ValueError, match="has none"):
        timezone.make_naive(NAIVE)
    with pytest.raises(ValueError, match="make_aware"):
        timezone.localtime(NAIVE)


def test_dates_are_those_of_the_zone():
    late = datetime.datetime(2024, 7, 1, 23, tzinfo=datetime.UTC)
    assert timezone.localdate(late, ROME) == datetime.date(2024, 7, 2)
    assert timezone.localdate(late, timezone.get_fixed_timezone(-60)) == datetime.date(2024, 7, 1)
    assert timezone.get_fixed_timezone(datetime.timedelta(hours=2)).utcoffset(None) == datetime.timedelta(hours=2)
