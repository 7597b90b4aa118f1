"""What the class `Meta` of a model may say, and what holds where it says nothing."""

from __future__ import annotations

from typing import Any

from webframe.conf import close_match

# Options with the default that each has. All of them may stand in a class's Meta.
DEFAULTS: dict[str, Any] = {
    "abstract": False,
    "app_label": None,
    # None: the one of the process.
    "apps": None,
    # The model whose field made this class for itself (the rows of a ManyToManyField); False: nobody's.
    "auto_created": False,
    "base_manager_name": None,
    "constraints": [],
    "db_table": "",
    "default_manager_name": None,
    "default_related_name": None,
    "get_latest_by": None,
    "indexes": [],
    "managed": True,
    "ordering": [],
    "proxy": False,
    "unique_together": [],
    "verbose_name": None,
    "verbose_name_plural": None,
    # Known to Django, kept for whoever reads them, without any effect here.
    "db_table_comment": "",
    "db_tablespace": "",
    "default_permissions": ("add", "change", "delete", "view"),
    "permissions": [],
    "required_db_features": [],
    "required_db_vendor": None,
    "select_on_save": False,
    "swappable": None,
}

# Options that would change what a model does, and that there is nothing for here: what to write instead.
REFUSED = {
    "index_together": "List an Index in Meta.indexes instead.",
    "order_with_respect_to": "Give the model a field for its place, and name it in Meta.ordering.",
}


def read_meta(meta: type, model_name: str) -> dict[str, Any]:
    """The options that a class Meta gives, by name; raises TypeError for those that it cannot have."""
    options = {name: getattr(meta, name) for name in dir(meta) if not name.startswith("_")}
    for name, value in options.items():
        if name in REFUSED:
            raise TypeError(f"{model_name}: Meta has no option {name!r} here. {REFUSED[name]}")
        if name not in DEFAULTS:
            raise TypeError(
                f"{model_name}: Meta has no option {name!r}.{close_match(name, DEFAULTS)} "
                f"Its options are {', '.join(sorted(DEFAULTS))}."
            )
        if isinstance(value, (list, set)):
            options[name] = list(value)
    return options
