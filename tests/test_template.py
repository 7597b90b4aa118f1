"""Templates: where they are found, what they see, how they are rendered, and who may watch."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from webframe import Webframe, template
from webframe.apps import setup
from webframe.core.exceptions import ImproperlyConfigured, WebframeError
from webframe.http.request import Request, current_request
from webframe.template import TemplateNotFound, arender, arender_string, render, render_string
from webframe.test.client import Client
from webframe.test.settings import override_settings

Write = Callable[..., None]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The only folder in TEMPLATE_DIRS."""
    setup()
    folder = tmp_path / "templates"
    folder.mkdir()
    with override_settings(TEMPLATE_DIRS=[folder]):
        yield folder


@pytest.fixture
def write(folder: Path) -> Write:
    """Writes templates: write(**{"page.html": "text"})."""

    def write(**sources: str) -> None:
        for name, source in sources.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, "utf-8")

    return write


@pytest.fixture
def names_restored() -> Iterator[None]:
    """What a test registers is gone afterwards."""
    collections = (template.globals, template.filters, template.tests)
    before = [dict(names) for names in collections]
    yield
    for names, former in zip(collections, before, strict=True):
        names.clear()
        names.update(former)
    template.context_processors.clear()
    template.extensions.clear()
    template.forget_environments(setting="DEBUG")


def request_for(path: str) -> Request:
    return Request(EnvironBuilder(path).get_environ())


class TestFinding:
    def test_a_template_is_found_in_template_dirs(self, write: Write) -> None:
        write(**{"page.html": "Hello {{ name }}"})
        assert render("page.html", name="Ada") == "Hello Ada"

    def test_a_context_may_hold_any_name(self, write: Write) -> None:
        write(**{"page.html": "{{ name }} {{ self_ }} {{ source }}"})
        assert render("page.html", name="a", self_="b", source="c") == "a b c"
        assert render_string("{{ source }}", source="s") == "s"

    def test_the_first_template_that_exists_is_taken(self, write: Write) -> None:
        write(**{"general.html": "general"})
        assert render(["special.html", "general.html"]) == "general"

    def test_an_app_brings_its_templates_and_template_dirs_come_first(
        self, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = tmp_path / "pizzeria_with_templates"
        (package / "templates").mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "templates" / "menu.html").write_text("menu of the app")
        (package / "templates" / "page.html").write_text("page of the app")
        write(**{"page.html": "page of the project"})
        monkeypatch.syspath_prepend(str(tmp_path))
        with override_settings(INSTALLED_APPS=["pizzeria_with_templates"]):
            assert render("menu.html") == "menu of the app"
            assert render("page.html") == "page of the project"
        with pytest.raises(TemplateNotFound):
            render("menu.html")

    def test_overriding_template_dirs_forgets_loaded_templates(self, write: Write, tmp_path: Path) -> None:
        write(**{"page.html": "here"})
        other = tmp_path / "other"
        other.mkdir()
        (other / "page.html").write_text("there")
        assert render("page.html") == "here"
        with override_settings(TEMPLATE_DIRS=[str(other)]):
            assert render("page.html") == "there"
        assert render("page.html") == "here"

    def test_changed_files_are_noticed_with_debug_on_only(self, write: Write, folder: Path) -> None:
        import os

        for debug, after in ((False, "old"), (True, "new")):
            write(**{"page.html": "old"})
            with override_settings(DEBUG=debug):
                assert render("page.html") == "old"
                write(**{"page.html": "new"})
                os.utime(folder / "page.html", (1, 1))
                assert render("page.html") == after

    @pytest.mark.parametrize(
        "name", ["../secret.txt", "a/../../secret.txt", "/etc/passwd", "..", "", "a\0b", "a\\..\\b"]
    )
    def test_names_cannot_leave_the_folders(self, write: Write, folder: Path, name: str) -> None:
        (folder.parent / "secret.txt").write_text("secret")
        with pytest.raises(TemplateNotFound):
            render(name)

    def test_the_environment_is_one_and_the_same(self) -> None:
        assert template.environment() is template.environment()
        assert template.environment(True) is not template.environment()


