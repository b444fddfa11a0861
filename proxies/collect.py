"""The end of a refresh: reports in Redis become the new pool, the file, and a final status.

The chord's body and everybody who waits may run it, at once or again: the first one ends the
refresh, the others change nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.keys import RETENTION_S
from orchestrator.core.script import Call, load
from proxies.findings import Findings, Report
from proxies.model import parse
from proxies.pool import Pool, live_and_usable
from proxies.progress import RefreshRecord, RefreshStatus
from proxies.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from proxies.model import Verdict


@dataclass(frozen=True, slots=True)
class Collector:
    """Ends refreshes; `file` is `live_proxies.json`, `fresh_for` how long old verdicts count."""

    redis: Redis
    keys: Keys
    file: Path
    fresh_for: float

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
            found = Findings(progress.total_chunks, _reports(record))
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
            self._snapshot.sync(pool, pool.generation(), str(status))

    @property
    def _snapshot(self) -> Snapshot:
        return Snapshot(self.file, self.fresh_for)

    def _finish(self, record: RefreshRecord, found: Findings) -> None:
        pool = Pool(self.redis, self.keys)
        kept = self._kept(record, found, pool)
        verdicts = (*found.live, *kept)
        replace = found.status is not RefreshStatus.FAILED
        staged = pool.stage(verdicts if replace else ())
        live, usable = live_and_usable(verdicts)
        summary = {
            **record.facts(),
            "live": live,
            "usable": usable,
            "kept": len(kept),
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
        args += [int(replace), self._snapshot.generation(), live, usable]
        Call(load("proxies", "refresh", "pool", "finish"), keys, args, _ended).run(self.redis)

    def _kept(self, record: RefreshRecord, found: Findings, pool: Pool) -> Sequence[Verdict]:
        """Old verdicts, still fresh, about candidates that this refresh found out nothing about."""
        if not found.undecided:
            return ()
        undecided = {parse(url).key for index in found.undecided for url in record.chunk(index)}
        undecided -= {verdict.proxy.key for verdict in found.live}
        return [old.verdict for old in pool.usable(self.fresh_for) if old.proxy.key in undecided]


def _reports(record: RefreshRecord) -> dict[int, Report]:
    return {index: Report.from_json(facts) for index, facts in record.reports().items()}


def _ended(reply: list[Any]) -> bool:
    return bool(reply[0])
