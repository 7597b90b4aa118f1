"""Logging: the default, LOGGING laid over it, and the id of the request on every line."""

from __future__ import annotations

import io
import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webframe.test import override_settings
from webframe.utils import log
from webframe.utils.log import configure_logging, laid_over, request_id

logger = logging.getLogger("webframe")


@pytest.fixture(autouse=True)
def unconfigured():
    """The logger `webframe` as it is before anything is configured."""
    before = logger.handlers[:], logger.level, logger.propagate
    requests = logging.getLogger("webframe.request")
    level = requests.level
    logger.handlers[:], logger.propagate = [], True
    logger.setLevel(logging.NOTSET)
    requests.setLevel(logging.NOTSET)
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])
    requests.setLevel(level)


@pytest.fixture
def in_request(monkeypatch):
    """Sets the id of the current request, or the function that tells it."""
    return lambda value: monkeypatch.setattr(log, "id_of_current_request", value if callable(value) else lambda: value)


def in_a_process(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


# -- the default


def test_lines_go_to_stderr_with_level_request_id_and_logger(capsys, in_request):
    configure_logging()
    in_request("7f3a")
    logging.getLogger("webframe.request").error("Failed: %s", "/pizza")
    assert capsys.readouterr().err.endswith(" ERROR   [7f3a] webframe.request: Failed: /pizza\n")


def test_what_clients_do_wrong_is_not_written_unless_asked_for(capsys):
    configure_logging()
    logging.getLogger("webframe.request").warning("404: GET '/pizza'")
    assert capsys.readouterr().err == ""


def test_what_is_less_than_info_is_not_written(capsys):
    configure_logging()
    logging.getLogger("webframe.server").debug("details")
    logging.getLogger("webframe.server").info("news")
    written = capsys.readouterr().err
    assert "details" not in written
    assert "[-] webframe.server: news" in written


def test_configuring_twice_writes_lines_once(capsys):
    configure_logging()
    configure_logging()
    logger.error("once")
    assert capsys.readouterr().err.count("once") == 1


def test_stderr_may_be_exchanged_afterwards(monkeypatch):
    configure_logging()
    later = io.StringIO()
    monkeypatch.setattr(sys, "stderr", later)
    logger.error("later")
    assert "later" in later.getvalue()


def test_the_shortcut_without_dictconfig_does_what_the_dictionary_says():
    process = in_a_process(
        "import logging\n"
        "from webframe.utils.log import DEFAULT_LOGGING, configure_logging\n"
        "def describe():\n"
        "    (handler,) = logger.handlers\n"
        "    filters = [type(each).__name__ for each in handler.filters]\n"
        "    return type(handler), handler.stream, handler.name, handler.formatter._fmt, filters, logger.level\n"
        "logger = logging.getLogger('webframe')\n"
        "configure_logging()\n"
        "shortcut = describe()\n"
        "from logging.config import dictConfig\n"
        "dictConfig(DEFAULT_LOGGING)\n"
        "assert describe() == shortcut, (describe(), shortcut)\n"
    )
    assert process.stderr == ""


def test_handlers_of_others_stay_open_by_default(tmp_path):
    handler = logging.FileHandler(tmp_path / "log")
    try:
        configure_logging()
        assert handler.stream is not None
    finally:
        handler.close()


def test_a_logger_that_has_a_handler_is_left_alone(capsys):
    mine = logging.NullHandler()
    logger.addHandler(mine)
    configure_logging()
    assert logger.handlers == [mine]
    assert logger.level == logging.NOTSET


def test_a_level_that_was_chosen_is_kept():
    logger.setLevel(logging.ERROR)
    configure_logging()
    assert logger.level == logging.ERROR


def test_nothing_is_written_twice_where_the_root_logger_writes_to_the_terminal():
    process = in_a_process(
        "import logging; logging.basicConfig(format='root: {message}', style='{')\n"
        "from webframe.utils.log import configure_logging; configure_logging()\n"
        "logging.getLogger('webframe.request').error('x')"
    )
    assert process.stderr == "root: x\n"


@pytest.mark.parametrize(
    "circumstance",
    [
        "logging.getLogger('webframe').propagate = False",
        "logging.getLogger().handlers[0].setLevel(logging.CRITICAL)",
        "logging.getLogger().handlers[:] = [logging.NullHandler()]",
    ],
)
def test_nothing_is_lost_where_the_root_logger_does_not_write_to_the_terminal(circumstance):
    process = in_a_process(
        f"import logging; logging.basicConfig(); {circumstance}\n"
        "from webframe.utils.log import configure_logging; configure_logging()\n"
        "logging.getLogger('webframe.request').error('x')"
    )
    assert process.stderr.endswith("[-] webframe.request: x\n")
    assert process.stderr.count("\n") == 1


def test_logging_is_imported_when_it_is_configured_and_dictconfig_only_for_a_dictionary():
    process = in_a_process(
        "import sys, webframe.utils.log as log\n"
        "print('logging' in sys.modules)\n"
        "log.configure_logging()\n"
        "print('logging' in sys.modules, 'logging.config' in sys.modules)"
    )
    assert process.stdout == "False\nTrue False\n"


# -- the settings


def test_logging_can_be_left_alone():
    with override_settings(LOGGING_CONFIG=False):
        configure_logging()
    assert logger.handlers == []


def test_the_setting_is_laid_over_the_default():
    process = in_a_process(
        "import logging\n"
        "from webframe.conf import settings\n"
        "from webframe.utils.log import configure_logging\n"
        "settings.configure(LOGGING={\n"
        "    'formatters': {'webframe': {'format': '{levelname} {request_id} {message}'}},\n"
        "    'loggers': {\n"
        "        'webframe.request': {'level': 'ERROR'},\n"
        "        'shop': {'handlers': ['webframe'], 'level': 'DEBUG'},\n"
        "    },\n"
        "})\n"
        "configure_logging()\n"
        "logging.getLogger('webframe.request').warning('no')\n"
        "logging.getLogger('webframe.security').warning('yes')\n"
        "logging.getLogger('shop').debug('pizza')\n"
    )
    assert process.stderr == "WARNING - yes\nDEBUG - pizza\n"


@pytest.mark.parametrize(
    "wrong",
    [
        {"handlers": {"webframe": {"class": "no.such.Handler"}}},
        {"loggers": {"webframe": {"level": "LOUD"}}},
        {"version": 2},
        {"loggers": {"webframe": None}},
    ],
)
def test_a_wrong_setting_is_named(wrong):
    process = in_a_process(
        "from webframe.conf import settings\n"
        "from webframe.core.exceptions import ImproperlyConfigured\n"
        "from webframe.utils.log import configure_logging\n"
        f"settings.configure(LOGGING={wrong!r})\n"
        "try: configure_logging()\n"
        "except ImproperlyConfigured as error: print(error)\n"
    )
    assert process.stdout.startswith("The setting LOGGING is not what logging.config.dictConfig takes: ")


DICTIONARIES = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
).filter(lambda value: isinstance(value, dict))


