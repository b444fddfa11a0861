"""Which jobs get the next shards: a decision, with no clock and no store in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that may be worked on: its live shards, the most it may have, when it was last served."""

    job: str
    live: int
    most: int
    served_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Allotment:
    """The jobs to send one shard each, in order, and those that must wait without any."""

    send: tuple[str, ...]
    waiting: tuple[str, ...]


def budget(slots: int) -> int:
    """Return how many shards may live at once: one slot stays free for short work, if there are two.

    >>> budget(8), budget(2), budget(1)
    (7, 1, 1)
    """
    return max(1, slots - 1)


def allot(claims: list[Claim], slots: int) -> Allotment:
    """Share the free places: fewest shards first, among equals who was served longest ago.

    >>> allot([Claim("a", 1, 2), Claim("b", 0, 2), Claim("c", 0, 1, served_at=5.0)], slots=4)
    Allotment(send=('b', 'c'), waiting=())
    """
    live = {claim.job: claim.live for claim in claims}
    free = budget(slots) - sum(live.values())
    send: list[str] = []
    while free > 0:
        wanting = [claim for claim in claims if live[claim.job] < claim.most]
        if not wanting:
            break
        first = min(wanting, key=lambda claim: (live[claim.job], claim.served_at, claim.job))
        live[first.job] += 1
        send.append(first.job)
        free -= 1
    waiting = tuple(claim.job for claim in claims if claim.most and not live[claim.job])
    return Allotment(tuple(send), waiting)
