"""Waiting for the end of a refresh, by one deadline, through three stages.

1. The chord's result, the quickest notice; 2. the keys in Redis, which are the truth; 3. the file
`live_proxies.json`, which is there when Redis is not. Each stage gets a share of what is left of the
one deadline, and takes what time the ones before it have left over. Whoever waits also mends: chunks
that have all reported are collected if the chord's body does not come, and chunks whose worker has
died are not waited for for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM, Clock, Deadline
from orchestrator.core.errors import DeadlinePassed
from orchestrator.core.redis import RedisError
from proxies.progress import Progress, RefreshStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxies.collect import Collector
    from proxies.notice import ChordNotice
    from proxies.progress import RefreshRecord
    from proxies.snapshot import Snapshot

#: The parts of what is left that the first two stages may use; the third has the rest.
CHORD_PART = 0.5
REDIS_PART = 0.6


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take that should be quick, in seconds."""

    look_every: float = 0.25
    keep_every: float = 1.0
    #: The chord's body should end the refresh within this time after the last report.
    body: float = 1.0
    #: Chunks that have begun give a sign of life every second; silent for so long, they are lost.
    silence: float = 30.0


class Wait:
    """One wait for one refresh. `on_progress` sees every look at it."""

    def __init__(
        self,
        record: RefreshRecord,
        collector: Collector,
        snapshot: Snapshot,
        notice: ChordNotice,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        patience: Patience | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._record = record
        self._collector = collector
        self._snapshot = snapshot
        self._notice = notice
        self._on_progress = on_progress
        self._patience = patience or Patience()
        self._clock = clock
        self._all_reported_at: float | None = None
        self._kept_at = float("-inf")
        self._sign, self._sign_at = "", clock.monotonic()
        self._seen = Progress(record.job_id, None)

    def until(self, deadline: Deadline) -> RefreshStatus:
        """Return how the refresh ended.

        Raises:
            DeadlinePassed: it has not ended; it may still go on.
        """
        status = (
            self._by_chord(deadline.share(CHORD_PART))
            or self._by_redis(deadline.share(REDIS_PART))
            or self._by_file(deadline)
        )
        if status:
            return status
        seen = self._seen
        raise DeadlinePassed(
            f"the refresh {seen.job_id} has not ended in time: status {seen.status or 'unknown'}, "
            f"{seen.completed_chunks} of {seen.total_chunks} chunks have reported",
            hint="it may still go on: `orch proxies status`; chunks need a worker: `orch status`",
        )

    def _by_chord(self, deadline: Deadline) -> RefreshStatus | None:
        """Wait for the notice; a chord that is lost, or knows nothing, costs only this share."""
        try:
            if status := self._look():
                return status
            with self._notice as notice:
                while not deadline.passed:
                    arrived = notice.arrived
                    status = self._look()
                    if status or arrived:
                        return status
                    notice.wait(deadline.cap(self._patience.look_every))
        except RedisError:
            pass  # the next stage has its own way to meet that
        return None

    def _by_redis(self, deadline: Deadline) -> RefreshStatus | None:
        """Look at the keys again and again, while Redis answers."""
        while not deadline.passed:
            try:
                if status := self._look():
                    return status
            except RedisError:
                return None
            self._clock.sleep(deadline.cap(self._patience.look_every))
        return None

    def _by_file(self, deadline: Deadline) -> RefreshStatus | None:
        """Look at the file, and at Redis too in case it is back."""
        while True:
            if status := self._in_file():
                return status
            try:
                if status := self._look():
                    return status
            except RedisError:
                pass  # the file may still tell
            if deadline.passed:
                return None
            self._clock.sleep(deadline.cap(self._patience.look_every))

    def _look(self) -> RefreshStatus | None:
        """Take one look, mend what can be mended, and return the status if it is final."""
        seen = self._seen = self._record.read()
        if self._on_progress:
            self._on_progress(seen)
        if not seen.final:
            self._keep()
            if self._body_is_late(seen):
                self._collector.collect(seen.job_id)
            elif self._is_lost(seen):
                self._collector.collect(seen.job_id, missing_ok=True)
            else:
                return None
            seen = self._seen = self._record.read()
        return seen.status if seen.final else None

    def _keep(self) -> None:
        if self._clock.monotonic() - self._kept_at >= self._patience.keep_every:
            self._kept_at = self._clock.monotonic()
            self._record.keep().run(self._record.redis)

    def _body_is_late(self, seen: Progress) -> bool:
        if not seen.all_reported:
            self._all_reported_at = None
            return False
        if self._all_reported_at is None:
            self._all_reported_at = self._clock.monotonic()
        return self._clock.monotonic() - self._all_reported_at >= self._patience.body

    def _is_lost(self, seen: Progress) -> bool:
        if self._sign != seen.sign:
            self._sign, self._sign_at = seen.sign, self._clock.monotonic()
        silent = self._clock.monotonic() - self._sign_at
        return seen.started_chunks > 0 and silent > self._patience.silence

    def _in_file(self) -> RefreshStatus | None:
        """What the file says of this refresh.

        It names the refresh that wrote it: its mtime, or a higher generation, would also come from
        somebody who removes a proxy meanwhile.
        """
        document = self._snapshot.read()
        if document.get("refresh") != self._record.job_id:
            return None
        return RefreshStatus(document.get("status") or RefreshStatus.COMPLETE)
