"""The end of a refresh: reports in Redis become the new pool, the file, and a final status.

The chord's body and everybody who waits may run it, at once or again: the first one ends the
refresh, the others change nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.events import EventLog
from orchestrator.core.keys import RETENTION_S
from orchestrator.core.script import Call, load
from proxies.model import parse
from proxies.pool.pool import Pool, live_and_usable
from proxies.pool.snapshot import Snapshot
from proxies.refresh.findings import Findings, Report
from proxies.refresh.history import History
from proxies.refresh.progress import RefreshRecord, RefreshStatus
from proxies.sources.yields import Yields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.core.context import Context
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from proxies.refresh.findings import Span


@dataclass(frozen=True, slots=True)
class Collector:
    """Ends refreshes; `snapshot` is the file that shows the pool."""

    redis: Redis
    keys: Keys
    snapshot: Snapshot
    events: EventLog

    @classmethod
    def of(cls, context: Context, redis: Redis | None = None) -> Collector:
        """The one of a home, by the connection `redis` if there is a better one."""
        events = EventLog(context.home.logs / "events.jsonl", rotates=False)
        return cls(redis or context.redis, context.keys, Snapshot.of(context), events)

    def collect(self, job_id: str, *, missing_ok: bool = False) -> bool:
        """End the refresh if every chunk has reported, or with `missing_ok` in any case.

        Return whether it has ended; the file then shows the pool.
        """
        record = RefreshRecord(self.redis, self.keys, job_id)
        progress = record.read()
        if not progress.final:
            nothing = progress.status is not None and not progress.total_chunks
            if not (progress.all_reported or nothing or missing_ok):
                return False
            found = Findings(progress.total_chunks, _reports(record), progress.want)
            self._finish(record, found)
        status = record.read().status
        if status is None or not status.final:
            return False
        self.show(status)
        record.retire()
        return True

    def show(self, status: RefreshStatus) -> None:
        """See that the file shows the pool; after a failure the old one stays as it is."""
        if status is not RefreshStatus.FAILED:
            pool = Pool(self.redis, self.keys)
            self.snapshot.sync(pool, pool.generation(), str(status))

    def _finish(self, record: RefreshRecord, found: Findings) -> None:
        pool = Pool(self.redis, self.keys)
        undecided = _undecided(record, found)
        before = pool.usable(self.snapshot.fresh_for) if undecided else ()
        kept = [old.verdict for old in before if old.verdict.candidate.key in undecided]
        verdicts = (*found.live, *kept)
        replace = found.status is not RefreshStatus.FAILED
        staged = pool.stage(verdicts if replace else ())
        live, usable = live_and_usable(verdicts)
        summary = {
            **record.facts(),
            "live": live,
            "usable": usable,
            "kept": len(kept),
            "checked": found.checked,
            "early": found.early,
            "reasons": found.reasons,
            "problems": found.problems,
        }
        fields = ("status", "completed_at", "result_count", "summary")
        keys = [
            *map(record.key, fields),
            self.keys.refresh_current(),
            self.keys.yield_wanted(),
            self.keys.pool(),
            staged,
            self.keys.pool_failures(),
            self.keys.pool_meta(),
        ]
        args: list[str | int] = [record.job_id, str(found.status), json.dumps(summary), RETENTION_S]
        args += [int(replace), self.snapshot.generation(), live, usable]
        script = load("proxies", "refresh", "pool", "finish")
        if Call(script, keys, args, _ended).run(self.redis):
            told = {"job": record.job_id, "status": str(found.status), "usable": usable}
            self.events.write("refresh.ended", **told, problems=found.problems)
            History(self.redis, self.keys).note(record.job_id)
            alive = {verdict.candidate.key for verdict in found.live}
            Yields(self.redis, self.keys).record(record.job_id, alive, undecided)


def _undecided(record: RefreshRecord, found: Findings) -> set[str]:
    """The candidates that this refresh found out nothing about keep their old verdicts."""
    undecided = {
        parse(url).key
        for index, places in found.undecided.items()
        for url in _at(record.chunk(index), places)
    }
    return undecided - {verdict.candidate.key for verdict in found.live}


def _reports(record: RefreshRecord) -> dict[int, Report]:
    return {index: Report.from_json(facts) for index, facts in record.reports().items()}


def _at(urls: Sequence[str], places: Sequence[Span] | None) -> Sequence[str]:
    if places is None:
        return urls
    return [url for first, last in places for url in urls[first:last]]


def _ended(reply: list[Any]) -> bool:
    return bool(reply[0])
