"""Jinja2 templates: one environment a process, the ways to render, and the seam where somebody may watch.

Templates are looked for in the folders of TEMPLATE_DIRS first, then in the
`templates` folder of each installed app. What every template can see is in
four collections of this module, to be added to by anybody at any time:
`globals`, `filters`, `tests` and `context_processors`.

Nothing here makes a response of the text, and nothing sends a signal:
`install_render_hook` is where `webframe.test.environment` listens.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import aclosing
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, Never, TypeVar, cast, overload

import jinja2
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.environment import TemplateModule
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.tests import TESTS
from jinja2.utils import internalcode
from werkzeug.local import LocalProxy

from webframe.apps import apps
from webframe.conf import settings
from webframe.core.exceptions import ImproperlyConfigured, WebframeError
from webframe.core.signals import setting_changed
from webframe.dispatch import receiver
from webframe.http.request import Request, current_request

F = TypeVar("F", bound=Callable[..., Any])

ContextProcessor = Callable[[Request | None], Mapping[str, Any]]
RenderHook = Callable[["Template", Context], object]

# The endings of names whose templates are escaped; so are templates without an ending and those made from a string.
ESCAPED_ENDINGS = frozenset({"html", "htm", "xml", "xhtml", "svg"})

# Endings that only say "this is a template": what counts is the ending before them ("page.html.j2").
TEMPLATE_ENDINGS = frozenset({"j2", "jinja", "jinja2"})

# A template yields a piece for each expression in it. Sent one by one, a table of a thousand rows would be some ten
# thousand writes to the socket; 4 KiB is about what leaves in three packets.
STREAM_CHUNK = 4096

# How many templates made from strings are kept compiled. Compiling costs about a thousand times as much as finding one.
STRINGS_KEPT = 128

logger = logging.getLogger("webframe.template")


class Names(dict[str, Any]):
    """Names that templates can use: a dictionary with a decorator.

    >>> filters = Names()
    >>> @filters.register
    ... def shout(text):
    ...     return text.upper() + "!"
    >>> filters["shout"]("hi")
    'HI!'
    """

    @overload
    def register(self, function: F, /) -> F: ...
    @overload
    def register(self, /, *, name: str) -> Callable[[F], F]: ...

    def register(self, function: F | None = None, /, *, name: str | None = None) -> F | Callable[[F], F]:
        """Add the decorated function under its own name, or under `name`."""

        def add(function: F) -> F:
            self[name or function.__name__] = function
            return function

        return add if function is None else add(function)


# What every template sees without being handed it, imported macros too.
# `request` is the current request, and false outside of one.
globals = Names(DEFAULT_NAMESPACE)
globals["request"] = LocalProxy(current_request)


@globals.register(name="url_for")
def _url_for(name: str, /, **values: Any) -> str:
    """The address of a route of the app that answers the current request; see `Webframe.url_for`."""
    request = current_request.get()
    if request is None or request.route is None:
        raise ImproperlyConfigured(
            f"url_for({name!r}) in a template needs a current request; outside of one hand the template the address."
        )
    return request.url_for(name, **values)


# {{ value | filter }}
filters = Names(FILTERS)

# {% if value is test %}
tests = Names(TESTS)

# Each is called once for each render with the current request (or None); what the caller of render() hands over wins.
context_processors: list[ContextProcessor] = []

# Jinja2 extensions, as classes or import paths. Read when the environment is built: add before the first render.
extensions: list[str | type[jinja2.ext.Extension]] = []


def render(name: str | Sequence[str], /, *more: Never, **context: Any) -> str:
    """Render a template, or the first of several that exists, and return the text.

    Raises `TemplateNotFound` when none of them exists.
    """
    if more:
        raise _too_many("render()", name, more)
    return get_template(name).render(_complete(context))


async def arender(name: str | Sequence[str], /, *more: Never, **context: Any) -> str:
    """Like `render`, for use in async code: awaits what the template calls."""
    if more:
        raise _too_many("arender()", name, more)
    return await get_template(name, is_async=True).render_async(_complete(context))


def render_string(source: str, /, **context: Any) -> str:
    """Render a template given as text and return the result; values are escaped as in HTML.

    Never build `source` from what a user typed: templates can run code.
    """
    return _from_string(source, False).render(_complete(context))


async def arender_string(source: str, /, **context: Any) -> str:
    """Like `render_string`, for use in async code: awaits what the template calls."""
    return await _from_string(source, True).render_async(_complete(context))


def stream(name: str | Sequence[str], /, **context: Any) -> Iterator[str]:
    """Render a template chunk by chunk, for a `StreamingResponse`.

    The template is found and compiled at once, so that a mistake there is still
    an error page; it renders while the chunks, of 4096 characters or a little
    more, are asked for.
    """
    return _gather(get_template(name).generate(_complete(context)))


def astream(name: str | Sequence[str], /, **context: Any) -> AsyncIterator[str]:
    """Like `stream`, for use in async code: awaits what the template calls. Not a coroutine itself."""
    return _agather(get_template(name, is_async=True).generate_async(_complete(context)))


def get_template(name: str | Sequence[str], *, is_async: bool = False) -> Template:
    """Return the compiled template of that name, or the first of several that exists.

    With `is_async` it is compiled for `render_async` and `generate_async`,
    without for `render` and `generate`. Rendering it oneself leaves out the
    context processors.
    """
    if isinstance(name, str):
        return cast(Template, environment(is_async).get_template(name))
    names = list(name)
    if not names:
        raise ValueError("No template to render: the list of names is empty. Give at least one name.")
    try:
        return cast(Template, environment(is_async).select_template(names))
    except jinja2.TemplatesNotFound:
        raise TemplateNotFound(names, template_folders()) from None


@cache
def environment(is_async: bool = False) -> jinja2.Environment:
    """Return the process's Jinja2 environment, of which there is one for plain and one for async rendering.

    It is built at first use, and anew after TEMPLATE_DIRS, INSTALLED_APPS or
    DEBUG were overridden. With DEBUG on, changed files are noticed.
    """
    built = jinja2.Environment(
        autoescape=should_escape,
        auto_reload=settings.DEBUG,
        cache_size=-1,
        enable_async=is_async,
        extensions=extensions,
        loader=_Loader(),
        undefined=ReportedUndefined if settings.DEBUG else jinja2.Undefined,
    )
    # The very same dictionaries, so that what is registered later is seen by templates loaded earlier.
    # What an extension brought is added; what was registered here wins.
    for ours, theirs in (globals, built.globals), (filters, built.filters), (tests, built.tests):
        for name, value in theirs.items():
            ours.setdefault(name, value)
    built.globals, built.filters, built.tests = globals, filters, tests
    built.template_class = Template
    return built


@receiver(setting_changed)
def forget_environments(*, setting: str, **kwargs: Any) -> None:
    """Build the environments anew when a setting they were built from was overridden."""
    if setting in {"TEMPLATE_DIRS", "INSTALLED_APPS", "DEBUG"}:
        environment.cache_clear()
        _from_string.cache_clear()


def template_folders() -> list[Path]:
    """Return the folders where templates are looked for, in that order, whether they exist or not."""
    installed = [Path(config.path, "templates") for config in apps.get_app_configs() if config.path]
    return [*map(Path, settings.TEMPLATE_DIRS), *installed]


def should_escape(name: str | None) -> bool:
    """Whether values printed by the template of that name are escaped for HTML.

    >>> should_escape("page.html"), should_escape("page.svg.j2"), should_escape("page"), should_escape(None)
    (True, True, True, True)
    >>> should_escape("mail.txt"), should_escape("mail.txt.j2")
    (False, False)
    """
    if name is None:
        return True
    first, *endings = name.rpartition("/")[2].lower().split(".")
    while endings and endings[-1] in TEMPLATE_ENDINGS:
        endings.pop()
    return not endings or endings[-1] in ESCAPED_ENDINGS


class Template(jinja2.Template):
    """A compiled template of the process's environment; `Template("Hello {{ name }}")` makes one from a string."""

    def __new__(cls, source: str) -> Template:
        return _from_string(source, False)

    # What follows is Jinja2's own, but for what a render hook sees of modules. {% import %} makes a module only to
    # take macros from it, which is no rendering. {% include ... without context %} keeps one for all times and prints
    # its text, and that is a rendering each time.

    def make_module(
        self,
        vars: dict[str, Any] | None = None,
        shared: bool = False,
        locals: Mapping[str, Any] | None = None,
    ) -> TemplateModule:
        context = self.new_context(vars, shared, locals)
        return TemplateModule(self, context, list(self.__dict__["root_render_func"](context)))

    async def make_module_async(
        self,
        vars: dict[str, Any] | None = None,
        shared: bool = False,
        locals: Mapping[str, Any] | None = None,
    ) -> TemplateModule:
        context = self.new_context(vars, shared, locals)
        return TemplateModule(self, context, [piece async for piece in self.__dict__["root_render_func"](context)])

    @internalcode
    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        if _hook is not None and ctx is None:
            _hook(self, self.new_context())
        return super()._get_default_module(ctx)

    async def _get_default_module_async(self, ctx: Context | None = None) -> TemplateModule:
        if _hook is not None and ctx is None:
            _hook(self, self.new_context())
        return await super()._get_default_module_async(ctx)


