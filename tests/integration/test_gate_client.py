"""The gate as its users have it, over both stores: waits, permits, leases, forks, and the end."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Self

import pytest

from orchestrator.core.errors import BreakerOpen, NoSlot, Paused, RateLimited
from orchestrator.core.redis import Redis
from orchestrator.gate.admin import Steering
from orchestrator.gate.gate import Gate
from orchestrator.gate.limits import Limits
from orchestrator.gate.permit import Reason, Refused, Report, Verdict
from tests.support.fake_clock import FakeClock
from tests.support.gate_place import (
    HOST,
    KEYS,
    QUICK,
    SITE,
    Place,
    Thread,
    Told,
    ends,
    forked,
    permitted,
    trip,
    until,
)
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer

ONE_SLOT = replace(QUICK, slots=1)

pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture
def redis_place(redis_server: RedisServer, real_redis: Redis) -> Iterator[Place]:
    made = Place(redis_server.url)
    yield made
    made.close()


def slots_of(redis: Redis) -> int:
    return redis.zcard(KEYS.gate(SITE, "slots"))


# waits


def test_who_enters_waits_for_his_turn(place: Place) -> None:
    gate = place.gate(Limits(rate=10))
    before = time.monotonic()
    with gate.enter(SITE, HOST, 20):
        pass
    with gate.enter(SITE, HOST, 20) as permit:
        assert time.monotonic() - before >= 0.1
    assert permit.wait_s <= 0.1


def test_what_cannot_be_within_the_deadline_is_refused_at_once(place: Place) -> None:
    gate = place.gate(Limits(rate=0.01))
    ends(permitted(gate))
    before = time.monotonic()
    with pytest.raises(RateLimited) as refused:
        gate.enter(SITE, HOST, 60)
    assert time.monotonic() - before < 30
    assert refused.value.reason == "rate"
    assert refused.value.wait == pytest.approx(100, abs=20)


def test_nothing_is_booked_for_who_was_refused(place: Place) -> None:
    gate = place.gate(Limits(rate=0.01))
    ends(permitted(gate))
    for _ in range(3):
        with pytest.raises(RateLimited) as refused:
            gate.enter(SITE, HOST, 1)
        assert refused.value.wait <= 100


def test_a_missing_slot_refuses_by_its_name(place: Place) -> None:
    gate = place.gate(ONE_SLOT)
    permit = permitted(gate)
    with pytest.raises(NoSlot) as slot:
        gate.enter(SITE, HOST, 0.3)
    assert (slot.value.reason, slot.value.wait) == ("slot", pytest.approx(0.05, abs=0.05))
    ends(permit)


def test_a_pause_refuses_until_it_is_over(place: Place) -> None:
    gate = place.gate()
    permit = permitted(gate)
    permit.limited(40)
    permit.close()
    with pytest.raises(Paused) as refused:
        gate.enter(SITE, HOST, 10)
    assert (refused.value.reason, refused.value.wait) == ("pause", pytest.approx(40, abs=10))
    assert gate.try_enter(SITE, HOST) == Refused(Reason.PAUSE, pytest.approx(40, abs=10))


def test_an_open_breaker_refuses_until_it_may_be_tried(place: Place) -> None:
    gate = place.gate()
    trip(gate)
    with pytest.raises(BreakerOpen) as refused:
        gate.enter(SITE, HOST, 10)
    assert (refused.value.reason, refused.value.wait) == ("breaker", pytest.approx(30, abs=12))
    assert gate.look(SITE) == Refused(Reason.BREAKER, pytest.approx(30, abs=12))


def test_a_slot_is_waited_for_until_the_deadline(place: Place) -> None:
    gate = place.gate(ONE_SLOT)
    held = permitted(gate)
    before = time.monotonic()
    with pytest.raises(NoSlot) as refused:
        gate.enter(SITE, HOST, 0.6)
    assert time.monotonic() - before >= 0.59
    assert refused.value.reason == "slot"
    ends(held)


def test_a_slot_that_is_given_back_goes_to_who_waits(place: Place) -> None:
    gate, other = place.gate(ONE_SLOT), place.gate()
    held = permitted(gate)
    waits = Thread(lambda: other.enter(SITE, HOST, 20))
    eventually(lambda: waits.is_alive() and not place.free())
    ends(held)
    ends(waits.result())


def test_a_deadline_may_be_without_end(place: Place) -> None:
    gate = place.gate(Limits(rate=20))
    for _ in range(3):
        with gate.enter(SITE, HOST, math.inf):
            pass


def test_what_is_no_host_is_told(place: Place) -> None:
    with pytest.raises(ValueError, match="needs a host"):
        place.gate().enter(SITE, "https://", 1)


def test_who_tries_with_a_wait_is_told_when_his_turn_is(place: Place) -> None:
    gate = place.gate(Limits(rate=0.01))
    ends(permitted(gate))
    assert gate.try_enter(SITE, HOST) == Refused(Reason.RATE, pytest.approx(100, abs=30))
    permit = permitted(gate, max_wait=200)
    assert permit.wait_s == pytest.approx(100, abs=30)


# permits


def test_a_block_that_ends_was_well_and_its_latency_counts_from_its_turn(place: Place) -> None:
    gate = place.gate(Limits(rate=5))
    told = Told(gate)
    ends(permitted(gate))
    asked = time.monotonic()
    with gate.enter(SITE, HOST, 60) as permit:
        time.sleep(0.03)
    took = time.monotonic() - asked
    assert told.reports[-1].verdict is Verdict.OK
    assert 0.03 <= (told.reports[-1].latency_s or 0) <= took - permit.wait_s


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ValueError, Verdict.FAILURE),
        (KeyboardInterrupt, Verdict.UNUSED),
        (asyncio.CancelledError, Verdict.UNUSED),
        (SystemExit, Verdict.UNUSED),
    ],
)
def test_a_block_that_is_left_by_an_error_reports_it(
    place: Place, error: type[BaseException], verdict: Verdict
) -> None:
    gate = place.gate(ONE_SLOT)
    told = Told(gate)
    with pytest.raises(error), gate.enter(SITE, HOST, 5):
        raise error
    assert [report.verdict for report in told.reports] == [verdict]
    eventually(place.free)


def test_what_was_reported_first_counts(place: Place) -> None:
    gate = place.gate()
    told = Told(gate)
    with pytest.raises(ZeroDivisionError), gate.enter(SITE, HOST, 5) as permit:
        permit.ok(0.5) or permit.failed() or 1 / 0  # type: ignore[func-returns-value]
    with gate.enter(SITE, HOST, 5) as permit:
        permit.banned()
        permit.ok()
    permit.failed()
    permit.close()
    assert told.reports == [Report(Verdict.OK, 0.5), Report(Verdict.BAN)]


def test_a_permit_is_given_back_once(place: Place) -> None:
    gate = place.gate(ONE_SLOT)
    told = Told(gate)
    first = permitted(gate)
    first.close()
    second = permitted(gate)
    first.close()
    assert not place.free()
    assert len(told.reports) == 1
    second.close()


def test_a_turn_that_was_not_used_goes_to_the_next(place: Place) -> None:
    gate = place.gate(Limits(rate=0.01, slots=1))
    with pytest.raises(KeyboardInterrupt), gate.enter(SITE, HOST, 5):
        raise KeyboardInterrupt
    assert permitted(gate).wait_s == 0


@pytest.mark.parametrize(
    "said", [30, 30.0, "30", " 30 ", lambda: formatdate(time.time() + 30, usegmt=True)]
)
def test_retry_after_is_seconds_or_a_date(
    place: Place, said: float | str | Callable[[], str]
) -> None:
    gate = place.gate()
    permit = permitted(gate)
    permit.limited(said() if callable(said) else said)
    permit.close()
    refused = gate.try_enter(SITE, HOST)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.PAUSE
    assert 20 < refused.wait_s <= 30


def test_what_is_no_retry_after_is_told_and_the_slot_is_free(place: Place) -> None:
    gate = place.gate(ONE_SLOT)
    with pytest.raises(ValueError, match="neither seconds nor a date"), permitted(gate) as permit:
        permit.limited("soon")
    eventually(place.free)


# who sleeps long for his turn


class OwnClock(FakeClock):
    """That of a sleeper; what goes on behind his gate waits by the true one."""

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        condition.wait(seconds)


class Sleeper:
    """Somebody who has booked a turn, sleeps, and wakes when the test says so: by a clock of his own."""

    def __init__(self, place: Place, deadline: float) -> None:
        self._clock = OwnClock()
        self._gate = Gate(place.store(), lambda _: place.limits, self._clock, closes_store=False)
        self._steps = self._gate.steps(SITE, HOST, deadline, lambda: None)
        self._rest = next(self._steps)
        assert self._rest > 1, "he does not sleep"

    def wakes(self) -> None:
        """Go on until he may go, or hears why not."""
        try:
            while True:
                self._clock.sleep(self._rest)
                self._rest = next(self._steps)
        except StopIteration as found:
            ends(found.value)
        finally:
            self._gate.close()


#: Six at once, and then one in a while.
SLOW = Limits(rate=0.02, burst=6, failures=5, open_s=300, adaptive=False, slots=0)


def test_who_sleeps_for_his_turn_goes_then(place: Place) -> None:
    gate = place.gate(SLOW)
    for _ in range(6):
        ends(permitted(gate))
    Sleeper(place, 60).wakes()


def test_who_sleeps_for_his_turn_does_not_go_into_a_pause(place: Place) -> None:
    gate = place.gate(SLOW)
    for _ in range(6):
        ends(permitted(gate))
    sleeper = Sleeper(place, 60)
    place.store().pause(SITE, 600)
    with pytest.raises(Paused):
        sleeper.wakes()


def test_who_sleeps_for_his_turn_does_not_go_into_an_open_breaker(place: Place) -> None:
    gate = place.gate(SLOW)
    held = [permitted(gate) for _ in range(6)]
    sleeper = Sleeper(place, 60)
    trip(gate, held)
    with pytest.raises(BreakerOpen):
        sleeper.wakes()


def test_who_sleeps_for_his_turn_is_no_second_trial(place: Place) -> None:
    gate, other = place.gate(replace(SLOW, open_s=0.1)), place.gate()
    held = [permitted(gate) for _ in range(6)]
    sleeper = Sleeper(place, 60)
    trip(gate, held)
    eventually(lambda: not isinstance(other.look(SITE), Refused))
    trial = permitted(other, max_wait=600)
    assert trial.trial
    with pytest.raises(BreakerOpen):
        sleeper.wakes()
    ends(trial)


def test_what_a_person_ends_is_not_waited_for(redis_place: Place, real_redis: Redis) -> None:
    gate = redis_place.gate()
    trip(gate)
    waits = Thread(lambda: gate.enter(SITE, HOST, 60))
    known = time.monotonic()
    Steering(real_redis, KEYS, SITE, None).reset()
    ends(waits.result(20))
    assert time.monotonic() - known < 15


# leases

#: It is renewed every two seconds: a machine may stand still for four.
LEASE_S = 6.0


def test_a_request_may_last_longer_than_its_lease(place: Place) -> None:
    gate = place.gate(replace(ONE_SLOT, lease_s=LEASE_S))
    held = permitted(gate)
    end = time.monotonic() + LEASE_S + 1
    while time.monotonic() < end:
        assert not place.free()
        time.sleep(0.1)
    ends(held)
    eventually(place.free)


def test_a_shorter_lease_is_renewed_more_often(place: Place) -> None:
    gate = place.gate(QUICK)
    ends(permitted(gate))  # the thread waits for the next time of a long lease
    place.limits = replace(ONE_SLOT, lease_s=0.06)
    renewed = []
    true = gate._store.renew
    gate._store.renew = lambda *held: renewed.append(held) or true(*held)  # type: ignore[method-assign, func-returns-value]
    held = permitted(gate)
    eventually(lambda: len(renewed) > 100, 60)
    ends(held)


def test_a_permit_that_is_lost_frees_its_slot_long_before_its_lease(place: Place) -> None:
    gate = place.gate(replace(ONE_SLOT, lease_s=600))
    held = permitted(gate)
    assert not place.free()
    del held
    gc.collect()
    eventually(place.free, 60)


def test_what_is_lost_just_before_the_end_is_free_too(place: Place) -> None:
    gate = place.gate(replace(ONE_SLOT, lease_s=600))
    held = permitted(gate)
    del held
    gc.collect()
    gate.close()
    eventually(place.free)


def test_limits_that_fail_for_one_site_end_no_renewals(place: Place) -> None:
    """As those of a site whose file was removed while its requests are out."""
    known = dict.fromkeys((SITE, "gone"), replace(ONE_SLOT, lease_s=LEASE_S))
    gate = Gate(place.store(), known.__getitem__)
    place.limits = known[SITE]
    held, gone = permitted(gate), gate.try_enter("gone", HOST)
    del known["gone"]
    end = time.monotonic() + LEASE_S + 1
    while time.monotonic() < end:
        assert not place.free()
        time.sleep(0.1)
    held.close()
    del gone
    gate.close()


# forks, threads, the end


def test_a_gate_goes_on_in_a_process_that_is_forked_off(place: Place) -> None:
    gate = place.gate(Limits(rate=1000, slots=2, lease_s=1.5))

    def work() -> None:
        for _ in range(5):
            with gate.enter(SITE, HOST, 5):
                pass
        held = gate.enter(SITE, HOST, 5)
        assert "gate keeper" in [thread.name for thread in threading.enumerate()]
        held.close()
        gate.close()

    work_here = permitted(gate)
    assert forked(work) == 0
    ends(work_here)
    with gate.enter(SITE, HOST, 5):
        pass


def test_a_fork_while_threads_use_the_gate_hangs_nobody(place: Place) -> None:
    gate = place.gate(replace(QUICK, slots=2))
    over = threading.Event()

    def use() -> None:
        while not over.is_set():
            with gate.enter(SITE, HOST, 20):
                pass

    threads = [Thread(use) for _ in range(4)]

    def once() -> None:
        with gate.enter(SITE, HOST, 10):
            pass
        gate.close()

    try:
        assert [forked(once) for _ in range(15)] == [0] * 15
    finally:
        over.set()
    for thread in threads:
        thread.result()


def test_a_forked_child_that_closes_the_gate_closes_nothing_of_its_parents(
    redis_place: Place,
) -> None:
    gate = redis_place.gate(ONE_SLOT)
    held = permitted(gate)
    waits = Thread(lambda: gate.enter(SITE, HOST, 30))

    def hears() -> bool:
        return "gate calls" in [thread.name for thread in threading.enumerate()]

    eventually(hears)
    assert forked(gate.close) == 0
    time.sleep(0.1)  # it would end at once
    assert hears()
    ends(held)
    ends(waits.result())


def test_the_end_of_a_block_in_a_forked_child_gives_nothing_back(place: Place) -> None:
    gate = place.gate(ONE_SLOT)
    with gate.enter(SITE, HOST, 5) as permit:
        assert forked(lambda: permit.__exit__(None, None, None)) == 0
        assert not place.free()
    eventually(place.free)


def test_many_threads_share_one_gate(place: Place) -> None:
    gate = place.gate(replace(QUICK, slots=3))
    under_way, most, lock = [0], [0], threading.Lock()

    def use() -> int:
        for _ in range(20):
            with gate.enter(SITE, HOST, 60):
                with lock:
                    under_way[0] += 1
                    most[0] = max(most[0], under_way[0])
                time.sleep(0.001)
                with lock:
                    under_way[0] -= 1
        return 20

    assert sum(thread.result(60) for thread in [Thread(use) for _ in range(16)]) == 320
    assert most[0] == 3


def test_a_gate_that_was_closed_leaves_no_thread_behind(place: Place) -> None:
    known = set(threading.enumerate())
    gate = place.gate(ONE_SLOT)
    held = permitted(gate)
    waits = Thread(lambda: gate.enter(SITE, HOST, 30))
    names = {"gate keeper"} | ({"gate calls"} if place.url else set())
    eventually(lambda: names <= {thread.name for thread in set(threading.enumerate()) - known})
    ends(held)
    ends(waits.result())
    gate.close()
    eventually(lambda: not set(threading.enumerate()) - known, 60)


END = """
import sys, threading
from orchestrator.gate import scripts
from orchestrator.gate.away import FailoverStore
from orchestrator.gate.gate import Gate
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.shared import RedisStore
from orchestrator.core.keys import Keys
url, closes = sys.argv[1:]
scripts.STEP_S = 10
shared = FailoverStore(RedisStore(url, Keys(), "w:1"), LocalStore(), print)
gate = Gate(shared if url else LocalStore(), lambda site: Limits(rate=1000, slots=1))
held = gate.enter("books", "h.example", 60)
waits = threading.Thread(target=lambda: gate.enter("books", "h.example", 60).close())
waits.start()
held.close()
waits.join()
if closes:
    gate.close()
