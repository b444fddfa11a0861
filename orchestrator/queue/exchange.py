"""The traffic between a runner and its store: what came back goes there, new leases come from there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.errors import DiskFull, LeaseLost, OrchError, RedisNotReady
from orchestrator.queue.holdings import Stage
from orchestrator.queue.model import QueueState
from orchestrator.queue.verdict import Again, Ended, NotOurs, refused, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.queue.holdings import Held, Holdings
    from orchestrator.queue.leftovers import Leftovers
    from orchestrator.queue.model import Lease
    from orchestrator.queue.tally import Tally
    from orchestrator.queue.verdict import Verdict
    from orchestrator.queue.work import WorkQueue

log = logging.getLogger(__name__)

#: More new jobs than that are committed for themselves: others wait while a step is carried out.
MANY = 200
#: What could not be told although the store is there is tried again so often, in seconds.
AGAIN_S = 0.5
#: So often an outcome is refused before the job is to end as error instead, and so often that is tried.
MOST_REFUSALS, LAST_REFUSALS = 20, 5


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is held stays held until the store has said that it knows; an error loses nothing."""

    queue: WorkQueue
    name: str
    holdings: Holdings
    tally: Tally
    left: Leftovers

    def turn(self, room: int) -> list[Lease]:
        """Tell what became of all that is back and lease up to `room` jobs, in one step.

        What could not be told before comes last, so that it keeps nothing else from going on.

        Raises:
            OrchError: the store is away; what is back may be known there, or not.
        """
        back = self.holdings.at(Stage.BACK)
        first = [held for held in back if not held.failures]
        many = [held for held in first if _adds_many(held.verdict)]
        for held in many:
            self._known([held], [self._tell(held)])
        rest = [held for held in first if held not in many]
        leases = self._step(rest, room) if rest or room else []
        failed = [held for held in back if held.failures]
        self._once_more(failed, is_there=bool(first or room))
        return leases

    def _step(self, rest: Sequence[Held], room: int) -> list[Lease]:
        with self.queue.store.together():
            states = [self._tell(held) for held in rest]
            self._release([held.token for held in rest if _unsettled(held)])
            leases = self.queue.lease(room, self.name) if room else []
        self._known(rest, states)
        return leases

    def _once_more(self, failed: Sequence[Held], *, is_there: bool) -> None:
        """Tell these one by one; when the store has answered just now, the outcome is at fault."""
        now = self.queue.clock.monotonic()
        due = [held for held in failed if held.again_at <= now]
        for held in sorted(due, key=lambda held: held.failures):
            try:
                self._step([held], 0)
            except OrchError as error:
                if not is_there:
                    raise
                held.again_at = now + AGAIN_S
                self._is_refused(held, error)

    def _is_refused(self, held: Held, error: OrchError) -> None:
        """Try it again; in the end the job ends without its outcome, or its lease runs out."""
        log.warning("%s: the queue does not take its outcome: %s", held.task.id, error)
        if not held.refusals:
            self.tally.tell("job.refused", id=held.task.id, error=str(error))
        held.refusals += 1
        if isinstance(error, DiskFull | RedisNotReady):
            held.refusals = 1  # it will, when there is room
        elif held.refusals == MOST_REFUSALS:
            held.verdict = refused(error)
        elif held.refusals > MOST_REFUSALS + LAST_REFUSALS:
            self.holdings.drop([held])
            self.left.let_go(self.queue.lease_ttl_s)
            self.tally.let_go(held.task.id, str(error))

    def answered(self, at: float, lost: list[str]) -> None:
        """Know that these leases are lost, and that all others were ours at that time."""
        self.holdings.extended(at)
        for held in self.holdings.lose(lost, self.queue.clock.monotonic()):
            self.tally.lost(held.task.id)

    def _tell(self, held: Held) -> QueueState | None:
        """Settle one; None when there is nothing to settle, or nothing any more."""
        if held.verdict is None or held.lost:
            return None
        tried, held.tried = held.tried, True
        held.pause = self.left.pause
        try:
            return settle(self.queue, held.token, held.verdict, held.pause)
        except LeaseLost:
            if tried and self._got_there(held):  # and only the answer did not get here
                return held.verdict.state if isinstance(held.verdict, Ended) else QueueState.QUEUED
            held.lost = True
            self.tally.lost(held.task.id)
            return None
        except OrchError:
            held.failures += 1
            raise

    def _got_there(self, held: Held) -> bool:
        """Whether what became of this attempt is what we told; another may have had the job since."""
        job, attempt = self.queue.store.job(held.task.id), held.task.lease.attempt
        if job is None:  # it ended, and was thrown away
            return True
        if isinstance(held.verdict, NotOurs):
            return job.state is QueueState.QUEUED and job.attempts < attempt
        if isinstance(held.verdict, Ended):
            return job.state is held.verdict.state and job.attempts == attempt
        at = len(job.history) - 1 - (job.attempts - attempt)
        error = held.verdict.error if held.verdict else ""
        return 0 <= at < len(job.history) and error in job.history[at].error

    def _release(self, tokens: Sequence[str]) -> None:
        if tokens:
            self.queue.release(tokens)

    def _known(self, settled: Sequence[Held], states: Sequence[QueueState | None]) -> None:
        self.holdings.drop(settled)
        for held, state in zip(settled, states, strict=True):
            if state is not None and isinstance(held.verdict, NotOurs):
                self._is_not_ours(held, held.verdict.pipeline)
            elif state is not None and isinstance(held.verdict, Ended | Again):
                self.tally.ended(held.task.id, state, _why(held.verdict))
            elif not held.lost:
                self.tally.add("released")

    def _is_not_ours(self, held: Held, pipeline: str) -> None:
        if self.left.give_back(held.task.lease, pipeline, held.pause):
            self.tally.missing(pipeline, held.task.id)


def _unsettled(held: Held) -> bool:
    return held.verdict is None and not held.lost


def _adds_many(verdict: Verdict | None) -> bool:
    return isinstance(verdict, Ended) and len(verdict.new_jobs) > MANY


def _why(verdict: Ended | Again) -> str:
    return verdict.reason if isinstance(verdict, Ended) else verdict.error
