"""Test cases with databases, each of which has to pass under unittest and under pytest."""

from __future__ import annotations

import asyncio
import threading
import unittest
from typing import Any, ClassVar

from app import Note, Shelf, app, told

from webframe.conf import settings
from webframe.db import IntegrityError, connection, connections, transaction
from webframe.test import (
    Client,
    LiveServerTestCase,
    SimpleTestCase,
    TestCase,
    TransactionTestCase,
    override_settings,
    skipIfDBFeature,
    skipUnlessAnyDBFeature,
    skipUnlessDBFeature,
)
from webframe.test.blocking import DatabaseAccessBlocked
from webframe.test.testcases import TestData


class DataOfAClass(TestCase):
    shelf: Shelf
    note: Note
    bought: list[str]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.shelf = Shelf.objects.create(name="kitchen")
        cls.note = Note.objects.create(text="buy flour", shelf=cls.shelf)
        cls.bought = []

    def test_each_test_has_a_copy(self) -> None:
        self.assertEqual((self.note.text, self.bought), ("buy flour", []))
        self.assertIs(self.note.shelf, self.shelf)
        self.assertIsNot(self.note, type(self).note)
        self.note.text = "buy salt"
        self.note.save()
        self.bought.append("flour")
        self.assertIs(self.note, self.note)
        self.assertEqual(Note.objects.get().text, "buy salt")

    test_each_test_has_a_copy_again = test_each_test_has_a_copy

    async def test_async_tests_have_a_copy(self) -> None:
        self.assertEqual(self.bought, [])
        self.bought.append("flour")
        self.note.text = "buy sugar"
        await self.note.asave()
        self.assertEqual([note.text async for note in Note.objects.all()], ["buy sugar"])

    test_async_tests_have_a_copy_again = test_async_tests_have_a_copy

    def test_the_class_has_descriptors(self) -> None:
        self.assertIsInstance(vars(DataOfAClass)["note"], TestData)
        self.assertEqual(DataOfAClass.note.text, "buy flour")


class MoreDataOfAClass(DataOfAClass):
    @classmethod
    def setUpTestData(cls) -> None:
        super().setUpTestData()
        cls.other = Note.objects.create(text="bake")

    test_each_test_has_a_copy = test_each_test_has_a_copy_again = None  # type: ignore[assignment]
    test_async_tests_have_a_copy = test_async_tests_have_a_copy_again = None  # type: ignore[assignment]
    test_the_class_has_descriptors = None  # type: ignore[assignment]

    def test_both_are_there(self) -> None:
        self.assertQuerySetEqual(Note.objects.order_by("pk"), [self.note, self.other])


class Undone(TestCase):
    def setUp(self) -> None:
        # Without super().setUp(), as people write it.
        self.assertFalse(Note.objects.exists())
        Note.objects.create(text="set up")

    def test_one(self) -> None:
        Note.objects.create(text="one")
        self.assertEqual(Note.objects.count(), 2)

    def test_two(self) -> None:
        with transaction.atomic(durable=True):
            Note.objects.create(text="two")
        self.assertEqual(Note.objects.count(), 2)

    async def test_three(self) -> None:
        async with transaction.atomic():
            await Note.objects.acreate(text="three")
        await asyncio.gather(*(Note.objects.acreate(text=str(number)) for number in range(3)))
        self.assertEqual(await Note.objects.acount(), 5)

    def test_an_error_of_the_database_spoils_nothing(self) -> None:
        with self.assertRaises(IntegrityError), transaction.atomic():
            Note.objects.create(pk=Note.objects.get().pk)
            Note.objects.bulk_create([Note(pk=Note.objects.get().pk)])
        self.assertEqual(Note.objects.count(), 1)

    def tearDown(self) -> None:
        self.assertTrue(transaction.is_open())


