"""The names of `django.test.utils`, each found on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webframe._lazy import lazy_door

if TYPE_CHECKING:
    from webframe.test.contexts import Approximate as Approximate
    from webframe.test.contexts import TestContextDecorator as TestContextDecorator
    from webframe.test.contexts import captured_output as captured_output
    from webframe.test.contexts import captured_stderr as captured_stderr
    from webframe.test.contexts import captured_stdin as captured_stdin
    from webframe.test.contexts import captured_stdout as captured_stdout
    from webframe.test.contexts import extend_sys_path as extend_sys_path
    from webframe.test.contexts import freeze_time as freeze_time
    from webframe.test.contexts import ignore_warnings as ignore_warnings
    from webframe.test.contexts import isolate_lru_cache as isolate_lru_cache
    from webframe.test.contexts import tag as tag
    from webframe.test.databases import setup_databases as setup_databases
    from webframe.test.databases import teardown_databases as teardown_databases
    from webframe.test.environment import setup_test_environment as setup_test_environment
    from webframe.test.environment import teardown_test_environment as teardown_test_environment
    from webframe.test.isolation import isolate_apps as isolate_apps
    from webframe.test.isolation import register_lookup as register_lookup
    from webframe.test.queries import CaptureQueriesContext as CaptureQueriesContext
    from webframe.test.recording import ContextList as ContextList
    from webframe.test.settings import modify_settings as modify_settings
    from webframe.test.settings import override_settings as override_settings

_HOMES = {
    "Approximate": "webframe.test.contexts",
    "CaptureQueriesContext": "webframe.test.queries",
    "ContextList": "webframe.test.recording",
    "TestContextDecorator": "webframe.test.contexts",
    "captured_output": "webframe.test.contexts",
    "captured_stderr": "webframe.test.contexts",
    "captured_stdin": "webframe.test.contexts",
    "captured_stdout": "webframe.test.contexts",
    "extend_sys_path": "webframe.test.contexts",
    "freeze_time": "webframe.test.contexts",
    "ignore_warnings": "webframe.test.contexts",
    "isolate_apps": "webframe.test.isolation",
    "isolate_lru_cache": "webframe.test.contexts",
    "modify_settings": "webframe.test.settings",
    "override_settings": "webframe.test.settings",
    "register_lookup": "webframe.test.isolation",
    "setup_databases": "webframe.test.databases",
    "setup_test_environment": "webframe.test.environment",
    "tag": "webframe.test.contexts",
    "teardown_databases": "webframe.test.databases",
    "teardown_test_environment": "webframe.test.environment",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_door(__name__, _HOMES)
