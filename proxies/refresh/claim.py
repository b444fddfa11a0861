"""The work on one chunk: taken by a claim, kept by signs of life, ended by a report that counts once."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from orchestrator.core.keys import RETENTION_S
from orchestrator.core.script import Call
from proxies.refresh.progress import LEASE_S, RefreshRecord, script

if TYPE_CHECKING:
    from proxies.refresh.findings import Report

#: A chunk is begun so many times at most: one that ends every worker that takes it is given up. By the
#: first worker, by the next one that gets its message, and by whoever waits.
MOST_RUNS = 3


class Word(IntEnum):
    """What a claim, or a sign of life, is answered with."""

    NOT_WANTED = 0  #: it is reported, or somebody else's, or the refresh has ended
    GO_ON = 1
    ENOUGH = 2  #: as many are found as somebody wanted: report what there is


@dataclass(frozen=True, slots=True)
class Claim:
    """One run of chunk `index` of a refresh; `id` stays the same when its message comes again."""

    record: RefreshRecord
    index: int
    id: str
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def take(self, silent: str = "") -> Word:
        """Begin; a chunk that another one works on only if its sign of life is still `silent`."""
        record = self.record
        names = ("status", "total_chunks", "checked", "usable", "want", "signs", "holders", "runs")
        keys = [
            record.keys.refresh_current(),
            record.keys.refresh_last(),
            *map(record.key, (*names, "verdicts")),
            record.keys.yield_wanted(),
        ]
        args: list[str | int] = [record.job_id, self.index, self.id, self.token, silent, MOST_RUNS]
        args += [_LEASE_MS, RETENTION_S]
        return Call(script("claim"), keys, args, Word).run(record.redis)

    def beat(self, checked: int, usable: int) -> Call[Word]:
        """Give a sign of life, and say how far it is."""
        record = self.record
        names = ("status", "checked", "usable", "want", "signs", "holders")
        lease = record.keys.refresh_current(), record.keys.refresh_last()
        keys = [*lease, *map(record.key, names)]
        args: list[str | int] = [record.job_id, self.index, f"{self.id} {self.token}"]
        args += [checked, usable, _LEASE_MS, RETENTION_S]
        return Call(script("beat"), keys, args, Word)

    def report(self, report: Report) -> bool:
        """Write down what it found, once; tell whether it counted. Whoever has it first is right."""
        record = self.record
        names = ("verdicts", "completed_chunks", "status", "checked", "usable", "signs")
        args: list[str | int] = [self.index, json.dumps(report.as_json()), report.checked]
        args += [sum(verdict.usable for verdict in report.live), RETENTION_S]
        keys = [*map(record.key, names)]
        return Call(script("record"), keys, args, bool).run(record.redis)


_LEASE_MS = round(LEASE_S * 1000)
