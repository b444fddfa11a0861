"""What Ctrl+C does to a wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.orch import eventually


class Interrupted(Exception):
    pass


@contextmanager
def interrupted(when: Callable[[], bool]) -> Iterator[None]:
    """The block is broken off by a signal once it is so; it must let that through."""

    def interrupt() -> None:
        eventually(when)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def stop(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, stop)
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        with pytest.raises(Interrupted):
            yield
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
