"""The fixtures, the marker and the blocking that webframe gives pytest, in projects of their own."""

from __future__ import annotations

import pytest

from .separate import INSTALLED, Project, passed

pytest_plugins = "pytester"

TWO = 'DATABASES={"default": "sqlite:///real.sqlite3", "archive": "sqlite:///archive.sqlite3"}'


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    """A project with an app, whose two databases are files of SQLite."""
    project = Project(pytester)
    project.write_app(TWO)
    return project


@pytest.mark.skipif(not INSTALLED, reason="webframe is not installed.")
def test_it_is_there_as_soon_as_webframe_is_installed(project: Project) -> None:
    project.write(test_it="def test_it(db): ...")
    passed(project.run_with_all(), passed=1)


# --- db and transactional_db --------------------------------------------------------------------------------------


def test_each_test_begins_with_an_empty_database_and_shares_it_with_the_client(project: Project) -> None:
    project.write(
        test_it="""
        from app import Order
        from webframe.db import connections, transaction

        def test_nothing_is_there(db, client):
            assert client.get("/orders").json() == []
            assert client.post("/orders", json={"pizza": "Margherita"}).status_code == 201
            assert client.get("/orders").json() == client.get("/async-orders").json() == ["Margherita"]
            assert Order.objects.get().pizza == "Margherita"
            assert transaction.is_open()

        test_nothing_is_there_again = test_nothing_is_there

        def test_the_client_sees_what_the_test_did(client, db, request):
            assert request.fixturenames.index("_webframe_db") < request.fixturenames.index("client")
            Order.objects.create(pizza="Calzone")
            assert client.get("/orders").json() == ["Calzone"]

        def test_it_is_another_database(db):
            assert connections["default"].settings_dict["NAME"].endswith("default.sqlite3")
        """
    )
    passed(project.run(), passed=7)
    assert not (project.folder / "real.sqlite3").exists()


def test_transactional_tests_really_commit_and_leave_nothing_behind(project: Project) -> None:
    project.write(
        test_it="""
        import threading
        import pytest
        from app import Order
        from webframe.db import transaction

        def test_commits_are_real(transactional_db, client):
            assert not transaction.is_open()
            assert not Order.objects.exists()
            Order.objects.create(pizza="Margherita")
            seen = []
            thread = threading.Thread(target=lambda: seen.append(Order.objects.count()))
            thread.start()
            thread.join()
            assert seen == [1]
            assert client.get("/orders").json() == ["Margherita"]

        def test_it_wins_over_db(db, transactional_db):
            assert not transaction.is_open()
            assert not Order.objects.exists()

        @pytest.mark.webframe_db(transaction=True)
        def test_the_marker_does_the_same():
            assert not transaction.is_open()
            assert not Order.objects.exists()
            Order.objects.create(pizza="Margherita")

        def test_it_can_be_too_late(db, request):
            with pytest.raises(BaseException, match="as an argument"):
                request.getfixturevalue("transactional_db")
        """
    )
    passed(project.run(), passed=5)


def test_keys_begin_with_1_where_that_is_asked_for(project: Project) -> None:
    project.write(
        test_it="""
        import pytest
        from app import Order

        def test_a_row_is_committed(transactional_db):
            Order.objects.create(pizza="Margherita")

        @pytest.mark.webframe_db(reset_sequences=True)
        def test_keys_begin_with_1():
            assert Order.objects.create(pizza="Calzone").pk == 1
        """
    )
    passed(project.run(), passed=2)


def test_transactional_tests_come_last(project: Project) -> None:
    project.write(
        test_it="""
        import pytest

        def test_a(transactional_db): ...
        def test_b(db): ...
        @pytest.mark.webframe_db(transaction=True)
        def test_c(): ...
        def test_d(): ...
        @pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.webframe_db(reset_sequences=True)), 3])
        def test_e(x): ...
        def test_f(live_server): ...
        def test_g(): ...
        """
    )
    result = project.run("--collect-only", "-q")
    ids = [line.partition("::")[2] for line in result.outlines if "::" in line]
    assert ids == ["test_b", "test_d", "test_e[1]", "test_e[3]", "test_g", "test_a", "test_c", "test_e[2]", "test_f"]


def test_rows_of_a_session_stay_when_transactional_tests_are_through(project: Project) -> None:
    project.write(
        conftest="""
        import pytest

        @pytest.fixture(scope="session")
        def webframe_db_setup(webframe_db_setup, webframe_db_blocker):
            from app import Order
            with webframe_db_blocker.unblock():
                Order.objects.create(pizza="Margherita")
        """,
        test_it="""
        import pytest
        from app import Order

        @pytest.mark.parametrize("time", [1, 2])
        def test_it_is_there(db, time):
            Order.objects.get(pizza="Margherita").delete()
            Order.objects.create(pizza="Calzone")

        @pytest.mark.parametrize("time", [1, 2])
        def test_it_is_there_though_others_commit(transactional_db, time):
            Order.objects.get(pizza="Margherita").delete()
            Order.objects.create(pizza="Calzone")
        """,
    )
    passed(project.run(), passed=4)


