"""The assertions of test cases that need no application: documents, addresses, errors."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from webframe.test import SimpleTestCase
from webframe.test.html import parse_html


@pytest.fixture
def case() -> SimpleTestCase:
    return SimpleTestCase()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<p>Hello <b>World</b>!</p>", "<p>\n  Hello   <b> World </b>\n!</p>"),
        ('<a href="/" id="x">a</a>', "<a id='x' href='/'>a</a>"),
        ('<p class="b a  a">x</p>', '<p class="a b">x</p>'),
        ("<br>", "<br/>"),
        ("<div></div>", "<div/>"),
        ("<ul><li>a<li>b</ul>", "<ul><li>a<li>b</li></li></ul>"),
        ('<input checked value="">', '<input value checked="checked">'),
        ("<p>&lt;&#228;&auml;</p>", "<p>&#60;ää</p>"),
        ("<p>a<!-- note -->b</p>", "<p>ab</p>"),
        ("<P>x</P>", "<p>x</p>"),
    ],
)
def test_html_that_means_the_same_is_equal(case: SimpleTestCase, one: str, other: str) -> None:
    case.assertHTMLEqual(one, other)
    with pytest.raises(AssertionError, match="=="):
        case.assertHTMLNotEqual(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<p>a b</p>", "<p>ab</p>"),
        ("<p>a</p><p>b</p>", "<p>b</p><p>a</p>"),
        ('<p id="a">x</p>', "<p>x</p>"),
        ('<input value="a">', '<input value="b">'),
        ("<p>a</p>", "<div>a</div>"),
        ("<p><b>a</b></p>", "<p>a</p>"),
    ],
)
def test_html_that_says_something_else_is_not(case: SimpleTestCase, one: str, other: str) -> None:
    case.assertHTMLNotEqual(one, other)
    with pytest.raises(AssertionError) as caught:
        case.assertHTMLEqual(one, other, "wrong")
    assert "wrong" in str(caught.value) and "- " in str(caught.value)


def test_html_is_found_as_often_as_it_is_there(case: SimpleTestCase) -> None:
    page = '<ul><li class="a b">x</li><li class="b a">x</li><li>y, y</li></ul><p>1</p><p>2</p>'
    case.assertInHTML('<li class="b a">x</li>', page)
    case.assertInHTML('<li class="b a">x</li>', page, count=2)
    case.assertInHTML("y", page, count=2)
    case.assertInHTML("<p>1</p><p>2</p>", page, count=1)
    case.assertNotInHTML("<p>2</p><p>1</p>", page)
    with pytest.raises(AssertionError, match="here: Couldn't find '<b>x</b>' in"):
        case.assertInHTML("<b>x</b>", page, msg_prefix="here")
    with pytest.raises(AssertionError, match="Found 1 instances of '<p>1</p>' .expected 0."):
        case.assertNotInHTML("<p>1</p>", page)


def test_html_with_an_end_that_has_no_beginning_is_refused(case: SimpleTestCase) -> None:
    with pytest.raises(
        AssertionError, match="First argument is not valid HTML:\n</b> at line 1, column 4 ends nothing"
    ):
        case.assertHTMLEqual("<p></b></p>", "<p></p>")
    with pytest.raises(AssertionError, match="Second argument is not valid HTML"):
        case.assertHTMLEqual("<p></p>", "</p>")


def test_a_document_is_shown_line_by_line() -> None:
    assert str(parse_html('<p class="b a"><input checked> hi</p>')).splitlines() == [
        '<p class="a b">',
        "  <input checked>",
        "  hi",
        "</p>",
    ]


def test_json(case: SimpleTestCase) -> None:
    case.assertJSONEqual('{"a": [1, 2]}', {"a": [1, 2]})
    case.assertJSONEqual(b'{"a": 1, "b": 2}', '{"b": 2, "a": 1}')
    case.assertJSONNotEqual("[1]", [2])
    with pytest.raises(AssertionError, match="First argument is not valid JSON"):
        case.assertJSONEqual("{", {})
    with pytest.raises(AssertionError, match="Second argument is not valid JSON"):
        case.assertJSONEqual("{}", "{")
    with pytest.raises(AssertionError):
        case.assertJSONEqual("[1]", [2])
    with pytest.raises(AssertionError):
        case.assertJSONNotEqual("[1]", [1])


def test_xml(case: SimpleTestCase) -> None:
    case.assertXMLEqual('<a x="1" y="2"><b/></a>', "<a y='2' x='1'>\n  <b></b><!-- note -->\n</a>")
    case.assertXMLNotEqual("<a>1</a>", "<a>2</a>")
    with pytest.raises(AssertionError, match="<a>1</a>"):
        case.assertXMLEqual("<a>1</a>", "<a>2</a>")
    with pytest.raises(AssertionError):
        case.assertXMLNotEqual("<a/>", "<a></a>")
    with pytest.raises(AssertionError, match="Second argument is not valid XML"):
        case.assertXMLEqual("<a/>", "<a>")


def test_addresses(case: SimpleTestCase) -> None:
    case.assertURLEqual("/notes?b=2&a=1&b=1#top", "/notes?a=1&b=2&b=1#top")
    for other in "/notes?b=1&a=1&b=2#top", "/notes?b=2&a=1&b=1", "http://localhost/notes?b=2&a=1&b=1#top":
        with pytest.raises(AssertionError, match="Expected "):
            case.assertURLEqual("/notes?b=2&a=1&b=1#top", other)


def fail(text: str = "it is too late") -> None:
    raise ValueError(text)


async def fail_later() -> None:
    await asyncio.sleep(0)
    fail()


def test_messages_of_errors(case: SimpleTestCase) -> None:
    with case.assertRaisesMessage(ValueError, "too late") as caught:
        fail()
    assert str(caught.exception) == "it is too late"
    case.assertRaisesMessage(ValueError, "too [early", fail, text="it is too [early")
    asyncio.run(case.assertRaisesMessage(ValueError, "too late", fail_later))
    with pytest.raises(AssertionError, match="'too early' not found in 'it is too late'"):
        case.assertRaisesMessage(ValueError, "too early", fail)
    with pytest.raises(AssertionError, match="ValueError not raised"):
        with case.assertRaisesMessage(ValueError, "too late"):
            pass


def test_messages_of_warnings(case: SimpleTestCase) -> None:
    def warn(text: str) -> None:
        warnings.warn(text, UserWarning, stacklevel=1)

    case.assertWarnsMessage(UserWarning, "careful", warn, "be careful")
    with case.assertWarnsMessage(UserWarning, "careful"):
        warn("be careful")
    with pytest.raises(AssertionError, match="'careful' not found"):
        case.assertWarnsMessage(UserWarning, "careful", warn, "x")


@pytest.mark.parametrize("name", ["assertTemplateUsed", "assertTemplateNotUsed"])
def test_templates_are_known_of_responses_of_our_clients_only(case: SimpleTestCase, name: str) -> None:
    check: Callable[..., Any] = getattr(case, name)
    with pytest.raises(ValueError, match="only usable on responses of webframe.test.Client"):
        check(object(), "note.html")
    with pytest.raises(TypeError, match="name of a template"):
        with check():
            pass
