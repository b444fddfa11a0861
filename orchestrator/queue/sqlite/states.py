"""Where a job stands, as the numbers that the tables have."""

from __future__ import annotations

from enum import IntEnum

from orchestrator.queue.model import QueueState


class Place(IntEnum):
    """Queued jobs are ready or delayed; the columns of `tally` have this order."""

    READY = 0
    DELAYED = 1
    LEASED = 2
    DONE = 3
    SKIPPED = 4
    ERROR = 5


#: What people call them.
STATES = (
    QueueState.QUEUED,
    QueueState.QUEUED,
    QueueState.IN_PROGRESS,
    QueueState.DONE,
    QueueState.SKIPPED,
    QueueState.ERROR,
)
#: Bare numbers: SQLite would look up, each time, how to store anything that only behaves like one.
ENDS = {
    QueueState.DONE: Place.DONE.value,
    QueueState.SKIPPED: Place.SKIPPED.value,
    QueueState.ERROR: Place.ERROR.value,
}


def end(state: QueueState) -> int:
    """The place of a state in which a job ends.

    Raises:
        ValueError: it is none.
    """
    if state not in ENDS:
        raise ValueError(f"a job cannot end as {state}")
    return ENDS[state]
