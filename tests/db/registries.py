"""Registries for models of tests, which nobody else should see."""

from __future__ import annotations

import sys

from webframe.apps import AppConfig
from webframe.apps.registry import Apps


def models_of_a_test(label: str = "tests") -> Apps:
    """A registry that knows one app and is ready: give it to models as ``Meta.apps``, with ``app_label = label``."""
    registry = Apps()
    registry.populate([AppConfig(label, sys.modules[__name__])])
    return registry
