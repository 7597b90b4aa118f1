"""AppConfig: which configuration an entry of INSTALLED_APPS means, and what it knows of its app."""

from __future__ import annotations

import os
import sys
from itertools import islice
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webframe.apps import AppConfig, Apps
from webframe.apps.config import ImplicitAppConfig
from webframe.core.exceptions import ImproperlyConfigured

TWO_CONFIGS = """
    from webframe.apps import AppConfig
    class First(AppConfig):
        name = "shop"
    class Second(AppConfig):
        name = "shop"
"""


# -- entries


def test_a_package_without_an_apps_module_gets_a_plain_configuration(write_package, tmp_path):
    write_package({"shop/__init__.py": "", "shop/pizza_oven/__init__.py": ""})
    config = AppConfig.create("shop.pizza_oven")
    assert type(config) is AppConfig
    assert (config.name, config.label, config.verbose_name) == ("shop.pizza_oven", "pizza_oven", "Pizza Oven")
    assert config.path == str(tmp_path / "shop" / "pizza_oven")
    assert config.module is sys.modules["shop.pizza_oven"]
    assert repr(config) == "<AppConfig: pizza_oven>"


def test_the_only_configuration_of_a_package_is_used(write_package):
    write_package(
        {
            "shop/__init__.py": "",
            "shop/apps.py": """
                from webframe.apps import AppConfig
                class ShopConfig(AppConfig):
                    name = "shop"
                    label = "pizzeria"
                    verbose_name = "Da Mario"
                    path = "/somewhere"
            """,
        }
    )
    config = AppConfig.create("shop")
    assert type(config).__name__ == "ShopConfig"
    assert (config.label, config.verbose_name, config.path) == ("pizzeria", "Da Mario", "/somewhere")


def test_a_configuration_can_be_named(write_package):
    write_package({"shop/__init__.py": "", "shop/apps.py": TWO_CONFIGS})
    assert type(AppConfig.create("shop.apps.Second")).__name__ == "Second"


def test_of_several_configurations_one_must_be_the_default(write_package):
    write_package({"shop/__init__.py": "", "shop/apps.py": TWO_CONFIGS})
    with pytest.raises(ImproperlyConfigured, match="more than one AppConfig to choose from: First, Second"):
        AppConfig.create("shop")


def test_the_default_configuration_is_chosen(write_package):
    write_package({"shop/__init__.py": "", "shop/apps.py": TWO_CONFIGS + "        default = True\n"})
    assert type(AppConfig.create("shop")).__name__ == "Second"


def test_a_configuration_may_be_no_default(write_package):
    write_package({"shop/__init__.py": "", "shop/apps.py": TWO_CONFIGS + "        default = False\n"})
    assert type(AppConfig.create("shop")).__name__ == "First"


def test_a_module_that_is_no_package_is_an_app_too(write_package, tmp_path):
    write_package({"kiosk.py": ""})
    config = AppConfig.create("kiosk")
    assert config.label == "kiosk"
    assert config.path == str(tmp_path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("nowhere", "names 'nowhere', but there is no such module"),
        ("nowhere.apps.Config", "names 'nowhere.apps.Config', but there is no such module"),
        ("shop.apps.Secnd", "has no 'Secnd'. Did you mean Second?"),
        ("shop.apps.sys", "which is no subclass of AppConfig"),
        ("shop..apps", "name a package, or a subclass"),
        ("", "name a package, or a subclass"),
        (5, "INSTALLED_APPS has 5"),
    ],
)
def test_an_entry_that_means_nothing_is_reported(write_package, entry, message):
    write_package({"shop/__init__.py": "", "shop/apps.py": "import sys" + TWO_CONFIGS.replace("\n    ", "\n")})
    with pytest.raises(ImproperlyConfigured) as caught:
        AppConfig.create(entry)
    assert message in str(caught.value)


@given(st.text(max_size=20))
def test_any_text_is_an_app_or_improperly_configured(entry):
    try:
        AppConfig.create(f"no_such_package.{entry}")
    except ImproperlyConfigured:
        pass


def test_what_an_app_fails_to_import_is_raised_as_it_is(write_package):
    write_package({"shop/__init__.py": "", "shop/apps.py": "import no_such_package"})
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        AppConfig.create("shop")


def test_a_configuration_needs_a_name_that_exists(write_package):
    write_package(
        {
            "shop/__init__.py": "",
            "shop/apps.py": """
                from webframe.apps import AppConfig
                class Nameless(AppConfig):
                    pass
                class Elsewhere(AppConfig):
                    name = "elsewhere"
            """,
        }
    )
    with pytest.raises(ImproperlyConfigured, match="'shop.apps.Nameless' has no `name`"):
        AppConfig.create("shop.apps.Nameless")
    with pytest.raises(ImproperlyConfigured, match="no module 'elsewhere', which is the `name` of 'shop.apps.Els"):
        AppConfig.create("shop.apps.Elsewhere")


