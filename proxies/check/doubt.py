"""When a judge may have been away: whoever failed meanwhile may have failed for that."""

from __future__ import annotations

import math


class Doubt:
    """From when the judge was last heard before it was missed, to when it is heard again.

    >>> doubt = Doubt(0.0)
    >>> doubt.heard(3.0, 3.1); doubt.missed(); doubt.heard(7.0, 7.1)
    >>> doubt.concerns(0.0, 2.9), doubt.concerns(2.0, 4.0), doubt.concerns(7.2, 8.0)
    (False, True, False)
    """

    def __init__(self, now: float) -> None:
        self._heard = now
        self._since, self._until = math.inf, -math.inf

    def heard(self, asked: float, answered: float) -> None:
        """The judge answered: it was there at some time from `asked` to `answered`."""
        self._heard = asked
        self._until = min(self._until, answered)

    def missed(self) -> None:
        """It did not answer."""
        self._since, self._until = min(self._since, self._heard), math.inf

    def concerns(self, started: float, ended: float) -> bool:
        """Whether a check of that time may have failed for it."""
        return ended >= self._since and started <= self._until
