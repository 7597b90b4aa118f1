"""The one place that sends pre_migrate and post_migrate, and for old receivers pre_syncdb and post_syncdb.

Each app that has models is a sender, in the order of installed apps, whichever
apps are migrated. The pair for syncdb follows at once, app by app.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webframe.apps.config import AppConfig, import_if_exists
from webframe.apps.registry import apps as installed_apps
from webframe.db.models.signals import post_migrate, post_syncdb, pre_migrate, pre_syncdb

# One step of a plan: a migration, and whether it is undone.
Step = tuple[Any, bool]


def import_receivers() -> None:
    """Import the `management` submodule of each app that has one: the receivers in it hear what is sent afterwards."""
    for config in installed_apps.get_app_configs():
        if config.module is not None:
            import_if_exists(f"{config.name}.management")


def emit_pre_migrate(
    *,
    verbosity: int,
    interactive: bool,
    using: str,
    stdout: Any,
    plan: list[Step],
    apps: Any,
    create_models: Iterable[type[Any]] = (),
) -> None:
    """Send pre_migrate for each app, and after each the pre_syncdb of that app.

    `create_models` are the models of all apps whose tables will be made without
    migrations. An error of a receiver is passed on.
    """
    models = list(create_models)
    for config in _apps_with_models():
        if verbosity >= 2:
            stdout.write(f"Running pre-migrate handlers for application {config.label}\n")
        pre_migrate.send(
            config,
            app_config=config,
            verbosity=verbosity,
            interactive=interactive,
            stdout=stdout,
            using=using,
            plan=plan,
            apps=apps,
        )
        module = config.models_module
        assert module is not None
        pre_syncdb.send(
            module, app=module, create_models=models, verbosity=verbosity, interactive=interactive, db=using
        )


def emit_post_migrate(
    *,
    verbosity: int,
    interactive: bool,
    using: str,
    stdout: Any,
    plan: list[Step],
    apps: Any,
    created_models: Iterable[type[Any]] = (),
) -> None:
    """Send post_migrate for each app, and after each the post_syncdb of that app.

    `created_models` are the models of all apps whose tables were made without
    migrations; after a flush, all models. An error of a receiver is passed on.
    """
    models = list(created_models)
    for config in _apps_with_models():
        if verbosity >= 2:
            stdout.write(f"Running post-migrate handlers for application {config.label}\n")
        post_migrate.send(
            config,
            app_config=config,
            verbosity=verbosity,
            interactive=interactive,
            stdout=stdout,
            using=using,
            plan=plan,
            apps=apps,
        )
        module = config.models_module
        assert module is not None
        post_syncdb.send(
            module, app=module, created_models=models, verbosity=verbosity, interactive=interactive, db=using
        )


def _apps_with_models() -> list[AppConfig]:
    return [config for config in installed_apps.get_app_configs() if config.models_module is not None]
