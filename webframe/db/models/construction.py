"""Making instances: the constructor of each model, generated from its fields.

`Pizza(name="Regina", price=9)` runs a function with a parameter for each field
and nothing else in it, so that Python itself assigns the arguments. Three forms
of it exist for a model: `fill`, which also takes `DEFERRED` for a value that was
not loaded; the quick one without that; and `construct`, which sends pre_init
and post_init around `fill`. Which of them is the class's `__init__` depends on
whether anybody listens for the class, and is decided when somebody connects.

All of it is made when somebody looks at `__init__`: many a program defines
models and makes no instance.

A class that has an `__init__` of its own keeps it; what it calls by `super()`
is `fill` or `construct`. So does one that somebody gives another `__init__` later,
as libraries do that watch instances; what that calls is the one it took the place of.
"""

from __future__ import annotations

import inspect
import threading
import weakref
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from webframe.conf import close_match
from webframe.core.exceptions import FieldDoesNotExist
from webframe.db.models.options import forget_questions
from webframe.db.models.sending import emit
from webframe.db.models.signals import post_init, pre_init
from webframe.db.models.state import DEFERRED


class _Missing:
    """No argument was given."""

    def __repr__(self) -> str:
        return "<not given>"


MISSING = _Missing()

# Every model whose constructor has been made, and what guards the deciding about which form of it holds.
_models: weakref.WeakSet[type[Any]] = weakref.WeakSet()
_deciding = threading.RLock()

# The constructors that were generated, or call one that was. A mark on them would be copied by functools.wraps.
_ours: weakref.WeakSet[Callable[..., None]] = weakref.WeakSet()


class LateConstructor:
    """Stands for the `__init__` of a model until somebody looks at it."""

    __slots__ = ("model",)

    def __init__(self, model: type[Any]) -> None:
        self.model = model

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        complete(self.model)
        return vars(self.model)["__init__"].__get__(instance, owner)


def build(model: type[Any]) -> None:
    """Give a model its constructor; again, when its fields have changed."""
    with _deciding:
        _models.discard(model)
        model._meta.forget_constructors()
        if _behind_own_init(model) is None and not getattr(vars(model).get("__init__"), "is_guarded", False):
            _put(model, LateConstructor(model))
        else:
            complete(model)  # what is called by super() has to be seen to now


def complete(model: type[Any]) -> None:
    """Make the constructor of a model, and find out what its `_meta` says of that, unless it has been done."""
    with _deciding:
        if model in _models:
            return
        meta = model._meta
        meta.fill = meta.construct = _generated(model, deferred=True)
        shadowed = _behind_own_init(model)
        if shadowed is None:
            meta.quick = _generated(model, deferred=False)
        else:
            meta.quick = None
            for ancestor in shadowed:
                complete(ancestor)
                _guard(ancestor)
        meta.plain_values = _sets_plainly(model)
        meta.plain_init = shadowed is None and meta.plain_values and not _overrides_from_db(model)
        _models.add(model)
        _decide(model)


# What decides how instances are made: when one of these attributes of a model is exchanged, so is the constructor.
DECIDING = frozenset({"__init__", "__new__", "__setattr__", "from_db"})


def exchange(model: type[Any], change: Callable[[], None]) -> None:
    """Let one of the `DECIDING` attributes of a model be exchanged, also for the models that inherit it."""
    with _deciding:
        quick = vars(model._meta).get("quick") if "_meta" in vars(model) else None
        if quick is not None:
            _redirect(quick)
        change()
        _decide_anew(model)
        forget_questions()


def _redirect(quick: Any) -> None:
    """Let the quick constructor do what the general one does: who exchanges it may have kept it, to call it."""
    quick.__code__ = _redirected.__code__
    quick.__defaults__ = quick.__kwdefaults__ = None


def _redirected(self: Any, /, *args: Any, **kwargs: Any) -> None:
    type(self)._meta.construct(self, *args, **kwargs)


def _decide_anew(model: type[Any]) -> None:
    if "_meta" in vars(model) and model._meta.rebuild is not None:
        model._meta.rebuild()
    for heir in type.__subclasses__(model):
        if is_ours(vars(heir).get("__init__")):
            type.__delattr__(heir, "__init__")
        _decide_anew(heir)


