"""systemd's notify protocol: tells who started us that we are ready, alive, stopping."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import Any

NEVER = float("inf")
#: What did not get through is said again after this time, in seconds.
AGAIN_S = 1.0


@dataclass(slots=True)
class Notify:
    """Datagrams to `$NOTIFY_SOCKET`; nothing at all when nobody asked for them.

    Who asked may be too busy to take one, or be replaced just now: that all is up is said until heard.

    `watchdog_s`: the distance in which a sign of life is expected, or None (sd_watchdog_enabled(3)).
    """

    address: str = ""
    watchdog_s: float | None = None
    _next_at: float = field(default=0.0, repr=False)
    _unheard: str = field(default="", repr=False)
    _again_at: float = field(default=0.0, repr=False)

    @classmethod
    def from_environment(cls) -> Notify:
        """Take the variables out of the environment, so that no service talks in our name."""
        address = os.environ.pop("NOTIFY_SOCKET", "")
        microseconds = os.environ.pop("WATCHDOG_USEC", "")
        mine = os.environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = microseconds.isdigit() and int(microseconds) > 0 and mine
        return cls(address, int(microseconds) / 1e6 if watched else None)

    def to_json(self) -> dict[str, Any]:
        """For the program that takes over from this one."""
        return {"address": self.address, "watchdog_s": self.watchdog_s}

    def ready(self, status: str) -> None:
        """All is up."""
        text = f"READY=1\nMAINPID={os.getpid()}\nSTATUS={status}"
        self._unheard = "" if self._send(text) else text

    def say(self, status: str) -> None:
        """Show how it stands in `systemctl status`."""
        self._send(f"STATUS={status}")

    def stopping(self) -> None:
        """The ordered stop has begun."""
        self._unheard = ""
        self._send("STOPPING=1")

    def tick(self, now: float) -> None:
        """Say what is due: a sign of life twice in each distance, and what was not heard yet."""
        if self._unheard and now >= self._again_at:
            self._unheard = "" if self._send(self._unheard) else self._unheard
            self._again_at = now + AGAIN_S
        if self.watchdog_s is not None and now >= self._next_at:
            heard = self._send("WATCHDOG=1")
            self._next_at = now + (self.watchdog_s / 2 if heard else self.watchdog_s / 8)

    @property
    def due(self) -> float:
        """When `tick` must be called at the latest."""
        alive_at = NEVER if self.watchdog_s is None else self._next_at
        return min(alive_at, self._again_at) if self._unheard else alive_at

    def _send(self, text: str) -> bool:
        """Whether there is nothing to be said again: it was taken, or nobody asked for it."""
        if not self.address:
            return True
        path = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                client.sendto(text.encode(), path)
        except OSError:
            return False
        return True