def test_a_label_must_be_an_identifier(write_package):
    write_package({"pizza-shop/__init__.py": ""})
    with pytest.raises(ImproperlyConfigured, match="label 'pizza-shop', which is not a Python identifier"):
        AppConfig.create("pizza-shop")


def test_an_app_with_several_folders_must_say_which_is_its_path():
    module = ModuleType("spread")
    module.__path__ = ["/one", "/two"]
    with pytest.raises(ImproperlyConfigured, match="2 folders; set `path`"):
        AppConfig("spread", module)


# -- models


def registered(config):
    registry = Apps()
    registry.populate([config])
    return config


def test_the_models_of_a_package_lie_in_its_models_module(write_package):
    write_package({"shop/__init__.py": "", "shop/models.py": "", "plain/__init__.py": ""})
    assert registered(AppConfig.create("shop")).models_module is sys.modules["shop.models"]
    assert registered(AppConfig.create("plain")).models_module is None


def test_the_models_of_a_module_lie_in_itself(write_package):
    write_package({"kiosk.py": ""})
    assert registered(AppConfig.create("kiosk")).models_module is sys.modules["kiosk"]


def test_an_error_in_a_models_module_is_raised_as_it_is(write_package):
    write_package({"shop/__init__.py": "", "shop/models.py": "1 / 0"})
    with pytest.raises(ZeroDivisionError):
        registered(AppConfig.create("shop"))


def test_models_are_found_by_name_and_listed_in_order(write_package, make_model):
    write_package({"shop/__init__.py": ""})
    config = AppConfig.create("shop")
    registry = Apps()
    pizza, order = make_model("shop", "Pizza"), make_model("shop", "Order")
    through = make_model("shop", "Order_pizzas", auto_created=True)
    swapped = make_model("shop", "User", swapped="other.User")
    for model in (pizza, order, through, swapped):
        registry.register_model("shop", model)
    with pytest.raises(ImproperlyConfigured, match=r"call webframe.apps.setup\(\)"):
        list(config.get_models())
    registry.populate([config])
    assert list(config.get_models()) == [pizza, order]
    assert list(config.get_models(include_auto_created=True)) == [pizza, order, through]
    assert list(config.get_models(include_swapped=True)) == [pizza, order, swapped]
    assert config.get_model("PIZZA") is pizza
    with pytest.raises(LookupError, match=r"'shop' has no model 'Piza'\. Did you mean Pizza\?"):
        config.get_model("Piza")


# -- the implicit app of a Webframe


def module_called(name, file=None, spec=None):
    module = ModuleType(name)
    if file is not None:
        module.__file__ = file
    module.__spec__ = SimpleNamespace(name=spec) if spec else None
    return module


@pytest.mark.parametrize(
    ("module", "labels"),
    [
        (module_called("app"), ["app", "app_2", "app_3"]),
        (module_called("shop.web.app"), ["app", "web_app", "shop_web_app", "shop_web_app_2"]),
        (module_called("__main__", "/tmp/notes.py"), ["notes", "notes_2"]),
        (module_called("__main__", "/tmp/my-notes.v2.py"), ["my_notes_v2"]),
        (module_called("__main__", "/tmp/notes/__main__.py", "notes.__main__"), ["notes"]),
        (module_called("__main__", "/tmp/x/__main__.py", "shop.notes.__main__"), ["notes", "shop_notes"]),
        (module_called("__main__", "/tmp/2024.py"), ["app_2024"]),
        (module_called("__main__"), ["main"]),
    ],
)
def test_the_label_is_the_last_part_of_the_name_or_the_name_of_the_program(module, labels):
    assert list(islice(ImplicitAppConfig.labels(module.__name__, module), len(labels))) == labels


@given(st.text(max_size=30))
def test_any_name_of_a_module_gives_a_label(name):
    for label in islice(ImplicitAppConfig.labels(name, None), 3):
        assert label.isidentifier()


def test_a_webframe_that_is_no_module_lives_in_the_current_folder():
    config = ImplicitAppConfig("no such module")
    assert config.module is None
    assert config.label == "no_such_module"
    assert config.path == os.getcwd()
    assert registered(config).models_module is None


def test_the_implicit_app_has_the_models_of_its_module(write_package):
    write_package({"kiosk.py": "", "shop/__init__.py": "", "shop/models.py": "", "plain/__init__.py": ""})
    import kiosk
    import plain
    import shop

    assert registered(ImplicitAppConfig("kiosk")).models_module is kiosk
    assert registered(ImplicitAppConfig("plain")).models_module is plain
    assert registered(ImplicitAppConfig("shop")).models_module is sys.modules["shop.models"]
    assert shop.__name__ == "shop"
