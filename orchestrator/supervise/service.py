"""What a service is: its declaration, its states and the moves between them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.core.mask import mask_url
from orchestrator.supervise.restart import RestartPolicy


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
    _S.STOPPING: frozenset({_S.STOPPED, _S.STARTING, _S.BACKOFF, _S.FAILED}),
}


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """How to ask a service whether it is ready, and alive.

    | kind | target | says yes when |
    |---|---|---|
    | `redis` | a URL | PING is answered and a write would be taken |
    | `mark` | a file | the service itself wrote it, at this very start, less than `max_age_s` ago |
    | `tcp` | `host:port` | somebody accepts a connection |
    | `http` | a URL (http only) | the answer to a GET is 2xx or 3xx |
    | `exec` | (`command`) | the command ends with 0 |
    | `file` | a file | it was touched since this start, and (unless 0) not over `max_age_s` ago |
    | `alive` | none | the process has run for `settle_s` |
    | `end` | none | it has ended with 0, which is what it is for |
    """

    kind: str
    target: str = ""
    command: tuple[str, ...] = ()
    every_s: float = 1.0
    #: A probe without an answer by then has failed.
    timeout_s: float = 0.8
    #: So many failures in a row mean that the service must be replaced.
    threshold: int = 3
    #: A mark, a canary on its way or a file older than this is a failure.
    max_age_s: float = 10.0
    #: One that is silent but burns CPU or waits for the disk is given so long.
    busy_s: float = 60.0
    settle_s: float = 1.0

    @property
    def shown(self) -> str:
        """The target for people: without a password."""
        return mask_url(self.target) if self.target else " ".join(self.command)

    @property
    def answered_by_children(self) -> bool:
        """Whether a child may be at work on the answer; Redis and marks are the main process's own."""
        return self.kind not in ("redis", "mark")

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> ProbeSpec:
        """Read what `asdict` gave."""
        return cls(**{**raw, "command": tuple(raw["command"])})


@dataclass(frozen=True, slots=True)
class LogSpec:
    """Where a service's output goes, and when that file is rotated (0: never).

    It is copied and truncated, because the service holds it open; with `reopen` it is renamed and the
    service gets that signal, on which it must open the file anew.
    """

    path: str = "/dev/null"
    max_bytes: int = 0
    keep: int = 5
    reopen: str = ""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service as declared: plain data, so that it can be handed to the supervisor as JSON."""

    name: str
    probe: ProbeSpec
    #: Asked instead of `probe` once it is ready; None: the same one.
    alive: ProbeSpec | None = None
    command: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    #: Of a stop of several: it is stopped only after these, as after those that need it.
    outlives: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = "/"
    log: LogSpec = LogSpec()
    #: (signal, seconds to wait after it), mildest first; KILL follows by itself.
    stop: tuple[tuple[str, float], ...] = (("TERM", 10.0),)
    start_timeout_s: float = 10.0
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    #: It and its children together may use so much memory (PSS); 0: no limit.
    memory_limit_bytes: int = 0
    #: Whether `orch up` without names starts it.
    auto: bool = True
    #: Whether a healthy stranger at the probe's target is used instead of starting one.
    adopt_stranger: bool = False
    #: A command to run, bounded, before this service is stopped with the whole.
    before_stop: tuple[str, ...] = ()
    #: Names the settings (and the version of orch) that the service reads by itself when it starts.
    settings: str = ""

    @property
    def managed(self) -> bool:
        """Whether it can be started here at all; one on another machine is only probed."""
        return bool(self.command)

    @property
    def digest(self) -> str:
        """Changes when anything does that a running instance would have to be restarted for."""
        return _short([self.command, sorted(self.env.items()), self.cwd, self.settings])

    @property
    def fingerprint(self) -> str:
        """Changes with anything in the declaration: also with what is taken over without a restart."""
        return _short(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> ServiceSpec:
        """Read what `to_json` gave."""
        alive = raw["alive"]
        return cls(
            **{
                **raw,
                "probe": ProbeSpec.from_json(raw["probe"]),
                "alive": ProbeSpec.from_json(alive) if alive else None,
                "command": tuple(raw["command"]),
                "needs": tuple(raw["needs"]),
                "outlives": tuple(raw["outlives"]),
                "log": LogSpec(**raw["log"]),
                "stop": tuple((name, seconds) for name, seconds in raw["stop"]),
                "restart": RestartPolicy(**raw["restart"]),
                "before_stop": tuple(raw["before_stop"]),
            }
        )


def _short(facts: object) -> str:
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