"""


@pytest.mark.parametrize("closes", ["", "1"], ids=["as it is", "closed"])
@pytest.mark.parametrize("store", ["local", "redis"])
def test_a_process_ends_and_leaves_nothing_open(
    request: pytest.FixtureRequest, tmp_path: Path, store: str, closes: str
) -> None:
    url = ""
    if store == "redis":
        request.getfixturevalue("real_redis")
        url = request.getfixturevalue("redis_server").url
    script = tmp_path / "end.py"
    script.write_text(END)
    done = subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", str(script), url, closes],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr if closes else "") == ("", "")


# hosts and limits


@pytest.mark.parametrize(
    "other",
    ["https://BOOKS.example:443/a?b", "books.example.", "books.example:80", "http://books.example"],
)
def test_a_host_is_one_however_it_is_written(place: Place, other: str) -> None:
    gate = place.gate(replace(QUICK, host_slots=1))
    held = permitted(gate)
    assert held.host == HOST
    assert gate.try_enter(SITE, other) == Refused(Reason.SLOT, pytest.approx(0.05, abs=0.05))
    ends(gate.enter(SITE, "other.example", 20))
    ends(held)
    ends(gate.enter(SITE, other, 20))


def test_a_name_in_two_alphabets_is_one_host(place: Place) -> None:
    gate = place.gate(replace(QUICK, host_slots=1))
    held = gate.enter(SITE, "https://Bücher.example/", 20)
    assert isinstance(gate.try_enter(SITE, "xn--bcher-kva.example"), Refused)
    ends(held)


@pytest.mark.parametrize("merged", [False, True])
def test_www_is_another_host_unless_the_site_says_otherwise(place: Place, merged: bool) -> None:
    gate = place.gate(replace(QUICK, host_slots=1, merge_www=merged))
    held = permitted(gate)
    assert isinstance(gate.try_enter(SITE, f"www.{HOST}"), Refused) is merged
    ends(held)


def test_more_slots_are_seen_by_who_waits_already(place: Place) -> None:
    gate = place.gate(ONE_SLOT)
    held = permitted(gate)
    waits = Thread(lambda: gate.enter(SITE, HOST, 30))
    eventually(waits.is_alive)
    place.limits = replace(QUICK, slots=2)
    ends(waits.result(20))
    ends(held)


def test_another_rate_holds_from_the_next_request_on(place: Place) -> None:
    gate = place.gate(Limits(rate=0.001, adaptive=False))
    ends(permitted(gate))
    place.limits = Limits(rate=0, adaptive=False)
    for _ in range(3):
        ends(permitted(gate))


def test_a_rate_of_0_is_no_limit_but_a_pause_still_holds(place: Place) -> None:
    gate = place.gate(Limits(rate=0, slots=0))
    for _ in range(100):
        assert permitted(gate).wait_s == 0
    ends(permitted(gate), "limited")
    ends(permitted(gate))
    permit = permitted(gate)
    permit.limited(30)
    permit.close()
    assert isinstance(gate.try_enter(SITE, HOST), Refused)


# Ctrl+C


INTERRUPTED = """
import os, sys, threading, time, types
from orchestrator.gate import scripts
from orchestrator.gate.gate import Gate
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.shared import RedisStore
from orchestrator.core.keys import Keys
url, stage, count = sys.argv[1:]
scripts.STEP_S = 10
class Told(threading.Event):
    def wait(self, seconds):
        os.write(1, b"waits")
        return super().wait(seconds)
