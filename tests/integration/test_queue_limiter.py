"""Slots per key, within one process."""

from __future__ import annotations

import doctest
import random
import threading
from collections import defaultdict

import pytest

from orchestrator.core.errors import NoSlot
from orchestrator.queue import limiter as module
from orchestrator.queue.host import host_key
from orchestrator.queue.limiter import KeyedLimiter
from tests.support.fake_clock import FakeClock
from tests.support.interrupt import interrupted
from tests.support.orch import eventually


class Line:
    """Threads that wait for a slot, each started when the one before it stands in line."""

    def __init__(self, limiter: KeyedLimiter, key: str) -> None:
        self.limiter, self.key = limiter, key
        self.served: list[int] = []
        self._threads: list[threading.Thread] = []

    def join(self, number: int, timeout: float | None = None) -> None:
        before = self.limiter.waiting(self.key)
        thread = threading.Thread(target=self._wait, args=(number, timeout), daemon=True)
        self._threads.append(thread)
        thread.start()
        eventually(lambda: self.limiter.waiting(self.key) > before, what="a place in line")

    def _wait(self, number: int, timeout: float | None) -> None:
        if self.limiter.acquire(self.key, timeout):
            self.served.append(number)

    def is_served(self, numbers: list[int]) -> None:
        eventually(lambda: self.served == numbers, 10, f"{numbers}, not {self.served}")

    def end(self) -> None:
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()


def test_no_more_than_the_limit_of_a_key_and_other_keys_are_free() -> None:
    limiter = KeyedLimiter(2, {"slow": 1, "open": None})

    assert [limiter.acquire("x", 0) for _ in range(3)] == [True, True, False]
    assert [limiter.acquire("slow", 0) for _ in range(2)] == [True, False]
    assert all(limiter.acquire("open", 0) for _ in range(100))
    assert (limiter.in_use("x"), limiter.in_use("slow"), limiter.in_use("none")) == (2, 1, 0)


def test_without_a_limit_for_all_and_for_the_empty_key_any_number_runs() -> None:
    assert all(KeyedLimiter(None).acquire("x", 0) for _ in range(100))
    limiter = KeyedLimiter(1)
    assert all(limiter.acquire("", 0) for _ in range(100))
    limiter.set_limit("", 1)
    assert not limiter.acquire("", 0)


def test_a_limit_of_nothing_holds_back_until_it_is_raised() -> None:
    limiter = KeyedLimiter(0)
    assert not limiter.acquire("x", 0)
    line = Line(limiter, "x")
    line.join(1)

    limiter.set_default(1)

    line.is_served([1])
    line.end()


def test_a_wait_ends_at_its_timeout() -> None:
    clock = FakeClock()
    limiter = KeyedLimiter(1, clock=clock)
    assert limiter.acquire("x")

    assert not limiter.acquire("x", 2.5)
    assert clock.now == 102.5
    assert not limiter.acquire("x", -1)
    assert clock.now == 102.5


def test_a_timeout_without_end_is_none() -> None:
    limiter = KeyedLimiter(1)
    limiter.acquire("x")
    line = Line(limiter, "x")
    line.join(1, float("inf"))
    line.join(2, 1e300)

    limiter.release("x")
    line.is_served([1])
    limiter.release("x")
    line.is_served([1, 2])
    line.end()


def test_who_waits_is_served_in_order_of_arrival_and_nobody_overtakes() -> None:
    limiter = KeyedLimiter(1)
    limiter.acquire("x")
    line = Line(limiter, "x")
    for number in range(5):
        line.join(number)

    for number in range(5):
        limiter.release("x")
        assert not limiter.acquire("x", 0)  # the slot has gone to the line already
        line.is_served(list(range(number + 1)))

    assert limiter.in_use("x") == 1
    line.end()


def test_who_gives_up_does_not_keep_the_others_waiting() -> None:
    limiter = KeyedLimiter(1)
    limiter.acquire("x")
    line = Line(limiter, "x")
    line.join(1, 4.0)  # it stands in line until the next one does
    line.join(2)
    eventually(lambda: limiter.waiting("x") == 1, what="the first to give up")

    limiter.release("x")

    line.is_served([2])
    line.end()


def test_the_line_of_one_key_holds_up_no_other() -> None:
    limiter = KeyedLimiter(1)
    limiter.acquire("hot")
    line = Line(limiter, "hot")
    for number in range(20):
        line.join(number)

    assert limiter.acquire("cold", 0)

    limiter.set_limit("hot", None)
    line.end()


def test_one_release_too_many_is_refused_and_changes_nothing() -> None:
    limiter = KeyedLimiter(1)
    with pytest.raises(ValueError, match=r"'x'.*more often"):
        limiter.release("x")
    limiter.acquire("x")
    limiter.release("x")
    with pytest.raises(ValueError, match="more often"):
        limiter.release("x")

    assert [limiter.acquire("x", 0) for _ in range(2)] == [True, False]
    with pytest.raises(ValueError, match="more often"):
        limiter.release("y")
    assert limiter.in_use("x") == 1


def test_a_release_while_others_only_wait_is_one_too_many() -> None:
    limiter = KeyedLimiter(0)
    line = Line(limiter, "x")
    line.join(1)

    with pytest.raises(ValueError, match="more often"):
        limiter.release("x")

    assert (limiter.in_use("x"), limiter.waiting("x")) == (0, 1)
    limiter.set_limit("x", 1)
    line.end()


def test_a_lowered_limit_lets_holders_finish() -> None:
    limiter = KeyedLimiter(3)
    for _ in range(3):
        limiter.acquire("x")

    limiter.set_limit("x", 1)

    assert limiter.in_use("x") == 3
    limiter.release("x")
    limiter.release("x")
    assert not limiter.acquire("x", 0)
    limiter.release("x")
    assert limiter.acquire("x", 0)