_hook: RenderHook | None = None


def install_render_hook(hook: RenderHook) -> None:
    """Have `hook(template, context)` called before the body of each template renders, in the whole process.

    That is: the template asked for, each template it extends, and each include
    each time; made from a file or from a string; plain, async or streamed.
    Importing macros does not count. `context` is the live `jinja2.runtime.Context`:
    copy what is to be kept. What the hook raises ends the rendering.

    There is one hook, or none, which costs nothing. Raises `RuntimeError` if
    there is one already.
    """
    global _hook
    if _hook is not None:
        raise RuntimeError(f"There is a render hook already, {_hook!r}. Call remove_render_hook() first.")
    _hook = hook
    setattr(Template, _BODY, _ReportedBody(hook))


def remove_render_hook() -> None:
    """Take the render hook away. Raises `RuntimeError` if there is none."""
    global _hook
    if _hook is None:
        raise RuntimeError("There is no render hook to remove. Call install_render_hook() first.")
    _hook = None
    delattr(Template, _BODY)


# The attribute in which Jinja2 keeps the compiled body of a template. Whatever renders a template, be it render(),
# generate(), their async twins, an include or an extending template, calls it.
_BODY = "root_render_func"


class _ReportedBody:
    """Stands before the `root_render_func` of every template as long as there is a hook.

    A data descriptor on the class hides the attribute of the instance; without
    one, Jinja2 finds the instance's own and nothing is in the way.
    """

    def __init__(self, hook: RenderHook) -> None:
        self.hook = hook

    def __get__(self, template: Template | None, owner: type[Template]) -> Any:
        if template is None:
            return self
        hook, body = self.hook, template.__dict__[_BODY]

        def report_and_render(context: Context, *args: Any, **kwargs: Any) -> Any:
            hook(template, context)
            return body(context, *args, **kwargs)

        return report_and_render

    def __set__(self, template: Template, body: Any) -> None:
        template.__dict__[_BODY] = body


