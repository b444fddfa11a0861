"""A rate for the threads of one process."""

from __future__ import annotations

import doctest
import math
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.core.errors import RateLimited
from orchestrator.queue import bucket as module
from orchestrator.queue import waits
from orchestrator.queue.bucket import TokenBucket
from orchestrator.queue.schedule import Place, Schedule
from orchestrator.queue.waits import BOUNDS_S, Histogram
from tests.support.fake_clock import FakeClock
from tests.support.interrupt import interrupted
from tests.support.orch import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def most_in_a_window(grants: Sequence[tuple[float, int]], rate: float) -> float:
    """The most tokens that any window had beyond rate · length: at most the burst, or it was too fast."""
    worst = ahead = 0.0
    last = None
    for at, n in sorted(grants):
        if last is not None:
            ahead = max(0.0, ahead - rate * (at - last))
        last = at
        ahead += n
        worst = max(worst, ahead)
    return worst


def waiting(bucket: TokenBucket, take: Callable[[], object]) -> threading.Thread:
    """Start a thread that stands in line, behind those who do already."""
    before = bucket.waiting
    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    eventually(lambda: bucket.waiting > before, what="a place in line")
    return thread


def ended(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_a_burst_goes_at_once_and_then_each_waits_its_exact_time() -> None:
    clock = FakeClock()
    bucket = TokenBucket(4, 3, clock)

    assert [bucket.take() for _ in range(5)] == [0.0, 0.0, 0.0, 0.25, 0.25]
    assert bucket.take(3) == 0.75
    clock.sleep(1000)
    assert [bucket.take(3), bucket.take()] == [0.0, 0.25]


def test_nothing_drifts_over_a_million_tokens() -> None:
    clock = FakeClock(1e6 / 3)
    bucket = TokenBucket(3, 1, clock)
    for _ in range(100_000):
        bucket.take(1)

    assert clock.now - 1e6 / 3 == pytest.approx(99_999 / 3, abs=1e-6)


def test_who_cannot_wait_so_long_takes_nothing() -> None:
    clock = FakeClock()
    bucket = TokenBucket(1, 2, clock, name="x.example")
    bucket.take(2)

    with pytest.raises(RateLimited, match=r"x\.example: wait 2\.00 s") as refused:
        bucket.take(2, timeout=1.5)
    assert refused.value.wait == 2.0
    with pytest.raises(RateLimited):
        bucket.take(timeout=0)
    assert bucket.waiting == 0
    assert bucket.take(2, timeout=2) == 2.0
    assert bucket.waits.count == 2


def test_more_than_the_bucket_ever_holds_is_refused_by_number() -> None:
    bucket = TokenBucket(1, 2)
    with pytest.raises(ValueError, match=r"3 tokens at once.*more than 2"):
        bucket.take(3)
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="whole number from 1"):
            bucket.take(wrong)  # type: ignore[arg-type]
    assert bucket.take(2) == 0.0


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan"), "3", True, None])
def test_a_rate_that_nothing_passes_is_refused_and_the_old_one_stays(rate: object) -> None:
    bucket = TokenBucket(5)
    with pytest.raises(ValueError, match="rate must be"):
        TokenBucket(rate)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rate must be"):
        bucket.set_rate(rate)  # type: ignore[arg-type]
    assert (bucket.rate, bucket.burst) == (5, 1)


def test_a_reservation_may_be_used_when_its_wait_is_over() -> None:
    clock = FakeClock()
    bucket = TokenBucket(2, 1, clock)
    first, second = bucket.reserve(), bucket.reserve()

    assert (first.wait(), second.wait()) == (0.0, 0.5)
    clock.sleep(0.25)
    assert second.wait() == 0.25
    clock.sleep(9)
    assert (second.wait(), bucket.waiting) == (0.0, 0)
    bucket.take()
    bucket.take()
    assert second.wait() == 0.0


def test_a_reservation_that_is_cancelled_lets_those_behind_move_up_and_those_in_front_stay() -> (
    None
):
    clock = FakeClock()
    bucket = TokenBucket(1, 1, clock)
    places = [bucket.reserve() for _ in range(4)]

    places[2].cancel()
    places[2].cancel()

    assert [places[0].wait(), places[1].wait(), places[3].wait()] == [0.0, 1.0, 2.0]
    assert bucket.reserve().wait() == 3.0


