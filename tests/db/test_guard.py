"""One at a time, in order of arrival."""

from __future__ import annotations

import threading
import time

import pytest

from webframe.db.guard import Guard, WouldWaitForItself


def wait_until_in_line(guard: Guard, length: int) -> None:
    while len(guard._line) < length:
        time.sleep(0.001)


def test_it_is_handed_on_in_order_of_arrival() -> None:
    guard = Guard()
    guard.acquire()
    came: list[int] = []

    def stand_in_line(number: int) -> None:
        guard.acquire()
        came.append(number)
        guard.release()

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=stand_in_line, args=(number,)))
        threads[-1].start()
        wait_until_in_line(guard, number + 1)
    assert not guard.try_acquire()
    guard.release()
    for thread in threads:
        thread.join()
    assert came == [0, 1, 2, 3, 4]
    assert guard.try_acquire()


def test_a_thread_does_not_wait_for_itself() -> None:
    guard = Guard()
    guard.acquire()
    with pytest.raises(WouldWaitForItself):
        guard.acquire()
    guard.release()
    guard.acquire()


def test_whoever_gives_up_leaves_the_line() -> None:
    guard = Guard()
    guard.acquire()
    outcomes: list[str] = []

    def give_up() -> None:
        try:
            guard.acquire(timeout=0.01)
        except TimeoutError:
            outcomes.append("gave up")

    thread = threading.Thread(target=give_up)
    thread.start()
    thread.join()
    assert outcomes == ["gave up"]
    guard.release()
    assert guard.try_acquire()


def test_many_threads_never_have_it_at_once() -> None:
    guard = Guard()
    inside = 0
    most = 0
    done = 0

    def work(number: int) -> None:
        nonlocal inside, most, done
        for _ in range(300):
            try:
                guard.acquire(timeout=0.001 if number % 2 else None)
            except TimeoutError:
                continue
            inside += 1
            most = max(most, inside)
            inside -= 1
            done += 1
            guard.release()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert (most, inside) == (1, 0)
    assert done >= 4 * 300
    assert guard.try_acquire()


def test_an_errand_is_run_with_the_guard_taken_as_soon_as_it_is_free() -> None:
    guard = Guard()
    seen: list[bool] = []
    guard.when_free(lambda: seen.append(guard.try_acquire()))
    assert seen == [False]
    guard.acquire()
    guard.when_free(lambda: seen.append(guard.try_acquire()))
    assert seen == [False]
    guard.release()
    assert seen == [False, False]
    assert guard.try_acquire()


def test_an_errand_that_fails_hands_the_guard_on() -> None:
    guard = Guard()
    with pytest.raises(ZeroDivisionError):
        guard.when_free(lambda: 1 / 0)
    assert guard.try_acquire()
