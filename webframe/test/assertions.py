"""Assertions of test cases about responses, templates, errors and documents, under Django's names."""

from __future__ import annotations

import json
import re
import unittest
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit
from xml.etree import ElementTree

from webframe.test.environment import templates_reported
from webframe.test.html import Element, parse_html
from webframe.test.signals import template_rendered
from webframe.waiting import is_async

# Lines of this file are no news to those who read why a test has failed; unittest and pytest leave them out.
__unittest = True

# Characters of a response that are shown where something is not found in it.
SHOWN = 1000


class Assertions(unittest.TestCase):
    """What a test case can assert without a database."""

    # --- responses ------------------------------------------------------------------------------------------------

    def assertContains(
        self,
        response: Any,
        text: object,
        count: int | None = None,
        status_code: int = 200,
        msg_prefix: str = "",
        html: bool = False,
    ) -> None:
        """The response has this status, and the text is in its body, `count` times if that is given.

        With `html` both are compared as `assertHTMLEqual` compares.
        """
        found, body, prefix = self._look_in(response, text, status_code, msg_prefix, html)
        if count is not None:
            self.assertEqual(found, count, f"{prefix}Found {found} instances of {text!r} (expected {count}) in {body}")
        else:
            self.assertTrue(found, f"{prefix}Couldn't find {text!r} in {body}")

    def assertNotContains(
        self, response: Any, text: object, status_code: int = 200, msg_prefix: str = "", html: bool = False
    ) -> None:
        """The response has this status, and the text is not in its body."""
        found, body, prefix = self._look_in(response, text, status_code, msg_prefix, html)
        self.assertFalse(found, f"{prefix}{text!r} unexpectedly found in {body}")

    def _look_in(
        self, response: Any, text: object, status_code: int, msg_prefix: str, html: bool
    ) -> tuple[int, str, str]:
        """How often a text is in a response, what is shown of the response, and what a message begins with."""
        prefix = _prefix(msg_prefix)
        self.assertEqual(
            response.status_code,
            status_code,
            f"{prefix}Couldn't retrieve content: Response code was {response.status_code} (expected {status_code})",
        )
        if isinstance(text, bytes) and not html:
            body: Any = response.content
            return body.count(text), _shown(body), prefix
        body = response.text
        wanted = text.decode() if isinstance(text, bytes) else str(text)
        if html:
            document = self._parsed(body, "Response's content is not valid HTML:")
            return document.count(self._parsed(wanted, "Second argument is not valid HTML:")), _shown(body), prefix
        return body.count(wanted), _shown(body), prefix

    def assertRedirects(
        self,
        response: Any,
        expected_url: str,
        status_code: int = 302,
        target_status_code: int = 200,
        msg_prefix: str = "",
        fetch_redirect_response: bool = True,
    ) -> None:
        """The response is a redirect to this address, and what is there has the status `target_status_code`.

        The address is that of the last redirect if the client followed them, else it
        is fetched now, unless `fetch_redirect_response` is False. The order of the
        parameters in its query does not matter. For responses of an `AsyncClient`
        that did not follow redirects there is `aassertRedirects`.
        """
        if self._is_redirect(response, expected_url, status_code, target_status_code, msg_prefix):
            return
        if fetch_redirect_response:
            if _is_of_async_client(response):
                raise TypeError(
                    "This response came from an AsyncClient, so where it leads to has to be fetched by 'await "
                    "self.aassertRedirects(...)'. Or let the client follow redirects, or say "
                    "fetch_redirect_response=False."
                )
            target = self._client_of(response).send(response.next_request)
            self._check_target(target, target_status_code, msg_prefix)

    async def aassertRedirects(
        self,
        response: Any,
        expected_url: str,
        status_code: int = 302,
        target_status_code: int = 200,
        msg_prefix: str = "",
        fetch_redirect_response: bool = True,
    ) -> None:
        """Like `assertRedirects`, for responses of an `AsyncClient`."""
        if self._is_redirect(response, expected_url, status_code, target_status_code, msg_prefix):
            return
        if fetch_redirect_response:
            target = await self._client_of(response).send(response.next_request)
            self._check_target(target, target_status_code, msg_prefix)

    def _is_redirect(
        self, response: Any, expected_url: str, status_code: int, target_status_code: int, msg_prefix: str
    ) -> bool:
        """Check a redirect; whether its target has been fetched, and checked, already."""
        prefix = _prefix(msg_prefix)
        followed = bool(response.history)
        first = response.history[0] if followed else response
        self.assertEqual(
            first.status_code,
            status_code,
            f"{prefix}Response didn't redirect as expected: Response code was {first.status_code} "
            f"(expected {status_code})",
        )
        if followed:
            self._check_target(response, target_status_code, msg_prefix)
        start = str(response.history[-1].url if followed else response.url)
        url = str(response.url) if followed else urljoin(start, response.headers.get("location", ""))
        self.assertURLEqual(
            url, urljoin(start, str(expected_url)), f"{prefix}Response redirected to '{url}', expected '{expected_url}'"
        )
        return followed

    def _check_target(self, target: Any, status_code: int, msg_prefix: str) -> None:
        self.assertEqual(
            target.status_code,
            status_code,
            f"{_prefix(msg_prefix)}Couldn't retrieve redirection page '{target.url.path}': response code was "
            f"{target.status_code} (expected {status_code})",
        )

    def _client_of(self, response: Any) -> Any:
        """The client that a response came from, or that of the test."""
        client = getattr(response, "client", None)
        if client is None:
            client = getattr(self, "async_client" if _is_of_async_client(response) else "client")
        return client

    def assertURLEqual(self, url1: object, url2: object, msg_prefix: str = "") -> None:
        """Two addresses are the same, but for the order of parameters that have different names."""
        self.assertEqual(
            _normal_url(url1),
            _normal_url(url2),
            msg_prefix or f"Expected '{url1}' to equal '{url2}'.",
        )

    # --- templates ------------------------------------------------------------------------------------------------

    def assertTemplateUsed(
        self, response: Any = None, template_name: str | None = None, msg_prefix: str = "", count: int | None = None
    ) -> Any:
        """A template was rendered for the response, `count` times if that is given; also those extended and included.

        Without a response it is a context manager, about what is rendered within the block.
        """
        if response is None or isinstance(response, str):
            return self._templates_used(self._check_used, template_name or response, msg_prefix, count)
        self._check_used(_templates_of(response), template_name, msg_prefix, count)
        return None

    def assertTemplateNotUsed(
        self, response: Any = None, template_name: str | None = None, msg_prefix: str = ""
    ) -> Any:
        """A template was not rendered for the response, or within the block."""
        if response is None or isinstance(response, str):
            return self._templates_used(self._check_not_used, template_name or response, msg_prefix, None)
        self._check_not_used(_templates_of(response), template_name, msg_prefix, None)
        return None

    @contextmanager
    def _templates_used(
        self, check: Callable[..., None], template_name: str | None, msg_prefix: str, count: int | None
    ) -> Iterator[list[Any]]:
        templates: list[Any] = []

        def hear(template: Any, **kwargs: Any) -> None:
            templates.append(template)

        if template_name is None:
            raise TypeError("A response, or the name of a template, is needed to assert which templates were used.")
        with templates_reported(), template_rendered.connected_to(hear, inline=True):
            yield templates
        check(templates, template_name, msg_prefix, count)

    def _check_used(
        self, templates: Sequence[Any], template_name: str | None, msg_prefix: str, count: int | None
    ) -> None:
        if template_name is None:
            raise TypeError("assertTemplateUsed(response, template_name) needs the name of the template.")
        prefix = _prefix(msg_prefix)
        names = [template.name for template in templates if template.name is not None]
        if not names:
            self.fail(f"{prefix}No templates used to render the response")
        found = names.count(template_name)
        self.assertTrue(
            found,
            f"{prefix}Template '{template_name}' was not a template used to render the response. Actual template(s) "
            f"used: {', '.join(dict.fromkeys(names))}",
        )
        if count is not None:
            self.assertEqual(
                found,
                count,
                f"{prefix}Template '{template_name}' was expected to be rendered {count} time(s) but was actually "
                f"rendered {found} time(s).",
            )

    def _check_not_used(
        self, templates: Sequence[Any], template_name: str | None, msg_prefix: str, count: int | None
    ) -> None:
        names = [template.name for template in templates]
        self.assertNotIn(
            template_name,
            names,
            f"{_prefix(msg_prefix)}Template '{template_name}' was used unexpectedly in rendering the response",
        )

    # --- errors ---------------------------------------------------------------------------------------------------

    def assertRaisesMessage(self, expected_exception: Any, expected_message: str, *args: Any, **kwargs: Any) -> Any:
        """An error is raised, with this in its text: by the block, or by a function called with what follows.

        If the function is async, await what this returns.
        """
        return self._around(
            self._message_in(self.assertRaises, "exception", expected_exception, expected_message), args, kwargs
        )

    def assertWarnsMessage(self, expected_warning: Any, expected_message: str, *args: Any, **kwargs: Any) -> Any:
        """There is a warning, with this in its text: from the block, or from a function called with what follows."""
        return self._around(
            self._message_in(self.assertWarns, "warning", expected_warning, expected_message), args, kwargs
        )

    def _around(self, block: AbstractContextManager[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The block, or what comes of a function that is called within it."""
        if not args:
            return block
        function, *rest = args
        if is_async(function):
            return _called_within(block, function, rest, kwargs)
        with block:
            function(*rest, **kwargs)
        return None

    @contextmanager
    def _message_in(self, expecting: Callable[..., Any], attribute: str, expected: Any, message: str) -> Iterator[Any]:
        with expecting(expected) as caught:
            yield caught
        self.assertIn(message, str(getattr(caught, attribute)))

    # --- documents ------------------------------------------------------------------------------------------------

    def assertHTMLEqual(self, html1: str, html2: str, msg: str | None = None) -> None:
        """Two pieces of HTML mean the same: white space beside tags and the order of attributes do not matter."""
        one, other = self._parsed_pair(html1, html2)
        if one != other:
            standard = f"{html1!r} != {html2!r}"
            self.fail(self._formatMessage(msg, f"{standard}\n{_difference(str(one), str(other))}"))

    def assertHTMLNotEqual(self, html1: str, html2: str, msg: str | None = None) -> None:
        """Two pieces of HTML do not mean the same."""
        one, other = self._parsed_pair(html1, html2)
        if one == other:
            self.fail(self._formatMessage(msg, f"{html1!r} == {html2!r}"))

    def assertInHTML(self, needle: str, haystack: str, count: int | None = None, msg_prefix: str = "") -> None:
        """A piece of HTML is in another, `count` times if that is given."""
        wanted = self._parsed(needle, "First argument is not valid HTML:")
        found = self._parsed(haystack, "Second argument is not valid HTML:").count(wanted)
        where = f"in the following response\n{_shown(haystack)}"
        if count is not None:
            message = f"Found {found} instances of {needle!r} (expected {count}) {where}"
            self.assertEqual(found, count, f"{_prefix(msg_prefix)}{message}")
        else:
            self.assertTrue(found, f"{_prefix(msg_prefix)}Couldn't find {needle!r} {where}")

    def assertNotInHTML(self, needle: str, haystack: str, msg_prefix: str = "") -> None:
        """A piece of HTML is not in another."""
        self.assertInHTML(needle, haystack, count=0, msg_prefix=msg_prefix)

    def _parsed_pair(self, html1: str, html2: str) -> tuple[Element, Element]:
        one = self._parsed(html1, "First argument is not valid HTML:")
        return one, self._parsed(html2, "Second argument is not valid HTML:")

    def _parsed(self, html: str, complaint: str) -> Element:
        try:
            return parse_html(html)
        except ValueError as error:
            self.fail(f"{complaint}\n{error}")

    def assertJSONEqual(self, raw: str | bytes, expected_data: Any, msg: str | None = None) -> None:
        """A text of JSON is equal to some data, or to another text of JSON."""
        self.assertEqual(*self._loaded_pair(raw, expected_data), msg=msg)

    def assertJSONNotEqual(self, raw: str | bytes, expected_data: Any, msg: str | None = None) -> None:
        """A text of JSON is not equal to some data, or to another text of JSON."""
        self.assertNotEqual(*self._loaded_pair(raw, expected_data), msg=msg)

    def _loaded_pair(self, raw: str | bytes, expected_data: Any) -> tuple[Any, Any]:
        one = self._loaded(raw, "First argument is not valid JSON")
        if isinstance(expected_data, (str, bytes)):
            return one, self._loaded(expected_data, "Second argument is not valid JSON")
        return one, expected_data

    def _loaded(self, raw: str | bytes, complaint: str) -> Any:
        try:
            return json.loads(raw)
        except ValueError as error:
            self.fail(f"{complaint}: {raw!r} ({error})")

    def assertXMLEqual(self, xml1: str, xml2: str, msg: str | None = None) -> None:
        """Two pieces of XML mean the same: comments, the order of attributes and the width of gaps do not matter."""
        one, other = self._xml_pair(xml1, xml2)
        if one != other:
            standard = f"{xml1!r} != {xml2!r}"
            self.fail(self._formatMessage(msg, f"{standard}\n{_difference(one, other)}"))

    def assertXMLNotEqual(self, xml1: str, xml2: str, msg: str | None = None) -> None:
        """Two pieces of XML do not mean the same."""
        one, other = self._xml_pair(xml1, xml2)
        if one == other:
            self.fail(self._formatMessage(msg, f"{xml1!r} == {xml2!r}"))

    def _xml_pair(self, xml1: str, xml2: str) -> tuple[str, str]:
        texts = []
        for place, xml in ("First", xml1), ("Second", xml2):
            try:
                texts.append("\n".join(_lines_of(ElementTree.fromstring(xml.strip()))))
            except ElementTree.ParseError as error:
                self.fail(f"{place} argument is not valid XML: {error}\n{xml}")
        return texts[0], texts[1]


async def _called_within(
    block: AbstractContextManager[Any], function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> None:
    with block:
        await function(*args, **kwargs)


def _is_of_async_client(response: Any) -> bool:
    return hasattr(response.stream, "__aiter__")


def _lines_of(element: ElementTree.Element, depth: int = 0) -> Iterator[str]:
    """An element of XML with all in it that matters: its texts together, as they are often cut, then its elements."""
    text = "".join([element.text or "", *(child.tail or "" for child in element)])
    text = re.sub(r"[ \t\n]{2,}", " ", text)
    yield f"{'  ' * depth}{element.tag} {dict(sorted(element.attrib.items()))} {text!r}"
    for child in element:
        yield from _lines_of(child, depth + 1)


def _templates_of(response: Any) -> Sequence[Any]:
    templates: Sequence[Any] | None = getattr(response, "templates", None)
    if templates is None:
        raise ValueError(
            "assertTemplateUsed() and assertTemplateNotUsed() are only usable on responses of webframe.test.Client and "
            "AsyncClient, which hear of templates; elsewhere use them as context managers."
        )
    return templates


def _normal_url(url: object) -> str:
    scheme, netloc, path, query, fragment = urlsplit(str(url))
    # Sorting is stable: of parameters with one name the order matters.
    pairs = sorted(parse_qsl(query, keep_blank_values=True), key=lambda pair: pair[0])
    return urlunsplit((scheme, netloc, path, urlencode(pairs), fragment))


def _prefix(text: str) -> str:
    return f"{text}: " if text else ""


def _shown(body: Any) -> str:
    """The beginning of a body, for a message."""
    return repr(body) if len(body) <= SHOWN else f"{body[:SHOWN]!r}... ({len(body)} in all)"


def _difference(one: str, other: str) -> str:
    from difflib import ndiff

    return "\n".join(ndiff(one.splitlines(), other.splitlines()))
