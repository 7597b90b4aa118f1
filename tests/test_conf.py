"""Settings: the layers, their order, and what happens when they contradict each other."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

import pytest

from webframe.conf import Defaults, Settings, defaults
from webframe.core.exceptions import ImproperlyConfigured


def make(environment=None, **keywords):
    settings = Settings(environment or {})
    settings.configure(**keywords)
    return settings


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """Write a settings module; its name is unique to the test."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def write(content: str) -> str:
        name = f"settings_of_{tmp_path.name}_{len(names)}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(content))
        names.append(name)
        return name

    yield write
    for name in names:
        sys.modules.pop(name, None)


# -- the layers


def test_every_default_can_be_read_and_is_of_its_own_kind():
    settings = make()
    settings.validate()
    for name, value in defaults().items():
        assert getattr(settings, name) == value


def test_every_default_has_its_type():
    assert set(Defaults.__annotations__) == set(defaults())


def test_each_layer_covers_those_below(write_module):
    module = write_module("TIME_ZONE = 'module'")
    settings = Settings({})
    assert settings.TIME_ZONE == "UTC"
    settings = make(module=module)
    assert settings.TIME_ZONE == "module"
    settings = make(module=module, TIME_ZONE="keyword")
    assert settings.TIME_ZONE == "keyword"
    settings = make({"WEBFRAME_TIME_ZONE": "environment"}, module=module, TIME_ZONE="keyword")
    assert settings.TIME_ZONE == "environment"
    layer = settings.push({"TIME_ZONE": "override"})
    assert settings.TIME_ZONE == "override"
    settings.pop(layer)
    assert settings.TIME_ZONE == "environment"


def test_the_environment_is_read_at_the_first_use_and_only_then():
    environment = {"WEBFRAME_DEBUG": "true"}
    settings = Settings(environment)
    environment["WEBFRAME_TIME_ZONE"] = "Europe/Rome"
    assert settings.DEBUG is True
    assert settings.TIME_ZONE == "Europe/Rome"
    environment["WEBFRAME_USE_TZ"] = "false"
    assert settings.USE_TZ is True


def test_the_environment_names_the_settings_module_before_the_keywords_do(write_module):
    one, two = write_module("SHOP = 1"), write_module("SHOP = 2")
    assert make({"WEBFRAME_SETTINGS_MODULE": one}, module=two).SHOP == 1


def test_only_upper_case_names_of_a_module_are_settings(write_module):
    settings = make(module=write_module("import os\nDEBUG = True\ndebug = 1\n_PRIVATE = 1"))
    assert settings.DEBUG
    for name in ("os", "debug", "_PRIVATE"):
        with pytest.raises(AttributeError, match=name):
            getattr(settings, name)


def test_the_database_url_and_the_secret_key_are_known_by_their_common_names():
    settings = make({"DATABASE_URL": "sqlite:///a.db", "SECRET_KEY": "123"}, SECRET_KEY="keyword")
    assert settings.DATABASES == {"default": "sqlite:///a.db"}
    assert settings.SECRET_KEY == "123"


def test_a_secret_key_of_digits_is_a_text():
    assert make({"WEBFRAME_SECRET_KEY": "1234"}).SECRET_KEY == "1234"


def test_settings_of_the_project_have_all_layers_too(write_module):
    settings = make({"WEBFRAME_SHOP_NAME": "Da Mario"}, module=write_module("OVENS = 2"), TABLES=12)
    assert (settings.SHOP_NAME, settings.OVENS, settings.TABLES) == ("Da Mario", 2, 12)


def test_defaults_are_copied_so_that_nobody_changes_them_by_accident():
    one, two = make(), make()
    one.INSTALLED_APPS.append("shop")
    one.DATABASES["default"] = "x"
    assert two.INSTALLED_APPS == []
    assert two.DATABASES == {}


# -- reading


def test_a_value_is_a_plain_attribute_after_the_first_read():
    settings = make(DEBUG=True)
    assert "DEBUG" not in vars(settings)
    assert settings.DEBUG is True
    assert vars(settings)["DEBUG"] is True


def test_an_unknown_name_is_an_attribute_error_with_a_close_match():
    with pytest.raises(AttributeError, match=r"no setting ALLOWED_HOST\. Did you mean ALLOWED_HOSTS\?"):
        _ = make().ALLOWED_HOST
    assert not hasattr(make(), "NOTHING_OF_THE_KIND")


def test_a_wrong_value_elsewhere_does_not_disturb_the_search_for_a_name():
    assert not hasattr(make({"WEBFRAME_MAX_CONTENT_LENGTH": "ten"}), "MAX_CONTENT_LENGHT")


def test_contains_and_dir():
    settings = make({"WEBFRAME_SHOP_NAME": "Da Mario"}, OVENS=2)
    assert "DEBUG" in settings
    assert "SHOP_NAME" in settings
    assert "TABLES" not in settings
    assert "configure" not in settings
    assert 5 not in settings
    assert {"DEBUG", "SHOP_NAME", "OVENS", "configure"} <= set(dir(settings))


