"""What is heard of an app while it answers one request of a client: errors that nobody handled, templates rendered.

It is heard in the context of that request alone, so that clients may be used
side by side, in threads and tasks, and by an app in the midst of a request.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from webframe.core.signals import got_request_exception
from webframe.test.environment import templates_reported
from webframe.test.signals import template_rendered

if TYPE_CHECKING:
    from jinja2.runtime import Context

    from webframe.template import Template


class ContextList(list[dict[str, Any]]):
    """The contexts of all templates rendered, in order; by a name, the value in the first context that has it.

    >>> contexts = ContextList([{"note": 1}, {"note": 2, "page": 3}])
    >>> contexts["note"], contexts["page"], contexts[1]["note"]
    (1, 3, 2)
    >>> "note" in contexts, contexts.get("author", "nobody"), sorted(contexts.keys())
    (True, 'nobody', ['note', 'page'])
    """

    @overload
    def __getitem__(self, key: str) -> Any: ...
    @overload
    def __getitem__(self, key: SupportsIndex) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, key: str | SupportsIndex | slice) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        for context in self:
            if key in context:
                return context[key]
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return any(key in context for context in self) if isinstance(key, str) else super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value in the first context that has that name."""
        return next((context[key] for context in self if key in context), default)

    def keys(self) -> set[str]:
        """The names in all contexts."""
        return set().union(*self)


class Recording:
    """What is heard of one request."""

    def __init__(self, raise_app_exceptions: bool = True) -> None:
        # Whether `check` raises what nobody handled.
        self.raise_app_exceptions = raise_app_exceptions
        # Templates in the order in which they were rendered, and their contexts as they were then.
        self.templates: list[Template] = []
        self.contexts = ContextList()
        # Errors that were heard, and not raised yet.
        self.errors: list[BaseException] = []
        self._stack = ExitStack()

    def begin(self) -> None:
        """Listen to what happens in this context from now on, and in those that are copied from it."""
        _current.set(self)
        with ExitStack() as stack:
            stack.enter_context(templates_reported())
            stack.enter_context(template_rendered.connected_to(self._hear_template, inline=True))
            stack.enter_context(got_request_exception.connected_to(self._hear_error, inline=True))
            self._stack = stack.pop_all()

    def end(self) -> None:
        """Listen no more; in any context, and as often as one likes."""
        stack, self._stack = self._stack, ExitStack()
        stack.close()

    def check(self) -> None:
        """Raise the first error that was heard, once, if errors are to be raised."""
        if self.raise_app_exceptions and self.errors:
            errors, self.errors = self.errors, []
            raise errors[0]

    def _hear_error(self, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and _current.get() is self:
            self.errors.append(error)

    def _hear_template(self, template: Template, context: Context, **kwargs: Any) -> None:
        if _current.get() is self:
            self.templates.append(template)
            self.contexts.append(dict(_own_items(template, context)))


def _own_items(template: Template, context: Context) -> Iterator[tuple[str, Any]]:
    """What a context has beside that which every template sees."""
    for name, value in context.get_all().items():
        if template.globals.get(name, _current) is not value:
            yield name, value


# The innermost request of a client that is being served here.
_current: ContextVar[Recording | None] = ContextVar("webframe.test.recording", default=None)
