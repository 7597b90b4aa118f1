"""`override_settings` and `modify_settings`: other settings for the length of a test.

Each is a context manager, and a decorator for functions, coroutine functions,
generator functions (fixtures), methods and whole test classes. Settings hold
for the whole process, so an override is seen by every thread and task.

`setting_changed` is sent once for each setting after all of them have changed,
and once more after all of them are back. A receiver that fails on the way in
undoes the override; on the way out all receivers are called before the first
error is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from copy import copy
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from webframe.conf import Settings, settings
from webframe.core.signals import setting_changed
from webframe.test.decorating import decorate_function

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Layer = dict[str, Any]


class override_settings:
    """Give settings other values, and take them back at the end.

    >>> with override_settings(DEBUG=True):
    ...     settings.DEBUG
    True

    Around a class the settings hold from the start of its first test to the end
    of its last; overrides of a base class hold in its subclasses, below theirs.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options
        # The layers of the blocks that we are in, innermost last.
        self._layers: list[Layer] = []

    def enable(self) -> None:
        """Install the values, then send `setting_changed` for each; what `with` does at its beginning."""
        values = self.values()
        layer = settings.push(values)
        self._layers.append(layer)
        try:
            for name, value in values.items():
                setting_changed.send(sender=Settings, setting=name, value=value, enter=True)
        except BaseException:
            self._leave()  # what goes wrong meanwhile counts less than what went wrong first
            raise

    def disable(self) -> None:
        """Put the former values back, then send `setting_changed` for each; what `with` does at its end."""
        errors = self._leave()
        if errors:
            raise errors[0]

    def _leave(self) -> list[BaseException]:
        layer = self._layers.pop()
        names = list(self.options)
        settings.pop(layer)
        results: list[tuple[Any, Any]] = []
        for name in names:
            value = getattr(settings, name, None)
            results += setting_changed.send_robust(sender=Settings, setting=name, value=value, enter=False)
        return [result for _, result in results if isinstance(result, BaseException)]

    def copy(self) -> Self:
        """The same override with a life of its own, for calls that overlap."""
        other = copy(self)
        other._layers = []
        return other

    def values(self) -> dict[str, Any]:
        """The values to install, determined when the block is entered."""
        return dict(self.options)

    def __enter__(self) -> None:
        self.enable()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.disable()

    def __call__(self, decorated: Decorated) -> Decorated:
        if isinstance(decorated, type):
            return cast(Decorated, _decorate_class(decorated, self))
        if isinstance(decorated, (classmethod, staticmethod)):
            return cast(Decorated, type(decorated)(self(decorated.__func__)))
        return cast(Decorated, decorate_function(decorated, lambda keywords: self.copy()))


class modify_settings(override_settings):
    """Add items to settings that are lists, or take some away.

    >>> with modify_settings(ALLOWED_HOSTS={"append": "example.org", "remove": ["old.example.org"]}):
    ...     settings.ALLOWED_HOSTS
    ['example.org']

    "append" and "prepend" leave out what is there already, "remove" what is
    not. An item that is a single text needs no list around it.
    """

    ACTIONS = ("append", "prepend", "remove")

    def __init__(self, **operations: Mapping[str, str | Iterable[Any]]) -> None:
        super().__init__(**operations)
        for name, actions in operations.items():
            for action in actions:
                if action not in self.ACTIONS:
                    raise ValueError(
                        f"modify_settings({name}=...) has the action {action!r}; the actions are 'append', 'prepend' "
                        f"and 'remove'."
                    )

    def values(self) -> dict[str, Any]:
        """The whole lists that result."""
        return {name: self._modified(name, actions) for name, actions in self.options.items()}

    def _modified(self, name: str, actions: Mapping[str, str | Iterable[Any]]) -> list[Any]:
        value = list(getattr(settings, name, ()))
        for action, items in actions.items():
            items = [items] if isinstance(items, str) else list(items)
            new = [item for item in dict.fromkeys(items) if item not in value]
            if action == "append":
                value = [*value, *new]
            elif action == "prepend":
                value = [*new, *value]
            else:
                value = [item for item in value if item not in items]
        return value


# Where a decorated class keeps its overrides, outermost first.
OVERRIDES = "_webframe_overrides"


def _decorate_class(decorated: type, override: override_settings) -> type:
    """Override settings from before the class is set up until after it is torn down."""
    own = vars(decorated).get(OVERRIDES, ())
    setattr(decorated, OVERRIDES, (override, *own))
    if own:
        return decorated
    if hasattr(decorated, "setUpClass"):
        _wrap_unittest_hook(decorated)
    else:
        _wrap_pytest_hooks(decorated)
    return decorated


def _wrap_unittest_hook(decorated: Any) -> None:
    original = vars(decorated).get("setUpClass")

    def setUpClass(cls: Any) -> None:
        for override in _overrides_to_enable(decorated, cls):
            override.enable()
            cls.addClassCleanup(override.disable)
        if original is not None:
            original.__get__(None, cls)()
        else:
            super(decorated, cls).setUpClass()

    decorated.setUpClass = classmethod(setUpClass)


def _wrap_pytest_hooks(decorated: Any) -> None:
    originals = {name: vars(decorated).get(name) for name in ("setup_class", "teardown_class")}

    def call_original(name: str, cls: Any) -> None:
        hook = originals[name] or getattr(super(decorated, cls), name, None)
        if hook is not None:
            function = getattr(hook, "__func__", hook)
            # pytest lets these hooks take the class or nothing.
            function(cls) if function.__code__.co_argcount else function()

    def setup_class(cls: Any) -> None:
        with ExitStack() as undo:
            for override in _overrides_to_enable(decorated, cls):
                undo.enter_context(override)
            call_original("setup_class", cls)
            undo.pop_all()

    def teardown_class(cls: Any) -> None:
        with ExitStack() as undo:
            for override in _overrides_to_enable(decorated, cls):
                undo.callback(override.disable)
            call_original("teardown_class", cls)

    decorated.setup_class = classmethod(setup_class)
    decorated.teardown_class = classmethod(teardown_class)


def _overrides_to_enable(decorated: type, cls: type) -> list[override_settings]:
    """All overrides that concern the test class `cls`, those of its bases first.

    The hooks of a class and of its bases call each other; only the outermost of
    those that belong to decorated classes gets a list that is not empty.
    """
    classes = [each for each in cls.__mro__ if OVERRIDES in vars(each)]
    if classes[0] is not decorated:
        return []
    return [override for each in reversed(classes) for override in vars(each)[OVERRIDES]]