def test_a_refund_lets_the_line_move_up_and_never_fills_over_the_burst() -> None:
    clock = FakeClock()
    bucket = TokenBucket(1, 2, clock)
    bucket.take(2)
    place = bucket.reserve(2)
    assert place.wait() == 2.0

    bucket.refund()

    assert place.wait() == 1.0
    clock.sleep(100)
    bucket.refund()
    assert [bucket.reserve().wait() for _ in range(4)] == [0.0, 0.0, 1.0, 2.0]


def test_more_than_is_out_cannot_be_given_back() -> None:
    bucket = TokenBucket(0.001, 3)
    with pytest.raises(ValueError, match="1 tokens to give back, and only 0"):
        bucket.refund()
    bucket.take(3)
    bucket.refund(2)
    with pytest.raises(ValueError, match="only 1 are out"):
        bucket.refund(2)
    assert bucket.take(2) == 0.0
    with pytest.raises(RateLimited):
        bucket.take(timeout=0)


def test_a_place_in_line_is_not_out_yet_and_cannot_be_refunded() -> None:
    bucket = TokenBucket(0.001, 1)
    bucket.take()
    bucket.refund()
    bucket.take()
    bucket.reserve()
    bucket.refund()  # the one that was taken
    with pytest.raises(ValueError, match="give back"):
        TokenBucket(0.001, 1).refund()


def test_a_thread_that_waits_is_woken_by_a_refund() -> None:
    bucket = TokenBucket(0.001, 1)
    bucket.take()
    thread = waiting(bucket, lambda: bucket.take(timeout=2000))

    bucket.refund()

    ended(thread)
    assert bucket.waits.count == 2


def test_a_thread_that_waits_is_woken_when_the_one_in_front_cancels() -> None:
    bucket = TokenBucket(10, 1000)
    bucket.take(1000)
    place = bucket.reserve(1000)
    thread = waiting(bucket, bucket.take)

    place.cancel()  # from 100.1 s to 0.1 s

    ended(thread)


@given(st.floats(1e-3, 1e4), st.floats(0, 1e9))
def test_a_wait_ends_exactly_when_it_is_due_at_any_time_and_rate(rate: float, now: float) -> None:
    clock = FakeClock(now)
    bucket = TokenBucket(rate, 1, clock)
    for number in range(4):
        bucket.take()
        assert clock.now >= now + number / rate - 2 * math.ulp(clock.now)
        assert clock.now == pytest.approx(now + number / rate)


def test_another_rate_moves_those_who_wait_already() -> None:
    clock = FakeClock()
    bucket = TokenBucket(1, 1, clock)
    places = [bucket.reserve() for _ in range(3)]
    clock.sleep(0.5)

    bucket.set_rate(10)
    assert [place.wait() for place in places] == pytest.approx([0.0, 0.05, 0.15])
    bucket.set_rate(0.1)
    assert [place.wait() for place in places] == pytest.approx([0.0, 5.0, 15.0])


def test_a_higher_rate_wakes_those_who_wait() -> None:
    bucket = TokenBucket(0.001, 1)
    bucket.take()
    threads = [waiting(bucket, bucket.take) for _ in range(3)]

    bucket.set_rate(1000)

    ended(*threads)


def test_who_would_wait_too_long_at_a_lower_rate_is_told_at_once_and_lets_others_pass() -> None:
    bucket = TokenBucket(0.1, 1)
    bucket.take()
    refused: list[float] = []

    def take() -> None:
        try:
            bucket.take(timeout=15)
        except RateLimited as error:
            refused.append(error.wait)

    thread = waiting(bucket, take)
    bucket.set_rate(0.001)

    ended(thread)
    assert 100 < refused[0] <= 1000
    assert bucket.waiting == 0


def test_an_interrupted_wait_takes_nothing() -> None:
    bucket = TokenBucket(0.01, 1)
    bucket.take()

    with interrupted(lambda: bucket.waiting == 1):
        bucket.take()

    assert bucket.waiting == 0
    assert 90 < bucket.reserve().wait() <= 100


#: (what is done, seconds until then)
steps = st.lists(
    st.tuples(
        st.sampled_from(["one", "one", "two", "cancel", "refund", "rate"]),
        st.one_of(st.just(0.0), st.floats(0, 3)),
    ),
    max_size=60,
)


