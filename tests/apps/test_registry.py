"""The registry: loading apps in order, once; models and what waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webframe.apps import AppConfig, Apps, apps, setup
from webframe.apps.config import ImplicitAppConfig
from webframe.apps.registry import split_model_name
from webframe.core.exceptions import AppRegistryNotReady, ImproperlyConfigured
from webframe.test import override_settings


def make_config(name, *, label=None, ready=None):
    """A configuration of an app without models that calls `ready`."""

    class Config(AppConfig):
        path = "/"

        def ready(self):
            if ready is not None:
                ready(self)

    if label is not None:
        Config.label = label
    module = ModuleType(name)
    module.__path__ = []
    return Config(name, module)


# -- loading


def test_all_configurations_exist_before_models_are_imported_and_all_models_before_any_ready(write_package):
    seen = []
    sys.modules["witness"] = witness = ModuleType("witness")
    witness.seen = seen
    registry = witness.registry = Apps()
    files = {}
    for name in ("one", "two"):
        files[f"{name}/__init__.py"] = f"from witness import seen; seen.append('import {name}')"
        files[f"{name}/models.py"] = (
            f"from witness import *; seen.append(('models {name}', registry.apps_ready, registry.models_ready))"
        )
        files[f"{name}/apps.py"] = f"""
            from webframe.apps import AppConfig
            from witness import *
            class Config(AppConfig):
                name = "{name}"
                def ready(self):
                    seen.append(("ready {name}", registry.models_ready, registry.ready))
        """
    write_package(files)
    try:
        registry.populate(["one", "two"])
    finally:
        del sys.modules["witness"]
    assert seen == [
        "import one",
        "import two",
        ("models one", True, False),
        ("models two", True, False),
        ("ready one", True, False),
        ("ready two", True, False),
    ]
    assert registry.ready
    assert [config.name for config in registry.get_app_configs()] == ["one", "two"]
    assert all(config.apps is registry for config in registry.get_app_configs())


def test_apps_are_loaded_once():
    calls = []
    registry = Apps()
    registry.populate([make_config("one", ready=calls.append)])
    registry.populate([make_config("two", ready=calls.append)])
    assert [config.name for config in calls] == ["one"]
    assert registry.is_installed("one")
    assert not registry.is_installed("two")


def test_threads_wait_until_the_apps_are_loaded():
    registry = Apps()
    begun, go_on = threading.Event(), threading.Event()
    calls, seen = [], []

    def ready(config):
        calls.append(config)
        begun.set()
        go_on.wait(10)

    config = make_config("one", ready=ready)

    def populate():
        registry.populate([config])
        seen.append(registry.ready)

    threads = [threading.Thread(target=populate) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    assert not registry.ready
    assert seen == []
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert seen == [True] * 4
    assert calls == [config]


def test_loading_apps_from_within_an_app_is_refused():
    registry = Apps()
    with pytest.raises(AppRegistryNotReady, match="something that runs meanwhile"):
        registry.populate([make_config("one", ready=lambda config: registry.populate([config]))])


def test_an_error_in_ready_is_raised_and_a_second_attempt_goes_on_from_there():
    registry = Apps()
    calls = []
    weather = ["bad"]

    def moody(config):
        calls.append("moody")
        if weather:
            raise OSError("not today")

    configs = [
        make_config("one", ready=lambda config: calls.append("one")),
        make_config("moody", ready=moody),
        make_config("three", ready=lambda config: calls.append("three")),
    ]
    with pytest.raises(OSError, match="not today"):
        registry.populate(configs)
    assert registry.models_ready
    assert not registry.ready
    weather.clear()
    registry.populate(configs)
    assert registry.ready
    assert calls == ["one", "moody", "moody", "three"]


def test_an_error_in_a_models_module_is_raised_and_a_second_attempt_imports_it_again(write_package):
    write_package({"shop/__init__.py": "weather = ['bad']", "shop/models.py": "import shop\nassert not shop.weather"})
    registry = Apps()
    with pytest.raises(AssertionError):
        registry.populate(["shop"])
    assert registry.apps_ready
    assert not registry.models_ready
    import shop

    shop.weather.clear()
    registry.populate(["shop"])
    assert registry.ready


def test_a_wrong_entry_leaves_nothing_behind():
    registry = Apps()
    with pytest.raises(ImproperlyConfigured, match="nowhere"):
        registry.populate(["nowhere"])
    assert not registry.apps_ready
    registry.populate([make_config("one")])
    assert [config.name for config in registry.get_app_configs()] == ["one"]


@pytest.mark.parametrize(
    ("one", "two", "message"),
    [
        (("shop", None), ("shop", "other"), "Two apps have the name 'shop': 'shop' and 'shop'. Name each app once"),
        (("a.shop", None), ("b.shop", None), "Two apps have the label 'shop': 'a.shop' and 'b.shop'. Give one"),
    ],
)
def test_names_and_labels_are_unique(one, two, message):
    configs = [make_config(name, label=label) for name, label in (one, two)]
    with pytest.raises(ImproperlyConfigured) as caught:
        Apps().populate(configs)
    assert message in str(caught.value)


def test_before_loading_it_is_said_how_to_load():
    registry = Apps()
    for ask in (registry.get_app_configs, lambda: registry.get_app_config("x"), lambda: registry.is_installed("x")):
        with pytest.raises(AppRegistryNotReady, match=r"call webframe.apps.setup\(\)"):
            ask()
    for ask in (registry.get_models, lambda: registry.get_model("x.Y")):
        with pytest.raises(AppRegistryNotReady, match="Models are not loaded yet"):
            ask()


# -- looking apps up


def test_an_app_is_found_by_its_label():
    registry = Apps()
    config = make_config("mario.shop", label="pizzeria")
    registry.populate([config])
    assert registry.get_app_config("pizzeria") is config
    with pytest.raises(LookupError, match=r"label 'pizeria'\. Did you mean pizzeria\?"):
        registry.get_app_config("pizeria")
    with pytest.raises(LookupError, match=r"label 'mario.shop'\. Did you mean pizzeria\?"):
        registry.get_app_config("mario.shop")


def test_the_innermost_app_contains_a_module():
    registry = Apps()
    outer, inner = make_config("shop"), make_config("shop.oven")
    registry.populate([outer, inner])
    assert registry.get_containing_app_config("shop.models") is outer
    assert registry.get_containing_app_config("shop.oven.models.Fire") is inner
    assert registry.get_containing_app_config("shop") is outer
    assert registry.get_containing_app_config("shopping.models") is None


def test_before_loading_only_implicit_apps_contain_modules():
    registry = Apps()
    config = registry.register_app(ImplicitAppConfig("notes"))
    assert registry.get_containing_app_config("notes") is config
    with pytest.raises(AppRegistryNotReady):
        registry.get_containing_app_config("shop.models")


# -- implicit apps


def test_implicit_apps_come_first_and_only_once():
    registry = Apps()
    first = registry.register_app(ImplicitAppConfig("notes"))
    assert registry.register_app(ImplicitAppConfig("notes")) is first
    registry.populate([make_config("shop")])
    assert [config.name for config in registry.get_app_configs()] == ["notes", "shop"]


def test_a_module_that_was_imported_anew_gets_a_new_configuration(monkeypatch, tmp_path):
    registry = Apps()
    first = registry.register_app(ImplicitAppConfig("notes_of_old"))
    module = ModuleType("notes_of_old")
    module.__file__ = str(tmp_path / "notes_of_old.py")
    monkeypatch.setitem(sys.modules, "notes_of_old", module)
    second = registry.register_app(ImplicitAppConfig("notes_of_old"))
    assert second is not first
    assert (second.label, second.path, second.module) == (first.label, str(tmp_path), module)
    assert registry.get_containing_app_config("notes_of_old") is second


def test_an_implicit_app_that_comes_late_is_loaded_at_once():
    registry = Apps()
    registry.populate([])
    config = registry.register_app(ImplicitAppConfig("notes"))
    assert config.models == {}
    assert registry.is_installed("notes")
    calls = []
    registry.register_app(make_config("shop", ready=calls.append))
    assert len(calls) == 1


def test_an_app_that_is_registered_while_apps_are_loaded_is_loaded_with_them():
    registry = Apps()
    calls = []
    late = make_config("late", ready=calls.append)
    registry.populate([make_config("shop", ready=lambda config: registry.register_app(late))])
    assert calls == [late]
    assert late.models == {}
    assert registry.is_installed("late")


def test_an_entry_takes_the_place_of_the_implicit_app_of_that_name():
    registry = Apps()
    registry.register_app(ImplicitAppConfig("shop"))
    config = make_config("shop")
    registry.populate([config])
    assert registry.get_app_configs() == [config]
    assert registry.register_app(ImplicitAppConfig("shop")) is config


def test_implicit_apps_of_one_label_get_longer_ones():
    registry = Apps()
    labels = [registry.register_app(ImplicitAppConfig(f"{name}.app")).label for name in ("shop", "blog", "old.blog")]
    assert labels == ["app", "blog_app", "old_blog_app"]


def test_an_implicit_app_gives_its_label_to_an_entry_unless_it_has_models(make_model):
    registry = Apps()
    implicit = registry.register_app(ImplicitAppConfig("my.shop"))
    entry = make_config("shop")
    registry.populate([entry])
    assert registry.get_app_config("shop") is entry
    assert registry.get_app_config("my_shop") is implicit

    registry = Apps()
    registry.register_app(ImplicitAppConfig("my.shop"))
    registry.register_model("shop", make_model("shop", "Pizza"))
    with pytest.raises(ImproperlyConfigured, match="label 'shop' of the app 'my.shop' is taken"):
        registry.populate([make_config("shop")])


# -- other installed apps for a while


def test_other_apps_can_be_installed_for_a_while():
    registry = Apps()
    implicit = registry.register_app(ImplicitAppConfig("notes"))
    calls = []
    registry.populate([make_config("one", ready=calls.append)])
    before = registry.get_app_configs()
    registry.set_installed_apps([make_config("two", ready=calls.append)])
    assert [config.name for config in registry.get_app_configs()] == ["notes", "two"]
    assert registry.get_app_configs()[0] is implicit
    assert registry.ready
    registry.unset_installed_apps()
    assert registry.get_app_configs() == before
    assert [config.name for config in calls] == ["one", "two"]


def test_apps_that_cannot_be_loaded_leave_the_former_ones():
    registry = Apps()
    registry.populate([make_config("one")])
    with pytest.raises(ZeroDivisionError):
        registry.set_installed_apps([make_config("two", ready=lambda config: 1 / 0)])
    assert registry.ready
    assert [config.name for config in registry.get_app_configs()] == ["one"]


def test_only_what_is_loaded_can_be_exchanged():
    with pytest.raises(AppRegistryNotReady):
        Apps().set_installed_apps([])


# -- models


def test_models_of_installed_apps_are_listed(make_model):
    registry = Apps()
    pizza, order = make_model("shop", "Pizza"), make_model("shop", "Order")
    elsewhere = make_model("elsewhere", "Thing")
    for model in (pizza, elsewhere, order):
        registry.register_model(model._meta.app_label, model)
    registry.populate([make_config("shop")])
    assert registry.get_models() == [pizza, order]
    registry.get_models().clear()
    assert registry.get_models() == [pizza, order]
    late = make_model("shop", "Late", auto_created=True)
    registry.register_model("shop", late)
    assert registry.get_models() == [pizza, order]
    assert registry.get_models(include_auto_created=True) == [pizza, order, late]
    registry.set_installed_apps([make_config("elsewhere")])
    assert registry.get_models() == [elsewhere]
    registry.unset_installed_apps()
    assert registry.get_models() == [pizza, order]


def test_a_model_is_found_by_its_names(make_model):
    registry = Apps()
    pizza = make_model("shop", "Pizza")
    registry.register_model("shop", pizza)
    assert registry.get_registered_model("shop", "PIZZA") is pizza
    registry.populate([make_config("shop")])
    assert registry.get_model("shop.Pizza") is pizza
    assert registry.get_model("shop", "pizza") is pizza
    for ask in (lambda: registry.get_model("shop.Piza"), lambda: registry.get_model("shp.Pizza")):
        with pytest.raises(LookupError, match="Did you mean"):
            ask()
    with pytest.raises(LookupError, match="elsewhere.Pizza is not defined"):
        registry.get_registered_model("elsewhere", "Pizza")
    assert "elsewhere" not in registry.all_models


@pytest.mark.parametrize("reference", ["", "Pizza", ".Pizza", "shop.", "a.b.c", "."])
def test_a_reference_to_a_model_has_two_parts(reference):
    with pytest.raises(ValueError, match="write 'label.Model'"):
        split_model_name(reference)


def test_caches_of_models_expire_when_another_model_comes(make_model):
    registry = Apps()
    registry.populate([make_config("shop")])
    pizza = make_model("shop", "Pizza")
    registry.register_model("shop", pizza)
    before = pizza._meta.expired
    registry.register_model("shop", make_model("shop", "Order"))
    assert pizza._meta.expired == before + 1


def test_two_models_of_one_name_are_refused(make_model):
    registry = Apps()
    registry.register_model("shop", make_model("shop", "Pizza"))
    with pytest.raises(RuntimeError, match="'Pizza' in the app 'shop': shop.models.Pizza and other.Pizza. Rename"):
        registry.register_model("shop", make_model("shop", "Pizza", module="other"))


def test_a_module_that_is_loaded_under_two_names_is_found_out(make_model, monkeypatch):
    for name in ("notes", "__main__"):
        module = ModuleType(name)
        module.__file__ = "/notes.py"
        monkeypatch.setitem(sys.modules, name, module)
    registry = Apps()
    registry.register_model("notes", make_model("notes", "Note", module="__main__"))
    with pytest.raises(RuntimeError, match="it is loaded as __main__ and as notes"):
        registry.register_model("notes", make_model("notes", "Note", module="notes"))


def test_a_model_that_is_defined_again_takes_the_place_of_the_former(make_model):
    registry = Apps()
    registry.register_model("shop", make_model("shop", "Pizza"))
    again = make_model("shop", "Pizza")
    with pytest.warns(RuntimeWarning, match="shop.Pizza is defined again") as caught:
        registry.register_model("shop", again)
    assert caught[0].filename == __file__
    assert registry.get_registered_model("shop", "pizza") is again


# -- operations that wait for models


def test_an_operation_without_keys_is_done_at_once():
    seen = []
    Apps().lazy_model_operation(lambda: seen.append("done"))
    assert seen == ["done"]


def test_operations_are_done_in_order_when_their_model_comes(make_model):
    registry = Apps()
    seen = []
    for number in range(3):
        registry.lazy_model_operation(lambda model, number=number: seen.append((number, model)), ("shop", "Pizza"))
    pizza = make_model("shop", "Pizza")
    assert seen == []
    registry.register_model("shop", pizza)
    assert seen == [(0, pizza), (1, pizza), (2, pizza)]
    registry.lazy_model_operation(lambda model: seen.append(model), ("shop", "pizza"))
    assert seen[-1] is pizza
    assert registry.pending_operations == {}


def test_the_label_of_a_key_is_case_sensitive_and_the_name_is_not(make_model):
    registry = Apps()
    seen = []
    registry.lazy_model_operation(seen.append, ("shop", "PIZZA"))
    registry.lazy_model_operation(seen.append, ("Shop", "pizza"))
    pizza = make_model("shop", "Pizza")
    registry.register_model("shop", pizza)
    assert seen == [pizza]
    assert list(registry.pending_operations) == [("Shop", "pizza")]


def test_an_operation_can_wait_for_several_models(make_model):
    registry = Apps()
    seen = []

    def relate(*models):
        seen.append(models)

    registry.lazy_model_operation(relate, ("shop", "Pizza"), ("shop", "Order"), ("shop", "Pizza"))
    (operation,) = registry.pending_operations[("shop", "pizza")]
    assert operation.function is relate
    assert operation.missing == (("shop", "pizza"), ("shop", "order"), ("shop", "pizza"))
    order, pizza = make_model("shop", "Order"), make_model("shop", "Pizza")
    registry.register_model("shop", order)
    assert seen == []
    registry.register_model("shop", pizza)
    assert seen == [(pizza, order, pizza)]


def test_what_waits_is_visible(make_model):
    registry = Apps()
    registry.lazy_model_operation(print, ("shop", "Pizza"), ("shop", "Order"))
    pizza = make_model("shop", "Pizza")
    registry.register_model("shop", pizza)
    assert registry.pending_operations == {("shop", "order"): [(print, (pizza,), (("shop", "order"),), frozenset())]}
    registry.pending_operations.clear()
    assert registry.pending_operations


def test_an_operation_may_define_models_and_ask_for_operations(make_model):
    registry = Apps()
    seen = []
    order = make_model("shop", "Order")

    def define_order(pizza):
        registry.lazy_model_operation(lambda model: seen.append(("asked", model)), ("shop", "Order"))
        registry.register_model("shop", order)

    registry.lazy_model_operation(define_order, ("shop", "Pizza"))
    registry.register_model("shop", make_model("shop", "Pizza"))
    assert seen == [("asked", order)]


def test_a_failing_operation_does_not_keep_others_from_being_done(make_model):
    registry = Apps()
    seen = []

    def fail(model):
        raise ValueError("no")

    for operation in (fail, seen.append):
        registry.lazy_model_operation(operation, ("shop", "Pizza"))
    with pytest.raises(ValueError, match="no"):
        registry.register_model("shop", make_model("shop", "Pizza"))
    assert len(seen) == 1

    registry.lazy_model_operation(fail, ("shop", "Order"))
    registry.lazy_model_operation(fail, ("shop", "Order"))
    with pytest.raises(ExceptionGroup, match="2 operations that waited for Order failed"):
        registry.register_model("shop", make_model("shop", "Order"))


def test_no_operation_is_lost_between_threads(make_model):
    registry = Apps()
    names = [f"Model{number}" for number in range(200)]
    seen = []
    start = threading.Barrier(2)

    def ask():
        start.wait(10)
        for name in names:
            registry.lazy_model_operation(lambda model: seen.append(model.__name__), ("shop", name))

    def define():
        models = [make_model("shop", name) for name in names]
        start.wait(10)
        for model in models:
            registry.register_model("shop", model)

    threads = [threading.Thread(target=target) for target in (ask, define)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(seen) == sorted(names)


@given(st.permutations([("shop", "a"), ("shop", "b"), ("shop", "c")]), st.data())
def test_whatever_the_order_an_operation_gets_its_models_once(arrivals, data):
    from types import SimpleNamespace

    registry = Apps()
    keys = data.draw(st.lists(st.sampled_from(arrivals), max_size=5))
    seen = []
    ask_after = data.draw(st.integers(0, len(arrivals)))
    for number, (label, name) in enumerate(arrivals):
        if number == ask_after:
            registry.lazy_model_operation(lambda *models: seen.append([each.__name__ for each in models]), *keys)
        model = type(name, (), {"_meta": SimpleNamespace(app_label=label, model_name=name)})
        registry.register_model(label, model)
    if ask_after == len(arrivals):
        registry.lazy_model_operation(lambda *models: seen.append([each.__name__ for each in models]), *keys)
    assert seen == [[name for _, name in keys]]
    assert registry.pending_operations == {}


# -- setup() and the setting


def test_setup_loads_the_apps_of_the_process_once():
    setup()
    assert apps.ready
    before = apps.get_app_configs()
    setup()
    assert apps.get_app_configs() == before


def test_overriding_installed_apps_makes_configurations_anew_and_brings_the_former_ones_back(write_package):
    write_package({"shop/__init__.py": "", "oven/__init__.py": ""})
    setup()
    before = apps.get_app_configs()
    with override_settings(INSTALLED_APPS=["shop"]):
        (outer,) = [config for config in apps.get_app_configs() if config.name == "shop"]
        with override_settings(INSTALLED_APPS=["shop", "oven"]):
            assert apps.is_installed("oven")
            assert apps.get_app_config("shop") is not outer
        assert not apps.is_installed("oven")
        assert apps.get_app_config("shop") is outer
        with override_settings(INSTALLED_APPS=["shop"]):
            assert apps.get_app_config("shop") is not outer
        assert apps.get_app_config("shop") is outer
    assert apps.get_app_configs() == before


def test_an_override_with_a_wrong_app_changes_nothing(write_package):
    write_package({"shop/__init__.py": ""})
    setup()
    with override_settings(INSTALLED_APPS=["shop"]):
        outer = apps.get_app_config("shop")
        for options in ({"INSTALLED_APPS": ["nowhere"]}, {"DEBUG": True, "INSTALLED_APPS": ["nowhere"]}):
            with pytest.raises(ImproperlyConfigured, match="nowhere"):
                with override_settings(**options):
                    raise AssertionError("not reached")
            assert apps.get_app_config("shop") is outer


IN_A_FRESH_PROCESS = """
import sys
from webframe.apps import apps, setup
from webframe.conf import settings
from webframe.test import override_settings
with override_settings(INSTALLED_APPS=["json"]):
    assert not apps.ready
    setup()
    assert apps.is_installed("json")
assert not apps.ready
setup()
assert apps.ready and apps.get_app_configs() == []
"""


def test_apps_that_are_loaded_within_an_override_are_gone_after_it():
    subprocess.run([sys.executable, "-c", IN_A_FRESH_PROCESS], check=True)


def test_setup_reports_a_wrong_setting():
    code = "from webframe.apps import setup; setup()"
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "WEBFRAME_MAX_CONTENT_LENGTH": "ten"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "The environment variable WEBFRAME_MAX_CONTENT_LENGTH is 'ten'" in process.stderr


def test_importing_apps_loads_nothing_heavy():
    code = """if True:
        import sys
        import webframe.apps
        assert "webframe.apps.registry" not in sys.modules
        from webframe.apps import AppConfig, apps, setup
        print([name for name in ("logging", "inspect", "asyncio", "json", "dataclasses") if name in sys.modules])
    """
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
