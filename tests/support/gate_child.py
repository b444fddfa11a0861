"""Processes that use one gate until they are told to stop, or killed, and write down what they did.

    python -m tests.support.gate_child URL BOOK AHEAD SKEW

BOOK gets a line for each request: when it was due, when it was let go (µs of the monotonic clock, which
is common to all processes), and whether the server or the process by itself had let it pass; and a line
for each thing that was told. AHEAD: the server's clock less the monotonic one, in µs. SKEW: how wrong the
wall clock of this process is, in seconds.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from orchestrator.core.errors import BreakerOpen, OrchError
from orchestrator.gate import scripts
from orchestrator.gate.away import FailoverStore
from orchestrator.gate.gate import Gate
from orchestrator.gate.guard import Guard
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.shared import RedisStore
from tests.support.gate_place import HOST, KEYS, SITE

CROWD = Limits(rate=50, slots=0, adaptive=False)
#: So many wait at once in each process: turns are booked ahead when the server goes away.
THREADS = 3
PROCESSES = 4


class Book:
    """A file that is written in whole lines."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


def main(url: str, book: Book, ahead_us: int, skew: float) -> None:
    honest = time.time
    time.time = lambda: honest() + skew
    scripts.STEP_S = 0.6  # a machine that is busy with other things is no server that is away
    shared = RedisStore(url, KEYS, f"w:{os.getpid()}")
    store = FailoverStore(shared, LocalStore(), lambda name, _: book.write(name), users=PROCESSES)
    over = threading.Event()

    def use(gate: Gate) -> None:
        while not over.is_set():
            try:
                permit = gate.enter(SITE, HOST, 5)
            except OrchError as error:
                book.write("refused", type(error).__name__)
                continue
            at = round(time.monotonic() * 1e6)
            alone = permit.holder.startswith("alone.")
            due = permit.grant.due - (0 if alone else ahead_us)
            book.write("alone" if alone else "shared", due, at)
            permit.close()

    with Gate(store, lambda _: CROWD) as gate:
        threads = [threading.Thread(target=use, args=(gate,)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        while shared.users.get(SITE, 0) < PROCESSES:
            time.sleep(0.02)
        book.write("counted")
        sys.stdin.read()
        over.set()
        for thread in threads:
            thread.join()


def hold(url: str, limits: Limits, book: Path) -> None:
    """Enter and stay, until killed."""
    scripts.STEP_S = 10.0
    store = RedisStore(url, KEYS, "holder")
    with Gate(store, lambda _: limits) as gate:
        permit = gate.enter(SITE, HOST, 60)
        Book(book).write("trial" if permit.trial else "in")
        threading.Event().wait()


def failing() -> None:
    raise OSError("no")


def call_what_fails(url: str, limits: Limits, book: Path) -> None:
    """Call by a guard what fails, all the time; write down each call, and when it was not made."""
    scripts.STEP_S = 10.0
    guard, lines = Guard(RedisStore(url, KEYS, "guard"), SITE, limits), Book(book)
    lines.write("ready")
    start = book.with_name("start")
    while not start.exists():
        time.sleep(0.001)
    while start.exists():
        try:
            guard.call(lambda: lines.write("call", time.monotonic_ns()) or failing())  # type: ignore[func-returns-value]
        except BreakerOpen:
            lines.write("open", time.monotonic_ns())
            time.sleep(0.003)
        except OSError:
            pass
    guard.close()


if __name__ == "__main__":
    main(sys.argv[1], Book(Path(sys.argv[2])), int(sys.argv[3]), float(sys.argv[4]))