@given(DICTIONARIES, DICTIONARIES)
def test_whatever_is_laid_over_something_is_found_in_it_unchanged(below, above):
    merged = laid_over(below, above)
    assert set(merged) == {*below, *above}
    for key in merged:
        if key not in above:
            assert merged[key] == below[key]
        elif not (isinstance(above[key], dict) and isinstance(below.get(key), dict)):
            assert merged[key] == above[key]
        else:
            assert merged[key] == laid_over(below[key], above[key])


# -- the id of the request


def test_the_id_may_be_a_function_that_is_called_only_for_lines_that_are_written(capsys, in_request):
    calls = []

    def make_id():
        calls.append(1)
        return "late"

    configure_logging()
    in_request(make_id)
    logger.debug("not written")
    assert calls == []
    logger.info("written")
    assert "[late]" in capsys.readouterr().err


def test_a_line_is_written_even_if_the_id_cannot_be_told(in_request):
    in_request(lambda: 1 / 0)
    assert request_id() == "?"


def test_outside_of_requests_there_is_a_dash():
    assert request_id() == "-"


def test_an_id_given_with_the_record_is_kept(capsys, in_request):
    configure_logging()
    in_request("current")
    logger.info("hello", extra={"request_id": "given"})
    assert "[given]" in capsys.readouterr().err
