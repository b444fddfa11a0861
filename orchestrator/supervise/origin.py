"""Who started a supervisor, and from what."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.supervise.notify import Notify


@dataclass(frozen=True, slots=True)
class Origin:
    """`source` names the configuration (`core.source`); `can_reload`: it is a program of its own.

    `reloaded`: it took over from a supervisor that had all of it running.
    """

    source: str = ""
    can_reload: bool = False
    reloaded: bool = False
    notify: Notify = field(default_factory=Notify)


IN_A_THREAD = Origin()
