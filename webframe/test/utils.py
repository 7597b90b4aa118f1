"""What is switched on for the length of a test run."""

from __future__ import annotations

from jinja2.runtime import Context

from webframe.template import Template, install_render_hook, remove_render_hook
from webframe.test.signals import template_rendered


def setup_test_environment() -> None:
    """Have `template_rendered` sent by every template from now on, in the whole process.

    Raises `RuntimeError` when called twice without `teardown_test_environment`
    in between.
    """
    try:
        install_render_hook(_send_template_rendered)
    except RuntimeError as error:
        raise RuntimeError("The test environment is set up already. Call teardown_test_environment() first.") from error


def teardown_test_environment() -> None:
    """Undo what `setup_test_environment` did. Raises `RuntimeError` if it was not called."""
    try:
        remove_render_hook()
    except RuntimeError as error:
        raise RuntimeError("The test environment is not set up. Call setup_test_environment() first.") from error


def _send_template_rendered(template: Template, context: Context) -> None:
    template_rendered.send(sender=template, template=template, context=context)
