"""Waiting for the end of a refresh, by one deadline, through three stages.

1. The chord's result, the quickest notice; 2. the keys in Redis, which are the truth; 3. the file
`live_proxies.json`, which is there when Redis is not. Each stage gets a share of what is left of the
one deadline, and takes what time the ones before it have left over. Whoever waits also mends: chunks
that have all reported are collected if the chord's body does not come, and chunks whose worker has
died are redone here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.errors import DeadlinePassed
from orchestrator.core.queues import CONTROL
from orchestrator.core.redis import RedisError
from orchestrator.nodes.registry import Nodes
from proxies.errand import Errand
from proxies.refresh.mend import SILENCE_S, Collect, Redo, Silence, what_to_do
from proxies.refresh.progress import Progress, RefreshStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxies.refresh.collect import Collector
    from proxies.refresh.limit import Limit
    from proxies.refresh.notice import ChordNotice
    from proxies.refresh.progress import RefreshRecord

log = logging.getLogger(__name__)

#: The parts of what is left that the first two stages may use; the third has the rest.
CHORD_PART = 0.5
REDIS_PART = 0.6


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take that should be quick, in seconds."""

    look_every: float = 0.2
    keep_every: float = 1.0
    silence: float = SILENCE_S


class Wait:
    """One wait for one refresh. `on_progress` sees every look at it; `redo` works on a lost chunk."""

    def __init__(
        self,
        record: RefreshRecord,
        collector: Collector,
        notice: ChordNotice,
        redo: Callable[[Redo], object],
        *,
        on_progress: Callable[[Progress], None] | None = None,
        patience: Patience | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._record = record
        self._collector = collector
        self._notice = notice
        self._redo = redo
        self._on_progress = on_progress
        self._patience = patience or Patience()
        self._clock = clock
        self._kept_at = float("-inf")
        self._silence = Silence(self._patience.silence)
        self._forsaken = False
        self._errand: Errand[object] | None = None
        self._seen = Progress(record.job_id, None)

    def until(self, limit: Limit) -> RefreshStatus:
        """Return how the refresh ended.

        Raises:
            DeadlinePassed: it has not ended; it may still go on.
        """
        status = self._by_chord(limit) or self._by_redis(limit) or self._by_file(limit)
        if status:
            return status
        seen = self._seen
        raise DeadlinePassed(
            f"the refresh {seen.job_id} has not ended in time: status {seen.status or 'unknown'}, "
            f"{seen.completed_chunks} of {seen.total_chunks} chunks have reported",
            hint="it may still go on: `orch proxies status`; chunks need a worker: `orch status`",
        )

    def _by_chord(self, limit: Limit) -> RefreshStatus | None:
        """Wait for the notice; a chord that is lost, or knows nothing, costs only this share."""
        deadline = limit.deadline.share(CHORD_PART)
        try:
            if status := self._look(limit):
                return status
            with self._notice as notice:
                while not deadline.passed:
                    arrived = notice.arrived
                    status = self._look(limit)
                    if status or arrived:
                        return status
                    notice.wait(deadline.cap(self._patience.look_every))
        except RedisError:
            pass  # the next stage has its own way to meet that
        return None

    def _by_redis(self, limit: Limit) -> RefreshStatus | None:
        """Look at the keys again and again, while Redis answers."""
        deadline = limit.deadline.share(REDIS_PART)
        while not deadline.passed:
            try:
                if status := self._look(limit):
                    return status
            except RedisError:
                return None
            self._clock.sleep(deadline.cap(self._patience.look_every))
        return None

    def _by_file(self, limit: Limit) -> RefreshStatus | None:
        """Look at the file, and at Redis too in case it is back."""
        while True:
            if status := self._in_file():
                return status
            try:
                if status := self._look(limit):
                    return status
            except RedisError:
                pass  # the file may still tell
            if limit.deadline.passed:
                return None
            self._clock.sleep(limit.deadline.cap(self._patience.look_every))

    def _look(self, limit: Limit) -> RefreshStatus | None:
        """Take one look, mend what can be mended, and return the status if it is final."""
        try:
            seen = self._read()
            if not seen.final:
                limit.look(seen)
                self._keep(seen)
                seen = self._mend(seen)
        except RedisError:
            self._silence.look(None, self._clock.monotonic())
            raise
        return seen.status if seen.final else None

    def _read(self) -> Progress:
        self._seen = self._record.read()
        if self._on_progress:
            self._on_progress(self._seen)
        return self._seen

    def _mend(self, seen: Progress) -> Progress:
        lost = self._silence.look(seen, self._clock.monotonic(), forsaken=self._forsaken)
        todo = what_to_do(seen, lost)
        if isinstance(todo, Redo) and (self._errand is None or self._errand.ended):
            log.warning("chunk %d of refresh %s is lost: redone here", todo.index, seen.job_id)
            self._errand = Errand(lambda: self._redo(todo))
        if isinstance(todo, Collect):
            self._collector.collect(seen.job_id, missing_ok=todo.missing)
            return self._read()
        return seen

    def _keep(self, seen: Progress) -> None:
        if self._clock.monotonic() - self._kept_at < self._patience.keep_every:
            return
        self._kept_at = self._clock.monotonic()
        self._record.keep().run(self._record.redis)
        nodes = Nodes(self._record.redis, self._record.keys)
        self._forsaken = not seen.sent or not nodes.slots(CONTROL)

    def _in_file(self) -> RefreshStatus | None:
        """What the file says of this refresh.

        It names the refresh that wrote it: its mtime, or a higher generation, would also come from
        somebody who removes a proxy meanwhile.
        """
        document = self._collector.snapshot.read()
        if document.get("refresh") != self._record.job_id:
            return None
        return RefreshStatus(document.get("status") or RefreshStatus.COMPLETE)
