"""What is known of a refresh: its keys in Redis, and the scripts that move it on.

`proxy_refresh:{job_id}:` total_chunks, completed_chunks, status, started_at, completed_at and
result_count are for everybody to read. Status moves DISPATCHED > PROCESSING > COMPLETE | PARTIAL |
FAILED, in the scripts alone, and ends once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from orchestrator.core.keys import RETENTION_S
from orchestrator.core.script import Call, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis

#: Without a sign of life for this long, the lease of a running refresh ends, in seconds.
LEASE_S = 60.0
#: How long shards are asked to make room, unless it is asked again, in seconds.
YIELD_S = 5.0
#: How long candidates and verdicts are kept after the end, in seconds.
DETAILS_TTL_S = 3600

_FIELDS = ("status", "total_chunks", "completed_chunks", "started_at", "candidates", "beat")


class RefreshStatus(StrEnum):
    """Where a refresh is."""

    DISPATCHED = "DISPATCHED"
    PROCESSING = "PROCESSING"
    COMPLETE = "COMPLETE"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self not in {RefreshStatus.DISPATCHED, RefreshStatus.PROCESSING}


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a refresh."""

    job_id: str
    status: RefreshStatus | None
    total_chunks: int = 0
    completed_chunks: int = 0
    started_chunks: int = 0
    candidates: int = 0
    checked: int = 0
    running_s: float = 0.0  #: since it was dispatched, on the server's clock
    sign: str = ""  #: changes whenever a chunk gives a sign of life

    @property
    def final(self) -> bool:
        """Whether it has ended."""
        return self.status is not None and self.status.final

    @property
    def all_reported(self) -> bool:
        """Whether every chunk has said what it found."""
        return 0 < self.total_chunks <= self.completed_chunks

    @property
    def eta_s(self) -> float | None:
        """Seconds until the end at the speed so far; None while nothing can be said."""
        if self.final:
            return 0.0
        if not self.checked or not self.candidates:
            return None
        left = max(0, self.candidates - self.checked)
        return round(self.running_s * left / self.checked, 1)

    def as_json(self) -> dict[str, Any]:
        """Return the form of `orch status --json`."""
        return {
            "job_id": self.job_id,
            "status": self.status and str(self.status),
            "completed_chunks": self.completed_chunks,
            "total_chunks": self.total_chunks,
            "eta_s": self.eta_s,
        }


