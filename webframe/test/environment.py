"""What is switched on for the length of a test run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from jinja2.runtime import Context

from webframe.template import Template, install_render_hook, remove_render_hook
from webframe.test.settings import override_settings
from webframe.test.signals import template_rendered

# What teardown_test_environment() is to undo; None while no test environment is set up.
_set_up: ExitStack | None = None

# How many want templates to be reported, and what guards that number.
_listening = 0
_lock = threading.Lock()


def setup_test_environment(debug: bool | None = None) -> None:
    """Have `template_rendered` sent by every template from now on, in the whole process; `debug` is what DEBUG is then.

    Raises `RuntimeError` when called twice without `teardown_test_environment`
    in between.
    """
    global _set_up
    if _set_up is not None:
        raise RuntimeError("The test environment is set up already. Call teardown_test_environment() first.")
    with ExitStack() as stack:
        if debug is not None:
            stack.enter_context(override_settings(DEBUG=debug))
        stack.enter_context(templates_reported())
        _set_up = stack.pop_all()


def teardown_test_environment() -> None:
    """Undo what `setup_test_environment` did. Raises `RuntimeError` if it was not called."""
    global _set_up
    if _set_up is None:
        raise RuntimeError("The test environment is not set up. Call setup_test_environment() first.")
    stack, _set_up = _set_up, None
    stack.close()


@contextmanager
def templates_reported() -> Iterator[None]:
    """Within the block templates send `template_rendered`, whether or not a test environment is set up."""
    _listen(+1)
    try:
        yield
    finally:
        _listen(-1)


def _listen(change: int) -> None:
    global _listening
    with _lock:
        before, after = _listening, _listening + change
        if not before:
            install_render_hook(_send_template_rendered)
        elif not after:
            remove_render_hook()
        _listening = after


def _send_template_rendered(template: Template, context: Context) -> None:
    template_rendered.send(sender=template, template=template, context=context)