class AllAsync(TestCase):
    @classmethod
    async def setUpTestData(cls) -> None:
        cls.note = await Note.objects.acreate(text="buy flour")

    async def setUp(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.task = asyncio.create_task(asyncio.sleep(60))
        self.addCleanup(self.clean, "flour")
        await Note.objects.acreate(text="set up")

    async def clean(self, word: str) -> None:
        self.assertIs(asyncio.get_running_loop(), self.loop)
        self.assertEqual((word, await Note.objects.acount()), ("flour", 3))
        self.assertTrue(self.task.cancelled())

    async def tearDown(self) -> None:
        await Note.objects.acreate(text="tear down")
        self.task.cancel()

    async def test_one_event_loop(self) -> None:
        self.assertIs(asyncio.get_running_loop(), self.loop)
        self.assertFalse(self.task.done())
        self.assertEqual(await Note.objects.acount(), 2)

    def test_plain(self) -> None:
        self.assertEqual(self.note.text, "buy flour")
        self.assertEqual(Note.objects.count(), 2)


class Requests(TestCase):
    app = app

    def test_requests_are_in_the_transaction_of_the_test(self) -> None:
        Note.objects.create(text="buy flour")
        self.assertEqual(self.client.get("/notes").json(), ["buy flour"])
        self.assertEqual(self.client.get("/notes/later").json(), ["buy flour"])
        self.client.post("/notes", json={"text": "bake"})
        self.assertEqual(Note.objects.count(), 2)

    def test_clients_keep_cookies_for_one_test(self) -> None:
        self.assertEqual([self.client.get("/visits").text for _ in range(2)], ["1", "2"])
        self.assertIs(self.client, self.client)

    test_clients_keep_cookies_for_one_test_again = test_clients_keep_cookies_for_one_test

    async def test_async_clients(self) -> None:
        await Note.objects.acreate(text="buy flour")
        self.assertEqual((await self.async_client.get("/notes")).json(), ["buy flour"])
        self.assertEqual((await self.async_client.get("/notes/later")).json(), ["buy flour"])
        self.assertIs(self.async_client, self.async_client)

    def test_redirects(self) -> None:
        response = Client(app).post("/notes", json={"text": "bake"})
        address = f"/notes/{Note.objects.get().pk}"
        self.assertRedirects(response, f"{address}?at=home&by=Ann")
        self.assertRedirects(response, f"http://testserver{address}?by=Ann&at=home", fetch_redirect_response=False)
        with self.assertRaisesMessage(AssertionError, "Response redirected to 'http://testserver/notes/"):
            self.assertRedirects(response, address)
        with self.assertRaisesMessage(AssertionError, "Response code was 302 (expected 301)"):
            self.assertRedirects(response, address, status_code=301)
        Note.objects.all().delete()
        with self.assertRaisesMessage(AssertionError, f"redirection page '{address}': response code was 404"):
            self.assertRedirects(response, f"{address}?at=home&by=Ann")
        self.assertRedirects(response, f"{address}?at=home&by=Ann", target_status_code=404)

    def test_redirects_that_were_followed(self) -> None:
        response = self.client.post("/notes", json={"text": "bake"}, follow_redirects=True)
        self.assertRedirects(response, f"/notes/{Note.objects.get().pk}?at=home&by=Ann")
        self.assertContains(response, "bake")
        with self.assertRaisesMessage(AssertionError, "was 200 (expected 302)"):
            self.assertRedirects(self.client.get("/notes"), "/notes")

    async def test_redirects_in_async_tests(self) -> None:
        response = await self.async_client.post("/notes", json={"text": "bake"})
        address = f"/notes/{(await Note.objects.aget()).pk}?by=Ann&at=home"
        await self.aassertRedirects(response, address)
        self.assertRedirects(response, address, fetch_redirect_response=False)
        with self.assertRaisesMessage(TypeError, "await self.aassertRedirects"):
            self.assertRedirects(response, address)

    def test_contents(self) -> None:
        note = Note.objects.create(text="<b>")
        response = self.client.get(f"/notes/{note.pk}")
        self.assertContains(response, "&lt;b&gt;", count=1)
        self.assertContains(response, b"&lt;b&gt;")
        self.assertContains(response, '<p class="wide note">&#60;b></p>', html=True)
        self.assertNotContains(response, "<b>")
        with self.assertRaisesMessage(AssertionError, "Response code was 404 (expected 200)"):
            self.assertContains(self.client.get("/notes/0"), "x")
        self.assertContains(self.client.get("/notes/0"), "404", status_code=404)
        with self.assertRaisesMessage(AssertionError, "here: Found 1 instances of '</p>' (expected 2)"):
            self.assertContains(response, "</p>", count=2, msg_prefix="here")

    def test_templates_of_a_response(self) -> None:
        note = Note.objects.create(text="bake")
        response = self.client.get(f"/notes/{note.pk}")
        self.assertTemplateUsed(response, "note.html")
        self.assertTemplateUsed(response, "base.html", count=1)
        self.assertTemplateNotUsed(response, "other.html")
        with self.assertRaisesMessage(AssertionError, "Actual template(s) used: note.html, base.html"):
            self.assertTemplateUsed(response, "other.html")
        with self.assertRaisesMessage(AssertionError, "Template 'base.html' was used unexpectedly"):
            self.assertTemplateNotUsed(response, "base.html")
        with self.assertRaisesMessage(AssertionError, "No templates used to render the response"):
            self.assertTemplateUsed(self.client.get("/notes"), "note.html")

    def test_templates_of_a_block(self) -> None:
        note = Note.objects.create(text="bake")
        with self.assertTemplateUsed("note.html", count=2), self.assertTemplateNotUsed("other.html"):
            self.client.get(f"/notes/{note.pk}")
            self.client.get(f"/notes/{note.pk}")
        with self.assertRaisesMessage(AssertionError, "expected to be rendered 2 time(s) but was actually rendered 1"):
            with self.assertTemplateUsed(template_name="note.html", count=2):
                self.client.get(f"/notes/{note.pk}")

    def test_what_waits_for_the_commit(self) -> None:
        told.clear()
        with self.captureOnCommitCallbacks() as functions:
            self.client.post("/notes", json={"text": "bake"})
        self.assertEqual((len(functions), told), (1, []))
        with self.captureOnCommitCallbacks(execute=True):
            self.client.post("/notes", json={"text": "bake"})
        self.assertEqual(told, ["bake"])

    async def test_what_waits_for_the_commit_in_async_tests(self) -> None:
        async def tell() -> None:
            told.append(str(await Note.objects.acount()))

        told.clear()
        async with self.captureOnCommitCallbacks(execute=True) as functions:
            transaction.on_commit(tell)
            transaction.on_commit(lambda: transaction.on_commit(tell))
        self.assertEqual((len(functions), told), (3, ["0", "0"]))
        with self.captureOnCommitCallbacks(execute=True):
            await self.async_client.post("/notes", json={"text": "bake"})
        self.assertEqual(told, ["0", "0", "bake"])

    def test_what_fails_robustly_is_logged(self) -> None:
        with self.assertLogs("webframe.db", "ERROR"), self.captureOnCommitCallbacks(execute=True) as functions:
            transaction.on_commit(lambda: 1 / 0, robust=True)
        self.assertEqual(len(functions), 1)


class RequestsOverASGI(Requests):
    protocol = "asgi"


class Queries(TestCase):
    def test_the_beginning_of_the_transaction_is_not_counted(self) -> None:
        with self.assertNumQueries(1):
            Note.objects.count()

    def test_savepoints_are_counted(self) -> None:
        with self.assertNumQueries(3), transaction.atomic():
            Note.objects.create(text="x")

    def test_functions(self) -> None:
        self.assertNumQueries(1, Note.objects.create, text="x")
        with self.assertRaisesMessage(AssertionError, "1 query was executed, 2 expected"):
            self.assertNumQueries(2, Note.objects.count)

    async def test_in_async_tests(self) -> None:
        with self.assertNumQueries(1):
            await Note.objects.acount()
        async with self.assertNumQueries(1):
            await Note.objects.acreate(text="x")
        await self.assertNumQueries(1, Note.objects.acount)

    def test_querysets(self) -> None:
        notes = [Note.objects.create(text=text) for text in "ab"]
        self.assertQuerySetEqual(Note.objects.order_by("text"), notes)
        self.assertQuerySetEqual(Note.objects.order_by("-text"), ["b", "a"], transform=lambda note: note.text)
        self.assertQuerySetEqual(Note.objects.all(), reversed(notes), ordered=False)
        with self.assertRaisesMessage(ValueError, "queryset without an order"):
            self.assertQuerySetEqual(Note.objects.all(), notes)
        with self.assertRaises(AssertionError):
            self.assertQuerySetEqual(Note.objects.order_by("text"), notes[:1])

    async def test_querysets_in_async_tests(self) -> None:
        note = await Note.objects.acreate(text="a")
        await self.aassertQuerySetEqual(Note.objects.all(), [note])


class NotAllowed(TestCase):
    def test_another_database(self) -> None:
        with self.assertRaises(DatabaseAccessBlocked) as caught:
            Note.objects.using("archive").count()
        self.assertIn("Add 'archive' to ", str(caught.exception))
        self.assertIn("NotAllowed.databases.", str(caught.exception))

    async def test_another_database_in_async_code(self) -> None:
        with self.assertRaises(DatabaseAccessBlocked):
            await Note.objects.using("archive").acount()


class NoneAllowed(SimpleTestCase):
    def test_no_database(self) -> None:
        for alias in "default", "archive":
            with self.assertRaises(DatabaseAccessBlocked) as caught:
                Note.objects.using(alias).count()
            self.assertIn(
                f"inherit from webframe.test.TestCase, which undoes what a test does, or add {alias!r} to ",
                str(caught.exception),
            )

    def test_threads_may_not_either(self) -> None:
        errors: list[Exception] = []

        def work() -> None:
            try:
                connection.cursor().execute("SELECT 1")
            except DatabaseAccessBlocked as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual(len(errors), 1)

    def test_what_asks_nothing_may_be_used(self) -> None:
        self.assertEqual(self.client.get("/visits").text, "1")
        self.assertEqual(Note(text="x").text, "x")


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


class AnyApplication(SimpleTestCase):
    app = hello

    def test_an_application_may_be_a_function(self) -> None:
        self.assertEqual(self.client.get("/").text, "hello")

    def test_a_test_may_have_another(self) -> None:
        self.app = app
        self.assertEqual(self.client.get("/visits").text, "1")


class AllOfThem(TestCase):
    databases = "__all__"

    @classmethod
    def setUpTestData(cls) -> None:
        Note.objects.using("archive").create(text="old")

    def test_both_are_undone(self) -> None:
        self.assertFalse(Note.objects.exists())
        self.assertEqual(Note.objects.using("archive").count(), 1)
        Note.objects.using("archive").create(text="new")
        Note.objects.create(text="new")
        with self.assertNumQueries(1, using="archive"):
            Note.objects.using("archive").count()

    test_both_are_undone_again = test_both_are_undone


class OnlyTheArchive(TestCase):
    databases: ClassVar[Any] = {"archive"}
    fixtures: ClassVar[Any] = ["shelves"]

    def test_fixtures_are_loaded_into_the_databases_of_the_class(self) -> None:
        self.assertEqual(Shelf.objects.using("archive").get().name, "kitchen")
        with self.assertRaises(DatabaseAccessBlocked):
            Shelf.objects.get()


class Loaded(TestCase):
    fixtures: ClassVar[Any] = ["shelves"]
    count = 0

    @classmethod
    def setUpTestData(cls) -> None:
        cls.count = Shelf.objects.count()

    def test_fixtures_come_before_the_data(self) -> None:
        self.assertEqual(self.count, 1)
        Shelf.objects.all().delete()

    test_fixtures_come_before_the_data_again = test_fixtures_come_before_the_data


class Committing(TransactionTestCase):
    fixtures: ClassVar[Any] = ["shelves"]
    app = app

    def test_commits_are_real_and_gone_afterwards(self) -> None:
        self.assertFalse(transaction.is_open())
        self.assertEqual(Shelf.objects.get().pk, 7)
        self.assertFalse(Note.objects.exists())
        told.clear()
        self.client.post("/notes", json={"text": "bake"})
        self.assertEqual(told, ["bake"])
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(Note.objects.count()))
        thread.start()
        thread.join()
        self.assertEqual(seen, [1])

    test_commits_are_real_and_gone_afterwards_again = test_commits_are_real_and_gone_afterwards

    async def test_in_async_tests(self) -> None:
        await Note.objects.acreate(text="x")
        self.assertEqual(await Note.objects.acount(), 1)
        with self.assertNumQueries(3):
            async with transaction.atomic():
                await Note.objects.acreate(text="y")


