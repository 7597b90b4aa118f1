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
        ('<p class=" b  a">x</p>', '<p class="a b">x</p>'),
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
    case.assertInHTML("y, y", page, count=1)
    case.assertNotInHTML("y", page)
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
    case.assertXMLEqual('<a x="1" y="2"><b/></a>', "<a y='2' x='1'><b></b><!-- note --></a>")
    case.assertXMLNotEqual("<a>1</a>", "<a>2</a>")
    with pytest.raises(AssertionError, match="'<a>1</a>' != '<a>2</a>'\n- a {} '1'"):
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


# --- compared with Django -----------------------------------------------------------------------------------------

PIECES = [
    "<p>Hello</p>",
    "<p>  Hello\n</p>",
    "<p>Hello <b>World</b></p>",
    "<p>Hello<b>World</b></p>",
    "<p>Hello</p><p>Hello</p>",
    "<p>Hello, Hello</p>",
    '<p id="a" class="x y">Hello</p>',
    '<p class="y x" id="a">Hello</p>',
    '<input type="checkbox" checked>',
    '<input checked="checked" type="checkbox"/>',
    '<input checked="" type="checkbox">',
    '<input type="checkbox" checked="false">',
    "<input disabled>",
    '<input data-x="">',
    "<input data-x>",
    "<br><br/>",
    "<br/><br>",
    "<ul><li>1<li>2</ul>",
    "<ul><li>1</li><li>2</li></ul>",
    "<p>&amp;&lt;</p>",
    "<p>&#38;&#60;</p>",
    "<p>a<!-- b -->c</p>",
    "<p>ac</p>",
    "<p>a\u00a0c</p>",
    "<p>a c</p>",
    "<div><p>Hello</p></div>",
    "Hello",
    "",
    "<script>if (a < b) {}</script>",
    "<textarea>\n x</textarea>",
    "</p>",
    "<p></b></p>",
]


@pytest.fixture
def theirs() -> Any:
    django = pytest.importorskip("django.test")
    return django.SimpleTestCase()


def outcome(case: Any, name: str, *args: Any, **kwargs: Any) -> bool:
    """Whether an assertion holds."""
    try:
        getattr(case, name)(*args, **kwargs)
    except AssertionError:
        return False
    return True


def differing(case: Any, theirs: Any, name: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
    """The arguments for which our assertion says something else than Django's."""
    return [args for args in arguments if outcome(case, name, *args) is not outcome(theirs, name, *args)]


@pytest.mark.parametrize("name", ["assertHTMLEqual", "assertHTMLNotEqual", "assertInHTML", "assertNotInHTML"])
def test_html_is_compared_as_django_does(case: SimpleTestCase, theirs: Any, name: str) -> None:
    if not hasattr(theirs, name):
        pytest.skip(f"This Django has no {name}.")
    # Text beside elements is not looked for by Django, and found here.
    first = PIECES if name.endswith("Equal") else [piece for piece in PIECES if piece.startswith("<")]
    pairs = [(one, other) for one in first for other in PIECES]
    assert differing(case, theirs, name, pairs) == []


def test_json_xml_and_addresses_are_compared_as_django_does(case: SimpleTestCase, theirs: Any) -> None:
    texts = ["[1, 2]", "[2, 1]", '{"a": 1, "b": null}', '{"b": null, "a": 1}', "1.0", "1", '"1"', "{", ""]
    data: list[Any] = [*texts, [1, 2], {"a": 1, "b": None}, 1, None]
    pairs = [(one, other) for one in texts for other in data]
    assert differing(case, theirs, "assertJSONEqual", pairs) == []
    xml = [
        "<a/>",
        "<a></a>",
        "<a> </a>",
        "<a>1</a>",
        "<a> 1 </a>",
        '<a x="1" y="2"/>',
        '<a y="2" x="1"/>',
        "<b/>",
        "<a>",
    ]
    xml += ["<a><b/><c/></a>", "<a><c/><b/></a>", "<a><b/>\n<c/></a>", "<a><!-- x --></a>", "<a>1<!-- x --></a>"]
    assert differing(case, theirs, "assertXMLEqual", [(one, other) for one in xml for other in xml]) == []
    # Parameters without a value, and the order of those with one name, matter here as Django's documentation has it.
    urls = [
        "/a",
        "/a/",
        "/a?x=1&y=2",
        "/a?y=2&x=1",
        "/a#b",
        "http://a/a",
        "",
    ]
    assert differing(case, theirs, "assertURLEqual", [(one, other) for one in urls for other in urls]) == []