def is_ours(init: Any) -> bool:
    """Whether a constructor was generated, or will be."""
    return isinstance(init, LateConstructor) or (inspect.isfunction(init) and init in _ours)


def _put(model: type[Any], init: Any) -> None:
    type.__setattr__(model, "__init__", init)


def _behind_own_init(model: type[Any]) -> list[type[Any]] | None:
    """None if nobody wrote a constructor for a model; else the ancestors whose generated one that may call."""
    shadowed: list[type[Any]] = []
    own = False
    for cls in model.__mro__:
        init = vars(cls).get("__init__")
        if init is general_init:
            break
        if is_ours(init):
            if own:
                shadowed.append(cls)
            elif cls is not model:
                return None
        elif init is not None:
            own = True
    return shadowed if own else None


def _sets_plainly(model: type[Any]) -> bool:
    """Whether setting the attributes of an instance is the same as putting values into its dictionary."""
    if any("__setattr__" in vars(cls) or "__new__" in vars(cls) for cls in model.__mro__ if cls is not object):
        return False
    return not any(hasattr(type(inspect.getattr_static(model, name, None)), "__set__") for name in model._meta.attnames)


def _overrides_from_db(model: Any) -> bool:
    root: Any = next(
        cls for cls in model.__mro__ if vars(cls).get("__init__") is general_init and not hasattr(cls, "_meta")
    )
    return getattr(model.from_db, "__func__", None) is not root.from_db.__func__


# --- signals ----------------------------------------------------------------------------------------------------


def listened_to(model: type[Any]) -> bool:
    """Whether anybody may hear the init signals of a model."""
    for signal in (pre_init, post_init):
        if signal.active:
            senders = signal.concerns()
            if senders is None or id(model) in senders:
                return True
    return False


def _decide(model: type[Any]) -> None:
    meta = model._meta
    heard = listened_to(model)
    if heard is not getattr(meta.construct, "is_announced", False):
        meta.construct = _announced(model) if heard else meta.fill
    if meta.quick is None:
        meta.init = meta.construct
        return
    meta.init = meta.construct if heard else meta.quick
    former = vars(model).get("__init__")
    if former is not meta.init and not getattr(former, "is_guarded", False):
        _put(model, meta.init)


def _decide_all() -> None:
    with _deciding:
        for model in list(_models):
            _decide(model)


pre_init.watchers += (_decide_all,)
post_init.watchers += (_decide_all,)


def _announced(model: type[Any]) -> Callable[..., None]:
    """The constructor that sends the signals."""
    meta = model._meta

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        if type(self) is not model:
            type(self)._meta.construct(self, *args, **kwargs)
            return
        # Receivers may change both, and hear as `kwargs` the very dictionary that the values are taken out of.
        given = list(args)
        emit(pre_init, model, args=given, kwargs=kwargs)
        meta.fill(self, *given, **kwargs)
        kwargs.clear()
        emit(post_init, model, instance=self)

    update_wrapper(__init__, meta.fill)
    __init__.is_announced = True  # type: ignore[attr-defined]
    _ours.add(__init__)
    return __init__


def _guard(ancestor: type[Any]) -> None:
    """Let a generated constructor be called for an instance of an heir that has fields of its own."""
    former = vars(ancestor)["__init__"]
    if getattr(former, "is_guarded", False):
        return
    meta = ancestor._meta

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        if type(self) is ancestor:
            meta.init(self, *args, **kwargs)
        else:
            type(self)._meta.construct(self, *args, **kwargs)

    update_wrapper(__init__, former)
    __init__.is_guarded = True  # type: ignore[attr-defined]
    _ours.add(__init__)
    _put(ancestor, __init__)


# --- generated code ---------------------------------------------------------------------------------------------


