"""How jobs are handed out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.queue.model import Lease
from orchestrator.queue.sqlite import rota
from orchestrator.queue.sqlite.queries import load
from orchestrator.queue.sqlite.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.queue.model import Limits
    from orchestrator.queue.sqlite.turn import Turn

#: Keys, and lanes, that one `lease` looks at in vain among the most urgent, so many at a time. Whatever is
#: flooded there, it goes on with what is less urgent, each time with half as many.
LOOKS = 64
_MOST_URGENT = -(2**63)

_SQL = load("lease")
_KEYS, _HOSTS, _JOBS, _TAKE = (_SQL[name] for name in ("keys", "hosts", "jobs", "take"))


def lease(
    turn: Turn, n: int, ttl_ms: int, worker: str, max_attempts: int
) -> tuple[list[Lease], int]:
    """Take up to `n` jobs, after those that come due have been made ready.

    Return them, and which of the arrivals have been looked at.
    """
    sweep(turn, max_attempts)
    taking = _Taking(turn, ttl_ms, worker, rota.limits(turn))
    first = taking.first() if n == 1 else None
    leases, seen = [first] if first else taking.take(n), turn.arrivals
    if taking.more:
        turn.arrivals += 1  # nobody may sleep: there may be more behind
    return leases, seen


@dataclass(slots=True)
class _Taking:
    turn: Turn
    ttl_ms: int
    worker: str
    limits: Limits
    looks: int = LOOKS
    more: bool = False
    #: Hosts that are at their limits: while this goes on no lease ends.
    full: set[str] = field(default_factory=set)

    def first(self) -> Lease | None:
        """What `take` does for one job when nothing is in its way: quicker, as it is done most."""
        db, turn = self.turn.db, self.turn
        keys = db.execute(_KEYS, (_MOST_URGENT, 2)).fetchall()
        hosts = db.execute(_HOSTS, (*keys[0], 2)).fetchall() if keys else ()
        if not hosts:
            return None
        (priority, key), (host,) = keys[0], hosts[0]
        if rota.room_of_key(turn, key, 1) <= 0 or rota.room_of_host(turn, host, 1) <= 0:
            return None
        row = db.execute(_JOBS, (priority, key, host, 1)).fetchone()
        if row is None:
            return None
        if len(hosts) > 1 or self.limits.of_host(host) is not None:
            db.execute(_SQL["pass_host"], (turn.draw(), priority, key, host))
        if len(keys) > 1 and keys[1][0] == priority:
            db.execute(_SQL["pass_key"], (turn.draw(), priority, key))
        return self._leased(row, key, host)

    def take(self, n: int) -> list[Lease]:
        """Let the keys of the most urgent priority take turns, then those of the next."""
        taken: list[Lease] = []
        start, budget = _MOST_URGENT, LOOKS
        while len(taken) < n:
            wanted = n - len(taken)
            due = self.turn.db.execute(_KEYS, (start, min(wanted, LOOKS) + 1)).fetchall()
            if not due:
                break
            priority = due[0][0]
            taken += self._of_priority(priority, [key for at, key in due if at == priority], wanted)
            if self.looks <= 0:
                self.more = True
                start, budget = priority + 1, budget // 2
                if not budget:
                    break
                self.looks = budget
        return taken

    def _of_priority(self, priority: int, keys: list[str], wanted: int) -> list[Lease]:
        rounds = [
            self._of_key(priority, key, quantum, alone=len(keys) == 1)
            for key, quantum in _spread(wanted, keys)
            if self.looks > 0
        ]
        return _in_turn(rounds)

    def _of_key(self, priority: int, key: str, quantum: int, *, alone: bool) -> list[Lease]:
        db, turn = self.turn.db, self.turn
        room = rota.room_of_key(turn, key, quantum)
        if room <= 0:
            self._at_its_limit(priority, key)
            return []
        # A host may come twice: what it gives is one row.
        rounds: dict[str, list[Lease]] = {}
        found = 0
        while found < room and self.looks > 0:
            wanted = room - found
            hosts = self._hosts_of(priority, key, min(wanted, LOOKS) + 1)
            if not hosts:
                self._none_left(priority, key)
                break
            for host, share in _spread(wanted, hosts):
                leases = self._of_host((priority, key, host), share, alone=len(hosts) == 1)
                rounds.setdefault(host, []).extend(leases)
                found += len(leases)
        # One that got nothing, as others hold its hosts, keeps its place; not when it has more to look at.
        if not alone and (found or self.looks <= 0):
            db.execute(_SQL["pass_key"], (turn.draw(), priority, key))
        return _in_turn(list(rounds.values()))

    def _of_host(self, lane: tuple[int, str, str], quantum: int, *, alone: bool) -> list[Lease]:
        db, turn = self.turn.db, self.turn
        room = 0 if lane[2] in self.full else rota.room_of_host(turn, lane[2], quantum)
        if room <= 0:
            self.looks -= 1
            self.full.add(lane[2])
            db.execute(_SQL["park_host"], (turn.now + rota.PARKED_MS, *lane))
            return []
        rows = db.execute(_JOBS, (*lane, room)).fetchall()
        if len(rows) < room:
            db.execute(_SQL["end_host"], lane)
            if not rows:
                self.looks -= 1
                rota.offer_host(turn, lane[2])
        # The lanes of other keys may wait for the same host.
        elif not alone or self.limits.of_host(lane[2]) is not None:
            db.execute(_SQL["pass_host"], (turn.draw(), *lane))
        return [self._leased(row, lane[1], lane[2]) for row in rows]

    def _leased(self, row: tuple[int, str, int, str | None], key: str, host: str) -> Lease:
        number, job_id, attempts, payload = row
        turn, fence = self.turn, self.turn.draw()
        if payload is None:
            (payload,) = turn.db.execute(_SQL["body"], (number,)).fetchone()
        turn.db.execute(_TAKE, (turn.now + self.ttl_ms, fence, turn.now, self.worker, number))
        turn.move(key, 0, 2)
        attempt = attempts + 1
        return Lease(job_id, f"{attempt}.{fence}.{number}", payload, attempt, key, host)

    def _hosts_of(self, priority: int, key: str, most: int) -> list[str]:
        rows = self.turn.db.execute(_HOSTS, (priority, key, most)).fetchall()
        return [host for (host,) in rows]

    def _at_its_limit(self, priority: int, key: str) -> None:
        """The key waits outside; places that were meant for it go to others."""
        self.looks -= 1
        again = self.turn.now + rota.PARKED_MS
        self.turn.db.execute(_SQL["park_key"], (again, priority, key))
        for host in self._hosts_of(priority, key, rota.BACK):
            if host not in self.full:
                rota.offer_host(self.turn, host)

    def _none_left(self, priority: int, key: str) -> None:
        """The key leaves the rota, or waits outside while its hosts are at their limits."""
        if self.turn.db.execute(_SQL["end_key"], (priority, key)).rowcount == 0:
            again = self.turn.now + rota.PARKED_MS
            self.turn.db.execute(_SQL["park_key"], (again, priority, key))
        rota.offer_key(self.turn, key)  # to its lanes of another priority


def _spread(wanted: int, names: list[str]) -> Iterable[tuple[str, int]]:
    """So much for each; the first ones get what is left over, and at the most `wanted` get anything."""
    share, over = divmod(wanted, len(names))
    for position, name in enumerate(names):
        quantum = share + (position < over)
        if quantum:
            yield name, quantum


def _in_turn(rounds: list[list[Lease]]) -> list[Lease]:
    """One of each, then the second of each, and so on."""
    if len(rounds) == 1:
        return rounds[0]
    waiting = deque(deque(found) for found in rounds if found)
    merged = []
    while waiting:
        found = waiting.popleft()
        merged.append(found.popleft())
        if found:
            waiting.append(found)
    return merged