class TemplateNotFound(WebframeError, jinja2.TemplateNotFound):
    """None of the named templates is in any folder; the text says where they were looked for and what is like them."""

    def __init__(self, names: Sequence[str], folders: Sequence[Path]) -> None:
        super().__init__(names[-1], f"No template {' or '.join(map(repr, names))}")
        # As Jinja2 has it for its own error; `name` is the last of them.
        self.templates = list(names)
        self.names: list[str] = list(names)
        self.folders = list(folders)

    # Looking for near misses reads every folder. That is for a person who reads the text, not for an
    # {% include ... ignore missing %} in passing.
    def __str__(self) -> str:
        if not self.folders:
            return (
                f"{self.message}: there are no folders to look in. "
                "Put it into the templates folder of an app in INSTALLED_APPS, or name its folder in TEMPLATE_DIRS."
            )
        places = ", ".join(str(folder) if folder.is_dir() else f"{folder} (no such folder)" for folder in self.folders)
        near = self._near_misses(jinja2.FileSystemLoader(self.folders).list_templates())
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        return f"{self.message} in {places}.{hint}"

    def _near_misses(self, known: Sequence[str]) -> list[str]:
        near: dict[str, None] = {}  # a set that keeps the order
        for name in self.names:
            near.update(dict.fromkeys(get_close_matches(name, known, n=3, cutoff=0.8)))
            elsewhere = name.rpartition("/")[2].lower()
            near.update(dict.fromkeys(path for path in known if path.rpartition("/")[2].lower() == elsewhere))
        return list(near)[:3]