class TestNotFound:
    def test_the_error_names_the_folders_and_near_misses(self, write: Write, folder: Path) -> None:
        write(**{"pages/index.html": "", "pages/about.html": ""})
        with pytest.raises(TemplateNotFound) as caught:
            render("pages/indx.html")
        assert str(caught.value) == f"No template 'pages/indx.html' in {folder}. Did you mean 'pages/index.html'?"

    def test_the_same_file_in_another_folder_is_a_near_miss(self, write: Write) -> None:
        write(**{"quite/another/place/a.html": ""})
        with pytest.raises(TemplateNotFound, match="Did you mean 'quite/another/place/a.html'"):
            render("A.html")

    def test_folders_that_do_not_exist_are_marked(self, folder: Path) -> None:
        with override_settings(TEMPLATE_DIRS=[folder / "nowhere"]), pytest.raises(TemplateNotFound) as caught:
            render("page.html")
        assert f"{folder / 'nowhere'} (no such folder)." in str(caught.value)

    def test_without_folders_it_says_where_to_put_the_template(self) -> None:
        assert str(TemplateNotFound(["page.html"], [])) == (
            "No template 'page.html': there are no folders to look in. Put it into the templates folder of an app in "
            "INSTALLED_APPS, or name its folder in TEMPLATE_DIRS."
        )

    def test_all_names_are_given_when_none_of_several_exists(self, write: Write) -> None:
        with pytest.raises(TemplateNotFound, match=r"No template 'a.html' or 'b.html' in"):
            render(["a.html", "b.html"])

    def test_an_empty_list_of_names_is_an_error(self, folder: Path) -> None:
        with pytest.raises(ValueError, match="empty"):
            render([])

    def test_it_is_one_of_our_errors_and_one_of_jinjas(self, folder: Path) -> None:
        with pytest.raises(TemplateNotFound) as caught:
            render("page.html")
        assert isinstance(caught.value, WebframeError) and isinstance(caught.value, jinja2.TemplateNotFound)
        assert caught.value.name == "page.html" and caught.value.templates == ["page.html"]

    def test_a_missing_parent_is_reported_like_a_missing_template(self, write: Write) -> None:
        write(**{"base.html": "", "page.html": "{% extends 'bsae.html' %}"})
        with pytest.raises(TemplateNotFound, match="Did you mean 'base.html'"):
            render("page.html")

    def test_includes_may_be_missing_where_the_template_says_so(self, write: Write) -> None:
        write(**{"page.html": "a{% include 'nothing.html' ignore missing %}b"})
        assert render("page.html") == "ab"


class TestEscaping:
    @pytest.mark.parametrize(
        "name", ["a.html", "a.htm", "a.xml", "a.xhtml", "a.svg", "a.HTML", "a", "a.html.j2", "a.j2"]
    )
    def test_values_are_escaped(self, write: Write, name: str) -> None:
        write(**{name: "{{ value }}"})
        assert render(name, value="<&>") == "&lt;&amp;&gt;"

    @pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.txt.j2", "x.html/a.txt"])
    def test_values_in_plain_text_are_not(self, write: Write, name: str) -> None:
        write(**{name: "{{ value }}"})
        assert render(name, value="<&>") == "<&>"

    def test_strings_are_escaped(self) -> None:
        assert render_string("{{ value }}", value="<&>") == "&lt;&amp;&gt;"
        assert template.Template("{{ value }}").render(value="<&>") == "&lt;&amp;&gt;"

    @given(st.text())
    def test_no_text_makes_an_element(self, text: str) -> None:
        assert "<" not in render_string("{{ value }}", value=text)


