"""The breaker alone: how few calls fail before all processes leave a site alone, and who tries it again."""

from __future__ import annotations

import multiprocessing
import threading
import time
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

import pytest

from orchestrator.core.errors import BreakerOpen
from orchestrator.core.redis import Redis
from orchestrator.gate.admin import Steering
from orchestrator.gate.away import FailoverStore
from orchestrator.gate.guard import Guard
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.shared import RedisStore
from orchestrator.gate.store import GateStore
from tests.support import gate_child
from tests.support.gate_child import failing
from tests.support.gate_place import KEYS, SITE, Place, Thread
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer

PROCESSES = 8
LIMITS = Limits(rate=0, failures=5, open_s=30, open_cap_s=30)
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["tests.support.gate_child"])

pytestmark = pytest.mark.usefixtures("patient")


class Asked:
    """Counts what a store is asked."""

    def __init__(self, store: GateStore) -> None:
        self.tallies: list[int] = []
        self._tally = store.tally
        store.tally = self.tally  # type: ignore[method-assign]

    def tally(self, site: str, oks: int, limits: Limits) -> object:
        self.tallies.append(oks)
        return self._tally(site, oks, limits)


def fail(guard: Guard, times: int) -> None:
    for _ in range(times):
        with pytest.raises(OSError, match="no"):
            guard.call(failing)


def is_open(guard: Guard) -> bool:
    try:
        guard.call(int)
    except BreakerOpen:
        return True
    return False


# one process


def test_it_returns_what_the_call_returns_and_raises_what_it_raises(place: Place) -> None:
    guard = Guard(place.store(), SITE, LIMITS)
    assert guard.call(lambda: 42) == 42
    fail(guard, 1)
    guard.close()


def test_failures_open_it_and_then_nothing_is_called(place: Place) -> None:
    guard = Guard(place.store(), SITE, LIMITS)
    fail(guard, 5)
    with pytest.raises(BreakerOpen) as refused:
        guard.call(lambda: pytest.fail("it is open"))
    assert refused.value.wait == pytest.approx(27, abs=9)
    guard.close()


def test_what_says_nothing_about_the_site_does_not_count(place: Place) -> None:
    guard = Guard(place.store(), SITE, replace(LIMITS, failures=1))

    def broken_off() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guard.call(broken_off)
    assert not is_open(guard)
    guard.close()


def test_that_it_is_closed_is_believed_for_a_moment_and_what_went_well_is_told_at_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.gate.guard.CLEAR_S", 600.0)
    store = place.store()
    asked = Asked(store)
    guard = Guard(store, SITE, LIMITS)
    for _ in range(1000):
        guard.call(int)
    assert asked.tallies == [0]
    guard._clear_until = 0.0
    guard.call(int)
    assert asked.tallies == [0, 1000]
    guard.close()


def test_a_few_failures_among_many_calls_do_not_open_it(place: Place) -> None:
    """Also when the many went well just now."""
    guard = Guard(place.store(), SITE, LIMITS)
    for _ in range(500):
        guard.call(int)
    fail(guard, 20)
    assert not is_open(guard)
    guard.close()


def test_what_began_before_it_opened_says_nothing_afterwards(place: Place) -> None:
    limits = replace(LIMITS, failures=1, ratio=0.001, open_s=0.1)
    guard, other = (Guard(place.store(), SITE, limits) for _ in range(2))
    begun, ends_now = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        assert ends_now.wait(20)
        raise OSError("late")

    late = Thread(lambda: guard.call(slow))
    assert begun.wait(20)
    fail(other, 1)
    eventually(lambda: not is_open(other))
    for _ in range(3):
        guard.call(int)  # it hears of the new epoch
        time.sleep(0.06)
    ends_now.set()
    with pytest.raises(OSError, match="late"):
        late.result()
    assert not is_open(other)
    assert not is_open(guard)
    guard.close()
    other.close()


def test_a_trial_that_goes_well_closes_it(place: Place) -> None:
    guard = Guard(place.store(), SITE, replace(LIMITS, failures=2, open_s=0.2))
    fail(guard, 2)
    eventually(lambda: not is_open(guard))
    fail(guard, 1)
    assert not is_open(guard)
    guard.close()


def test_a_trial_that_fails_opens_it_for_longer(place: Place) -> None:
    limits = replace(LIMITS, failures=2, open_s=0.2)
    guard = Guard(place.store(), SITE, limits)
    fail(guard, 2)
    # So long that it is open when it is looked at, however slow the machine is.
    longer = Guard(place.store(), SITE, replace(limits, open_s=100, open_cap_s=300))
    eventually(lambda: _try(longer))
    with pytest.raises(BreakerOpen) as refused:
        guard.call(int)
    assert 100 * 1.2 < refused.value.wait <= 2 * 100 * 1.2
    guard.close()
    longer.close()


def _try(guard: Guard) -> bool:
    """Make a call that fails, once it is made."""
    try:
        guard.call(failing)
    except BreakerOpen:
        return False
    except OSError:
        return True
    return False


def test_a_reset_is_seen_soon(redis_server: RedisServer, real_redis: Redis) -> None:
    guards = [Guard(RedisStore(redis_server.url, KEYS, "w:1"), SITE, LIMITS) for _ in range(3)]
    fail(guards[0], 5)
    for guard in guards:
        eventually(lambda guard=guard: is_open(guard))  # type: ignore[misc]
    Steering(real_redis, KEYS, SITE, None).reset()
    before = time.monotonic()
    for guard in guards:
        eventually(lambda guard=guard: not is_open(guard), 15)  # type: ignore[misc]
        guard.close()
    assert time.monotonic() - before < 10


