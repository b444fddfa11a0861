"""`[queue]` of `orch.toml`: how a runner works off the queue."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from orchestrator.core.section import Duration, Section

#: Two heartbeats may be late before a lease runs out.
BEATS_A_LEASE = 3

_HEARTBEAT_S = 30.0
_Count = Annotated[int, Field(ge=0, le=10_000)]
_Name = Annotated[str, Field(min_length=1, max_length=2048)]


#: As `module:function`; or the name of an entry point, which may be any word.
_PIPELINE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*|[^\s:]+")


def _pipeline(name: str) -> str:
    if not _PIPELINE.fullmatch(name):
        raise ValueError("must be fetch, exec, or module:function")
    return name


class RunnerSection(Section):
    """How many jobs a runner does at once, how long it may keep them, and when it tries them again."""

    max_workers: Annotated[int, Field(ge=1, le=256)] = 8
    #: Jobs of a key that run at once, by key, "*" for all others; 0 holds them back. This and the next hold
    #: where nobody has set a limit in the queue itself.
    max_per_resolver: dict[_Name, _Count] = Field(default_factory=dict)
    #: Jobs of a host that run at once; 0: any number.
    max_per_host: _Count = 4
    lease_ttl_seconds: Annotated[Duration, Field(ge=1, le=86_400)] = 600.0
    #: 30, or a third of a lease that is shorter than 90.
    heartbeat_seconds: Annotated[Duration, Field(ge=0.1, le=28_800)] = Field(
        default=None, validate_default=True
    )
    max_job_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    #: Doubled with each attempt up to an hour; the wait is drawn evenly from 0 to that.
    retry_backoff_seconds: Annotated[Duration, Field(ge=0, le=86_400)] = 60.0
    #: Added evenly from 0 to this on top of it, and on top of what a server asks for.
    jitter_seconds: Annotated[Duration, Field(ge=0, le=86_400)] = 15.0
    #: A job that runs longer is tried again.
    max_run_seconds: Annotated[Duration, Field(ge=1, le=604_800)] = 3600.0
    #: A stop lets running jobs finish for so long.
    grace_seconds: Annotated[Duration, Field(ge=0, le=3600)] = 10.0

    @field_validator("heartbeat_seconds", mode="before")
    @classmethod
    def _default_heartbeat(cls, said: object, others: ValidationInfo) -> object:
        """A short lease alone is no mistake: its heartbeat comes as often as it must."""
        ttl: float = others.data.get("lease_ttl_seconds", BEATS_A_LEASE * _HEARTBEAT_S)
        return min(_HEARTBEAT_S, ttl / BEATS_A_LEASE) if said is None else said

    @field_validator("heartbeat_seconds")
    @classmethod
    def _often_enough(cls, heartbeat: float, others: ValidationInfo) -> float:
        ttl = others.data.get("lease_ttl_seconds")  # not there when it is wrong itself
        if ttl is not None and heartbeat * BEATS_A_LEASE > ttl * (1 + 1e-9):
            raise ValueError(
                f"must be at most a third of lease_ttl_seconds ({ttl:g}): at most "
                f"{ttl / BEATS_A_LEASE:g}, or lease_ttl_seconds at least {heartbeat * BEATS_A_LEASE:g}"
            )
        return heartbeat


class QueueSection(RunnerSection):
    """All that `orch queue run` reads."""

    #: What jobs are for that name none: `fetch`, `exec`, module:function, or what a package offers.
    pipeline: Annotated[str, AfterValidator(_pipeline)] = "fetch"
