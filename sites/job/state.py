"""Where a site job stands, and where it may go from there. Standard library only: `halt` uses it."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """The states of a job."""

    PENDING = "pending"  #: made, no shard has begun
    RUNNING = "running"
    STOPPING = "stopping"  #: no new request; shards hand back what they hold
    DONE = "done"  #: no page failed
    PARTIAL = "partial"  #: some pages failed
    FAILED = "failed"  #: no page succeeded
    STOPPED = "stopped"  #: the rest can be resumed


#: Somebody works on it, or is about to.
ACTIVE = frozenset({JobState.PENDING, JobState.RUNNING, JobState.STOPPING})

#: Nothing is left to do, unless pages are queued anew: it is retired once it is drained.
FINISHED = frozenset({JobState.DONE, JobState.PARTIAL, JobState.FAILED})

#: A shard may work.
WORKED = frozenset({JobState.PENDING, JobState.RUNNING})

_ENDS = FINISHED | {JobState.STOPPED}

MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset({JobState.RUNNING, JobState.STOPPING}) | _ENDS,
    JobState.RUNNING: frozenset({JobState.STOPPING}) | _ENDS,
    JobState.STOPPING: _ENDS,
    JobState.STOPPED: frozenset({JobState.PENDING}),
    JobState.DONE: frozenset(),
    JobState.PARTIAL: frozenset(),
    JobState.FAILED: frozenset(),
}

#: From these one becomes pending when pages of it are queued anew, in the same step (`sites.shared.again`).
REOPENED = _ENDS


def sources(to: JobState) -> tuple[JobState, ...]:
    """Return the states from which a job may move to `to`.

    >>> [str(state) for state in sources(JobState.PENDING)]
    ['stopped']
    """
    return tuple(state for state, targets in MOVES.items() if to in targets)


def outcome(done: int, failed: int) -> JobState:
    """Return how a job with an empty frontier ended.

    >>> str(outcome(done=3, failed=0)), str(outcome(3, 1)), str(outcome(0, 0))
    ('done', 'partial', 'failed')
    """
    if not done:
        return JobState.FAILED
    return JobState.PARTIAL if failed else JobState.DONE
