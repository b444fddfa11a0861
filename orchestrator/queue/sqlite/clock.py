"""The queue's clock: milliseconds that never jump, whatever is done to the wall clock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.core.clock import Clock

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class QueueClock:
    """The time since the boot and a base that is fixed, in the file, when its first process comes."""

    clock: Clock
    base: int

    def now(self) -> int:
        """Milliseconds since 1970, as the wall clock had it when the base was fixed."""
        return int(self.clock.monotonic() * 1000) + self.base


def first_base(clock: Clock, seen: int) -> int:
    """The base for a new boot: by the wall clock, but never back behind what the queue has `seen`."""
    return max(int(clock.wall() * 1000), seen) - int(clock.monotonic() * 1000)


def boot_id(clock: Clock) -> str:
    """What tells this boot of the machine from all others."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        # No Linux. The wall clock seldom jumps by more than minutes.
        return f"since-{round((clock.wall() - clock.monotonic()) / 3600)}"