if stage != "anywhere":
    sys.modules["orchestrator.gate.gate"].threading = types.SimpleNamespace(Event=Told)
limits = Limits(rate=0.01 if stage == "turn" else 1_000_000, slots=1, lease_s=600)
with Gate(RedisStore(url, Keys(), "w:1"), lambda site: limits) as gate:
    for _ in range(int(count)):
        try:
            if stage == "anywhere":
                os.write(1, b"+")
                while True:
                    gate.enter("books", "books.example", 500).close()
            os.write(1, b"+")
            with gate.enter("books", "books.example", 500):
                os.write(1, b"in")
                time.sleep(600)
        except KeyboardInterrupt:
            pass
    os.write(1, b"end")
    sys.stdin.read()
"""


class Child:
    """A process whose main thread uses the gate, and which is sent real signals."""

    def __init__(self, url: str, stage: str, count: int = 1) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, url, stage, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.said = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def says(self, what: bytes) -> None:
        """Wait until it has said so."""
        assert self.process.stdout
        while not self.said.endswith(what):
            found = os.read(self.process.stdout.fileno(), 100)
            assert found, f"it ended after {self.said!r}"
            self.said += found

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)


def test_ctrl_c_in_line_leaves_the_line(redis_place: Place, real_redis: Redis) -> None:
    gate = redis_place.gate(ONE_SLOT)
    held = permitted(gate)
    with Child(redis_place.url or "", "line") as child:
        child.says(b"waits")
        assert real_redis.zcard(KEYS.gate(SITE, "line")) == 1
        child.interrupt()
        child.says(b"end")
        assert real_redis.zcard(KEYS.gate(SITE, "line")) == 0
        ends(held)
        eventually(redis_place.free)


def test_ctrl_c_before_ones_turn_gives_turn_and_slot_back(
    redis_place: Place, real_redis: Redis
) -> None:
    gate = redis_place.gate(Limits(rate=0.01, slots=2))
    ends(permitted(gate))
    eventually(lambda: slots_of(real_redis) == 0)
    with Child(redis_place.url or "", "turn") as child:
        child.says(b"waits")  # who has not heard of his turn yet cannot give it back
        assert slots_of(real_redis) == 1
        child.interrupt()
        child.says(b"end")
        eventually(lambda: slots_of(real_redis) == 0)
        refused = gate.try_enter(SITE, HOST)
        assert isinstance(refused, Refused)
        assert refused.wait_s <= 100


def test_ctrl_c_inside_the_block_gives_turn_and_slot_back(
    redis_place: Place, real_redis: Redis
) -> None:
    with Child(redis_place.url or "", "block") as child:
        child.says(b"in")
        assert slots_of(real_redis) == 1
        child.interrupt()
        child.says(b"end")
        eventually(lambda: slots_of(real_redis) == 0)


def test_ctrl_c_at_any_moment_holds_nothing_for_longer_than_a_moment(
    redis_place: Place, real_redis: Redis
) -> None:
    """It is nearly always at asking for the slot or giving it back; the lease is ten minutes."""
    count = 40
    with Child(redis_place.url or "", "anywhere", count) as child:
        for number in range(count):
            child.says(b"+" * (number + 1))
            until(time.monotonic() + number * 0.0003)
            child.interrupt()
        child.says(b"end")
        eventually(redis_place.free, 60)
