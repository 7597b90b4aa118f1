"""Models and look-ups that are there for the length of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from webframe.apps import AppConfig
from webframe.apps.registry import Apps, apps
from webframe.db.models.options import Options, forget_questions
from webframe.test.contexts import TestContextDecorator


class isolate_apps(TestContextDecorator):
    """Models that are defined meanwhile go into a registry of their own, which knows these apps and nobody else knows.

    ``with isolate_apps("shop") as apps:`` gives the registry. An app is named as
    in INSTALLED_APPS; its `ready()` is not called once more. Models that are
    defined in threads beside go there as well.
    """

    def __init__(self, *installed_apps: str, attr_name: str | None = None, kwarg_name: str | None = None) -> None:
        super().__init__(attr_name, kwarg_name)
        self.installed_apps = installed_apps

    def enable(self) -> Apps:
        """Make the registry, and have it used."""
        registry = Apps()
        registry.populate([_Bystander(_config_of(entry)) for entry in self.installed_apps])
        self._patch = patch.object(Options, "default_apps", registry)
        self._patch.start()
        return registry

    def disable(self) -> None:
        """Have the former registry used again."""
        self._patch.stop()


class _Bystander(AppConfig):
    """Stands for an app in another registry, where nothing is done for it."""

    def __init__(self, config: AppConfig) -> None:
        self.label = config.label
        self.verbose_name = config.verbose_name
        super().__init__(config.name, config.module)


def _config_of(entry: str) -> AppConfig:
    installed = apps.get_app_configs() if apps.apps_ready else []
    return next((each for each in installed if each.name == entry), None) or AppConfig.create(entry)


@contextmanager
def register_lookup(field: Any, *lookups: Any, lookup_name: str | None = None) -> Iterator[None]:
    """Within the block fields of a class know these look-ups or transforms, under their names or `lookup_name`."""
    if not isinstance(field, type):
        raise TypeError(
            f"Look-ups are registered for classes of fields, not for {field!r}. Give {type(field).__name__}."
        )
    kind: Any = field
    own = vars(kind).get("class_lookups")
    before = None if own is None else dict(own)
    try:
        for lookup in lookups:
            kind.register_lookup(lookup, lookup_name)
        forget_questions()
        yield
    finally:
        if before is not None:
            kind.class_lookups = before
        elif "class_lookups" in vars(kind):
            del kind.class_lookups
        forget_questions()
