"""What a probe found, and what every probe can do."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Protocol

#: Too many open files (here, on this machine), no memory, no more processes.
_LACKS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN})


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found: `ok` is ready; `alive` without `ok` is busy (a Redis that loads its data).

    `stranger` means that something answered which is not what we look for; `unasked` that the question
    could not be put, for want of something of ours: it says nothing of the service.
    """

    ok: bool
    error: str = ""
    alive: bool = False
    absent: bool = False
    stranger: bool = False
    unasked: bool = False
    latency_ms: float | None = None


def could_not_ask(error: OSError, text: str = "", *, absent: bool = False) -> ProbeResult:
    """What an error before the question means: that we lack something, or that it is `absent`."""
    unasked = error.errno in _LACKS
    shown = text or str(error)
    return ProbeResult(ok=False, error=shown, absent=absent and not unasked, unasked=unasked)


class Probe(Protocol):
    """One question at a time: `begin`, then `poll` until there is a result."""

    def reset(self, *, fresh: bool) -> None:
        """What is asked from now on is another start (`fresh`), or one that runs already."""
        ...

    def begin(self, now: float, launch: str) -> None:
        """Ask; `launch` names the start of the service that must answer."""
        ...

    def poll(self, now: float) -> ProbeResult | None:
        """The answer, or None while it may still come."""
        ...

    def cancel(self) -> None:
        """Forget the question."""
        ...


def milliseconds(seconds: float) -> float:
    """A latency as `orch status --json` shows it."""
    return round(seconds * 1000, 2)
