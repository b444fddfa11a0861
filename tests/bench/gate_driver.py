"""Drives one gate, ours or another one, as a process that is told what to do."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.driver import drive
from tests.bench.gate_engine import Engine
from tests.bench.gate_engines import ENGINES

#: Who failed because Redis is away, or was refused, goes on after this, in seconds.
BREATH_S = 0.002


class Driver:
    """The verbs of a gate. Points in time are of the monotonic clock."""

    def __init__(self) -> None:
        self.engine: Engine

    def open(self, engine: str, url: str) -> None:
        self.engine = ENGINES[engine](url)

    def set(self, what: str, **facts: Any) -> None:
        """Call one of the engine's: `limit`, `breaker`, `slots`, `all`."""
        getattr(self.engine, what)(**facts)

    def alone(self) -> int:
        """How often the library went on without Redis: a machine that stalls looks like that."""
        return self.engine.alone

    def rate(self, what: str, seconds: float, start_at: float = 0.0) -> float:
        """Do it again and again; how often a second it did not answer no."""
        run, done = getattr(self.engine, what), 0
        began = _start(start_at)
        last, end = began, began + seconds
        while last < end:
            done += run() is not False
            last = time.monotonic()
        return done / (last - began)

    def repeat(self, what: str, times: int) -> None:
        for _ in range(times):
            getattr(self.engine, what)()

    def calls(self, seconds: float) -> float:
        """How many calls a second go through a closed breaker."""
        began = time.monotonic()
        count = self.engine.calls(int, began + seconds)
        return count / (time.monotonic() - began)

    def admitted(self, seconds: float, start_at: float) -> dict[str, Any]:
        """Wait for one turn after the other: when each came, and how far off which promise in ms."""
        engine, at, off, due = self.engine, list[float](), list[float](), list[float]()
        end, failed = _start(start_at) + seconds, 0
        while time.monotonic() < end:
            try:
                passed = engine.wait(end)
            except Exception:  # noqa: BLE001  # whatever a library raises without its server
                failed += 1
                time.sleep(BREATH_S)
                continue
            if passed:
                at.append(time.monotonic())
                off.append(1000 * (time.time() - engine.due) if engine.due else 0.0)
                due.append(engine.due)
                engine.done()
            else:
                time.sleep(BREATH_S)
        return {"at": at, "off_ms": off, "due": due, "failed": failed}

    def fail(self, within: float, start_at: float) -> int:
        """Call what fails until the breaker refuses; how often it was called."""
        failed = 0

        def work() -> None:
            nonlocal failed
            failed += 1
            raise ValueError

        end = _start(start_at) + within
        while time.monotonic() < end:
            try:
                self.engine.call(work)
            except ValueError:
                continue
            except self.engine.shut:
                break
        return failed

    def probe(self, within: float, start_at: float, log: str, work_s: float) -> None:
        """Call until one call went through; each writes when it began and ended."""
        with Path(log).open("a", buffering=1) as lines:

            def work() -> bool:
                print(os.getpid(), "begin", time.monotonic(), file=lines)
                time.sleep(work_s)
                print(os.getpid(), "end", time.monotonic(), file=lines)
                return True

            end = _start(start_at) + within
            while time.monotonic() < end:
                try:
                    self.engine.call(work)
                    break
                except self.engine.shut:
                    time.sleep(BREATH_S)

    def take(self, within: float) -> float:
        """Wait for a slot; when it came, 0 if it did not. It is kept."""
        return time.monotonic() if self.engine.take(time.monotonic() + within) else 0.0

    def contend(self, seconds: float, hold_s: float, start_at: float) -> dict[str, float]:
        """Take a slot, hold it, free it, again and again; how often, and the worst wait."""
        engine, turns, worst = self.engine, 0, 0.0
        end = _start(start_at) + seconds
        while (began := time.monotonic()) < end:
            taken = engine.take(end)
            worst = max(worst, time.monotonic() - began)
            if taken:
                turns += 1
                time.sleep(hold_s)
                engine.free()
        return {"turns": turns, "worst_ms": 1000 * worst}

    def decide(self, what: str, times: int, bound: float) -> list[tuple[float, str]]:
        """Ask so often; how long each took in ms, and what came of it. One that hangs took `bound` s."""
        found, began = list[tuple[float, str]](), [time.monotonic()]

        def ask() -> None:
            for _ in range(times):
                began[0] = time.monotonic()
                told = _outcome(self.engine, what)
                found.append((1000 * (time.monotonic() - began[0]), told))

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(bound)
        if thread.is_alive() and not found:
            return [(1000 * bound, "nothing yet")]
        return list(found)


def _outcome(engine: Engine, what: str) -> str:
    run: Callable[[], Any] = (lambda: engine.call(int)) if what == "call" else engine.acquire
    try:
        return "refused" if run() is False else "passed"
    except Exception as error:  # noqa: BLE001  # it is what is told
        return type(error).__name__


def _start(at: float) -> float:
    time.sleep(max(0.0, at - time.monotonic()))
    return time.monotonic()


if __name__ == "__main__":
    drive(Driver())
