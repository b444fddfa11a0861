"""What whoever waits for a refresh does about chunks whose workers have died: pure decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.celery_app.patience import FairClock, Owed
from proxies.refresh.claim import MOST_RUNS
from proxies.refresh.progress import SENDING_S, Begun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxies.refresh.progress import Progress


@dataclass(frozen=True, slots=True)
class Redo:
    """Work on a chunk oneself; `silent` is the last sign of life of who had it, "" of nobody."""

    index: int
    silent: str


@dataclass(frozen=True, slots=True)
class Collect:
    """End the refresh, with all its chunks or (`missing`) with those that there are."""

    missing: bool = False


#: Begun chunks give a sign of life every second; silent for so long, they are lost, in seconds.
SILENCE_S = 10.0
#: Chunks are begun within seconds once a slot is free, and shards make room. When none was begun and none
#: that runs has given a sign for so long, their messages are with a worker that died, in seconds.
NOBODY_S = 60.0


@dataclass(slots=True)
class Silence:
    """Which chunks are lost: those that gave no sign for `patience` seconds while we could have seen it.

    Time in which Redis did not answer, or we stood still ourselves, is not held against anybody.
    """

    patience: float = SILENCE_S
    _clock: FairClock = field(default_factory=FairClock)
    _signs: dict[int, tuple[str, float]] = field(default_factory=dict)
    _forsaken: Owed = field(default_factory=Owed)
    _changed_at: float = 0.0

    def look(self, seen: Progress | None, at: float, *, forsaken: bool = False) -> list[Redo]:
        """Take a look at the monotonic time `at` (None: Redis did not answer); return what is lost.

        Of a refresh that is `forsaken` (never sent, or there is no worker) that is also what nobody
        has begun.
        """
        self._clock.look(at, fair=seen is not None)
        if seen is None:
            return []
        lost = [
            Redo(index, begun.sign)
            for index, begun in seen.begun.items()
            if self._silent(index, begun) >= self.patience
        ]
        alone = self._forsaken.look(self._clock.now, due=forsaken) >= self.patience
        if alone or self._clock.now - self._changed_at >= NOBODY_S:
            lost += not_begun(seen)
        return lost

    def _silent(self, index: int, begun: Begun) -> float:
        before, since = self._signs.get(index, ("", 0.0))
        if before != begun.sign:
            since = self._changed_at = self._clock.now
            self._signs[index] = begun.sign, since
        return 0.0 if begun.reported else self._clock.now - since


def aged(seen: Progress) -> list[Redo]:
    """What seems to be lost by a single look, by the server's clock: look again whether it still is."""
    ages = {index: seen.at - float(begun.sign) for index, begun in seen.begun.items()}
    lost = [
        Redo(index, seen.begun[index].sign)
        for index, age in ages.items()
        if age >= SILENCE_S and not seen.begun[index].reported
    ]
    quiet = min([*ages.values(), seen.running_s])
    if quiet >= (NOBODY_S if seen.sent else SENDING_S):
        lost += not_begun(seen)
    return lost


def not_begun(seen: Progress) -> list[Redo]:
    """Every chunk that nobody has begun."""
    return [Redo(index, "") for index in range(seen.total_chunks) if index not in seen.begun]


def what_to_do(seen: Progress, lost: Sequence[Redo]) -> Redo | Collect | None:
    """Decide, with all that is lost: redo the first one that may be, or end with what there is."""
    if seen.all_reported:
        return Collect()
    if seen.enough:
        return None if _working(seen, lost) else Collect(missing=True)
    for chunk in lost:
        if seen.begun.get(chunk.index, Begun()).runs < MOST_RUNS:
            return chunk
    over = seen.completed_chunks + len(lost) >= seen.total_chunks
    return Collect(missing=True) if lost and over else None


def _working(seen: Progress, lost: Sequence[Redo]) -> bool:
    """Whether anybody works on a chunk."""
    gone = {chunk.index for chunk in lost}
    return any(not begun.reported and index not in gone for index, begun in seen.begun.items())