def test_is_overridden_tells_what_anything_but_the_defaults_gives(write_module):
    settings = make(
        {"WEBFRAME_DEBUG": "1", "DATABASE_URL": "x://"}, module=write_module("USE_TZ = True"), TIME_ZONE="UTC"
    )
    given = {name for name in defaults() if settings.is_overridden(name)}
    assert given == {"DEBUG", "DATABASES", "USE_TZ", "TIME_ZONE"}


def test_configured_once_something_was_given_or_read():
    settings = Settings({})
    assert not settings.configured
    _ = settings.DEBUG
    assert settings.configured
    assert make(DEBUG=False).configured


def test_the_representation_names_what_was_given_but_no_value():
    assert repr(make(SECRET_KEY="very secret")) == "<Settings with SECRET_KEY>"
    assert repr(make()) == "<Settings with the defaults only>"


def test_importing_settings_loads_nothing_heavy():
    code = (
        "import sys, webframe.conf; print([n for n in ('logging', 'inspect', 'asyncio', 'json') if n in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_threads_that_read_at_once_see_the_same_value(write_module):
    settings = make(module=write_module("import time\ntime.sleep(0.05)\nSHOP = object()"))
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(settings.SHOP)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1


# -- configure()


def test_the_same_keyword_twice_is_fine_and_keywords_add_up():
    settings = make(DEBUG=True, ALLOWED_HOSTS=["a"])
    settings.configure(ALLOWED_HOSTS=["a"], TIME_ZONE="Europe/Rome")
    assert (settings.DEBUG, settings.ALLOWED_HOSTS, settings.TIME_ZONE) == (True, ["a"], "Europe/Rome")


def test_a_differing_keyword_is_refused_by_name_with_both_values():
    settings = make(TIME_ZONE="Europe/Rome")
    with pytest.raises(
        ImproperlyConfigured, match="TIME_ZONE was configured as 'Europe/Rome', and now as 'Asia/Tokyo'"
    ):
        settings.configure(TIME_ZONE="Asia/Tokyo", USE_TZ=False)
    assert settings.TIME_ZONE == "Europe/Rome"
    assert settings.USE_TZ is True


def test_a_value_that_was_already_read_cannot_be_configured_any_more():
    settings = make()
    assert settings.DEBUG is False
    with pytest.raises(
        ImproperlyConfigured, match="DEBUG has already been read as False, and is now configured as True"
    ):
        settings.configure(DEBUG=True, TIME_ZONE="Europe/Rome")
    settings.configure(DEBUG=False)
    assert settings.TIME_ZONE == "UTC"


def test_a_module_that_changes_a_value_that_was_already_read_is_refused(write_module):
    settings = make()
    assert settings.DEBUG is False
    module = write_module("DEBUG = True\nSHOP = 1")
    with pytest.raises(ImproperlyConfigured, match="DEBUG has already been read"):
        settings.configure(module=module)
    assert "SHOP" not in settings
    settings.configure(module=write_module("DEBUG = False\nSHOP = 2"))
    assert settings.SHOP == 2


def test_what_was_read_under_an_override_only_can_still_be_configured():
    settings = make()
    layer = settings.push({"DEBUG": True})
    assert settings.DEBUG is True
    settings.configure(DEBUG=False, TIME_ZONE="Europe/Rome")
    assert settings.DEBUG is True
    settings.pop(layer)
    assert settings.DEBUG is False


def test_two_modules_contradict_each_other(write_module):
    one, two = write_module(""), write_module("")
    settings = make(module=one)
    settings.configure(module=one)
    with pytest.raises(ImproperlyConfigured, match=f"{one}.*{two}"):
        settings.configure(module=two)


def test_secrets_do_not_appear_in_messages():
    settings = make(SECRET_KEY="old-and-secret", DATABASES={"default": "postgresql://u:pass-word@h/n"})
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY") as caught:
        settings.configure(SECRET_KEY="new-and-secret")
    assert "and-secret" not in str(caught.value)
    with pytest.raises(ImproperlyConfigured, match="DATABASES") as caught:
        settings.configure(DATABASES={"default": "postgresql://u:other-word@h/n"})
    assert "word" not in str(caught.value)


def test_lower_case_keywords_are_refused_with_the_name_that_was_meant():
    with pytest.raises(ImproperlyConfigured, match="debug.*as in DEBUG"):
        make(debug=True)


# -- values of the wrong type


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("MAX_CONTENT_LENGTH", "ten", "a whole number, zero or more"),
        ("MAX_CONTENT_LENGTH", "-1", "a whole number, zero or more"),
        ("MAX_CONTENT_LENGTH", "true", "a whole number, zero or more"),
        ("BODY_TIMEOUT", "Infinity", "a number of seconds, zero or more"),
        ("DEBUG", "maybe", "True or False"),
        ("ALLOWED_HOSTS", "[1]", "a list of texts"),
        ("LOGGING", "verbose", "a dictionary"),
    ],
)
def test_a_wrong_variable_is_reported_with_name_value_and_expected_type(name, text, words):
    settings = make({f"WEBFRAME_{name}": text})
    with pytest.raises(ImproperlyConfigured, match=rf"variable WEBFRAME_{name} is .*, but {name} must be {words}"):
        settings.validate()


