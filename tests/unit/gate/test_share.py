"""What one process may do by itself."""

from __future__ import annotations

import pytest

from orchestrator.gate.limits import SLOWEST, Limits
from orchestrator.gate.share import share

LIMITS = Limits(rate=50, burst=9, slots=8, host_rate=10, host_burst=3, host_slots=2, rate_min=5)


@pytest.mark.parametrize("users", range(1, 13))
def test_all_shares_together_start_no_more_in_any_second_than_one_limit_allows(users: int) -> None:
    for rate in (0.5, 3, 12, 50, 1000):
        own = share(Limits(rate=rate), users)
        in_a_second = int(own.rate) + 1
        assert users * own.rate <= rate
        assert users * in_a_second <= max(rate + 1, users)


def test_bursts_go_and_what_is_counted_is_divided() -> None:
    own = share(LIMITS, 4)
    assert (own.burst, own.slots, own.host_burst, own.host_slots) == (1, 2, 1, 1)
    assert own.host_rate == (10 - 4) / 4


def test_what_is_no_limit_stays_none() -> None:
    own = share(Limits(rate=0, slots=0), 4)
    assert (own.rate, own.slots, own.host_rate, own.host_slots) == (0, 0, 0, 0)


def test_a_slower_rate_that_held_is_divided_and_a_faster_one_is_not() -> None:
    assert share(LIMITS, 1, interval_us=1_000_000).rate == 1
    assert share(LIMITS, 1, interval_us=1_000).rate == 50


def test_the_slowest_rate_there_is_can_be_shared() -> None:
    assert share(Limits(rate=SLOWEST), 4).rate == SLOWEST
    assert share(Limits(rate=1), 4, interval_us=10**12).rate == SLOWEST
