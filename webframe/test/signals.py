"""Signals that are sent in tests only.

`setting_changed` is declared on a floor that everybody may import; it is
reached from here too because this is where Django has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from webframe.core.signals import setting_changed as setting_changed
from webframe.dispatch import Signal

if TYPE_CHECKING:
    from jinja2.runtime import Context

    from webframe.template import Template


@Signal.define
def template_rendered(sender: Template, *, template: Template, context: Context) -> None:
    """Sent before the body of each template is rendered, in tests.

    That is: after `webframe.test.utils.setup_test_environment` was called, or
    while a test client, an assertion about templates or `capture_signals`
    listens. Once for the template asked for, once for each template it extends,
    and for each include each time, from files and from strings (`name` is None
    then), plain, async or streamed. Importing macros is no rendering. The sender
    is the template itself; `context` is the one that it renders with and goes on
    changing: copy what is to be kept (``context.get_all()``). Answers are
    dropped; an error ends the rendering. Templates of every thread are reported.
    """
