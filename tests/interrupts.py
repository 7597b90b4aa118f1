"""Ctrl-C, wherever the tests were started from."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heeded() -> Iterator[None]:
    """Within this, SIGINT interrupts this process, and for good those that it starts.

    What was started in the background, or by nohup, ignores it and hands that on
    to its children.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