class NumbersFromOne(TransactionTestCase):
    reset_sequences = True

    def test_keys_begin_with_one(self) -> None:
        self.assertEqual([Note.objects.create(text="x").pk for _ in range(2)], [1, 2])

    test_keys_begin_with_one_again = test_keys_begin_with_one


class Live(LiveServerTestCase):
    app = app

    def test_a_real_server_sees_what_is_committed(self) -> None:
        import httpx

        Note.objects.create(text="bake")
        self.assertTrue(self.live_server_url.startswith("http://localhost:"))
        self.assertEqual(httpx.get(f"{self.live_server_url}/notes").json(), ["bake"])
        self.assertEqual(httpx.post(f"{self.live_server_url}/notes", json={"text": "eat"}).status_code, 302)
        self.assertEqual(Note.objects.count(), 2)

    test_a_real_server_sees_what_is_committed_again = test_a_real_server_sees_what_is_committed


@override_settings(LANGUAGE="of the class")
class Settings(SimpleTestCase):
    def test_settings_of_a_block(self) -> None:
        self.assertEqual(settings.LANGUAGE, "of the class")
        with self.settings(LANGUAGE="of the block"), self.modify_settings(PLACES={"append": "here"}):
            self.assertEqual((settings.LANGUAGE, settings.PLACES), ("of the block", ["here"]))
        self.assertEqual(settings.LANGUAGE, "of the class")


