"""What a service is: its declaration, its states and the moves between them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.core.mask import mask_url


class ServiceState(StrEnum):
    """Where a service stands."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    BACKOFF = "backoff"
    FAILED = "failed"
    STOPPING = "stopping"


_S = ServiceState

#: The legal moves; anything else is a bug of ours.
MOVES: dict[ServiceState, frozenset[ServiceState]] = {
    _S.STOPPED: frozenset({_S.STARTING}),
    _S.STARTING: frozenset({_S.READY, _S.BACKOFF, _S.FAILED, _S.STOPPING, _S.STOPPED}),
    _S.READY: frozenset({_S.UNHEALTHY, _S.BACKOFF, _S.FAILED, _S.STOPPING, _S.STOPPED}),
    _S.UNHEALTHY: frozenset({_S.READY, _S.BACKOFF, _S.FAILED, _S.STOPPING, _S.STOPPED}),
    _S.BACKOFF: frozenset({_S.STARTING, _S.FAILED, _S.STOPPING, _S.STOPPED}),
    _S.FAILED: frozenset({_S.STARTING, _S.STOPPING, _S.STOPPED}),
    _S.STOPPING: frozenset({_S.STOPPED, _S.STARTING, _S.BACKOFF}),
}


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """How to ask a service whether it is ready, and alive.

    `redis`: a PING to `target` (a URL). `mark`: the file `target` that the service itself writes.
    """

    kind: str
    target: str
    every_s: float = 1.0
    #: A probe without an answer by then has failed.
    timeout_s: float = 1.0
    #: So many failures in a row mean that the service must be replaced.
    threshold: int = 3
    #: A mark (or a canary on its way) older than this is a failure.
    max_age_s: float = 10.0

    @property
    def shown(self) -> str:
        """The target for people: without a password."""
        return mask_url(self.target)


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service as declared: plain data, so that it can be handed to the supervisor as JSON."""

    name: str
    probe: ProbeSpec
    command: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = "/"
    log: str = "/dev/null"
    #: (signal, seconds to wait after it), mildest first; KILL follows by itself.
    stop: tuple[tuple[str, float], ...] = (("TERM", 10.0),)
    start_timeout_s: float = 10.0
    #: Whether a healthy stranger at the probe's target is used instead of starting one.
    adopt_stranger: bool = False
    #: A command to run, bounded, before this service is stopped with the whole.
    before_stop: tuple[str, ...] = ()
    #: Names the settings that the service reads by itself when it starts.
    settings: str = ""

    @property
    def managed(self) -> bool:
        """Whether it can be started here at all; one on another machine is only probed."""
        return bool(self.command)

    @property
    def digest(self) -> str:
        """Changes when anything does that a running instance would have to be restarted for."""
        facts = json.dumps([self.command, sorted(self.env.items()), self.cwd, self.settings])
        return hashlib.sha256(facts.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> ServiceSpec:
        """Read what `to_json` gave."""
        return cls(
            **{
                **raw,
                "probe": ProbeSpec(**raw["probe"]),
                "command": tuple(raw["command"]),
                "needs": tuple(raw["needs"]),
                "stop": tuple((name, seconds) for name, seconds in raw["stop"]),
                "before_stop": tuple(raw["before_stop"]),
            }
        )
