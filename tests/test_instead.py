"""Names that code for Flask and Django uses and that are not here: the errors say what to write."""

from __future__ import annotations

import pytest

import webframe
from webframe import Group, Webframe, _instead
from webframe.template import arender
from webframe.test import RequestFactory


def test_importing_a_name_of_the_others_says_what_ours_is():
    with pytest.raises(ImportError, match=r"webframe has no 'Blueprint'. Write Group\("):
        from webframe import Blueprint  # noqa: F401


def test_none_of_the_names_to_import_is_there():
    assert not webframe._INSTEAD.keys() & set(dir(webframe))


def test_other_names_are_simply_not_there():
    assert not hasattr(webframe, "nonsense")
    with pytest.raises(AttributeError, match="^module 'webframe' has no attribute 'nonsense'$"):
        webframe.nonsense  # noqa: B018  # reading it is what fails


@pytest.mark.parametrize("name", sorted(_instead.GROUP))
def test_an_attribute_of_flasks_apps_and_blueprints_is_an_error_that_says_what_ours_is(name):
    for owner in Webframe("notes"), Group("/notes"):
        assert not hasattr(owner, name)
        with pytest.raises(AttributeError, match=f"'{type(owner).__name__}' object has no attribute '{name}'. Write "):
            getattr(owner, name)


@pytest.mark.parametrize("name", ["debug", "secret_key", "testing", "wsgi_app"])
def test_what_would_have_no_effect_cannot_be_assigned_to_an_app(name):
    with pytest.raises(AttributeError, match=f"'{name}'. Write "):
        setattr(Webframe("notes"), name, "x")


def test_an_app_may_have_other_attributes(app):
    app.ovens = 2
    assert app.ovens == 2
    with pytest.raises(AttributeError, match="^'Webframe' object has no attribute 'nonsense'$"):
        app.nonsense  # noqa: B018  # reading it is what fails


@pytest.mark.parametrize("name", sorted(_instead.REQUEST))
def test_an_attribute_of_djangos_requests_is_an_error_that_says_what_ours_is(name):
    request = RequestFactory().get("/")
    assert not hasattr(request, name)
    with pytest.raises(AttributeError, match=f"'Request' object has no attribute '{name}'. Write "):
        getattr(request, name)
    setattr(request, name, "set by middleware")
    assert getattr(request, name) == "set by middleware"


def test_an_error_within_an_attribute_of_a_request_is_that_error():
    class Ours(webframe.Request):
        @property
        def basket(self):
            return None.items

    request = Ours({"REQUEST_METHOD": "GET"})
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'items'"):
        request.basket  # noqa: B018  # reading it is what fails
    with pytest.raises(AttributeError, match="^'Ours' object has no attribute 'nonsense'$"):
        request.nonsense  # noqa: B018  # reading it is what fails


@pytest.mark.parametrize("arguments", [("notes.html", {"a": 1}), (None, "notes.html"), (None, "notes.html", {"a": 1})])
async def test_rendering_as_in_django_is_refused_with_how_it_is_done_here(arguments):
    with pytest.raises(TypeError, match=r"Write render\('notes.html', note=note\)"):
        webframe.render(*arguments)
    with pytest.raises(TypeError, match=r"Write arender\('notes.html', note=note\)"):
        await arender(*arguments)
