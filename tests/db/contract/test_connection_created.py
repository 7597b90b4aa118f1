"""connection_created: section 11 of the contract, and decision D13."""

from __future__ import annotations

import threading

import pytest

from webframe.db import Error, connection, connections, transaction
from webframe.db.backends.signals import connection_created
from webframe.test import override_settings

pytestmark = pytest.mark.both_ways


@pytest.fixture
def library():
    """No tables: they would connect."""


@pytest.fixture(autouse=True)
def unconnected(engine):
    connections.close_all()


def ask(alias="default"):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()


def test_the_first_query_sends_it_once_with_the_wrapper(log):
    log.listen(connection_created)
    wrapper = connections["default"]
    assert log == []
    ask()
    ask()
    (event,) = log
    assert event.sender is type(wrapper)
    assert event.arguments == {"connection": wrapper}
    assert event.connection.alias == "default"


def test_the_sender_is_the_wrapper_class_of_the_engine(log, engine):
    module = {"sqlite": "sqlite3", "postgresql": "postgresql", "mysql": "mysql"}[engine.vendor]
    log.listen(connection_created)
    ask()
    assert (log[0].sender.__module__, log[0].sender.__name__) == (f"webframe.db.backends.{module}", "DatabaseWrapper")


def test_each_database_has_its_own(log):
    log.listen(connection_created)
    ask()
    ask("other")
    ask()
    assert [event.connection.alias for event in log] == ["default", "other"]


@pytest.mark.plain_way("async code keeps no connection that it could close")
def test_after_closing_there_is_another(log):
    log.listen(connection_created)
    ask()
    connection.close()
    ask()
    assert len(log) == 2


def test_what_a_pool_hands_out_again_is_no_new_connection(log):
    log.listen(connection_created)
    ask()
    connections.release()
    ask()
    connections.release()
    ask()
    assert len(log) == 1


def test_each_thread_has_its_own_connection(log, engine):
    log.listen(connection_created)
    ask()
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert len(log) == 2


def test_receivers_may_ask_the_database(log):
    def prepare(connection, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    log.listen(connection_created, then=prepare)
    assert tuple(ask()) == (1,)
    assert len(log) == 1


def test_what_a_receiver_sets_holds_for_the_connection(log, engine):
    statements = {
        "sqlite": ("PRAGMA cache_size = -1234", "PRAGMA cache_size", -1234),
        "postgresql": ("SET statement_timeout = 12345", "SHOW statement_timeout", "12345ms"),
        "mysql": ("SET SESSION wait_timeout = 12345", "SELECT @@wait_timeout", 12345),
    }
    set_it, read_it, value = statements[engine.vendor]

    def prepare(connection, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute(set_it)

    log.listen(connection_created, then=prepare)
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(read_it)
            assert cursor.fetchone()[0] == value
        connections.release()


def test_hooks_that_a_transaction_registered_are_not_lost(log):
    log.listen(connection_created)
    called = []
    with transaction.atomic():
        transaction.on_commit(lambda: called.append("before"))
        ask()
        transaction.on_commit(lambda: called.append("after"))
    assert len(log) == 1
    assert called == ["before", "after"]


def test_an_error_of_a_receiver_leaves_the_first_query_and_the_next_one_tries_again(log):
    fails = [True]

    def prepare(**kwargs):
        if fails:
            fails.pop()
            raise ZeroDivisionError

    log.listen(connection_created, then=prepare)
    with pytest.raises(ZeroDivisionError):
        ask()
    assert tuple(ask()) == (1,)
    assert len(log) == 2


def test_a_connection_that_fails_sends_nothing(log, engine, tmp_path):
    nowhere = {
        "sqlite": f"sqlite:///{tmp_path}/no/such/folder/db.sqlite3",
        "postgresql": f"postgresql://nobody@/nothing?host={tmp_path}",
        "mysql": "mysql://nobody@127.0.0.1:1/nothing",
    }[engine.vendor]
    log.listen(connection_created)
    with override_settings(DATABASES={"default": nowhere}), pytest.raises(Error):
        ask()
    assert log == []