# --- who may use which --------------------------------------------------------------------------------------------


def test_a_database_must_be_asked_for(project: Project) -> None:
    project.write(
        test_it="""
        import threading
        import pytest
        from app import Order
        from webframe.db import connection, transaction
        from webframe.test.blocking import DatabaseAccessBlocked

        def test_it_is_refused(client):
            with pytest.raises(DatabaseAccessBlocked, match="'default' .* fixture \\"db\\" .*webframe_db"):
                Order.objects.count()
            with pytest.raises(DatabaseAccessBlocked):
                client.get("/orders")
            with pytest.raises(DatabaseAccessBlocked):
                client.get("/async-orders")
            with pytest.raises(DatabaseAccessBlocked), connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            with transaction.atomic():
                with pytest.raises(DatabaseAccessBlocked):
                    transaction.savepoint()

        def test_it_is_refused_in_threads():
            errors = []
            def use():
                try:
                    Order.objects.count()
                except Exception as error:
                    errors.append(error)
            thread = threading.Thread(target=use)
            thread.start()
            thread.join()
            assert [type(error) for error in errors] == [DatabaseAccessBlocked]

        async def test_it_is_refused_in_async_code():
            with pytest.raises(DatabaseAccessBlocked):
                await Order.objects.acount()

        def test_who_asks_may(db):
            assert Order.objects.count() == 0
            assert type(connection._enter).__name__ == "method"
        """
    )
    passed(project.run(), passed=5)


def test_other_databases_are_named_by_the_marker(project: Project) -> None:
    project.write(
        test_it="""
        import pytest
        from app import Order
        from webframe.test.blocking import DatabaseAccessBlocked

        def test_one_is_default(db):
            assert not Order.objects.exists()
            with pytest.raises(DatabaseAccessBlocked, match="'archive' was used where only 'default' .*databases="):
                Order.objects.using("archive").exists()

        @pytest.mark.webframe_db(databases=["archive"])
        def test_one_is_another():
            assert not Order.objects.using("archive").exists()
            Order.objects.using("archive").create(pizza="Old")
            with pytest.raises(DatabaseAccessBlocked, match="only 'archive'"):
                Order.objects.exists()

        @pytest.mark.webframe_db(databases="__all__")
        def test_all():
            assert not Order.objects.using("archive").exists()
            assert not Order.objects.using("default").exists()

        @pytest.mark.webframe_db(databases=["archives"])
        def test_a_name_that_is_not_there():
            pass

        @pytest.mark.webframe_db(databases=[])
        def test_none():
            pass
        """
    )
    result = project.run()
    passed(result, passed=3, errors=2)
    assert "databases=[], which are none" in result.stdout.str()
    assert "'archives', and DATABASES has 'default', 'archive'. Did you mean archive?" in result.stdout.str()


def test_a_wrong_marker_is_an_error_of_its_test(project: Project) -> None:
    project.write(
        test_it="""
        import pytest

        @pytest.mark.webframe_db(transactional=True)
        def test_it(): ...

        @pytest.mark.webframe_db(False, None, False, True)
        def test_too_many(): ...

        @pytest.mark.webframe_db
        def test_right(): ...
        """
    )
    result = project.run()
    passed(result, passed=1, errors=2)
    said = "The marker webframe_db is used wrongly: "
    begin = "It is webframe_db(transaction=False"
    for mistake in "it has no argument 'transactional'. Did you mean transaction?", "too many positional arguments.":
        assert f"{said}{mistake} {begin}" in result.stdout.str()
    assert "Wishes" not in result.stdout.str()


def test_what_fails_is_shown_without_frames_of_what_checks_it(project: Project) -> None:
    project.write(
        test_it="""
        import pytest
        from app import Order

        def test_count(db, count_queries):
            with count_queries(2):
                Order.objects.count()

        async def test_async_count(db, count_queries):
            async with count_queries(2):
                await Order.objects.acount()

        def test_blocked():
            Order.objects.count()
        """
    )
    result = project.run()
    passed(result, failed=3)
    result.stdout.no_re_match_line(r".*webframe/test/(queries|blocking)\.py")
    result.stdout.re_match_lines([r"test_it\.py:\d+: AssertionError"])


def test_databases_are_blocked_while_tests_are_collected(project: Project) -> None:
    project.write(test_it="from app import Order\nOrder.objects.count()\ndef test_it(): ...")
    result = project.run()
    passed(result, errors=1)
    assert "DatabaseAccessBlocked" in result.stdout.str()
    assert not (project.folder / "real.sqlite3").exists()