@given(st.floats(0.05, 50), st.integers(1, 5), steps, st.floats(0, 1e7))
@example(1.0, 1, [("one", 0.0), ("one", 0.0), ("one", 0.0), ("refund", 0.5), ("one", 1.0)], 0.0)
def test_no_window_ever_grants_more_than_rate_times_length_and_burst(
    rate: float, burst: int, plan: list[tuple[str, float]], now: float
) -> None:
    schedule = Schedule(rate, burst, now)
    line: list[tuple[Place, list[float]]] = []
    grants: list[tuple[float, int]] = []
    fastest = rate

    def look() -> None:
        """Note each that is due at the time that it was due, which may be a while ago."""
        for place, at in list(line):
            wait = schedule.wait(place, now)
            at[0] = now + wait if wait else min(at[0], now)
            if place.granted:
                line.remove((place, at))
                grants.append((at[0], place.n))
        ats = [at[0] for _, at in line]
        assert ats == sorted(ats)

    for what, pause in plan:
        now += pause
        look()
        if what in ("one", "two"):
            line.append((schedule.enter(min(burst, ["one", "two"].index(what) + 1), now), [now]))
        elif what == "cancel" and line:
            schedule.leave(line.pop(len(line) // 2)[0], now)
        elif what == "refund" and grants:  # as if it had never been taken
            last = max(grants)
            grants.remove(last)
            schedule.refund(last[1], now)
        elif what == "rate":
            rate = rate * 2 if rate < 25 else rate / 100
            schedule.change(rate, now)
            fastest = max(fastest, rate)
        look()

    assert most_in_a_window(grants, fastest) <= burst + 1e-6 * max(1.0, fastest)


@given(st.integers(1, 40), st.integers(1, 5), st.lists(st.integers(1, 5), max_size=40))
def test_a_line_that_is_never_empty_gets_exactly_the_rate(
    rate: int, burst: int, sizes: list[int]
) -> None:
    schedule = Schedule(rate, burst, 0.0)
    sizes = [min(n, burst) for n in sizes]
    places = [schedule.enter(n, 0.0) for n in sizes]

    for number, place in enumerate(places):
        due = max(0.0, (sum(sizes[: number + 1]) - burst) / rate)
        assert schedule.wait(place, 0.0) == pytest.approx(due)


def test_threads_together_get_the_rate_and_no_more() -> None:
    rate, burst = 800.0, 5
    began = time.monotonic()
    bucket = TokenBucket(rate, burst)
    grants: list[float] = []

    def work() -> None:
        for _ in range(50):
            bucket.take()
            grants.append(time.monotonic())

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    ended(*threads)

    grants.sort()
    assert len(grants) == bucket.waits.count == 400
    for number, at in enumerate(grants, 1):  # who wakes up late is late, and nobody is early
        assert number <= rate * (at - began) + burst


def test_threads_go_in_order_of_arrival() -> None:
    bucket = TokenBucket(0.001, 1)
    bucket.take()
    order: list[int] = []

    def taker(number: int) -> Callable[[], None]:
        def take() -> None:
            bucket.take()
            order.append(number)

        return take

    threads = [waiting(bucket, taker(number)) for number in range(5)]
    for number in range(5):
        bucket.refund()
        eventually(lambda: len(order) > number, what="the next")  # noqa: B023
    ended(*threads)

    assert order == [0, 1, 2, 3, 4]


def test_waits_are_counted_in_classes_and_told_to_people() -> None:
    clock = FakeClock()
    bucket = TokenBucket(10, 5, clock)
    for _ in range(10):
        bucket.take()

    assert bucket.waits.counts[BOUNDS_S.index(0.0)] == 5
    assert (bucket.waits.quantile(0.5), bucket.waits.quantile(0.95)) == (0.0, pytest.approx(0.1))
    assert bucket.waits.longest_s == pytest.approx(0.1)
    assert bucket.waits.mean_s == pytest.approx(0.05)
    assert str(bucket.waits) == "10 waits: half 0 s, 95 % 0.1 s, longest 0.1 s"


def test_a_histogram_without_waits_has_quantiles_too() -> None:
    empty = Histogram().snapshot()
    assert (empty.count, empty.mean_s, empty.quantile(0.5), empty.longest_s) == (0, 0.0, 0.0, 0.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_is_never_less_than_the_true_one_nor_more_than_the_longest(
    seconds: list[float], part: float
) -> None:
    histogram = Histogram()
    for one in seconds:
        histogram.add(one)
    found = histogram.snapshot()

    assert len(found.counts) == len(BOUNDS_S) + 1
    true = sorted(seconds)[max(0, math.ceil(part * len(seconds)) - 1)]
    assert true <= found.quantile(part) <= max(seconds)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(waits).failed == 0
