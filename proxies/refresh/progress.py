"""What is known of a refresh: its keys in Redis, and the scripts that move it on.

`proxy_refresh:{job_id}:` total_chunks, completed_chunks, status, started_at, completed_at and
result_count are for everybody to read. Status moves DISPATCHED > PROCESSING > COMPLETE | PARTIAL |
FAILED, in the scripts alone, and ends once. How chunks are worked on is in `proxies.refresh.claim`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
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
#: A refresh whose chunks are not sent by then is nobody's, in seconds: who sends it was killed.
SENDING_S = 15.0
#: How long shards are asked to make room, unless it is asked again, in seconds.
YIELD_S = 5.0
#: How long candidates and verdicts are kept after the end, in seconds.
DETAILS_TTL_S = 3600

_FIELDS = (
    *("status", "total_chunks", "completed_chunks", "started_at"),
    *("candidates", "want", "sent"),
)
_OF_CHUNKS = ("checked", "usable", "signs", "runs")


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
class Begun:
    """A chunk that somebody has begun to work on."""

    sign: str = ""  #: changes with every sign of life
    runs: int = 0  #: how often it was begun
    reported: bool = False
    usable: int = 0  #: found so far


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a refresh."""

    job_id: str
    status: RefreshStatus | None
    total_chunks: int = 0
    completed_chunks: int = 0
    candidates: int = 0
    checked: int = 0
    usable: int = 0  #: found so far
    want: int = 0  #: so many usable ones are enough; 0: check all
    running_s: float = 0.0  #: since it was dispatched, on the server's clock
    at: float = 0.0  #: the moment of this look, on the server's clock
    sent: bool = False  #: whether its chunks are on their way to the workers
    begun: Mapping[int, Begun] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        """Whether it has ended."""
        return self.status is not None and self.status.final

    @property
    def all_reported(self) -> bool:
        """Whether every chunk has said what it found."""
        return 0 < self.total_chunks <= self.completed_chunks

    @property
    def enough(self) -> bool:
        """Whether as many are reported as are wanted: what was not begun will not be.

        What a chunk has found and not yet reported may still be lost.
        """
        reported = sum(begun.usable for begun in self.begun.values() if begun.reported)
        return 0 < self.want <= reported

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

    def key(self, name: str) -> str:
        """The key of one field."""
        return self.keys.refresh(self.job_id, name)

    def begin(
        self,
        chunks: Sequence[Sequence[str]],
        lease_s: float,
        facts: dict[str, Any],
        *,
        want: int = 0,
    ) -> str:
        """Write it down and take the lease of the running refresh, in this order.

        `chunks` are URLs; `facts` go into the summary at the end. Return "" or, when another refresh
        runs already, its id: then nothing of this one is left.
        """
        texts = {str(index): json.dumps(chunk) for index, chunk in enumerate(chunks)}
        single: dict[str, str | int] = {
            "candidates": sum(map(len, chunks)),
            "facts": json.dumps(facts),
            "want": want,
        }
        with self.redis.pipeline(transaction=False) as pipe:
            for index, text in texts.items():
                pipe.hset(self.key("chunks"), index, text)
            pipe.expire(self.key("chunks"), RETENTION_S)
            for name, value in single.items():
                pipe.set(self.key(name), value, ex=RETENTION_S)
            pipe.execute()
        running = self._begin(len(chunks), lease_s).run(self.redis)
        if running:
            self.redis.unlink(self.key("chunks"), *map(self.key, single))
        return running

    def _begin(self, total: int, lease_s: float) -> Call[str]:
        names = ("status", "total_chunks", "completed_chunks", "started_at")
        before = last(self.redis, self.keys)
        keys = [
            self.keys.refresh_current(),
            self.keys.refresh_last(),
            *map(self.key, names),
            self.keys.yield_wanted(),
            *(self.keys.refresh(before, name) for name in ("status", "summary")),
        ]
        args: list[str | int] = [self.job_id, total, _ms(lease_s), _ms(YIELD_S), RETENTION_S]
        args.append(json.dumps({"problems": ["given up: nobody worked on it or waited for it"]}))
        return Call(script("begin"), keys, args, str)

    def sent(self, lease_s: float) -> None:
        """Note that its chunks are on their way, and need nobody's word for `lease_s` seconds."""
        self.redis.set(self.key("sent"), 1, ex=RETENTION_S)
        self.keep(lease_s).run(self.redis)

    def chunk(self, index: int) -> list[str]:
        """The candidates of one chunk, as URLs; none when they are no longer kept."""
        text = self.redis.hget(self.key("chunks"), str(index))
        return json.loads(str(text)) if text else []

    def facts(self) -> dict[str, Any]:
        """Return what was known at the start."""
        text = self.redis.get(self.key("facts"))
        return json.loads(str(text)) if text else {}

    def keep(self, lease_s: float = LEASE_S) -> Call[bool]:
        """Say that somebody waits for it: renew its lease, and ask for slots if chunks have none."""
        names = ("status", "total_chunks", "checked")
        lease = self.keys.refresh_current(), self.keys.refresh_last()
        keys = [*lease, *map(self.key, names), self.keys.yield_wanted()]
        args: list[str | int] = [self.job_id, _ms(lease_s), _ms(YIELD_S)]
        return Call(script("keep"), keys, args, bool)

    def widen(self, want: int) -> None:
        """Let it go on until `want` usable ones are found, or all is checked with 0."""
        before = int(self.redis.get(self.key("want")) or 0)
        if before and (not want or want > before):
            self.redis.set(self.key("want"), want, xx=True, keepttl=True)

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
            pipe.mget([self.key(name) for name in _FIELDS])
            for name in _OF_CHUNKS:
                pipe.hgetall(self.key(name))
            pipe.hkeys(self.key("verdicts"))
            pipe.time()
            values, checked, usable, signs, runs, reported, (seconds, micros) = pipe.execute()
        status, total, completed, started, candidates, want, sent = values
        now = seconds + micros / 1e6
        return Progress(
            self.job_id,
            _status(status),
            int(total or 0),
            int(completed or 0),
            int(candidates or 0),
            sum(map(int, checked.values())),
            sum(map(int, usable.values())),
            int(want or 0),
            max(0.0, now - float(started or now)),
            now,
            bool(sent),
            {
                int(index): Begun(
                    sign,
                    int(runs.get(index, 0)),
                    index in reported,
                    int(usable.get(index, 0)),
                )
                for index, sign in signs.items()
            },
        )

    def retire(self) -> None:
        """Let go of the bulky parts soon."""
        with self.redis.pipeline() as pipe:
            for name in ("chunks", "verdicts"):
                pipe.expire(self.key(name), DETAILS_TTL_S)
            pipe.execute()


def current(redis: Redis, keys: Keys) -> str:
    """The id of the refresh that runs now, or ""."""
    return str(redis.get(keys.refresh_current()) or "")


def last(redis: Redis, keys: Keys) -> str:
    """The id of the newest refresh, running or not, or ""."""
    return str(redis.get(keys.refresh_last()) or "")


def script(verb: str) -> Any:
    """One of the scripts of a refresh."""
    return load("proxies", "refresh", verb)


def _status(text: str | None) -> RefreshStatus | None:
    try:
        return RefreshStatus(text or "")
    except ValueError:
        return None


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
