"""How the scripts of the gate are called: commands put together from pieces that are encoded once.

Numbers go as packed doubles: a script reads them all at once, where it would read each text by itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self

from orchestrator.core.keys import GATE_TTL_S
from orchestrator.core.script import load
from orchestrator.gate.permit import Verdict

if TYPE_CHECKING:
    from orchestrator.gate.limits import Limits

TTL_MS = GATE_TTL_S * 1000

END = b"\r\n"
#: What goes with each call, as one word: numbers, and `END`.
five = partial(struct.Struct("<5s5d2s").pack, b"$40\r\n")
seven = partial(struct.Struct("<5s7d2s").pack, b"$56\r\n")
#: What comes back with a yes: whole numbers behind its first byte.
granted = struct.Struct("<6q").unpack_from


@dataclass(frozen=True, slots=True)
class Terms:
    """What is sent of `limits`, encoded once."""

    limits: Limits
    admit: bytes
    release: bytes

    @classmethod
    def of(cls, limits: Limits) -> Self:
        """Encode what the scripts take."""
        hosts = (limits.host_interval_us, limits.host_burst, limits.host_slots)
        admit = struct.pack(
            "<10d",
            *(limits.interval_us, limits.burst, limits.slots, limits.lease_us, limits.trials),
            *(limits.adaptive, *hosts, TTL_MS),
        )
        release = struct.pack(
            "<12d",
            *(limits.interval_us, limits.slowest_us, limits.adaptive, limits.failures),
            *(limits.window_s * 1e6, limits.ratio, limits.open_s * 1e6, limits.open_cap_s * 1e6),
            *(limits.slots, limits.host_interval_us, limits.host_slots, TTL_MS),
        )
        return cls(limits, word(admit), word(release))


def word(raw: bytes) -> bytes:
    """One word of a command."""
    return b"$%d\r\n%b\r\n" % (len(raw), raw)


def words(*each: str | float) -> bytes:
    """Words of a command."""
    return b"".join([word(str(one).encode()) for one in each])


#: Each verdict as a word.
VERDICTS = {verdict: word(verdict.encode()) for verdict in Verdict}


class Command(NamedTuple):
    """One run of a script: its name, its encoded keys, and so many encoded `arguments`."""

    script: str
    place: bytes
    arguments: int
    words: bytes

    def head(self) -> bytes:
        """Return it up to its arguments, by the digest of its script."""
        return self._begin("EVALSHA", load("orchestrator.gate", "common", self.script).sha)

    def in_full(self) -> bytes:
        """Return what is sent to a server that may not know the script."""
        text = load("orchestrator.gate", "common", self.script).text
        return self._begin("EVAL", text) + self.words

    def _begin(self, verb: str, script: str) -> bytes:
        keys = int(self.place[4 : self.place.index(b"\r", 4)])
        return b"*%d\r\n" % (3 + keys + self.arguments) + words(verb, script) + self.place


def loading(script: str) -> bytes:
    """Return the command by which a server learns a script."""
    text = load("orchestrator.gate", "common", script).text
    return b"*3\r\n" + words("SCRIPT", "LOAD", text)
