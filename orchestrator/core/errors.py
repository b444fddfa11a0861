"""Every error the project raises on purpose, and the exit code `orch` gives it.

OrchError                  1   base: catch this at the edge, nothing wider
├── ConfigError            2   configuration, site file or argument is wrong; `problems` lists all
├── Unavailable            3   something we need is not there
│   ├── NotRunning             no supervisor, and the command needs one
│   ├── RedisUnavailable       Redis did not answer
│   │   └── RedisNotReady          it did, that it cannot serve us now
│   ├── BinaryMissing          a program we need is not installed
│   ├── PortTaken              somebody else holds the address
│   ├── IncompatibleData       this server cannot read the data folder
│   └── UsableProxiesMissing   a site requires proxies and there are none
├── Refused                4   a limit said not now; `wait` says how long
│   ├── RateLimited
│   │   └── Paused             the site asked us to stay away for a while
│   ├── BreakerOpen
│   └── NoSlot
├── DeadlinePassed         5   the deadline passed first
├── Busy                  75   somebody else is doing it already
├── ServiceFailed          1   a service did not become ready; `log_tail` shows why
├── LeaseLost              1   the token is not current: somebody else has the work now
└── DiskFull               1   nothing more can be written
"""

from __future__ import annotations

# Typing itself is not imported: this is on the way of `orch status --json`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class OrchError(Exception):
    """Base of all of them. `hint` says what to do next, when there is something to do."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(OrchError):
    """What the user wrote is wrong; every problem is listed, not only the first."""

    exit_code = 2

    def __init__(self, problems: tuple[str, ...], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems


class Unavailable(OrchError):
    """Something we need is not there."""

    exit_code = 3


class NotRunning(Unavailable):
    """No supervisor runs in this home, and the command needs one."""


class RedisUnavailable(Unavailable):
    """Redis did not answer."""


class RedisNotReady(RedisUnavailable):
    """Redis answered that it cannot serve us now."""


class BinaryMissing(Unavailable):
    """A program we need is not installed."""


class PortTaken(Unavailable):
    """Somebody else, and no Redis, holds the address."""


class IncompatibleData(Unavailable):
    """This server cannot read what another one wrote."""


class UsableProxiesMissing(Unavailable):
    """A site requires proxies and there are too few usable ones."""


class Refused(OrchError):
    """A limit said not now; try again after `wait` seconds."""

    exit_code = 4
    #: Which limit, in a word.
    reason: ClassVar[str] = "limit"

    def __init__(self, key: str, wait: float) -> None:
        super().__init__(f"{key}: wait {wait:.2f} s")
        self.key = key
        self.wait = wait


class RateLimited(Refused):
    """The rate is used up."""

    reason = "rate"


class Paused(RateLimited):
    """The site asked everybody to stay away for a while (Retry-After)."""

    reason = "pause"


class BreakerOpen(Refused):
    """The breaker is open."""

    reason = "breaker"


class NoSlot(Refused):
    """Every concurrency slot is held."""

    reason = "slot"


class DeadlinePassed(OrchError):
    """The deadline passed first."""

    exit_code = 5


class Busy(OrchError):
    """Somebody else is doing it already."""

    exit_code = 75


class ServiceFailed(OrchError):
    """A service did not become ready."""

    def __init__(self, service: str, reason: str, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(f"{service}: {reason}")
        self.service = service
        self.reason = reason
        self.log_tail = log_tail


class LeaseLost(OrchError):
    """The token is not current: somebody else has the work now."""


class DiskFull(OrchError):
    """Nothing more can be written there."""
