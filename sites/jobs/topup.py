"""Keeping jobs going: whoever looks next reaps, finishes, and sends the shards that are missing.

Every step is idempotent or one atomic script, so any number of processes may top up at once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.events import EventLog
from orchestrator.core.keys import RETENTION_S
from orchestrator.core.queues import CONTROL, SHARDS
from orchestrator.core.script import Call, load
from orchestrator.nodes.registry import Nodes
from orchestrator.queue.model import QueueState
from orchestrator.queue.redis import RedisQueue
from sites.crawl.beat import WANTED_BY_SITES
from sites.crawl.work import new_page
from sites.definition.definition import Definition
from sites.job.finish import ending, out_of_time
from sites.job.state import WORKED, JobState
from sites.jobs.allot import Claim, allot, budget
from sites.jobs.stalls import Stalls
from sites.jobs.waits import Waits
from sites.shared.ended import ended
from sites.shared.record import Records
from sites.shared.setback import heal
from sites.shared.shards import Shards
from sites.shared.written import drained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.core.context import Context
    from orchestrator.nodes.registry import Node
    from orchestrator.queue.model import Stats
    from sites.job.job import Job
    from sites.job.ref import JobRef

log = logging.getLogger(__name__)

#: A job that waits for a shard asks the others for a slot when nobody served it for so long, in s.
HUNGRY_AFTER_S = 5.0
#: How long that is asked for, in seconds: a shard looks every second.
YIELD_S = 2.5
#: A shard for each so many pages at once: one loop keeps that many in flight easily.
PAGES_A_SHARD = 8

_PARTS = ("shards", "pace", "health")


@dataclass(frozen=True, slots=True)
class Open:
    """A job that may be worked on, as a top-up found it."""

    job: Job
    stats: Stats
    most: int
    definition: Definition


class TopUp:
    """One look after all jobs; `dispatch(site, job_id, reservation)` sends a shard to the workers.

    `least_slots` are those of the worker that this runs in, if any: it may not be registered yet.
    """

    def __init__(
        self,
        context: Context,
        dispatch: Callable[[str, str, str], None],
        *,
        least_slots: int = 0,
    ) -> None:
        self._redis = context.redis
        self._keys = context.keys
        self._settings = context.settings.sites
        self._dispatch = dispatch
        self._least_slots = least_slots
        self._records = Records(self._redis, self._keys)
        self._shards = Shards(self._redis, self._keys)
        self._waits = Waits(context)
        events = EventLog(context.home.logs / "events.jsonl", rotates=False)
        self._stalls = Stalls(self._redis, self._keys, events)

    def run(self) -> None:
        """Tend every job that is active, send what shards are missing, retire what is drained."""
        active = self._records.active()
        heal(self._redis, self._keys, active)
        tended = [self.tend(ref) for ref in active]
        # Only now: what one of them needs may have ended just before.
        self._send([found for found in tended if found is not None and not self._wait(found)])
        for ref in self._records.ended():
            self._retire(ref)

    def tend(self, ref: JobRef) -> Open | None:
        """Seed, reap, finish or settle one job; return it if it may be worked on further."""
        job = self._records.read(ref)
        if job is None or not job.active:
            return None
        definition = Definition.model_validate_json(job.definition)
        if not job.seeded:
            self._seed(ref, definition)
        queue = RedisQueue(self._redis, self._keys.frontier(ref.site, ref.id))
        queue.lease(0, 1.0, max_attempts=definition.limits.attempts)  # reaps, and leases nothing
        stats, now = queue.stats(), self._now()
        if not stats.live:
            self._explain(job, stats)
            self._finish(ref, definition, stats)
            return None
        if job.state is not JobState.STOPPING and (over := out_of_time(job, definition, now)):
            self._records.note(ref, {"over": over})
            self._records.move(ref, JobState.STOPPING, reason=over)
            return None
        if job.state is JobState.STOPPING:
            self._settle(job, definition, stats)
            return None
        self._stalls.look(job, stats, now)
        wanted = -(-definition.concurrency // PAGES_A_SHARD)
        most = min(self._settings.shards_per_job, wanted, stats.live)
        return Open(job, stats, most, definition)

    def _wait(self, found: Open) -> bool:
        """Tell whether a job has to wait for what it needs; its record says for what."""
        job = found.job
        if job.state is not JobState.PENDING:
            return False
        reason = self._waits.reason(job, found.definition)
        if reason != job.reason:
            self._records.note(job.ref, {"reason": reason})
        return bool(reason)

    def _settle(self, job: Job, definition: Definition, stats: Stats) -> None:
        """Let a job that is being stopped stop, or end if it has used up its time."""
        if job.over:
            self._finish(job.ref, definition, stats)
        else:
            self._records.move(job.ref, JobState.STOPPED, reason=job.reason, idle=True)

    def _finish(self, ref: JobRef, definition: Definition, stats: Stats) -> None:
        """End a job that has no page left, or no time, and say what people should know of how it went."""
        facts = self._redis.hgetall(self._keys.job(ref.site, ref.id, "record"))
        record = {str(name): str(value) for name, value in facts.items()}
        state, reason = ending(stats, definition, record)
        left = bool(stats.live)
        self._records.move(ref, state, reason=reason, idle=left, unfinished=left)

    def _explain(self, job: Job, stats: Stats) -> None:
        """Say in the record why pages failed, or why none succeeded, where no shard could."""
        if job.error or (stats.done and not stats.error):
            return
        queue = self._keys.frontier(job.ref.site, job.ref.id)
        state = QueueState.ERROR if stats.error else QueueState.SKIPPED
        page = next(ended(self._redis, queue, state), None)
        if page is not None:
            error = str(page) if stats.error else f"every page was skipped: {page}"
            self._records.note(job.ref, {"error": error})

    def _seed(self, ref: JobRef, definition: Definition) -> None:
        """Put the start URLs into the frontier; doing it twice changes nothing."""
        queue = RedisQueue(self._redis, self._keys.frontier(ref.site, ref.id))
        pages = [new_page(url) for url in definition.start_urls]
        queue.enqueue(pages, most=definition.limits.pages)
        self._records.note(ref, {"seeded": "1"})

    def _send(self, jobs: Sequence[Open]) -> None:
        slots, wanted_by = self._slots()
        if not jobs or not slots:
            return
        refs = {found.job.ref.member: found.job.ref for found in jobs}
        live = self._shards.live(list(refs.values()))
        claims = [_claim(found, count) for found, count in zip(jobs, live, strict=True)]
        allotment = allot(claims, slots)
        self._ask_for_slots(
            [f.job for f in jobs if f.job.ref.member in allotment.waiting], wanted_by
        )
        for member in allotment.send:
            self._send_one(refs[member], jobs, slots)

    def _slots(self) -> tuple[int, str | None]:
        """Return how many slots shards may count on, and who waits for one of theirs."""
        slots = _for_shards(Nodes(self._redis, self._keys).live(), self._least_slots)
        wanted_by = self._redis.get(self._keys.yield_wanted())
        if wanted_by in (None, WANTED_BY_SITES):
            return slots, None if wanted_by is None else str(wanted_by)
        # A refresh waits: one shard for all jobs, until it has its slots.
        return min(slots, 2), str(wanted_by)

    def _ask_for_slots(self, waiting: Sequence[Job], wanted_by: str | None) -> None:
        """Ask the shards to make room while a job is hungry, and not a moment longer."""
        now = self._now()
        key = self._keys.yield_wanted()
        if any(job.state in WORKED and now - job.served_at > HUNGRY_AFTER_S for job in waiting):
            self._redis.set(key, WANTED_BY_SITES, px=int(YIELD_S * 1000), nx=True)
        elif wanted_by == WANTED_BY_SITES:
            self._redis.delete(key)  # or the new shard would end for it

    def _send_one(self, ref: JobRef, jobs: Sequence[Open], slots: int) -> None:
        refs = [found.job.ref for found in jobs]
        most = next(found.most for found in jobs if found.job.ref == ref)
        reservation = self._shards.reserve(ref, refs, per_job=most, budget=budget(slots))
        if reservation is None:
            return
        try:
            self._dispatch(ref.site, ref.id, reservation)
        except BaseException:
            self._shards.end(ref, reservation)
            raise

    def _retire(self, ref: JobRef) -> None:
        """Let a finished job expire once everything it scraped is on disk."""
        job = self._records.read(ref)
        if job is not None and not drained(self._first_result(), job.last_result):
            return
        frontier = self._keys.frontier(ref.site, ref.id).all()
        parts = [self._keys.job(ref.site, ref.id, part) for part in _PARTS]
        names = [
            *(self._keys.job(ref.site, ref.id, "record"), self._keys.ended_jobs()),
            *(self._keys.jobs(), *parts, *frontier),
        ]
        words: list[str | int] = [ref.member, RETENTION_S * 1000, job.last_result if job else ""]
        Call(load("sites.shared", "retire"), names, words, bool).run(self._redis)

    def _now(self) -> float:
        seconds, micros = self._redis.time()
        return int(seconds) + int(micros) / 1_000_000

    def _first_result(self) -> str | None:
        found = self._redis.xrange(self._keys.results(), count=1)
        return str(found[0][0]) if found else None


def _for_shards(nodes: Sequence[Node], least: int) -> int:
    """Count the slots of the workers that take shards.

    One of them is kept free for short work later on (`allot.budget`); where that has a worker of its
    own it needs none of theirs, so there is one more to count on.
    """
    able = (node for node in nodes if SHARDS in node.takes and not node.short)
    slots = max(least, sum(node.slots for node in able))
    apart = any(CONTROL in node.takes and SHARDS not in node.takes for node in nodes)
    return slots + 1 if slots and apart else slots


def _claim(found: Open, live: int) -> Claim:
    """A job whose pages all wait for their time needs no shard until then."""
    stats = found.stats
    idle = stats.queued == stats.delayed and not stats.in_progress
    return Claim(found.job.ref.member, live, live if idle else found.most, found.job.served_at)