def _generated(model: type[Any], deferred: bool) -> Callable[..., None]:
    """A constructor: parameters for the fields in order, then for related objects, by keyword only.

    For a model with a name, a price and a customer it reads::

        def __init__(self, /, id=None, name='', price=MISSING, customer_id=None, *, customer=MISSING, **kwargs):
            self.id = id
            self.name = name
            if price is MISSING:
                price = default_2()
            self.price = price
            if customer is not MISSING:
                self.customer = customer
            else:
                self.customer_id = customer_id
            if kwargs:
                others(self, kwargs)

    With `deferred`, a value that is DEFERRED is not set.
    """
    code = _Code(model, deferred)
    positional, by_keyword = code.positional, code.by_keyword
    parameters = [code.this, "/", *positional, *(["*", *by_keyword] if by_keyword else []), f"**{code.rest}"]
    made = code.function("__init__", parameters, code.lines)
    _ours.add(made)
    return made


def creator(model: type[Any]) -> Callable[..., Any] | None:
    """What ``objects.create`` comes to for a model: the quick constructor and `save` in one function.

    Named parameters reach it as they were written, and never are a dictionary, which would cost more than all else
    that is done here::

        def create(*, id=None, name='', price=MISSING, customer_id=None, customer=MISSING, **kwargs):
            self = new(model)
            ...  # as in the constructor
            if id is None and customer is MISSING and not kwargs:
                self._save_new((name, price, customer_id))
            else:
                self._save_made()
            return self

    None for a model whose instances are made in a way of its own. As the quick constructor, it sends no signals of
    its own. It is kept until the fields of the model change.
    """
    meta = model._meta
    if meta.quick is None or not meta.plain_values or type(model).__call__ is not type.__call__:
        return None
    code = _Code(model, deferred=False)
    lines = [
        f"{code.this} = new__(model__)",
        *code.lines,
        f"if {code.is_plain}:",
        f"    {code.this}._save_new({code.values})",
        "else:",
        f"    {code.this}._save_made()",
        f"return {code.this}",
    ]
    created = meta.create = code.function("create", code.of_create, lines)
    return created


def beginner(model: type[Any]) -> Callable[..., Any]:
    """The first half of what `creator` gives, for code that awaits the second: the instance, and its values.

    It gives None, and has done nothing, if there is more to it than to make the instance and write these values, or
    if that might call something that waits::

        def begin(*, id=None, name='', customer_id=None, customer=MISSING, **kwargs):
            if not (id is None and customer is MISSING and not kwargs):
                return None
            self = new(model)
            ...  # as in the constructor
            return self, (name, customer_id)
    """
    meta = model._meta
    code = _Code(model, deferred=False)
    making = [
        f"if not ({code.is_plain}):",
        "    return None",
        f"{code.this} = new__(model__)",
        *code.lines,
        f"return {code.this}, {code.values}",
    ]
    made = meta.begin = code.function("begin", code.of_create, making if code.is_quiet else ["return None"])
    return made


# Modules whose callables, as defaults, never wait for anything.
QUIET = frozenset({"builtins", "datetime", "random", "secrets", "time", "uuid", "webframe.utils.timezone"})


def _is_quiet(field: Any) -> bool:
    """Whether the default of a field, a callable, never waits for anything."""
    default = field.default
    is_known = getattr(default, "__module__", "") in QUIET and not hasattr(default, "__wrapped__")
    return is_known and type(field).get_default.__module__ == "webframe.db.models.fields.base"