class ReportedUndefined(jinja2.Undefined):
    """With DEBUG on, says in the log when a name that does not exist was printed; prints nothing, as without DEBUG."""

    __slots__ = ()

    def __str__(self) -> str:
        logger.warning("%s, so nothing was printed%s.", self._undefined_message, _where(sys._getframe(1)))
        return ""


class _Loader(jinja2.BaseLoader):
    """Reads templates from the folders that there are at that moment."""

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        folders = template_folders()
        try:
            return jinja2.FileSystemLoader(folders).get_source(environment, template)
        except jinja2.TemplateNotFound:
            raise TemplateNotFound([template], folders) from None

    def list_templates(self) -> list[str]:
        return jinja2.FileSystemLoader(template_folders()).list_templates()


@lru_cache(maxsize=STRINGS_KEPT)
def _from_string(source: str, is_async: bool) -> Template:
    return cast(Template, environment(is_async).from_string(source))


def _complete(context: MutableMapping[str, Any]) -> Mapping[str, Any]:
    if not context_processors:
        return context
    request = current_request.get()
    complete: dict[str, Any] = {}
    for processor in context_processors:
        complete.update(processor(request))
    complete.update(context)
    return complete


def _too_many(function: str, name: object, more: tuple[object, ...]) -> TypeError:
    """The error for what is given as to Django's `render`: the request, the name, the context as a dictionary."""
    template = next((one for one in (name, *more) if isinstance(one, str)), "note.html")
    return TypeError(
        f"{function} takes the name of a template, and its context as keywords, not {more[0]!r}. "
        f"Write {function[:-1]}{template!r}, note=note), or **context for a dictionary; the request is there anyway."
    )


def _gather(pieces: Iterable[str]) -> Iterator[str]:
    gathered: list[str] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= STREAM_CHUNK:
            yield "".join(gathered)
            gathered.clear()
            size = 0
    if size:
        yield "".join(gathered)


async def _agather(pieces: AsyncGenerator[str, Any]) -> AsyncIterator[str]:
    gathered: list[str] = []
    size = 0
    async with aclosing(pieces):
        async for piece in pieces:
            gathered.append(piece)
            size += len(piece)
            if size >= STREAM_CHUNK:
                yield "".join(gathered)
                gathered.clear()
                size = 0
    if size:
        yield "".join(gathered)


def _where(frame: FrameType | None) -> str:
    """Say which line of which template is being rendered: the innermost frame that belongs to one."""
    while frame is not None:
        template = frame.f_globals.get("__jinja_template__")
        if template is not None:
            line = template.get_corresponding_lineno(frame.f_lineno)
            return f" ({template.name or 'a template made from a string'}, line {line})"
        frame = frame.f_back
    return ""