@pytest.mark.parametrize("change", ["own", "default", "unset"])
def test_a_raised_limit_lets_in_as_many_as_there_is_room_for_now(change: str) -> None:
    limiter = KeyedLimiter(3 if change == "unset" else 1, {"x": 1} if change == "unset" else None)
    limiter.acquire("x")
    line = Line(limiter, "x")
    for number in range(4):
        line.join(number)

    match change:
        case "own":
            limiter.set_limit("x", 3)
        case "default":
            limiter.set_default(3)
        case _:
            limiter.unset_limit("x")

    eventually(lambda: sorted(line.served) == [0, 1], what="two more")
    assert (limiter.in_use("x"), limiter.waiting("x")) == (3, 2)
    limiter.set_limit("x", None)
    line.end()


def test_the_default_changes_nothing_for_a_key_with_a_limit_of_its_own() -> None:
    limiter = KeyedLimiter(5, {"x": 1})
    limiter.set_default(9)

    assert (limiter.limit_of("x"), limiter.limit_of("y")) == (1, 9)


def test_holding_gives_back_also_after_an_error() -> None:
    limiter = KeyedLimiter(1)

    def work() -> None:
        with limiter.hold("x"):
            assert limiter.in_use("x") == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert limiter.in_use("x") == 0


def test_holding_says_which_key_had_no_slot() -> None:
    limiter = KeyedLimiter(2)
    limiter.acquire("x.example")
    limiter.acquire("x.example")

    with pytest.raises(NoSlot, match=r"x\.example: all of its slots \(2\)") as refused:
        limiter.hold("x.example", 0.01).__enter__()

    assert refused.value.wait == 0.01
    assert limiter.in_use("x.example") == 2


def test_nothing_is_kept_of_keys_that_nobody_holds_or_waits_for() -> None:
    limiter = KeyedLimiter(1)
    for number in range(1000):
        key = f"host-{number}.example"
        assert limiter.acquire(key, 0)
        assert not limiter.acquire(key, 0)
        assert len(limiter) == 1
        limiter.release(key)
        assert len(limiter) == 0
    limiter.set_default(0)
    assert not limiter.acquire("x", 0)
    assert len(limiter) == 0


def test_with_host_keys_each_spelling_counts_as_the_same_host() -> None:
    limiter = KeyedLimiter(1, {"HTTP://Slow.example/": 0}, normalise=host_key)

    assert limiter.acquire("https://Bücher.example/a", 0)
    assert not limiter.acquire("XN--bcher-kva.example.:443", 0)
    assert not limiter.acquire("slow.example", 0)
    limiter.release("bücher.example")
    assert len(limiter) == 0


@pytest.mark.parametrize("limit", [-1, 1.5, "2", True])
def test_what_is_no_limit_is_refused_by_name(limit: object) -> None:
    limiter = KeyedLimiter(1)
    with pytest.raises(ValueError, match="whole number from 0"):
        KeyedLimiter(limit)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'x'.*whole number from 0"):
        limiter.set_limit("x", limit)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the default"):
        limiter.set_default(limit)  # type: ignore[arg-type]
    assert limiter.limit_of("x") == 1


def test_an_interrupted_wait_leaves_no_place_in_line_behind() -> None:
    limiter = KeyedLimiter(1)
    limiter.acquire("x")

    with interrupted(lambda: limiter.waiting("x") == 1):
        limiter.acquire("x", 30)

    assert (limiter.in_use("x"), limiter.waiting("x")) == (1, 0)
    limiter.release("x")
    assert len(limiter) == 0


class GrantedThenInterrupted(FakeClock):
    """Ctrl+C comes in the moment after the slot did."""

    limiter: KeyedLimiter

    def wait(self, condition: threading.Condition, _seconds: float | None) -> None:
        condition.release()
        try:
            self.limiter.release("x")
        finally:
            condition.acquire()
        raise KeyboardInterrupt


def test_a_slot_that_came_with_the_interrupt_is_given_back() -> None:
    clock = GrantedThenInterrupted()
    limiter = clock.limiter = KeyedLimiter(1, clock=clock)
    limiter.acquire("x")

    with pytest.raises(KeyboardInterrupt):
        limiter.acquire("x")

    assert len(limiter) == 0
    assert limiter.acquire("x", 0)


def test_many_threads_on_few_keys_never_hold_more_than_allowed_while_the_limits_change() -> None:
    limits = {"a": 1, "b": 2, "c": 3}
    limiter = KeyedLimiter(0, limits)
    inside: defaultdict[str, int] = defaultdict(int)
    worst: defaultdict[str, int] = defaultdict(int)
    done, guard = [], threading.Lock()

    def work(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(200):
            key = draw.choice("abc")
            timeout = draw.choice([None, 0.001, 0.01])
            if not limiter.acquire(key, timeout):
                continue
            with guard:
                inside[key] += 1
                worst[key] = max(worst[key], inside[key])
            with guard:
                inside[key] -= 1
            limiter.release(key)
        done.append(seed)

    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(12)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        limiter.set_limit("d", 5)
        limiter.set_limit("a", 0)  # holds back, and lets go again
        limiter.set_limit("a", 1)
        limiter.set_default(0)
        for thread in threads:
            thread.join(0.005)

    assert len(done) == 12
    assert all(worst[key] <= limit for key, limit in limits.items())
    assert len(limiter) == 0


def test_the_examples_in_the_docstring_hold() -> None:
    assert doctest.testmod(module).failed == 0
