"""Gates under test, over the memory of this process and over a real server."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from orchestrator.core.keys import Keys
from orchestrator.gate.gate import Gate
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.passage import Permit
from orchestrator.gate.permit import Refused, Report
from orchestrator.gate.shared import RedisStore
from orchestrator.gate.store import GateStore
from tests.support.orch import eventually

T = TypeVar("T")

SITE, HOST = "books", "books.example"
KEYS = Keys()
#: So fast that the rate plays no part.
QUICK = Limits(rate=1_000_000, slots=100, failures=5, open_s=30)
FORK = multiprocessing.get_context("fork")


@dataclass
class Place:
    """Gates of one state: each over a store of its own when that is a server."""

    url: str | None
    limits: Limits = QUICK
    opened: list[Gate] = field(default_factory=list)
    local: LocalStore = field(default_factory=LocalStore)

    def store(self) -> GateStore:
        return self.local if self.url is None else RedisStore(self.url, KEYS, "test:1")

    def gate(self, limits: Limits | None = None) -> Gate:
        """A gate; the limits can change later."""
        if limits is not None:
            self.limits = limits
        self.opened.append(Gate(self.store(), lambda _: self.limits))
        return self.opened[-1]

    def close(self) -> None:
        for gate in self.opened:
            gate.close()

    def free(self) -> bool:
        """Whether another one could enter at once."""
        with Gate(self.store(), lambda _: self.limits) as gate:
            answer = gate.try_enter(SITE, HOST)
            if isinstance(answer, Refused):
                return False
            answer.unused()
            answer.close()
            return True


class Told:
    """What a gate tells its store at the end of permits."""

    def __init__(self, gate: Gate) -> None:
        self.reports: list[Report] = []
        self._listen(gate._store, "leave")
        if not isinstance(gate._store, LocalStore):  # there it is the same
            self._listen(gate._store, "post")

    def _listen(self, store: GateStore, verb: str) -> None:
        true = getattr(store, verb)

        def hear(grant: Any, report: Report, limits: Limits) -> Any:
            self.reports.append(report)
            return true(grant, report, limits)

        setattr(store, verb, hear)


class Thread(threading.Thread, Generic[T]):
    """Runs `work` beside the test; `result` waits for what it returned or raised."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._outcome: T | BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._outcome = self._work()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self._outcome = error

    def result(self, timeout: float = 30) -> T:
        self.join(timeout)
        assert not self.is_alive()
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome  # type: ignore[return-value]


def permitted(gate: Gate, **more: float) -> Permit:
    """Enter at once."""
    answer = gate.try_enter(SITE, HOST, **more)
    assert isinstance(answer, Permit), answer
    return answer


def ends(permit: Permit, how: str = "neutral") -> None:
    getattr(permit, how)()
    permit.close()


def trip(gate: Gate, permits: list[Permit] | None = None) -> None:
    """Open the breaker, by permits that were got before where no others are to be had."""
    for permit in permits or []:
        ends(permit, "failed")
    for _ in range(0 if permits else 5):
        ends(permitted(gate), "failed")


def forked(work: Callable[[], None]) -> int:
    """Run `work` in a child that is forked off; return its exit code, -1 when it hangs."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - told by the exit code
            os._exit(1)
        os._exit(0)
    ended: list[int] = []

    def over() -> bool:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            ended.append(os.waitstatus_to_exitcode(status))
        return bool(ended)

    try:
        eventually(over, 60)
    except AssertionError:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        return -1
    return ended[0]


def until(when: float) -> None:
    """Wait for a point in time of the monotonic clock."""
    time.sleep(max(0.0, when - time.monotonic()))