def test_what_is_imported_late_is_blocked_too(project: Project) -> None:
    project.write(
        test_it="""
        def test_it():
            import sys
            assert "webframe.db" not in sys.modules
            from app import Order
            Order.objects.count()
        """
    )
    result = project.run()
    passed(result, failed=1)
    assert "DatabaseAccessBlocked" in result.stdout.str()


def test_a_fixture_may_unblock_for_a_while(project: Project) -> None:
    project.write(
        test_it="""
        import pytest
        from app import Order
        from webframe.test.blocking import DatabaseAccessBlocked

        @pytest.fixture(scope="module")
        def counted(webframe_db_setup, webframe_db_blocker):
            with webframe_db_blocker.unblock():
                return Order.objects.count()

        def test_it(counted, webframe_db_blocker):
            assert counted == 0
            with pytest.raises(DatabaseAccessBlocked):
                Order.objects.count()
            webframe_db_blocker.unblock()
            assert Order.objects.count() == 0
            with webframe_db_blocker.block():
                with pytest.raises(DatabaseAccessBlocked):
                    Order.objects.count()
            assert Order.objects.count() == 0
            webframe_db_blocker.restore()
            with pytest.raises(DatabaseAccessBlocked):
                Order.objects.count()
        """
    )
    passed(project.run(), passed=1)


# --- the other fixtures -------------------------------------------------------------------------------------------


def test_async_tests_run_in_the_transaction_of_the_test(project: Project) -> None:
    project.write(
        test_it="""
        import asyncio
        import pytest
        from app import Order
        from webframe.db import transaction

        @pytest.fixture
        def margherita(db):
            return Order.objects.create(pizza="Margherita")

        @pytest.mark.parametrize("time", [1, 2])
        async def test_it(margherita, async_client, time):
            assert transaction.is_open()
            assert await Order.objects.acount() == 1
            assert (await async_client.post("/orders", json={"pizza": "Calzone"})).status_code == 201
            assert (await async_client.get("/async-orders")).json() == ["Margherita", "Calzone"]
            await asyncio.gather(*(Order.objects.acreate(pizza=f"{n}") for n in range(5)))
            assert await Order.objects.acount() == 7

        @pytest.mark.webframe_db(transaction=True)
        @pytest.mark.parametrize("time", [1, 2])
        async def test_commits(async_client, time):
            assert not await Order.objects.aexists()
            async with transaction.atomic():
                await Order.objects.acreate(pizza="Margherita")
            assert (await async_client.get("/orders")).json() == ["Margherita"]

        def test_nothing_is_left(db):
            assert not Order.objects.exists()
        """
    )
    passed(project.run(), passed=5)


def test_async_tests_are_left_to_those_who_take_them(project: Project) -> None:
    project.write(
        test_it="""
        import asyncio
        import pytest
        from app import Order

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_it(request):
            assert "_webframe_loop" not in request.fixturenames

        @pytest.fixture
        async def number():
            await asyncio.sleep(0)
            return 3

        @pytest.mark.anyio
        @pytest.mark.parametrize("time", [1, 2])
        async def test_with_a_fixture_of_theirs(number, db, time):
            assert number == 3
            assert not await Order.objects.aexists()
            await Order.objects.acreate(pizza="Margherita")
        """
    )
    passed(project.run("-p", "anyio"), passed=3)


def test_settings_are_put_back(project: Project) -> None:
    project.write(
        test_it="""
        import pytest
        from webframe.conf import settings as real
        from webframe.core.signals import setting_changed

        def test_they_change(settings):
            heard = []
            def hear(setting, value, enter, **kwargs):
                heard.append((setting, value, enter))
            setting_changed.connect(hear)
            settings.DEBUG = True
            settings.PIZZA = "Margherita"
            settings.PIZZA = "Calzone"
            del settings.ALLOWED_HOSTS
            assert real.DEBUG is settings.DEBUG is True
            assert real.PIZZA == "Calzone"
            assert not hasattr(settings, "ALLOWED_HOSTS")
            assert heard[:2] == [("DEBUG", True, True), ("PIZZA", "Margherita", True)]

        def test_they_are_as_before(settings):
            assert real.DEBUG is settings.DEBUG is False
            assert not hasattr(real, "PIZZA")
            assert real.ALLOWED_HOSTS == []
            assert "DEBUG" in dir(settings)
        """
    )
    passed(project.run(), passed=2)


