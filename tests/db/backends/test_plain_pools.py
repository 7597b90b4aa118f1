"""The pool of plain code: how many connections there are, who gets them, and when they are closed."""

from __future__ import annotations

import threading
import time

import pytest

from webframe.db.backends.plain_pools import PlainPool


class Raw:
    """A connection of a driver that does not exist."""

    def __init__(self):
        self.closed = False

    def close(self):
        self.closed = True


@pytest.fixture
def made():
    return []


@pytest.fixture
def make(made):
    def make(**arguments):
        def connect():
            made.append(Raw())
            return made[-1]

        return PlainPool(connect, **{"size": 2, "limit": 3, "timeout": 0.05, "max_age": None, **arguments})

    return make


def test_what_comes_back_is_handed_out_again_the_last_one_first(make, made):
    pool = make()
    one, two = pool.take(), pool.take()
    one.info["link"] = "kept"
    two.close()
    one.close()
    assert pool.take() is one and one.info == {"link": "kept"}
    assert pool.take() is two
    assert len(made) == 2 and pool.checkedout() == 2


def test_more_than_are_kept_are_closed_when_they_come_back(make, made):
    pool = make()
    for checkout in [pool.take() for _ in range(3)]:
        checkout.close()
    assert [raw.closed for raw in made] == [False, False, True]
    assert pool.checkedout() == 0


def test_who_waits_too_long_gets_an_error(make):
    pool = make(limit=1)
    pool.take()
    with pytest.raises(TimeoutError):
        pool.take()


@pytest.mark.parametrize("end", ["close", "invalidate", "detach"])
def test_who_waits_gets_what_comes_back_or_may_make_another(make, made, end):
    pool = make(limit=1, timeout=10)
    checkout = pool.take()
    taken = []
    waiting = threading.Thread(target=lambda: taken.append(pool.take()))
    waiting.start()
    time.sleep(0.05)
    assert taken == []
    getattr(checkout, end)()
    waiting.join(5)
    assert (taken[0] is checkout) == (end == "close")
    assert len(made) == (1 if end == "close" else 2)
    assert made[0].closed == (end == "invalidate")


def test_a_connection_that_was_detached_is_nobody_elses(make, made):
    pool = make()
    checkout = pool.take()
    checkout.detach()
    checkout.invalidate()
    checkout.close()
    assert not made[0].closed
    assert pool.take() is not checkout


def test_a_connection_that_cannot_be_made_takes_no_place(make):
    def refuse():
        raise ConnectionError

    pool = make(limit=1)
    pool._connect, connect = refuse, pool._connect
    with pytest.raises(ConnectionError):
        pool.take()
    pool._connect = connect
    assert pool.checkedout() == 0
    pool.take()


def test_a_connection_that_is_too_old_is_made_anew(make, made):
    pool = make(max_age=0.01)
    checkout = pool.take()
    checkout.info["link"] = "old"
    checkout.close()
    time.sleep(0.02)
    assert pool.take().info == {}
    assert [raw.closed for raw in made] == [True, False]


def test_a_connection_that_is_gone_is_made_anew_when_somebody_wants_it(make, made):
    gone = []
    pool = make(is_alive=lambda checkout: checkout.driver_connection not in gone)
    checkout = pool.take()
    checkout.close()
    assert pool.take() is checkout and len(made) == 1
    checkout.close()
    gone.append(made[0])
    assert pool.take().driver_connection is made[1]
    assert made[0].closed and pool.checkedout() == 1


def test_a_pool_that_keeps_none_closes_each(make, made):
    pool = make(size=0, limit=None)
    for checkout in [pool.take() for _ in range(5)]:
        checkout.close()
    assert len(made) == 5 and all(raw.closed for raw in made)


def test_after_dispose_all_are_closed_when_they_come_back(make, made):
    pool = make()
    one, two = pool.take(), pool.take()
    one.close()
    pool.dispose()
    assert [raw.closed for raw in made] == [True, False]
    two.close()
    assert made[1].closed and pool.checkedout() == 0


def test_many_threads_never_have_more_than_the_limit_nor_the_same_one(make):
    pool = make(limit=3, timeout=30)
    in_use = []
    most = []

    def work():
        for _ in range(200):
            checkout = pool.take()
            in_use.append(checkout)
            most.append(len(in_use))
            assert in_use.count(checkout) == 1
            in_use.remove(checkout)
            checkout.close()
        done.append(True)

    done = []
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 8 and max(most) <= 3 and pool.checkedout() == 0


def test_who_comes_first_gets_a_connection_first(make):
    pool = make(limit=1, timeout=10)
    checkout = pool.take()
    order = []

    def wait(name):
        taken = pool.take()
        order.append(name)
        taken.close()

    threads = []
    for name in ("first", "second", "third"):
        threads.append(threading.Thread(target=wait, args=(name,)))
        threads[-1].start()
        while len(pool._line) < len(threads):
            time.sleep(0.001)
    checkout.close()
    pool.take()  # no sooner than the others, though it was free a moment ago
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second", "third"]


def test_who_gives_up_is_in_nobodys_way(make):
    pool = make(limit=1, timeout=0.05)
    checkout = pool.take()
    with pytest.raises(TimeoutError):
        pool.take()
    checkout.close()
    assert pool.take() is checkout


def test_a_driver_that_fails_to_close_is_in_nobodys_way(make, made, caplog):
    def fail():
        raise ValueError("Already closed")

    pool = make(is_alive=lambda checkout: False)
    checkout = pool.take()
    made[0].close = fail
    checkout.close()
    assert pool.take().driver_connection is made[1]
    made[1].close = fail
    checkout.invalidate()
    assert pool.checkedout() == 0
    assert [str(record.exc_info[1]) for record in caplog.records] == ["Already closed"] * 2


def test_what_is_interrupted_while_it_is_tried_is_closed(make, made):
    def interrupt(checkout):
        raise KeyboardInterrupt

    pool = make(limit=1, is_alive=interrupt)
    pool.take().close()
    with pytest.raises(KeyboardInterrupt):
        pool.take()
    assert made[0].closed and pool.checkedout() == 0


def test_what_comes_back_during_dispose_is_closed(make, made):
    class Slow(list):
        def append(self, checkout):
            coming.set()
            time.sleep(0.05)
            super().append(checkout)

    pool = make()
    checkout = pool.take()
    coming = threading.Event()
    pool._idle = Slow()
    giving = threading.Thread(target=checkout.close)
    giving.start()
    assert coming.wait(10)
    pool.dispose()
    giving.join(10)
    assert made[0].closed
