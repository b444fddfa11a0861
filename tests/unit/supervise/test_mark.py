"""What a mark says about the service that wrote it: a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.clock import SYSTEM
from orchestrator.core.mark import Mark
from orchestrator.supervise.probes.mark import MarkProbe, judge_mark
from orchestrator.supervise.service import ProbeSpec

MAX_AGE_S = 10.0


def mark(**facts: object) -> dict[str, object]:
    """The mark of a healthy worker with one of its two slots taken, written half a second ago."""
    return {"launch": "a", "at": 99.5, "slots": 2, "active": 1} | facts


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (mark(), ""),
        ({"launch": "a", "at": 99.0}, ""),  # of a service without slots
        (None, "no mark yet"),
        (mark(launch="b"), "no mark yet"),
        (mark(at=89.9), "no sign of life for 10 s"),
        (mark(at=90.1), ""),
        (mark(canary_waits_s=6.4), ""),
        (mark(canary_waits_s=7.6), "takes no work: its canary has been on the way for 8 s"),
        (
            mark(canary_waits_s=6.0, at=97.5),
            "takes no work: its canary has been on the way for 8 s",
        ),
        (mark(canary_waits_s=99.0, active=2), ""),  # busy, not deaf
        (mark(canary_waits_s=99.0, active=3), ""),
        (mark(stalled_s=99.0), ""),  # the canary tells more while a slot is free
        (mark(stalled_s=6.4, active=2), ""),
        (mark(stalled_s=7.6, active=2), "none of its running tasks has got on for 8 s"),
        (mark(deaf_s=7.6, deaf_to=["control", "x"]), "takes nothing from control, x for 8 s"),
        (mark(deaf_s=7.6, deaf_to=["x"], active=2), "takes nothing from x for 8 s"),
        (mark(deaf_s=5.0, deaf_to=["x"]), ""),
        (mark(canary_waits_s="nonsense", stalled_s=None), ""),
    ],
)
def test_a_mark_is_judged_by_its_age_and_by_what_the_worker_owes(
    facts: dict[str, object] | None, said: str
) -> None:
    result = judge_mark(facts, "a", 100.0, MAX_AGE_S)

    assert (result.ok, result.error) == (not said, said)


def test_trouble_holds_up_no_start_and_is_told_from_then_on(tmp_path: Path) -> None:
    file = tmp_path / "mark.json"
    probe = MarkProbe(ProbeSpec("mark", str(file)))
    Mark(file, "a").write(trouble="results of shop: the disk is full")

    def said() -> tuple[bool, bool, str]:
        probe.begin(SYSTEM.monotonic(), "a")
        result = probe.poll(0.0)
        assert result
        return result.ok, result.alive, result.error

    assert said()[0]
    assert said() == (False, True, "results of shop: the disk is full")
    probe.reset(fresh=False)  # a new supervisor
    assert said()[0]
    Mark(file, "a").write(trouble="")
    assert said() == (True, False, "")


def test_nothing_that_is_owed_grows_with_the_age_of_a_healthy_mark() -> None:
    healthy = mark(canary_waits_s=0.0, stalled_s=0.0, deaf_s=0.0, at=90.5)

    assert judge_mark(healthy, "a", 100.0, MAX_AGE_S).ok