def test_queries_hooks_and_signals(project: Project) -> None:
    project.write(
        test_it="""
        import pytest
        from app import Order
        from webframe.db import transaction
        from webframe.db.models.signals import post_save

        def test_queries_are_counted(db, client, count_queries):
            with count_queries(1) as queries:
                client.get("/orders")
            assert "SELECT" in queries[0]["sql"]
            with pytest.raises(AssertionError, match="1 query was executed, 2 expected"):
                with count_queries(2):
                    Order.objects.count()
            with count_queries(at_most=2):
                Order.objects.count()

        def test_what_waits_for_the_commit_is_called(db, capture_on_commit):
            called = []
            with capture_on_commit() as functions:
                transaction.on_commit(lambda: called.append(1))
            assert len(functions) == 1 and called == []
            with capture_on_commit(execute=True):
                transaction.on_commit(lambda: called.append(2))
            assert called == [2]

        def test_signals_are_captured(db, signals):
            sent = signals.capture(post_save, sender=Order)
            order = Order.objects.create(pizza="Margherita")
            sent.assert_sent_once(created=True, instance=order)
        """
    )
    passed(project.run(), passed=4)


def test_a_live_server_sees_what_the_test_commits(project: Project) -> None:
    project.write(
        test_it="""
        import httpx
        import pytest
        from app import Order

        @pytest.mark.parametrize("live_server", ["wsgi", "asgi"], indirect=True)
        def test_it(live_server):
            assert not Order.objects.exists()
            assert httpx.post(f"{live_server.url}/orders", json={"pizza": "Margherita"}).status_code == 201
            assert Order.objects.get().pizza == "Margherita"
            assert httpx.get(f"{live_server.url}/async-orders").json() == ["Margherita"]

        def test_it_is_a_text(live_server):
            assert httpx.get(f"{live_server}/orders").json() == []
        """
    )
    passed(project.run(), passed=3)


def test_requests_are_made_by_hand(project: Project) -> None:
    project.write(
        test_it="""
        from app import app
        from webframe import Request

        def test_it(rf, async_rf):
            request = rf.get("/orders", params={"page": 2})
            assert isinstance(request, Request)
            assert (request.method, request.path, request.args["page"]) == ("GET", "/orders", "2")
            assert async_rf.post("/orders", json={"pizza": "Margherita"}).json == {"pizza": "Margherita"}
        """
    )
    passed(project.run(), passed=1)


def test_templates_tell_for_the_length_of_a_session(project: Project) -> None:
    project.write(
        test_it="""
        import pytest
        from webframe.template import Template
        from webframe.test.signals import template_rendered

        @pytest.mark.usefixtures("webframe_test_environment")
        def test_it(signals):
            sent = signals.capture(template_rendered)
            assert Template("{{ 1 + 1 }}").render() == "2"
            assert len(sent) == 1
        """
    )
    passed(project.run(), passed=1)


# --- projects of other kinds --------------------------------------------------------------------------------------


def test_a_project_without_databases_is_told_what_to_do(pytester: pytest.Pytester) -> None:
    project = Project(pytester)
    project.write(test_it="def test_it(db): ...")
    result = project.run()
    passed(result, errors=1)
    assert "DATABASES is empty" in result.stdout.str()


def test_the_app_is_imported_for_its_databases(project: Project) -> None:
    project.write(
        test_it="""
        def test_it(db):
            from app import Order
            assert not Order.objects.exists()
        """
    )
    passed(project.run(), passed=1)


def test_a_project_that_uses_nothing_of_webframe_imports_nearly_nothing_of_it(pytester: pytest.Pytester) -> None:
    project = Project(pytester)
    project.write(
        test_it="""
        import sys

        def test_it():
            ours = {name.removeprefix("webframe.") for name in sys.modules if name.startswith("webframe.")}
            known = {"_lazy", "core", "core.exceptions", "test", "test.blocking", "test.pytest_plugin"}
            assert ours <= known, ours - known
            assert not {"sqlalchemy", "httpx", "asyncio", "jinja2"}.intersection(sys.modules)
        """
    )
    passed(project.run(), passed=1)


def test_options_are_offered_once_where_pytest_django_is_installed(project: Project) -> None:
    project.write(
        pytest_django="""
        def pytest_addoption(parser):
            for name in ("--reuse-db", "--create-db"):
                parser.addoption(name, action="store_true")
        """,
        test_it="def test_it(db): ...",
    )
    passed(project.run("-p", "pytest_django", "--reuse-db"), passed=1)
    assert (project.folder / "test_real.sqlite3").exists()
    passed(project.run("--create-db", "-p", "pytest_django"), passed=1)


def test_plain_unittest_classes_take_the_marker(project: Project) -> None:
    project.write(
        test_it="""
        import unittest
        import pytest
        from app import Order

        @pytest.mark.webframe_db
        class OrderTest(unittest.TestCase):
            def test_one(self):
                assert not Order.objects.exists()
                Order.objects.create(pizza="Margherita")

            test_two = test_one
        """
    )
    passed(project.run(), passed=2)
