"""The table of legal moves."""

from __future__ import annotations

import subprocess
import sys

import pytest

from orchestrator.core.keys import Keys
from sites.job.ref import JobRef
from sites.job.state import ACTIVE, FINISHED, MOVES, JobState, outcome, sources
from sites.shared.move import move_words


def test_every_state_has_its_moves() -> None:
    assert set(MOVES) == set(JobState)


def test_what_is_finished_never_moves() -> None:
    assert all(not MOVES[state] for state in FINISHED)


def test_a_stopped_job_can_only_be_resumed() -> None:
    assert MOVES[JobState.STOPPED] == {JobState.PENDING}


def test_every_active_job_can_stop_and_finish() -> None:
    for state in ACTIVE:
        assert MOVES[state] >= FINISHED | {JobState.STOPPED}


def test_running_is_reached_from_pending_only() -> None:
    assert sources(JobState.RUNNING) == (JobState.PENDING,)


@pytest.mark.parametrize(
    ("done", "failed", "state"), [(5, 0, "done"), (5, 1, "partial"), (0, 1, "failed")]
)
def test_how_a_job_ended_is_told_by_its_pages(done: int, failed: int, state: str) -> None:
    assert outcome(done, failed) == state


def test_a_move_carries_the_states_it_may_start_from() -> None:
    _, words = move_words(Keys(), JobRef("books", "0" * 12), JobState.STOPPING, reason="asked")

    assert words == ["books:000000000000", "stopping", "asked", "active", "0", "pending", "running"]


def test_a_move_needs_nothing_heavy() -> None:
    code = (
        "import sys, sites.shared.move;"
        "print([m for m in ('redis', 'celery', 'pydantic') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