class TestWhatTemplatesSee:
    def test_request_is_the_current_request_in_imported_macros_too(self, write: Write) -> None:
        write(
            **{
                "macros.html": "{% macro where() %}{{ request.path }}{% endmacro %}",
                "page.html": "{% from 'macros.html' import where %}{{ where() }} {{ request.path }}",
            }
        )
        token = current_request.set(request_for("/pizza"))
        try:
            assert render("page.html") == "/pizza /pizza"
        finally:
            current_request.reset(token)

    def test_request_is_false_outside_of_a_request(self) -> None:
        assert render_string("{% if request %}yes{% else %}no{% endif %}") == "no"

    @pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
    def test_url_for_gives_the_address_of_a_route_in_imported_macros_too(self, protocol: str, write: Write) -> None:
        write(
            **{
                "macros.html": "{% macro to(name) %}{{ url_for(name, size=3) }}{% endmacro %}",
                "page.html": "{% from 'macros.html' import to %}{{ to('eat') }} {{ url_for('eat', size=1, q='&') }}",
            }
        )
        app = Webframe("pizzeria_with_addresses")

        @app.get("/eat/<int:size>")
        def eat(request: Request, size: int) -> str:
            return render("page.html")

        with Client(app, protocol=protocol) as client:
            assert client.get("/eat/2").text == "/eat/3 /eat/1?q=%26"

    def test_url_for_outside_of_a_request_says_what_is_missing(self) -> None:
        with pytest.raises(ImproperlyConfigured, match=r"url_for\('eat'\) in a template needs a current request"):
            render_string("{{ url_for('eat') }}")

    def test_a_request_handed_over_wins(self) -> None:
        assert render_string("{{ request.path }}", request=request_for("/mine")) == "/mine"

    def test_names_registered_later_are_seen_by_templates_loaded_earlier(
        self, write: Write, names_restored: None
    ) -> None:
        write(**{"page.html": "{% if shout is defined %}{{ 'hi' | shout }} {{ url_for('x') }}{% endif %}"})
        assert render("page.html") == ""

        @template.filters.register
        def shout(text: str) -> str:
            return text.upper() + "!"

        @template.globals.register(name="url_for")
        def anything(name: str) -> str:
            return f"/{name}"

        template.globals["shout"] = True
        assert render("page.html") == "HI! /x"

    def test_a_test_can_be_registered(self, names_restored: None) -> None:
        @template.tests.register
        def tasty(name: str) -> bool:
            return name == "pizza"

        assert render_string("{{ 'pizza' is tasty }} {{ 'soap' is tasty }}") == "True False"

    def test_a_registered_name_survives_a_change_of_settings(self, names_restored: None) -> None:
        template.globals["answer"] = 42
        with override_settings(DEBUG=True):
            assert render_string("{{ answer }}") == "42"

    def test_context_processors_add_to_every_context_and_what_is_handed_over_wins(self, names_restored: None) -> None:
        seen = []

        def shop(request: Request | None) -> dict[str, Any]:
            seen.append(request)
            return {"shop": "Roma", "city": "Graz"}

        template.context_processors.append(shop)
        assert render_string("{{ shop }} {{ city }}", city="Linz") == "Roma Linz"
        assert asyncio.run(arender_string("{{ shop }}")) == "Roma"
        assert seen == [None, None]

    def test_extensions_are_loaded(self, names_restored: None) -> None:
        template.extensions.append("jinja2.ext.loopcontrols")
        template.forget_environments(setting="DEBUG")
        assert render_string("{% for n in range(9) %}{% if n == 2 %}{% break %}{% endif %}{{ n }}{% endfor %}") == "01"


class TestUndefined:
    @pytest.mark.parametrize("debug", [False, True])
    def test_a_name_that_does_not_exist_prints_nothing_and_is_false(self, debug: bool) -> None:
        with override_settings(DEBUG=debug):
            assert render_string("a{{ nothing }}b{% if nothing %}c{% endif %}") == "ab"
            with pytest.raises(jinja2.UndefinedError, match="'nothing' is undefined"):
                render_string("{{ nothing.more }}")

    def test_with_debug_on_the_log_says_where(
        self, write: Write, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logging.getLogger("webframe"), "propagate", True)
        write(**{"pages/note.html": "one\ntwo\n{{ titel }}{% if titel %}{% endif %}{{ titel | default('') }}"})
        with override_settings(DEBUG=True):
            render("pages/note.html")
        assert [record.getMessage() for record in caplog.records] == [
            "'titel' is undefined, so nothing was printed (pages/note.html, line 3)."
        ]

    def test_with_debug_off_nothing_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with override_settings(DEBUG=False):
            render_string("{{ nothing }}")
        assert not caplog.records


