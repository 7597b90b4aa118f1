"""Checks: how they are registered and run, and those on settings and apps."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from webframe.apps import AppConfig, Apps
from webframe.apps.config import ImplicitAppConfig
from webframe.core import checks
from webframe.core.checks import CheckMessage, CheckRegistry, Critical, Debug, Error, Info, run_checks
from webframe.test import override_settings

STRONG = "3q8-vN0tLx5Yb2RzKf7JdWm1ScPh6UeGaQ9o"


@pytest.fixture
def registry():
    return CheckRegistry()


def ids(*tags, deploy=False):
    return [message.id for message in run_checks(tags or None, deploy=deploy)]


# -- messages


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        (Debug, logging.DEBUG),
        (Info, logging.INFO),
        (checks.Warning, logging.WARNING),
        (Error, logging.ERROR),
        (Critical, logging.CRITICAL),
    ],
)
def test_a_message_has_its_level(kind, level):
    message = kind("The oven is cold.", "Light it.", "oven", "shop.E001")
    assert (message.level, message.msg, message.hint, message.obj, message.id) == (
        level,
        "The oven is cold.",
        "Light it.",
        "oven",
        "shop.E001",
    )
    assert message.is_serious() is (level >= logging.ERROR)
    assert message.is_serious(level)
    assert message == CheckMessage(level, "The oven is cold.", "Light it.", "oven", "shop.E001")
    assert message != kind("The oven is hot.")
    assert message != "The oven is cold."
    assert len({message, kind("The oven is cold.", "Light it.", "oven", "shop.E001")}) == 1


def test_a_message_reads_as_a_line_and_a_hint():
    assert str(Error("It is cold.", hint="Light it.", obj="oven", id="shop.E001")) == (
        "oven: (shop.E001) It is cold.\n    Light it."
    )
    assert str(Error("It is cold.")) == "?: It is cold."
    assert str(Error("It is cold.", obj=AppConfig)) == "webframe.apps.config.AppConfig: It is cold."
    assert str(Error("It is cold.", obj=5)) == "5: It is cold."
    assert repr(Error("It is cold.")) == "<Error 40: ?: It is cold.>"


# -- registering and running


def test_checks_are_run_in_the_order_of_their_registration(registry):
    @registry.register
    def first(app_configs=None, **kwargs):
        return [Info("first")]

    @registry.register("shop", "oven")
    def second(app_configs=None, **kwargs):
        return (Info(text) for text in ("second", "third"))

    registry.register(lambda **kwargs: [Info("fourth")], "shop")
    assert [message.msg for message in registry.run_checks()] == ["first", "second", "third", "fourth"]
    assert [message.msg for message in registry.run_checks(["oven"])] == ["second", "third"]
    assert [message.msg for message in registry.run_checks(["shop", "oven"])] == ["second", "third", "fourth"]
    assert registry.run_checks([]) == []
    assert second.__name__ == "second"


def test_deployment_checks_are_run_when_asked_for(registry):
    registry.register(lambda **kwargs: [Info("always")], "shop")
    registry.register(lambda **kwargs: [Info("deployed")], "deployment", deploy=True)
    assert [message.msg for message in registry.run_checks()] == ["always"]
    assert [message.msg for message in registry.run_checks(deploy=True)] == ["always", "deployed"]
    assert registry.run_checks(["deployment"]) == []
    assert registry.tags_available() == ["shop"]
    assert registry.tags_available(deploy=True) == ["deployment", "shop"]


def test_checks_are_told_which_apps_to_look_at(registry):
    seen = []

    @registry.register
    def look(app_configs=None, **kwargs):
        seen.append(app_configs)
        return []

    config = ImplicitAppConfig("shop")
    registry.run_checks()
    registry.run_checks(app_configs=[config])
    assert seen == [None, [config]]


def test_registering_twice_runs_once(registry):
    def look(**kwargs):
        return [Info("seen")]

    registry.register(look)
    registry.register(look)
    assert len(registry.run_checks()) == 1


def test_a_check_takes_further_keywords(registry):
    with pytest.raises(TypeError, match=r"narrow must take \*\*kwargs"):

        @registry.register("shop")
        def narrow(app_configs=None):
            return []

    with pytest.raises(TypeError, match="A check is a function, not 5"):
        registry.register(5)


@pytest.mark.parametrize("answer", [None, "text", 5])
def test_a_check_returns_messages(registry, answer):
    @registry.register
    def look(**kwargs):
        return answer

    with pytest.raises(TypeError, match=f"look returned {answer!r}; it must return a list"):
        registry.run_checks()


def test_an_unknown_tag_is_an_error_with_a_close_match(registry):
    registry.register(lambda **kwargs: [], "security")
    with pytest.raises(ValueError, match=r"No check has the tag 'secrity'\. Did you mean security\?"):
        registry.run_checks(["secrity"])


# -- settings


def test_a_name_that_is_nearly_one_of_ours_is_pointed_out():
    with override_settings(ALLOWED_HOST=["example.org"], SHOP_NAME="Da Mario"):
        (message,) = run_checks(["settings"])
    assert (message.id, message.obj, message.hint) == ("settings.W001", "ALLOWED_HOST", "Did you mean ALLOWED_HOSTS?")


def test_a_setting_that_does_something_in_django_and_nothing_here_is_pointed_out():
    with override_settings(MIDDLEWARE=["shop.middleware.Members"], SECURE_SSL_REDIRECT=False, CACHES={"default": {}}):
        (message,) = run_checks(["settings"])
    assert (message.id, message.obj) == ("settings.W002", "MIDDLEWARE")
    assert message.hint == "Write app.middleware(function), once for each."


def test_a_time_zone_that_does_not_exist_is_an_error():
    with override_settings(TIME_ZONE="Europe/Romme"):
        (message,) = run_checks(["settings"])
    assert (message.id, message.hint) == ("settings.E001", "Did you mean Europe/Rome?")
    for wrong in ("", "../etc/passwd", "/etc/passwd", "\0", "no zone"):
        with override_settings(TIME_ZONE=wrong):
            assert ids("settings") == ["settings.E001"]
    with override_settings(TIME_ZONE="Europe/Rome"):
        assert ids("settings") == []


# -- security


@pytest.mark.parametrize("key", ["x", "0123456789012345678901234567890", "dev-" + STRONG, "a" * 50, "change me " * 5])
def test_a_guessable_key_is_pointed_out_unless_debugging(key):
    with override_settings(SECRET_KEY=key):
        (message,) = run_checks(["security"])
        assert (message.id, message.obj) == ("security.W001", "SECRET_KEY")
        assert key not in str(message)
        with override_settings(DEBUG=True):
            assert ids("security") == []


def test_fallback_keys_are_looked_at_too():
    with override_settings(SECRET_KEY=STRONG, SECRET_KEY_FALLBACKS=[STRONG, "old"]):
        (message,) = run_checks(["security"])
    assert (message.id, message.obj) == ("security.W001", "SECRET_KEY_FALLBACKS")


def test_a_strong_key_or_none_is_fine():
    for key in (STRONG, "", "ü" * 8 + STRONG[:20]):
        with override_settings(SECRET_KEY=key):
            assert ids("security") == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"ALLOWED_HOSTS": ["example.org"]}, []),
        ({"ALLOWED_HOSTS": []}, ["security.E001"]),
        ({"ALLOWED_HOSTS": ["*"]}, ["security.W003"]),
        ({"ALLOWED_HOSTS": ["example.org"], "DEBUG": True}, ["security.W002"]),
        ({"ALLOWED_HOSTS": ["example.org"], "TRUSTED_PROXIES": ["10.0.0.0/8"]}, []),
        ({"ALLOWED_HOSTS": ["example.org"], "TRUSTED_PROXIES": ["*"]}, ["security.W004"]),
    ],
)
def test_a_public_server_is_looked_at_more_closely(options, expected):
    with override_settings(SECRET_KEY=STRONG, **options):
        assert ids("security", deploy=True) == expected
        assert ids("security") == []


# -- apps


def test_models_under_a_label_that_depends_on_luck_are_pointed_out():
    registry = Apps()
    lucky = registry.register_app(ImplicitAppConfig("shop.app"))
    unlucky = registry.register_app(ImplicitAppConfig("blog.app"))
    registry.populate([])
    configs = [lucky, unlucky]
    assert checks.labels_do_not_depend_on_luck(app_configs=configs) == []
    for config in configs:
        meta = SimpleNamespace(app_label=config.label, model_name="post", _expire_cache=lambda: None)
        registry.register_model(config.label, type("Post", (), {"_meta": meta, "__module__": config.name}))
    (message,) = checks.labels_do_not_depend_on_luck(app_configs=configs)
    assert (message.id, message.obj) == ("apps.W001", unlucky)
    assert "'blog_app'" in message.msg
    assert "apps.W001" not in ids("apps")
