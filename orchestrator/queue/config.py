"""How a runner works: one validated model, its bounds named in the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from orchestrator.core.backoff import Backoff
from orchestrator.core.queue_section import RunnerSection
from orchestrator.queue.model import EVERY_HOST, EVERY_KEY, Limits
from orchestrator.queue.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.core.section import Section

#: The backoff grows up to this, in seconds, unless it begins with more.
LONGEST_BACKOFF_S = 3600.0
#: In `max_per_resolver`, every key that has no limit of its own.
ANY_KEY = "*"


def named(per_key: Mapping[str, int | None]) -> dict[str, int | None]:
    """Limits by key, as people write them, by the names that `Limits` has for them.

    >>> named({"a": 2, "*": None})
    {'ka': 2, 'K': None}
    """
    return {EVERY_KEY if key == ANY_KEY else f"k{key}": limit for key, limit in per_key.items()}


class RunnerConfig(RunnerSection):
    """`[queue]` of `orch.toml` as a runner takes it; the options of `orch queue run` go over it.

    >>> config = RunnerConfig(max_per_resolver={"a": 2}, lease_ttl_seconds="1m")
    >>> config.limits(), config.heartbeat_seconds
    (Limits(per_key={'a': 2}, every_key=None, per_host=4, defaults=frozenset()), 20.0)

    Raises:
        pydantic.ValidationError: (a ValueError) listing everything that is wrong, and what is allowed.
    """

    @classmethod
    def of(cls, section: Section, **changed: object) -> Self:
        """What the configuration says, with what is not None of `changed` over it; validated again."""
        over = {name: value for name, value in changed.items() if value is not None}
        said = section.model_dump(exclude_unset=True, include=set(cls.model_fields))
        return cls.model_validate(said | over)

    def policy(self) -> RetryPolicy:
        """When a failed job is tried again."""
        base = self.retry_backoff_seconds
        backoff = Backoff(base, max(base, LONGEST_BACKOFF_S))
        return RetryPolicy(self.max_job_attempts, backoff, self.jitter_seconds)

    def limits(self) -> Limits:
        """How many jobs may be leased at once, of each key and of each host, where nobody set anything."""
        return Limits.of({**named(self.max_per_resolver), EVERY_HOST: self.max_per_host or None})