@dataclass(frozen=True, slots=True)
class RefreshRecord:
    """The record of one refresh in Redis."""

    redis: Redis
    keys: Keys
    job_id: str

    def key(self, field: str) -> str:
        """The key of one field."""
        return self.keys.refresh(self.job_id, field)

    def begin(self, chunks: Sequence[Sequence[str]], lease_s: float, facts: dict[str, Any]) -> str:
        """Write it down and take the lease of the running refresh, in this order.

        `chunks` are URLs; `facts` go into the summary at the end. Return "" or, when another refresh
        runs already, its id: then nothing of this one is left.
        """
        texts = {str(index): json.dumps(chunk) for index, chunk in enumerate(chunks)}
        with self.redis.pipeline(transaction=False) as pipe:
            for index, text in texts.items():
                pipe.hset(self.key("chunks"), index, text)
            pipe.expire(self.key("chunks"), RETENTION_S)
            pipe.set(self.key("candidates"), sum(map(len, chunks)), ex=RETENTION_S)
            pipe.set(self.key("facts"), json.dumps(facts), ex=RETENTION_S)
            pipe.execute()
        running = self._begin(len(chunks), lease_s).run(self.redis)
        if running:
            self.redis.unlink(self.key("chunks"), self.key("candidates"), self.key("facts"))
        return running

    def _begin(self, total: int, lease_s: float) -> Call[str]:
        names = ("status", "total_chunks", "completed_chunks", "started_at", "beat")
        before = last(self.redis, self.keys)
        keys = [
            self.keys.refresh_current(),
            self.keys.refresh_last(),
            *map(self.key, names),
            self.keys.yield_wanted(),
            *(self.keys.refresh(before, field) for field in ("status", "summary")),
        ]
        args: list[str | int] = [self.job_id, total, _ms(lease_s), _ms(YIELD_S), RETENTION_S]
        args.append(json.dumps({"problems": ["given up: nobody worked on it or waited for it"]}))
        return Call(_script("begin"), keys, args, str)

    def chunk(self, index: int) -> list[str]:
        """The candidates of one chunk, as URLs; none when they are no longer kept."""
        text = self.redis.hget(self.key("chunks"), str(index))
        return json.loads(str(text)) if text else []

    def facts(self) -> dict[str, Any]:
        """Return what was known at the start."""
        text = self.redis.get(self.key("facts"))
        return json.loads(str(text)) if text else {}

    def beat(self, index: int, checked: int) -> Call[bool]:
        """Give a sign of life of a chunk; the reply is whether the refresh is still wanted."""
        names = ("status", "total_chunks", "checked", "beat")
        keys = [self.keys.refresh_current(), *map(self.key, names), self.keys.yield_wanted()]
        args: list[str | int] = [self.job_id, index, checked, _ms(LEASE_S), RETENTION_S]
        return Call(_script("beat"), keys, args, bool)

    def keep(self) -> Call[bool]:
        """Say that somebody waits for it: renew its lease, and ask for slots if chunks have none."""
        names = ("status", "total_chunks", "checked")
        keys = [self.keys.refresh_current(), *map(self.key, names), self.keys.yield_wanted()]
        args: list[str | int] = [self.job_id, _ms(LEASE_S), _ms(YIELD_S)]
        return Call(_script("keep"), keys, args, bool)

    def record(self, index: int, report: Mapping[str, Any], checked: int) -> bool:
        """Write down what a chunk found, once; tell whether it counted."""
        names = ("verdicts", "completed_chunks", "status", "checked", "beat")
        args: list[str | int] = [index, json.dumps(report), checked, RETENTION_S]
        return Call(_script("record"), [*map(self.key, names)], args, bool).run(self.redis)

    def wants(self, index: int) -> bool:
        """Whether a chunk's report is wanted: not after the end, nor from one that has reported."""
        with self.redis.pipeline() as pipe:
            pipe.get(self.key("status"))
            pipe.hexists(self.key("verdicts"), str(index))
            text, reported = pipe.execute()
        status = _status(text)
        return status is not None and not status.final and not reported

    def reports(self) -> dict[int, dict[str, Any]]:
        """What each chunk that has reported found."""
        found = self.redis.hgetall(self.key("verdicts"))
        return {int(index): json.loads(text) for index, text in found.items()}

    def summary(self) -> dict[str, Any]:
        """What was said at the end; empty before it."""
        text = self.redis.get(self.key("summary"))
        return json.loads(str(text)) if text else {}

    def read(self) -> Progress:
        """Take one look."""
        # No transaction: a Redis that is full queues none, not even one that only reads.
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.mget([self.key(field) for field in _FIELDS])
            pipe.hvals(self.key("checked"))
            pipe.time()
            values, checked, (seconds, micros) = pipe.execute()
        status, total, completed, started, candidates, beat = values
        now = seconds + micros / 1e6
        return Progress(
            self.job_id,
            _status(status),
            int(total or 0),
            int(completed or 0),
            len(checked),
            int(candidates or 0),
            sum(map(int, checked)),
            max(0.0, now - float(started or now)),
            beat or "",
        )

    def retire(self) -> None:
        """Let go of the bulky parts soon."""
        with self.redis.pipeline() as pipe:
            for field in ("chunks", "verdicts"):
                pipe.expire(self.key(field), DETAILS_TTL_S)
            pipe.execute()


def current(redis: Redis, keys: Keys) -> str:
    """The id of the refresh that runs now, or ""."""
    return str(redis.get(keys.refresh_current()) or "")


def last(redis: Redis, keys: Keys) -> str:
    """The id of the newest refresh, running or not, or ""."""
    return str(redis.get(keys.refresh_last()) or "")


def _status(text: str | None) -> RefreshStatus | None:
    try:
        return RefreshStatus(text or "")
    except ValueError:
        return None


def _script(verb: str) -> Any:
    return load("proxies", "refresh", verb)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