class _Code:
    """The parts of the functions that are generated for a model."""

    def __init__(self, model: type[Any], deferred: bool) -> None:
        self.model = model
        fields = model._meta.concrete_fields
        names = {field.attname for field in fields} | {field.name for field in fields}
        # What the instance and the other keywords are called, so that no field is called the same.
        this = self.this = "self" if "self" not in names else "self__"
        rest = self.rest = "kwargs" if "kwargs" not in names else "kwargs__"
        self.namespace: dict[str, Any] = {"MISSING__": MISSING, "DEFERRED__": DEFERRED, "others__": _set_others}
        self.namespace.update(new__=object.__new__, model__=model)
        # Parameters for values and for related objects; and what is done with them.
        self.positional: list[str] = []
        self.by_keyword: list[str] = []
        self.lines: list[str] = []
        # Whether no default has to be asked of somebody.
        self.is_quiet = True
        for place, field in enumerate(fields):
            self._take(place, field, deferred)
        self.lines += [f"if {rest}:", f"    others__({this}, {rest})"]

    @property
    def of_create(self) -> list[str]:
        """The parameters of functions that make an instance themselves."""
        return ["*", *self.positional, *self.by_keyword, f"**{self.rest}"]

    @property
    def is_plain(self) -> str:
        """The condition that values were given for columns only, and none for the key."""
        meta = self.model._meta
        related = [f"{field.name} is MISSING__" for field in meta.concrete_fields if field.name != field.attname]
        return " and ".join([f"{meta.pk.attname} is None", *related, f"not {self.rest}"])

    @property
    def values(self) -> str:
        """The tuple of the values of all columns but the key."""
        meta = self.model._meta
        return f"({''.join(f'{field.attname}, ' for field in meta.concrete_fields if field is not meta.pk)})"

    def _take(self, place: int, field: Any, deferred: bool) -> None:
        name = field.attname
        # `field.get_default` knows what becomes of a default that is a callable, or an object that is related.
        constant = not callable(field.default) and (not field.is_relation or not field.has_default())
        if constant:
            self.namespace[f"default__{place}"] = field.get_default()
            self.positional.append(f"{name}=default__{place}")
        else:
            self.namespace[f"default__{place}"] = field.get_default
            self.is_quiet = self.is_quiet and _is_quiet(field)
            self.positional.append(f"{name}=MISSING__")
        assignment = [f"{self.this}.{name} = {name}"]
        if deferred:
            assignment = [f"if {name} is not DEFERRED__:", f"    {assignment[0]}"]
        if not constant:
            assignment = [f"if {name} is MISSING__:", f"    {name} = default__{place}()", *assignment]
        if field.name != name:
            self.by_keyword.append(f"{field.name}=MISSING__")
            self.lines.append(f"if {field.name} is not MISSING__:")
            self.lines.append(f"    {self.this}.{field.name} = {field.name}")
            self.lines.append("else:")
            self.lines.extend(f"    {line}" for line in assignment)
        else:
            self.lines.extend(assignment)

    def function(self, name: str, parameters: list[str], lines: list[str]) -> Callable[..., Any]:
        """The function with these parameters and lines."""
        # Names here are those of fields: identifiers, as `Field.set_attributes_from_name` makes sure.
        source = f"def {name}({', '.join(parameters)}):\n" + "".join(f"    {line}\n" for line in lines)
        exec(compile(source, f"<{name} of {self.model._meta.label}>", "exec"), self.namespace)
        made: Callable[..., Any] = self.namespace[name]
        made.__qualname__ = f"{self.model.__qualname__}.{name}"
        made.__module__ = self.model.__module__
        return made


def _set_others(instance: Any, given: dict[str, Any]) -> None:
    """Set what is no concrete field: pk and other properties, and fields that are not columns."""
    meta = instance._meta
    unexpected = []
    for name, value in given.items():
        if name not in meta.property_names:
            try:
                meta.get_field(name)
            except FieldDoesNotExist:
                unexpected.append(name)
                continue
        if value is not DEFERRED:
            setattr(instance, name, value)
    if unexpected:
        known = [field.name for field in meta.concrete_fields]
        hint = close_match(unexpected[0], known) or f" It takes {', '.join(known)}."
        raise TypeError(f"{meta.object_name}() got unexpected keyword arguments: {', '.join(unexpected)}.{hint}")


def general_init(self: Any, /, *args: Any, **kwargs: Any) -> None:
    """What `super().__init__()` means in a class with a constructor of its own, and the constructor of no model."""
    meta = getattr(type(self), "_meta", None)
    if meta is None:
        raise TypeError("Model itself has no instances: define a class that inherits from it.")
    if meta.abstract:
        raise TypeError(f"{meta.label} is abstract and has no instances: define a class that inherits from it.")
    meta.construct(self, *args, **kwargs)


def refuse_instances(self: Any, /, *args: Any, **kwargs: Any) -> None:
    """The constructor of models that are there for their tables only."""
    raise TypeError(
        f"{type(self)._meta.label} is there for its table only, and has no instances. Take the model from "
        f"'apps.get_model()' of the state to make some."
    )
