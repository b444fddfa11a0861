"""Where the robots.txt of all hosts are kept, for all who ask the same hosts.

A robots.txt is read once a day, not once by every worker: whoever has the claim asks for it, the others
wait for what comes. A claim runs out by itself, so that nobody waits for the dead.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.keys import RETENTION_S
from orchestrator.core.patience import patiently

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis_async import AsyncRedis

#: Another process at the file is waited for, in seconds.
_BUSY_S = 10.0


class RobotsStore(Protocol):
    """Keeps a text for each place; a place is scheme, host and agent. Forgets it in a week."""

    async def get(self, place: str) -> str | None:
        """Return what was put last."""
        ...

    async def claim(self, place: str, seconds: float) -> bool:
        """Tell whether it is ours to ask: nobody else may for so long, or until the next `put`."""
        ...

    async def put(self, place: str, text: str) -> None:
        """Keep what was found, and end the claim."""
        ...


class SharedRobots:
    """`RobotsStore` in Redis; while that is away or full its callers wait."""

    def __init__(self, redis: AsyncRedis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def get(self, place: str) -> str | None:
        """See `RobotsStore`."""
        found = await patiently(lambda: self._redis.call("GET", self._keys.robots(place)))
        return None if found is None else str(found)

    async def claim(self, place: str, seconds: float) -> bool:
        """See `RobotsStore`; a reply that is lost costs the time of the claim."""
        key = self._keys.robots(place, "claim")
        taken = await patiently(
            lambda: self._redis.call("SET", key, "1", "NX", "PX", round(seconds * 1000))
        )
        return bool(taken)

    async def put(self, place: str, text: str) -> None:
        """See `RobotsStore`."""
        await patiently(
            lambda: self._redis.call("SET", self._keys.robots(place), text, "EX", int(RETENTION_S))
        )
        await patiently(lambda: self._redis.call("DEL", self._keys.robots(place, "claim")))


class LocalRobots:
    """`RobotsStore` in a file, for all processes of this machine."""

    def __init__(self, path: Path, clock: Clock = SYSTEM) -> None:
        self._path = path
        self._clock = clock
        with closing(self._open()) as db, db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS robots"
                " (place TEXT PRIMARY KEY, text TEXT, put_at REAL, claimed_until REAL)"
            )
            db.execute("DELETE FROM robots WHERE put_at < ?", (clock.wall() - RETENTION_S,))

    async def get(self, place: str) -> str | None:
        """See `RobotsStore`."""
        return await asyncio.to_thread(self._get, place)

    async def claim(self, place: str, seconds: float) -> bool:
        """See `RobotsStore`."""
        return await asyncio.to_thread(self._claim, place, seconds)

    async def put(self, place: str, text: str) -> None:
        """See `RobotsStore`."""
        await asyncio.to_thread(self._put, place, text)

    def _get(self, place: str) -> str | None:
        with closing(self._open()) as db:
            row = db.execute("SELECT text FROM robots WHERE place = ?", (place,)).fetchone()
        return row[0] if row else None

    def _claim(self, place: str, seconds: float) -> bool:
        now = self._clock.wall()
        # A claim that lasts longer than any is one from before the clock was set back.
        claim = (
            "INSERT INTO robots (place, put_at, claimed_until) VALUES (:place, :now, :until)"
            " ON CONFLICT (place) DO UPDATE SET claimed_until = :until"
            " WHERE claimed_until <= :now OR claimed_until > :until"
        )
        words = {"place": place, "now": now, "until": now + seconds}
        with closing(self._open()) as db, db:
            return db.execute(claim, words).rowcount == 1

    def _put(self, place: str, text: str) -> None:
        put = (
            "INSERT OR REPLACE INTO robots (place, text, put_at, claimed_until) VALUES (?, ?, ?, 0)"
        )
        with closing(self._open()) as db, db:
            db.execute(put, (place, text, self._clock.wall()))

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=_BUSY_S)