def test_a_wrong_secret_in_the_environment_is_not_shown():
    settings = make({"WEBFRAME_DATABASES": "postgresql://u:pass-word@h/n"})
    with pytest.raises(ImproperlyConfigured, match="WEBFRAME_DATABASES is a str that is not shown here") as caught:
        settings.validate()
    assert "pass-word" not in str(caught.value)


def test_a_wrong_keyword_is_refused_at_once():
    with pytest.raises(ImproperlyConfigured, match=r"keyword ALLOWED_HOSTS is '\*', but .* must be a list of texts"):
        make(ALLOWED_HOSTS="*")


def test_a_wrong_value_in_the_module_names_the_module(write_module):
    module = write_module("USE_TZ = 'yes'")
    with pytest.raises(ImproperlyConfigured, match=f"USE_TZ in the settings module '{module}' is 'yes'"):
        make(module=module).validate()


def test_a_number_in_the_environment_is_a_number():
    settings = make({"WEBFRAME_MAX_CONTENT_LENGTH": "10", "WEBFRAME_BODY_TIMEOUT": "2.5"})
    assert (settings.MAX_CONTENT_LENGTH, settings.BODY_TIMEOUT) == (10, 2.5)


def test_paths_may_be_path_objects(tmp_path):
    assert make(TEMPLATE_DIRS=[tmp_path]).TEMPLATE_DIRS == [tmp_path]


# -- the settings module


def test_a_missing_module_is_reported_with_who_named_it():
    with pytest.raises(ImproperlyConfigured, match="no settings module 'nowhere.conf', which WEBFRAME_SETTINGS_MODULE"):
        _ = make({"WEBFRAME_SETTINGS_MODULE": "nowhere.conf"}).DEBUG
    with pytest.raises(ImproperlyConfigured, match=r"no settings module 'nowhere', which configure\(module=...\)"):
        _ = make(module="nowhere").DEBUG


def test_what_a_module_fails_to_import_is_not_blamed_on_the_setting(write_module):
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        _ = make(module=write_module("import no_such_package")).DEBUG


def test_a_module_that_reads_settings_while_it_is_imported_is_told_so(write_module, monkeypatch):
    import builtins

    settings = Settings({})
    monkeypatch.setattr(builtins, "settings_under_test", settings, raising=False)
    settings.configure(module=write_module("settings_under_test.DEBUG"))
    with pytest.raises(ImproperlyConfigured, match="reads settings while it is being imported"):
        _ = settings.DEBUG


# -- assigning, deleting, overriding


def test_assigning_and_deleting_take_effect_at_once():
    settings = make()
    settings.DEBUG = True
    assert settings.DEBUG is True
    del settings.DEBUG
    assert "DEBUG" not in settings
    with pytest.raises(AttributeError, match="DEBUG"):
        _ = settings.DEBUG
    with pytest.raises(AttributeError, match="DEBUG"):
        del settings.DEBUG


def test_what_is_assigned_within_an_override_lasts_as_long_as_it():
    settings = make(TIME_ZONE="Europe/Rome")
    layer = settings.push({"DEBUG": True})
    settings.DEBUG = False
    settings.TIME_ZONE = "Asia/Tokyo"
    del settings.USE_TZ
    assert settings.TIME_ZONE == "Asia/Tokyo"
    settings.pop(layer)
    assert settings.TIME_ZONE == "Europe/Rome"
    assert settings.USE_TZ is True


def test_layers_can_go_in_any_order():
    settings = make()
    outer = settings.push({"TIME_ZONE": "outer", "SHOP": 1})
    inner = settings.push({"TIME_ZONE": "inner"})
    assert settings.overrides_of("TIME_ZONE") == 2
    assert settings.overrides_of("SHOP") == 1
    settings.pop(outer)
    assert settings.TIME_ZONE == "inner"
    assert "SHOP" not in settings
    settings.pop(inner)
    assert settings.TIME_ZONE == "UTC"
    assert settings.overrides_of("TIME_ZONE") == 0


def test_equal_layers_are_told_apart():
    settings = make()
    one, two = settings.push({"SHOP": 1}), settings.push({"SHOP": 1})
    settings.pop(one)
    assert settings.SHOP == 1
    settings.pop(two)
    assert "SHOP" not in settings


def test_other_attributes_are_plain_attributes():
    settings = make()
    settings.note = 1
    assert settings.note == 1
    del settings.note
    with pytest.raises(AttributeError, match="note"):
        _ = settings.note