def test_one_that_was_tripped_by_hand_is_seen_soon(
    redis_server: RedisServer, real_redis: Redis
) -> None:
    guard = Guard(RedisStore(redis_server.url, KEYS, "w:1"), SITE, LIMITS)
    guard.call(int)
    Steering(real_redis, KEYS, SITE, None).trip(60, "by hand")
    eventually(lambda: is_open(guard))
    guard.close()


def test_one_that_is_closed_leaves_the_store_to_the_others(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.gate.scripts.STEP_S", 0.2)
    told: list[str] = []
    with RedisServer(tmp_path_factory.mktemp("r")) as server:
        shared = RedisStore(server.url, KEYS, "w:1")
        store = FailoverStore(shared, LocalStore(), lambda name, _: told.append(name))
        closed, other = (Guard(store, site, LIMITS) for site in ("quotes", SITE))
        for guard in (closed, other):
            guard.call(int)
        closed.close()
        server.kill()
        other._clear_until = 0.0
        assert other.call(int) == 0
        assert "gate.alone" in told, "each call would wait for Redis"
        other.close()
        store.close()


# many processes


class Callers:
    """Processes that call what fails, all the time."""

    def __init__(self, url: str, limits: Limits, folder: Path) -> None:
        self.books = [folder / f"book-{number}" for number in range(PROCESSES)]
        self._start = folder / "start"
        self._running: list[BaseProcess] = []
        for book in self.books:
            child = CHILDREN.Process(target=gate_child.call_what_fails, args=(url, limits, book))
            child.start()
            self._running.append(child)

    def __enter__(self) -> Self:
        eventually(lambda: all(book.exists() for book in self.books), 60)
        self._start.touch()
        return self

    def __exit__(self, *_: object) -> None:
        self._start.unlink(missing_ok=True)
        for child in self._running:
            child.join(30)
            if child.is_alive():
                child.kill()
                child.join()

    def saw(self, what: str) -> list[list[int]]:
        """When (ns) each saw or did it."""
        return [
            [int(line.split()[1]) for line in book.read_text().splitlines() if what in line]
            for book in self.books
        ]

    def stop(self) -> None:
        self.__exit__()


def test_at_most_twelve_calls_fail_before_eight_processes_leave_it_alone(
    redis_server: RedisServer, real_redis: Redis, tmp_path: Path
) -> None:
    del real_redis  # the server is empty
    limits = replace(LIMITS, open_s=300, open_cap_s=300)
    with Callers(redis_server.url, limits, tmp_path) as callers:
        eventually(lambda: all(callers.saw("open")), 60)
        callers.stop()
        assert 5 <= sum(len(calls) for calls in callers.saw("call")) <= 12


def test_eight_processes_make_one_trial_each_time_it_may_be_tried(
    redis_server: RedisServer, real_redis: Redis, tmp_path: Path
) -> None:
    """Each opening is one trial that failed, and no other call was made."""
    limits = replace(LIMITS, open_s=0.2, open_cap_s=0.4)
    state = KEYS.gate(SITE, "state")
    with Callers(redis_server.url, limits, tmp_path) as callers:
        eventually(lambda: int(real_redis.hget(state, "trips") or 0) >= 6, 60)
        callers.stop()
    calls = sorted(at for book in callers.saw("call") for at in book)
    opened = int(real_redis.hget(state, "trips") or 0)
    # Those before the first opening, then one for each.
    assert 5 <= len(calls) - (opened - 1) <= 12


# Redis away


def guard_of(server: RedisServer, limits: Limits) -> tuple[Guard, FailoverStore, list[str]]:
    told: list[str] = []
    store = FailoverStore(
        RedisStore(server.url, KEYS, "w:1"), LocalStore(), lambda name, _: told.append(name)
    )
    return Guard(store, SITE, limits), store, told


def kill(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nobody is patient with it: it is away."""
    server.kill()
    monkeypatch.setattr("orchestrator.gate.scripts.STEP_S", 0.2)


def start_again(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.gate.scripts.STEP_S", 10.0)
    server.start()


def test_it_goes_on_by_itself_while_redis_is_away(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard, store, told = guard_of(server, LIMITS)
    guard.call(int)
    kill(server, monkeypatch)
    for _ in range(3):
        time.sleep(0.06)
        guard.call(int)
    assert told == ["gate.alone"]
    fail(guard, 5)
    assert is_open(guard)
    start_again(server, monkeypatch)
    eventually(lambda: told == ["gate.alone", "gate.shared"])
    eventually(lambda: not is_open(guard))
    assert not store.away
    guard.close()
    store.close()


def test_one_that_was_open_stays_open_while_redis_is_away(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard, store, told = guard_of(server, replace(LIMITS, open_s=0.5))
    fail(guard, 5)
    kill(server, monkeypatch)
    eventually(lambda: is_open(guard) and told == ["gate.alone"])
    time.sleep(0.7)  # it might be tried by now, if anybody could say who
    assert is_open(guard)
    start_again(server, monkeypatch)
    eventually(lambda: not is_open(guard))
    assert not store.away
    guard.close()
    store.close()
