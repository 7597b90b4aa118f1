"""Helpers for tests, each found on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webframe._lazy import lazy_door

if TYPE_CHECKING:
    from webframe.test.capture import capture_signals as capture_signals
    from webframe.test.client import AsyncClient as AsyncClient
    from webframe.test.client import AsyncRequestFactory as AsyncRequestFactory
    from webframe.test.client import Client as Client
    from webframe.test.client import RequestFactory as RequestFactory
    from webframe.test.contexts import ignore_warnings as ignore_warnings
    from webframe.test.contexts import tag as tag
    from webframe.test.db import capture_on_commit as capture_on_commit
    from webframe.test.features import skipIfDBFeature as skipIfDBFeature
    from webframe.test.features import skipUnlessAnyDBFeature as skipUnlessAnyDBFeature
    from webframe.test.features import skipUnlessDBFeature as skipUnlessDBFeature
    from webframe.test.mute import mute as mute
    from webframe.test.queries import count_queries as count_queries
    from webframe.test.settings import modify_settings as modify_settings
    from webframe.test.settings import override_settings as override_settings
    from webframe.test.simple import SimpleTestCase as SimpleTestCase
    from webframe.test.testcases import LiveServerTestCase as LiveServerTestCase
    from webframe.test.testcases import TestCase as TestCase
    from webframe.test.testcases import TransactionTestCase as TransactionTestCase

_HOMES = {
    "AsyncClient": ".client",
    "AsyncRequestFactory": ".client",
    "Client": ".client",
    "RequestFactory": ".client",
    "LiveServerTestCase": ".testcases",
    "SimpleTestCase": ".simple",
    "TestCase": ".testcases",
    "TransactionTestCase": ".testcases",
    "capture_on_commit": ".db",
    "capture_signals": ".capture",
    "count_queries": ".queries",
    "ignore_warnings": ".contexts",
    "modify_settings": ".settings",
    "mute": ".mute",
    "override_settings": ".settings",
    "skipIfDBFeature": ".features",
    "skipUnlessAnyDBFeature": ".features",
    "skipUnlessDBFeature": ".features",
    "tag": ".contexts",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_door(__name__, _HOMES)
