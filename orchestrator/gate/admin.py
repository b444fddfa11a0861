"""What a person may do to the gate of a site; it holds for the next request of every process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orchestrator.core.keys import GATE_TTL_S
from orchestrator.core.script import Call, load

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from orchestrator.gate.limits import Limits


class Steering:
    """The gate of one site. `limits`: those it has by its file, as far as they are known.

    A process that was refused may believe for a second more that it still would be.
    """

    def __init__(self, client: Redis, keys: Keys, site: str, limits: Limits | None) -> None:
        self._client = client
        self._site = site
        self._limits = limits
        self._keys = [keys.gate(site, "state"), keys.gate_sites()]

    def reset(self) -> None:
        """Close the breaker, forget its failures, end a pause, go at full speed again.

        Slots that are held and a rate that was set stay as they are.
        """
        self._steer("reset")

    def trip(self, seconds: float, why: str) -> None:
        """Open the breaker for so long, whatever it was; then a trial decides, as always."""
        self._steer("trip", round(seconds * 1_000_000), " ".join(why.split()))

    def set_rate(self, per_s: float | None) -> None:
        """Go at this rate in place of the configured one, from now on; None: at that one again.

        What was adapted is forgotten: it begins anew from there. The rate is forgotten when nobody used the
        gate for a week.
        """
        self._steer("rate", math.ceil(1_000_000 / per_s) if per_s else 0)

    def _steer(self, verb: str, value: int = 0, why: str = "") -> None:
        limits = self._limits
        args: list[str | int | float] = [verb, value, why, GATE_TTL_S * 1000, self._site]
        args += [limits.interval_us, int(limits.adaptive)] if limits else [0, 1]
        Call(load("orchestrator.gate", "common", "steer"), self._keys, args, str).run(self._client)
