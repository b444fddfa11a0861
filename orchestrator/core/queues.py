"""The Celery queues of a home, by the names that people use for them."""

from __future__ import annotations

from typing import Literal

Queue = Literal["control", "shards"]

#: Refresh, tick and other short work.
CONTROL: Queue = "control"
#: Slices of site jobs.
SHARDS: Queue = "shards"

#: What a worker takes work from unless it is told otherwise.
QUEUES: tuple[Queue, ...] = (CONTROL, SHARDS)
