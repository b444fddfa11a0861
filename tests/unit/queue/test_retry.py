"""When a failed job is tried again."""

from __future__ import annotations

import doctest

from orchestrator.core.backoff import Backoff
from orchestrator.queue import retry
from orchestrator.queue.retry import GiveUp, RetryAt, RetryPolicy

POLICY = RetryPolicy(max_attempts=3, backoff=Backoff(base=2, cap=5))


def test_the_wait_doubles_up_to_the_cap_and_is_drawn_evenly() -> None:
    policy = RetryPolicy(max_attempts=9, backoff=Backoff(base=2, cap=5))
    assert [policy.decide(attempt) for attempt in (1, 2, 3)] == [RetryAt(2), RetryAt(4), RetryAt(5)]
    assert policy.decide(2, draw=0.25) == RetryAt(1)


def test_what_the_server_asks_for_is_honoured_in_full() -> None:
    assert POLICY.decide(1, draw=0.0, retry_after=120) == RetryAt(120)
    assert POLICY.decide(1, retry_after=0.5) == RetryAt(2)


def test_those_who_were_sent_away_together_do_not_come_back_together() -> None:
    policy = RetryPolicy(max_attempts=9, backoff=Backoff(base=2, cap=5), jitter=10)
    draws = [number / 100 for number in range(101)]

    after = [policy.decide(1, draw, retry_after=120) for draw in draws]

    assert after == [RetryAt(120 + 10 * draw) for draw in draws]
    assert policy.decide(1, 0.0) == RetryAt(0)
    assert policy.decide(1, 1.0) == RetryAt(12)
    assert policy.decide(5, 1.0) == RetryAt(15)


def test_the_last_attempt_is_the_last() -> None:
    assert POLICY.decide(3) == GiveUp("out of attempts (3)")


def test_a_permanent_error_is_not_tried_again() -> None:
    assert POLICY.decide(1, permanent=True) == GiveUp("permanent error")


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(retry).failed == 0
