"""Finding the app: every form of its name, every place it may be named in, every way to get it wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from webframe.core.management.errors import AppNotFound, CommandError, UserCodeError
from webframe.core.management.loading import find_app

APP = "from webframe import Webframe\n"


def refused(target: str | None) -> str:
    """The one line with which a name is refused."""
    with pytest.raises(AppNotFound) as caught:
        find_app(target)
    assert caught.value.returncode == 2
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("app = Webframe(__name__)\nother = Webframe(__name__)", "loading_a:app"),
        ("application = Webframe(__name__)\nother = Webframe(__name__)", "loading_a:application"),
        ("shop = Webframe(__name__)\nagain = shop", "loading_a:shop"),
        ("app = 7\nshop = Webframe(__name__)", "loading_a:shop"),
        ("def create_app(): return Webframe(__name__)", "loading_a:create_app()"),
        ("def make_app(debug=False): return Webframe(__name__)", "loading_a:make_app()"),
        ("from werkzeug.local import LocalProxy\nunbound = LocalProxy(lambda: 1 / 0)\napp = Webframe(__name__)",
         "loading_a:app"),
    ],
)  # fmt: skip
def test_a_module_alone_is_searched(folder: Any, text: str, target: str) -> None:
    folder.write("loading_a.py", APP + text)
    assert find_app("loading_a").target == target


@pytest.mark.parametrize(
    "target",
    [
        "loading_b:app",
        "loading_b:holder.inner.app",
        "loading_b:create_app",
        "loading_b:create_app()",
        "loading_b: create_app( 'x', size = -3, options={'a': [1, None, True]} ) ",
        "loading_b:holder.create_app('x')",
        "loading_b.py",
        "loading_b.py:app",
        "./loading_b.py:create_app('a:b/c.py')",
    ],
)
def test_a_name_has_many_forms(folder: Any, target: str) -> None:
    folder.write(
        "loading_b.py",
        APP
        + "app = Webframe(__name__)\n"
        + "class holder:\n"
        + "    class inner: pass\n"
        + "    @staticmethod\n"
        + "    def create_app(name): return app\n"
        + "holder.inner.app = app\n"
        + "def create_app(name='x', *, size=0, options=None): return app\n",
    )
    import webframe

    assert type(find_app(target).app) is webframe.Webframe


def test_arguments_arrive_as_they_were_written(folder: Any) -> None:
    factory = (
        "def create_app(*args, **kwargs):\n    app = Webframe(__name__)\n    app.seen = args, kwargs\n    return app\n"
    )
    folder.write("loading_c.py", APP + factory)
    app: Any = find_app("loading_c:create_app('test', 1.5, debug=True, hosts=('a',))").app
    assert app.seen == (("test", 1.5), {"debug": True, "hosts": ("a",)})


@pytest.mark.parametrize("place", ["loading_d/web/site.py", "loading_d/web/site", "loading_d.web.site"])
def test_relative_imports_work_in_a_package(folder: Any, place: str) -> None:
    folder.write("loading_d/__init__.py", "")
    folder.write("loading_d/web/__init__.py", "")
    folder.write("loading_d/words.py", "NAME = 'shop'")
    folder.write("loading_d/web/site.py", APP + "from ..words import NAME\napp = Webframe(__name__)")
    assert find_app(place).target == "loading_d.web.site:app"


def test_a_folder_is_a_package(folder: Any) -> None:
    folder.write("src/loading_e/__init__.py", APP + "app = Webframe(__name__)")
    assert find_app("src/loading_e").target == "loading_e:app"
    assert find_app(str(folder.path / "src" / "loading_e" / "__init__.py")).target == "loading_e:app"


def test_the_variable_stands_in_for_the_option(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("loading_f.py", APP + "one = Webframe(__name__)\ntwo = Webframe(__name__)")
    monkeypatch.setenv("WEBFRAME_APP", "loading_f:one")
    assert find_app().target == "loading_f:one"
    assert find_app("loading_f:two").target == "loading_f:two"
    monkeypatch.setenv("WEBFRAME_APP", "loading_f:three")
    assert refused(None).startswith("WEBFRAME_APP 'loading_f:three': module 'loading_f' has no attribute 'three'.")


@pytest.mark.parametrize("present", range(1, 6))
def test_files_are_looked_into_in_their_order(folder: Any, present: int) -> None:
    folder.write("loading_g.py", APP + "app = Webframe(__name__)")
    folder.write("pyproject.toml", '[tool.webframe]\napp = "loading_g"\n')
    order = ["wsgi", "asgi", "app", "main", "loading_g"]
    for name in order[-present:-1]:
        folder.write(f"{name}.py", APP + "app = Webframe(__name__)")
    assert find_app().target == f"{order[-present]}:app"


def test_a_file_without_an_app_is_passed_over(folder: Any) -> None:
    folder.write("wsgi.py", "bind = ':80'")
    folder.write("main.py", APP + "app = Webframe(__name__)")
    assert find_app().target == "main:app"


def test_an_empty_folder_says_what_was_looked_for(folder: Any) -> None:
    folder.write("asgi.py", "")
    message = refused(None)
    assert str(folder.path) in message
    for word in ("wsgi.py", "main.py", "asgi.py there, but without a Webframe", "--app", "WEBFRAME_APP"):
        assert word in message


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[tool.webframe]\napp = 7", "[tool.webframe] app in pyproject.toml is 7; write a string"),
        ("[tool", "pyproject.toml cannot be read: "),
        ("[tool.webframe]\napp = 'nowhere'", "[tool.webframe] app in pyproject.toml 'nowhere': there is no module"),
        ("tool = 1", "tool in pyproject.toml is 1"),
        ("[tool]\nwebframe = 1", "webframe in pyproject.toml is 1"),
    ],
)
def test_a_wrong_project_file_is_one_line(folder: Any, text: str, what: str) -> None:
    folder.write("pyproject.toml", text)
    assert what in refused(None)


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("loading_hh", "there is no module 'loading_hh' in {folder} or where Python looks. Did you mean 'loading_h'?"),
        ("loading_h:ap", "module 'loading_h' has no attribute 'ap'. Did you mean 'app'?"),
        ("loading_h:holder.ap", "'holder' has no attribute 'ap'. Did you mean 'app'?"),
        ("loading_h:number", "that is an object of type int, not a Webframe. Module 'loading_h' has app."),
        ("loading_h:Webframe", "that is the class Webframe, not a Webframe. Module 'loading_h' has app."),
        ("loading_h:app.wsgi", "not a Webframe. Module 'loading_h' has app."),
        ("loading_h:number()", "'number' is an object of type int, which cannot be called."),
        ("loading_h:nothing()", "that is None, not a Webframe."),
        ("loading_h:needs_name", "needs_name() cannot be called like this: missing a required argument: 'name'."),
        ("loading_h:needs_name(1, 2)", "needs_name() cannot be called like this: too many positional arguments."),
        ("loading_h:needs_name(unknown=2)", "needs_name() cannot be called like this: "),
        ("loading_h:in_async()", "in_async() is async; a factory of an app is a plain function."),
        ("loading_h.app", "'loading_h' is a module, not a package, so there is no 'loading_h.app'."),
        ("loading_p.ste", "there is no module 'ste' in package 'loading_p'. Did you mean 'site'?"),
        ("loading_h:", "after the colon comes a name, or a call whose arguments are literals."),
        ("loading_h:app app", "after the colon comes a name, or a call"),
        ("loading_h:needs_name(number)", "after the colon comes a name, or a call"),
        ("loading_h:needs_name(*[1])", "after the colon comes a name, or a call"),
        ("loading_h:needs_name(**{})", "after the colon comes a name, or a call"),
        ("loading_h:[app][0]", "after the colon comes a name, or a call"),
        ("loading_h:(lambda: app)()", "after the colon comes a name, or a call"),
        ("loading_h:__import__('os').abort()", "after the colon comes a name, or a call"),
        (":app", "before the colon comes the name of a module"),
        (".loading_h:app", "before the colon comes the name of a module"),
        ("", "before the colon comes the name of a module"),
        ("loading_i.py", "there is no file {folder}/loading_i.py. Did you mean "),
        ("no/such/folder/", "there is no file {folder}/no/such/folder.py."),
        ("loading_twice", "module 'loading_twice' has several Webframe objects, one and two; say which: "
                          "'loading_twice:one'."),
        ("loading_empty", "module 'loading_empty' ({folder}/loading_empty.py) has no Webframe and no create_app or "
                          "make_app"),
        ("loading_seven", "create_app() of module 'loading_seven' returned an object of type int, not a Webframe."),
        ("loading_leaves", "module 'loading_leaves' called sys.exit('bye') while it was imported."),
        ("textwrap.py", "the name 'textwrap' is taken by "),
    ],
)  # fmt: skip
def test_a_wrong_name_is_one_line_that_says_what_was_tried(folder: Any, target: str, what: str) -> None:
    folder.write(
        "loading_h.py",
        APP
        + "app = Webframe(__name__)\nnumber = 7\n"
        + "class holder: app = app\n"
        + "def nothing(): pass\n"
        + "def needs_name(name): return app\n"
        + "async def in_async(): return app\n",
    )
    folder.write("loading_p/__init__.py", "")
    folder.write("loading_p/site.py", "")
    folder.write("loading_twice.py", APP + "two = Webframe(__name__)\none = Webframe(__name__)")
    folder.write("loading_empty.py", "")
    folder.write("loading_seven.py", "def create_app(): return 7")
    folder.write("loading_leaves.py", "import sys\nsys.exit('bye')")
    folder.write("textwrap.py", APP + "app = Webframe(__name__)")
    message = refused(target)
    assert message.startswith(f"--app {target!r}: ")
    assert what.format(folder=folder.path) in message


@pytest.mark.parametrize(
    ("text", "kind", "frames"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero", 1),
        ("import loading_nowhere", "ModuleNotFoundError: No module named 'loading_nowhere'", 1),
        ("import loading_j.nowhere", "ModuleNotFoundError: No module named 'loading_j.nowhere'", 1),
        ("from webframe import Nothing", "ImportError: cannot import name 'Nothing'", 1),
        ("def broken(:", "SyntaxError: invalid syntax", 1),
        ("def inner(): raise KeyError(7)\ntry: inner()\nexcept KeyError as error: raise ValueError(8) from error",
         "ValueError: 8", 3),
    ],
)  # fmt: skip
def test_an_error_of_the_module_is_its_own_traceback(folder: Any, text: str, kind: str, frames: int) -> None:
    path = folder.write("loading_j.py", text)
    with pytest.raises(UserCodeError) as caught:
        find_app("loading_j")
    assert caught.value.returncode == 1
    shown = caught.value.traceback
    assert f'File "{path}", line ' in shown
    assert kind in shown.splitlines()[-1]
    for hidden in ("importlib", "management", "click"):
        assert hidden not in shown.replace(str(Path(__file__).parent), "")
    assert shown.count('  File "') == frames


def test_an_error_of_a_factory_is_its_own_traceback(folder: Any) -> None:
    folder.write("loading_k.py", "def create_app(): return {}['key']")
    with pytest.raises(UserCodeError) as caught:
        find_app("loading_k:create_app()")
    assert "in create_app" in caught.value.traceback
    assert caught.value.message == "--app 'loading_k:create_app()': create_app() failed: KeyError: 'key'"


def test_the_current_folder_comes_first_on_the_path(folder: Any) -> None:
    folder.write("this.py", APP + "app = Webframe(__name__)")  # the name of a module of Python
    assert find_app("this").target == "this:app"
    assert os.getcwd() == str(folder.path)


@hypothesis_settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(target=st.text(max_size=20) | st.text(alphabet="ab.:/()'\\, ={}[]*", max_size=20))
def test_any_text_is_refused_politely(folder: Any, target: str) -> None:
    with pytest.raises(CommandError):
        find_app(target)
