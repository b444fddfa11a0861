"""Why a slice ends, and how long what is out may go on then."""

from __future__ import annotations

from enum import StrEnum


class End(StrEnum):
    """Why a slice ended."""

    FINISHED = "nothing is left"
    IDLE = "nothing can be done for now"
    SLICE = "the slice is over"
    YIELD = "somebody waits for the slot"
    STOP = "the job is being stopped"
    LOST = "the shard's lease was lost"
    WORKER = "the worker stops"


#: How long requests that are out may go on then, in seconds; at other ends as long as they may take.
GRACE_S = {End.STOP: 2.0, End.WORKER: 2.0, End.LOST: 0.7}
GENTLE = frozenset({End.SLICE, End.YIELD})
#: Slice and grace together, in seconds: less than a task may take.
LONGEST_S = 780.0
