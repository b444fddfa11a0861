"""What the gate decides by."""

from __future__ import annotations

import pytest

from orchestrator.gate.model import Limits


def test_the_interval_is_rounded_so_that_the_rate_is_never_exceeded() -> None:
    assert Limits(rate_per_s=3).interval_us == 333_334
    assert Limits(rate_per_s=0.5).interval_us == 2_000_000


def test_a_burst_may_come_earlier_by_all_but_one_interval() -> None:
    assert Limits(rate_per_s=10).tolerance_us == 0
    assert Limits(rate_per_s=10, burst=3).tolerance_us == 200_000


@pytest.mark.parametrize("name", ["rate_per_s", "burst", "slots", "failures", "open_s", "lease_s"])
def test_a_limit_that_nothing_can_pass_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{"rate_per_s": 1, name: 0})
