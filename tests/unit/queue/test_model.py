"""What a queue holds."""

from __future__ import annotations

import pytest

from orchestrator.queue.model import NewJob, QueueState, Stats


def test_the_first_letters_of_the_states_tell_them_apart() -> None:
    assert len({state[0] for state in QueueState}) == len(QueueState)


def test_delayed_jobs_are_part_of_the_queued_ones() -> None:
    stats = Stats(queued=5, delayed=2, in_progress=1, done=3, skipped=1, error=1)
    assert (stats.live, stats.total) == (6, 11)


def test_a_job_without_an_id_or_with_too_high_a_priority_is_refused() -> None:
    with pytest.raises(ValueError, match="id"):
        NewJob("")
    with pytest.raises(ValueError, match="4000"):
        NewJob("a", priority=4001)
