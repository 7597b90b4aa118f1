"""Sending the signals of migrations: section 8 of the contract, as far as no command is needed."""

from __future__ import annotations

import io
import sys
import types
import warnings

import pytest

from webframe.apps import AppConfig, apps, setup
from webframe.db.migrations.announcing import emit_post_migrate, emit_pre_migrate, import_receivers
from webframe.db.models import signals
from webframe.db.models.signals import post_migrate, post_syncdb, pre_migrate, pre_syncdb
from webframe.dispatch import Signal, receiver

ALL = [pre_migrate, post_migrate, pre_syncdb, post_syncdb]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package as an app: ``install("shop", models="", management="...")``; the texts are its modules."""
    setup()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names = []

    def install(name, **modules):
        names.append(name)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(text)
        return apps.register_app(AppConfig.create(name))

    yield install
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]


@pytest.fixture
def heard():
    """What was heard, as (name of the signal, sender, arguments)."""
    events = []

    def hear(signal, sender, **arguments):
        events.append((signal.name, sender, arguments))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for signal in ALL:
            signal.connect(hear)
    yield events
    for signal in ALL:
        signal.disconnect(hear)


def emit(send, **changed):
    about = {"verbosity": 1, "interactive": False, "using": "default", "stdout": io.StringIO(), "plan": [], "apps": ()}
    send(**{**about, **changed})


def test_apps_with_models_send_in_their_order_and_others_not(install, heard):
    shop, news = install("shop", models=""), install("news", models="")
    install("plain")
    emit(emit_pre_migrate)
    emit(emit_post_migrate)
    assert [(name, sender) for name, sender, _ in heard if "migrate" in name] == [
        ("pre_migrate", shop),
        ("pre_migrate", news),
        ("post_migrate", shop),
        ("post_migrate", news),
    ]


@pytest.mark.parametrize(("send", "name"), [(emit_pre_migrate, "pre_migrate"), (emit_post_migrate, "post_migrate")])
def test_receivers_get_all_that_the_command_knows(install, heard, send, name):
    shop = install("shop", models="")
    plan, stdout, registry = [(object(), False)], io.StringIO(), object()
    emit(send, verbosity=0, interactive=True, using="other", stdout=stdout, plan=plan, apps=registry)
    [(_, sender, arguments)] = [event for event in heard if event[0] == name]
    assert sender is shop
    assert arguments == {
        "app_config": shop,
        "verbosity": 0,
        "interactive": True,
        "using": "other",
        "stdout": stdout,
        "plan": plan,
        "apps": registry,
    }
    assert arguments["plan"] is plan
    assert arguments["apps"] is registry


def test_the_signals_of_syncdb_follow_app_by_app(install, heard):
    shop, news = install("shop", models=""), install("news", models="")
    models = (type("Pizza", (), {}), type("Story", (), {}))
    emit(emit_pre_migrate, create_models=models)
    emit(emit_post_migrate, created_models=iter(models), using="other")
    assert [(name, sender) for name, sender, _ in heard] == [
        ("pre_migrate", shop),
        ("pre_syncdb", shop.models_module),
        ("pre_migrate", news),
        ("pre_syncdb", news.models_module),
        ("post_migrate", shop),
        ("post_syncdb", shop.models_module),
        ("post_migrate", news),
        ("post_syncdb", news.models_module),
    ]
    assert heard[1][2] == {
        "app": shop.models_module,
        "create_models": list(models),
        "verbosity": 1,
        "interactive": False,
        "db": "default",
    }
    assert heard[-1][2] == {
        "app": news.models_module,
        "created_models": list(models),
        "verbosity": 1,
        "interactive": False,
        "db": "other",
    }


def test_without_a_phase_of_syncdb_there_are_no_models(install, heard):
    install("shop", models="")
    emit(emit_pre_migrate)
    emit(emit_post_migrate)
    assert [arguments.get("create_models", arguments.get("created_models")) for _, _, arguments in heard] == [
        None,
        [],
        None,
        [],
    ]


def test_a_verbose_command_names_each_app(install):
    install("shop", models="")
    install("plain")
    stdout = io.StringIO()
    emit(emit_pre_migrate, stdout=stdout)
    emit(emit_post_migrate, stdout=stdout)
    assert stdout.getvalue() == ""
    emit(emit_pre_migrate, stdout=stdout, verbosity=2)
    emit(emit_post_migrate, stdout=stdout, verbosity=2)
    assert stdout.getvalue() == (
        "Running pre-migrate handlers for application shop\nRunning post-migrate handlers for application shop\n"
    )


def test_an_app_hears_only_itself_when_it_is_the_sender(install):
    heard = []
    shop = install("shop", models="")
    install("news", models="")
    with post_migrate.connected_to(lambda sender, **kwargs: heard.append(sender), sender=shop):
        emit(emit_post_migrate)
    assert heard == [shop]


@pytest.mark.parametrize("send", [emit_pre_migrate, emit_post_migrate])
def test_an_error_of_a_receiver_is_passed_on_and_ends_the_sending(install, send):
    heard = []

    def fail(sender, **kwargs):
        heard.append(sender.label)
        raise ZeroDivisionError

    install("shop", models="")
    install("news", models="")
    signal = pre_migrate if send is emit_pre_migrate else post_migrate
    with signal.connected_to(fail), pytest.raises(ZeroDivisionError):
        emit(send)
    assert heard == ["shop"]


def test_receivers_may_live_in_the_management_module_of_an_app(install):
    install("shop", models="", management="seen = True")
    install("plain")
    assert "shop.management" not in sys.modules
    import_receivers()
    assert sys.modules["shop.management"].seen


def test_a_management_module_that_is_broken_is_no_missing_one(install):
    install("shop", management="import nowhere_at_all")
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        import_receivers()


def test_the_app_of_a_single_file_sends_too(heard):
    from webframe import Webframe

    Webframe(__name__)
    import_receivers()
    emit(emit_post_migrate)
    assert [sender for name, sender, _ in heard if name == "post_syncdb"] == [sys.modules[__name__]]


# -- who connects to the deprecated ones


def listen(sender, **kwargs): ...


@pytest.fixture(params=[pre_syncdb, post_syncdb], ids=lambda signal: signal.name)
def deprecated(request):
    yield request.param
    request.param.disconnect(listen)


def test_connecting_to_a_signal_of_syncdb_warns_where_that_is_done(deprecated):
    with pytest.warns(DeprecationWarning, match=f"{deprecated.name} is deprecated: connect to p") as caught:
        deprecated.connect(listen)
    assert [warning.filename for warning in caught] == [__file__]


def test_so_does_the_decorator(deprecated):
    with pytest.warns(DeprecationWarning) as caught:
        receiver(deprecated)(listen)
    assert [warning.filename for warning in caught] == [__file__]


def test_so_does_connecting_for_a_while(deprecated):
    with pytest.warns(DeprecationWarning) as caught:
        deprecated.connected_to(listen)
    assert [warning.filename for warning in caught] == [__file__]


def test_sending_does_not_warn(deprecated):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        deprecated.connect(listen)
    module = types.ModuleType("shop.models")
    assert deprecated.send(
        module, app=module, create_models=[], created_models=[], verbosity=1, interactive=False, db="default"
    ) == [(listen, None)]
    assert deprecated.disconnect(listen)


def test_the_signals_of_migrate_are_plain_signals_without_models_by_name():
    assert type(pre_migrate) is type(post_migrate) is Signal
    assert signals.pre_migrate.module == "webframe.db.models.signals"
    assert repr(pre_syncdb).endswith("webframe.db.models.signals.pre_syncdb>")
