"""What only the store in memory does; what it decides stands in tests/contract/gate."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.keys import GATE_TTL_S
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.permit import Ask, Grant, Refused, Report, Verdict
from tests.support.fake_clock import FakeClock

QUICK = Limits(rate=1_000_000, slots=1000)
SLOW = Limits(rate=0.1)
OK, FAILURE = Report(Verdict.OK), Report(Verdict.FAILURE)


def ask(store: LocalStore, site: str = "books", host: str = "h", **details: Any) -> Ask:
    return Ask(site, host, store.holder(host), **details)


def granted(store: LocalStore, limits: Limits, site: str = "books") -> Grant:
    answer = store.enter(ask(store, site, max_wait_us=60_000_000), limits)
    assert isinstance(answer, Grant)
    return answer


def test_sites_and_hosts_that_nobody_asks_for_are_forgotten() -> None:
    clock = FakeClock()
    store = LocalStore(clock)
    limits = replace(QUICK, host_slots=2)
    for nth in range(3000):
        clock.now += GATE_TTL_S / 100
        store.leave(granted(store, limits, f"site {nth}"), OK, limits)
        one = store.enter(ask(store, "books", f"host {nth}", max_wait_us=99), limits)
        assert isinstance(one, Grant)
        store.leave(one, OK, limits)
    books = store._sites.find("books", store._now())
    assert books
    assert len(store._sites) < 200
    assert len(books.hosts) < 200
    assert len(books.slots.leases.ends) == 0


def test_a_pause_longer_than_the_memory_is_not_forgotten() -> None:
    clock = FakeClock()
    store = LocalStore(clock)
    days = 3 * 86_400
    store.leave(granted(store, SLOW), Report(Verdict.LIMITED, None, days), SLOW)
    for nth in range(100):
        clock.now += 2 * GATE_TTL_S
        if clock.now - 100 >= days:
            break
        granted(store, SLOW, f"site {nth}")
        assert store.look("books").rest_s > 0
        assert isinstance(store.enter(ask(store), SLOW), Refused)
    assert isinstance(store.enter(ask(store), SLOW), Grant)


def test_a_host_that_waits_longer_than_the_memory_is_not_forgotten() -> None:
    clock = FakeClock()
    store = LocalStore(clock)
    limits = replace(QUICK, host_rate=1 / (10 * GATE_TTL_S))
    store.leave(granted(store, limits), OK, limits)
    for nth in range(9):
        clock.now += 1.1 * GATE_TTL_S
        granted(store, SLOW, f"site {nth}")
        answer = store.enter(ask(store), limits)
        assert isinstance(answer, Refused)
    clock.now += GATE_TTL_S
    assert isinstance(store.enter(ask(store), limits), Grant)


def test_only_those_who_wait_are_remembered_as_such() -> None:
    store = LocalStore()
    for _ in range(100):
        store.on_call(ask(store), lambda: None)()
    assert store._calls == {}


def test_who_is_called_may_enter_at_once() -> None:
    store = LocalStore()
    limits = replace(QUICK, slots=1)
    held = granted(store, limits)
    waiting = ask(store, queues=True, max_wait_us=1000)
    assert isinstance(store.enter(waiting, limits), Refused)
    answers: list[object] = []
    store.on_call(waiting, lambda: answers.append(store.enter(waiting, limits)))
    store.leave(held, OK, limits)
    assert [type(answer) for answer in answers] == [Grant]


class JumpingWall(FakeClock):
    ahead = 0.0

    def wall(self) -> float:
        return self.now + self.ahead


def test_fences_grow_over_all_sites_and_from_one_run_to_the_next() -> None:
    clock = JumpingWall()
    first = LocalStore(clock)
    fences = [granted(first, QUICK, site).fence for site in "aabbab"]
    clock.ahead = -50
    fences += [granted(first, QUICK, "c").fence]
    assert fences == sorted(set(fences))
    after_a_reboot = JumpingWall(now=1)
    after_a_reboot.ahead = 200
    assert granted(LocalStore(after_a_reboot), QUICK).fence > fences[-1]


def test_a_holder_is_never_named_twice_and_says_who_and_where() -> None:
    store = LocalStore(who="node:7")
    names = {store.holder("h.example") for _ in range(1000)}
    assert len(names) == 1000
    assert all(name.split(" ")[1:] == ["node:7", "h.example"] for name in names)
    assert not names & {LocalStore().holder("h.example")}


def test_threads_together_keep_the_limits() -> None:
    store = LocalStore()
    limits = replace(QUICK, slots=3)
    lock, under_way, most, done = threading.Lock(), 0, 0, 0

    def work() -> None:
        nonlocal under_way, most, done
        for _ in range(300):
            while isinstance(answer := store.enter(ask(store, max_wait_us=9), limits), Refused):
                os.sched_yield()
            with lock:
                under_way += 1
                most = max(most, under_way)
            os.sched_yield()
            with lock:
                under_way -= 1
                done += 1
            store.leave(answer, OK, limits)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == 2400
    assert most <= 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_forked_process_begins_anew_even_while_the_lock_was_held() -> None:
    store = LocalStore()
    limits = replace(QUICK, slots=1)
    granted(store, limits)
    name = store.holder("h")
    with store._lock:
        child = os.fork()
        if not child:
            signal.alarm(30)  # a lock that nobody holds here would be waited for without end
            fine = isinstance(store.enter(Ask("books", "h", "x"), limits), Grant)
            own = store.holder("h").split(".")[0] != name.split(".")[0]
            os._exit(0 if fine and own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
