"""What can be said about a model when all others are there: `Model.check()`, and `webframe check` for every model.

Most mistakes in a definition are errors where it is made; here are those that
only the whole tells. The ids are Django's.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from webframe.apps.config import AppConfig
from webframe.apps.registry import apps as installed_apps
from webframe.conf import close_match
from webframe.core.checks import CheckMessage, Error, register
from webframe.db.models.clashes import clashes_of, cure_of


@register("models")
def models_are_sound(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """What `check()` of each model finds; models.E020: a model has made something else of that name."""
    if app_configs is None:
        app_configs = installed_apps.get_app_configs() if installed_apps.models_ready else []
    found: list[CheckMessage] = []
    for model in (model for config in app_configs for model in config.get_models()):
        if inspect.ismethod(model.check):
            found += model.check(**kwargs)
        else:
            what = f"{model._meta.label}.check is {model.check!r}, and no class method."
            found.append(Error(what, hint="Give it another name.", obj=model, id="models.E020"))
    return found


def messages_about(model: Any) -> list[CheckMessage]:
    """Everything that is wrong with a model, as messages."""
    meta = model._meta
    if meta.swapped or meta.abstract:
        return []
    found: list[CheckMessage] = []
    for field in (*meta.local_fields, *meta.local_many_to_many):
        if field.is_relation:
            found += _about_relation(field)
    found += _about_ordering(model)
    found += _about_named_fields(model)
    return found


def _about_relation(field: Any) -> Iterator[CheckMessage]:
    """fields.E300: nothing is there that it could point to; fields.E302 to E305: its names there are taken."""
    target = field.remote_field.model
    if isinstance(target, str):
        yield Error(
            f"{field} points to {target!r}, and there is no such model.",
            hint=close_match(target, _all_names(field.model)).strip()
            or "Define that model, or install the app that has it.",
            obj=field.model,
            id="fields.E300",
        )
    for clash in clashes_of(field):
        yield Error(clash.what, hint=cure_of(field), obj=field.model, id=clash.id)


def _all_names(model: Any) -> Iterator[str]:
    meta = model._meta
    for label, models in meta.apps.all_models.items():
        for each in models.values():
            yield f"{label}.{each.__name__}"
            if label == meta.app_label:
                yield each.__name__


def _about_ordering(model: Any) -> Iterator[CheckMessage]:
    """models.E015: Meta.ordering has a name that means nothing."""
    for each in model._meta.ordering:
        if isinstance(each, str) and each != "?":
            name = each.removeprefix("-").partition("__")[0]
            if name != "pk" and name not in model._meta.fields_map:
                yield _unknown(model, f"Meta.ordering of {model._meta.label} names {each!r}", name, "models.E015")


def _about_named_fields(model: Any) -> Iterator[CheckMessage]:
    """models.E012: an index or a constraint has a field that is not there; models.E013: one without a column."""
    meta = model._meta
    lists = [("unique_together", names) for names in meta.unique_together]
    lists += [(type(each).__name__, getattr(each, "fields", ())) for each in (*meta.indexes, *meta.constraints)]
    for where, names in lists:
        for given in names:
            name = given.removeprefix("-")
            field = meta.fields_map.get(name)
            if name == "pk" or (field is not None and field.column is not None):
                continue
            what = f"{where} in the Meta of {meta.label} names {given!r}"
            if field is None:
                yield _unknown(model, what, name, "models.E012")
            else:
                yield Error(f"{what}, which has no column.", hint="Leave it out.", obj=model, id="models.E013")


def _unknown(model: Any, what: str, name: str, id: str) -> CheckMessage:
    names = sorted(each for each in model._meta.fields_map if not each.endswith("+"))
    hint = close_match(name, names).strip() or f"There are {', '.join(names)}."
    return Error(f"{what}, and there is no such field.", hint=hint, obj=model, id=id)