class TestRendering:
    def test_async_templates_await_what_they_call(self, write: Write) -> None:
        write(**{"page.html": "{{ price() }}{% for slice in slices() %} {{ slice }}{% endfor %}"})

        async def price() -> int:
            await asyncio.sleep(0)
            return 9

        async def slices() -> Any:
            for number in range(3):
                yield number

        assert asyncio.run(arender("page.html", price=price, slices=slices)) == "9 0 1 2"
        assert asyncio.run(arender_string("{{ price() }}", price=price)) == "9"

    def test_plain_templates_render_on_a_running_loop(self, write: Write) -> None:
        write(**{"page.html": "{{ name }}"})

        async def view() -> str:
            return render("page.html", name="Ada")

        assert asyncio.run(view()) == "Ada"

    def test_a_stream_gathers_pieces_into_chunks(self, write: Write) -> None:
        write(**{"page.html": "{% for n in range(5000) %}{{ n }},{% endfor %}"})
        chunks = list(template.stream("page.html"))
        assert "".join(chunks) == render("page.html")
        assert 5 < len(chunks) < 10

    def test_an_async_stream_gathers_pieces_into_chunks(self, write: Write) -> None:
        write(**{"page.html": "{% for n in range(5000) %}{{ n }},{% endfor %}"})

        async def collect() -> list[str]:
            return [chunk async for chunk in template.astream("page.html")]

        assert asyncio.run(collect()) == list(template.stream("page.html"))

    def test_a_stream_that_cannot_start_fails_at_once(self, write: Write) -> None:
        write(**{"broken.html": "{% if %}"})
        with pytest.raises(TemplateNotFound):
            template.stream("nothing.html")
        with pytest.raises(TemplateNotFound):
            template.astream("nothing.html")
        with pytest.raises(jinja2.TemplateSyntaxError):
            template.stream("broken.html")

    def test_an_abandoned_async_stream_closes_the_template(self, write: Write) -> None:
        write(**{"page.html": "{% for n in numbers() %}{{ n }}" + "x" * 5000 + "{% endfor %}"})
        ended = []

        async def numbers() -> Any:
            try:
                yield 1
                yield 2
            finally:
                ended.append(True)

        async def take_one() -> None:
            chunks: Any = template.astream("page.html", numbers=numbers)
            await anext(chunks)
            await chunks.aclose()

        asyncio.run(take_one())
        assert ended == [True]

    def test_an_error_in_a_template_shows_the_line_of_the_template(self, write: Write, folder: Path) -> None:
        write(**{"page.html": "one\n{{ 1 // 0 }}"})
        with pytest.raises(ZeroDivisionError) as caught:
            render("page.html")
        trace = caught.value.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        assert trace is not None
        assert (trace.tb_frame.f_code.co_filename, trace.tb_lineno) == (str(folder / "page.html"), 2)

    def test_a_string_is_compiled_once(self) -> None:
        assert template.Template("{{ once }}") is template.Template("{{ once }}")