class Features(TestCase):
    @skipUnlessDBFeature("supports_transactions")
    def test_is_run(self) -> None: ...

    @skipIfDBFeature("supports_transactions")
    def test_is_skipped(self) -> None:
        self.fail("It should have been skipped.")

    @skipIfDBFeature("supports_transactions")
    async def test_is_skipped_in_async_code(self) -> None:
        self.fail("It should have been skipped.")

    @skipUnlessDBFeature("supports_transactions", "autocommits_when_autocommit_is_off")
    def test_needs_all(self) -> None:
        self.fail("It should have been skipped.")

    @skipUnlessAnyDBFeature("supports_transactions", "autocommits_when_autocommit_is_off")
    def test_needs_one(self) -> None: ...


@skipIfDBFeature("supports_transactions")
class FeaturesOfAClass(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        raise AssertionError("It should have been skipped.")

    def test_is_skipped(self) -> None: ...


@unittest.skip("whatever the database")
class Skipped(TestCase):
    def test_is_skipped(self) -> None: ...


class Connected(SimpleTestCase):
    databases: ClassVar[Any] = {"default"}

    def test_a_simple_test_may_use_what_it_names(self) -> None:
        self.assertFalse(transaction.is_open())
        self.assertIn("test", str(connections["default"].settings_dict["NAME"]))
        self.assertEqual(Note.objects.count(), 0)
