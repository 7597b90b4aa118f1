"""Receivers that come and go while other threads save."""

from __future__ import annotations

import threading

import pytest

from webframe.db import connections
from webframe.db.models.signals import post_init, post_save, pre_init

from .library import Author

pytestmark = pytest.mark.usefixtures("engine")

THREADS = 4
SAVES = 25


def test_a_receiver_that_stays_hears_everything_and_others_never_half(log):
    heard, errors, done = [], [], threading.Event()

    def hear(instance, created, **kwargs):
        heard.append((instance.name, created))

    def visit(sender, signal, **kwargs):
        if signal is post_init and kwargs["instance"].name is None:
            errors.append("half an instance")

    def save(number):
        try:
            for count in range(SAVES):
                author = Author.objects.create(name=f"{number}-{count}")
                author.save(update_fields=["name"])
                assert Author.objects.get(pk=author.pk).name == author.name
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    def come_and_go():
        while not done.is_set():
            for signal in (pre_init, post_init, post_save):
                signal.connect(visit, sender=Author)
            for signal in (pre_init, post_init, post_save):
                signal.disconnect(visit, sender=Author)

    post_save.connect(hear, sender=Author)
    threads = [threading.Thread(target=save, args=(number,)) for number in range(THREADS)]
    visitor = threading.Thread(target=come_and_go)
    visitor.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    visitor.join()
    assert errors == []
    expected = [
        (f"{number}-{count}", created)
        for number in range(THREADS)
        for count in range(SAVES)
        for created in (True, False)
    ]
    assert sorted(heard) == sorted(expected)
    assert Author.objects.count() == THREADS * SAVES