class Watcher:
    """A render hook that writes down what it is told."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        self.contexts: list[dict[str, Any]] = []

    def __call__(self, rendered: template.Template, context: jinja2.runtime.Context) -> None:
        self.seen.append(rendered.name)
        self.contexts.append(context.get_all())


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watcher = Watcher()
    template.install_render_hook(watcher)
    yield watcher
    template.remove_render_hook()


class TestRenderHook:
    @pytest.fixture(autouse=True)
    def site(self, write: Write) -> None:
        write(
            **{
                "base.html": "<{% block body %}{% endblock %}>{% include 'foot.html' %}",
                "layout.html": "{% extends 'base.html' %}",
                "page.html": (
                    "{% extends 'layout.html' %}{% from 'macros.html' import bold %}"
                    "{% block body %}{{ bold(name) }}{% include 'row.html' %}{% include 'row.html' %}{% endblock %}"
                ),
                "row.html": "row",
                "foot.html": "foot",
                "macros.html": "{% macro bold(text) %}<b>{{ text }}</b>{% endmacro %}not printed",
            }
        )

    expected = ["page.html", "layout.html", "base.html", "row.html", "row.html", "foot.html"]

    def test_child_parents_and_each_include_are_seen_and_imports_are_not(self, watcher: Watcher) -> None:
        assert render("page.html", name="Ada") == "<<b>Ada</b>rowrow>foot"
        assert watcher.seen == self.expected
        assert all(context["name"] == "Ada" for context in watcher.contexts)

    def test_async_rendering_is_seen_likewise(self, watcher: Watcher) -> None:
        assert asyncio.run(arender("page.html", name="Ada")) == "<<b>Ada</b>rowrow>foot"
        assert watcher.seen == self.expected

    def test_streams_are_seen_when_they_start(self, watcher: Watcher) -> None:
        chunks = template.stream("page.html", name="Ada")
        assert watcher.seen == []
        list(chunks)
        assert watcher.seen == self.expected

    def test_async_streams_are_seen(self, watcher: Watcher) -> None:
        async def exhaust() -> None:
            async for _ in template.astream("page.html", name="Ada"):
                pass

        asyncio.run(exhaust())
        assert watcher.seen == self.expected

    def test_generate_is_seen(self, watcher: Watcher) -> None:
        list(template.get_template("row.html").generate())
        assert watcher.seen == ["row.html"]

    def test_templates_loaded_before_the_hook_are_seen_and_forgotten_after_it(self) -> None:
        render("page.html", name="Ada")
        watcher = Watcher()
        template.install_render_hook(watcher)
        try:
            render("page.html", name="Ada")
        finally:
            template.remove_render_hook()
        render("page.html", name="Ada")
        assert watcher.seen == self.expected

    def test_a_template_made_from_a_string_has_no_name(self, watcher: Watcher) -> None:
        render_string("Hello")
        template.Template("Hello").render()
        assert watcher.seen == [None, None]

    def test_imports_with_context_are_not_seen(self, watcher: Watcher) -> None:
        source = "{% import 'macros.html' as m with context %}{{ m.bold(1) }}"
        assert render_string(source) == "<b>1</b>"
        assert asyncio.run(arender_string(source)) == "<b>1</b>"
        assert watcher.seen == [None, None]

    def test_includes_without_context_are_seen_each_time(self, watcher: Watcher) -> None:
        source = "{% include 'row.html' without context %}{% include 'row.html' without context %}"
        assert render_string(source) == "rowrow"
        assert asyncio.run(arender_string(source)) == "rowrow"
        assert watcher.seen == [None, "row.html", "row.html"] * 2

    def test_a_template_that_fails_while_rendering_is_seen(self, watcher: Watcher) -> None:
        with pytest.raises(ZeroDivisionError):
            render_string("{{ 1 // 0 }}")
        assert watcher.seen == [None]

    def test_a_template_that_cannot_be_parsed_is_not_seen(self, watcher: Watcher) -> None:
        with pytest.raises(jinja2.TemplateSyntaxError):
            render_string("{% if %}")
        assert watcher.seen == []

    def test_the_hook_is_called_before_the_body(self) -> None:
        events = []
        template.install_render_hook(lambda rendered, context: events.append("hook"))
        try:
            render_string("{{ note() }}", note=lambda: events.append("body"))
        finally:
            template.remove_render_hook()
        assert events == ["hook", "body"]

    def test_what_the_hook_raises_ends_the_rendering(self) -> None:
        def refuse(rendered: template.Template, context: jinja2.runtime.Context) -> None:
            raise LookupError("no")

        template.install_render_hook(refuse)
        try:
            with pytest.raises(LookupError):
                render_string("x")
        finally:
            template.remove_render_hook()

    def test_renders_in_other_threads_are_seen(self, watcher: Watcher) -> None:
        thread = threading.Thread(target=render, args=["row.html"])
        thread.start()
        thread.join()
        assert watcher.seen == ["row.html"]

    def test_there_is_one_hook_or_none(self, watcher: Watcher) -> None:
        with pytest.raises(RuntimeError, match="already"):
            template.install_render_hook(watcher)
        template.remove_render_hook()
        with pytest.raises(RuntimeError, match="no render hook"):
            template.remove_render_hook()
        template.install_render_hook(watcher)

    def test_without_a_hook_nothing_stands_in_the_way(self) -> None:
        assert "root_render_func" not in vars(template.Template)
        assert "root_render_func" in vars(template.get_template("row.html"))


def test_importing_webframe_does_not_load_jinja2() -> None:
    program = "import sys, webframe, webframe.debug; assert not {'jinja2', 'werkzeug'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
