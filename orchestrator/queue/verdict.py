"""What becomes of a job after its pipeline: the one place that turns outcomes into verbs of the queue."""

from __future__ import annotations

import logging
import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.host import at_known_hosts
from orchestrator.queue.model import NewJob, QueueState
from orchestrator.queue.pipeline import Done, Failure, Retry, Skip
from orchestrator.queue.retry import RetryAt
from orchestrator.queue.texts import json_text, reason_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.queue.pipeline import Pipelines, Task
    from orchestrator.queue.work import WorkQueue

log = logging.getLogger(__name__)

#: A job of a pipeline that is not here is out of the way for so long, in seconds.
NOT_OURS_S = 5.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The job ends; `result` is JSON already, so that only the commit is left to be done."""

    state: QueueState
    reason: str = ""
    result: str | None = None
    new_jobs: Sequence[NewJob] = ()


@dataclass(frozen=True, slots=True)
class Again:
    """The job is tried again, if it has attempts left."""

    error: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class NotOurs:
    """The job is for a pipeline that is not here: it is given back, and its attempt does not count."""

    pipeline: str


Verdict = Ended | Again | NotOurs


def perform(pipelines: Pipelines, task: Task) -> Verdict:
    """Run the job's pipeline in this thread, and judge what it returned or raised.

    Raises:
        KeyboardInterrupt: only in the main thread, whose it is.
    """
    try:
        name = pipelines.name_for(task.payload)
    except ValueError as error:
        return _never(f"the payload cannot be used: {error}")
    pipeline = pipelines.by_name.get(name)
    if pipeline is None:
        return NotOurs(name)
    try:
        return judge(pipeline(task))
    except KeyboardInterrupt as error:
        if threading.current_thread() is threading.main_thread():
            raise
        return _raised(task, error)
    except BaseException as error:  # noqa: BLE001 - whatever others wrote ends its job, not the thread
        return _raised(task, error)


def judge(outcome: Any) -> Verdict:
    """Say what becomes of a job whose pipeline returned `outcome`.

    >>> judge(Skip("nothing new"))
    Ended(state=<QueueState.SKIPPED: 'skipped'>, reason='nothing new', result=None, new_jobs=())
    >>> judge({"pages": 3}).result
    '{"pages": 3}'
    """
    match outcome:
        case Skip(reason):
            return Ended(QueueState.SKIPPED, reason_text(reason))
        case Retry(error, after):
            return Again(reason_text(error), _seconds(after))
        case Failure(error):
            return _never(error)
        case Done(result, new_jobs):
            return _done(result, new_jobs)
        case _:
            return _done(outcome, ())


def settle(queue: WorkQueue, token: str, verdict: Verdict, pause: float = NOT_OURS_S) -> QueueState:
    """Carry it out, and return where the job stands now; one that is not ours comes after a `pause`.

    Raises:
        LeaseLost: the token is not current.
    """
    if isinstance(verdict, NotOurs):
        if queue.release([token], pause):
            raise LeaseLost("it went to somebody else before it was given back")
        return QueueState.QUEUED
    try:
        return _carried_out(queue, token, verdict)
    except (ValueError, TypeError) as error:
        # The store does not take it, and will not the next time: a job to add whose host is too long.
        return _carried_out(queue, token, refused(error))


def refused(error: Exception) -> Ended:
    """What becomes of a job when the queue does not take what was to become of it."""
    return _never(f"the queue does not take the outcome: {error}")


def _carried_out(queue: WorkQueue, token: str, verdict: Ended | Again) -> QueueState:
    if isinstance(verdict, Again):
        decision = queue.fail_and_retry(token, verdict.error, verdict.after)
        return QueueState.QUEUED if isinstance(decision, RetryAt) else QueueState.ERROR
    queue.store.commit(
        token,
        verdict.state,
        reason=verdict.reason,
        result=verdict.result,
        new_jobs=verdict.new_jobs,
    )
    return verdict.state


def _done(result: Any, new_jobs: Sequence[NewJob]) -> Verdict:
    try:
        text = None if result is None else json_text("result", result)
        jobs = tuple(new_jobs)
    except (TypeError, ValueError, RecursionError) as error:
        return _never(f"what the pipeline returned cannot be kept: {error}")
    strange = next((job for job in jobs if not isinstance(job, NewJob)), None)
    if strange is not None:
        return _never(f"new_jobs must be NewJob, not {type(strange).__name__}")
    try:
        return Ended(QueueState.DONE, result=text, new_jobs=at_known_hosts(jobs))
    except ValueError as error:
        return _never(f"a new job cannot be kept: {error}")


def _raised(task: Task, error: BaseException) -> Again:
    told = reason_text(f"{type(error).__name__}: {_printed(error)}")
    if task.over.is_set():
        log.info("%s was told to stop: %s", task.id, told)
    else:
        log.warning("%s: %s", task.id, told, exc_info=error)
    return Again(told)


def _printed(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an error that cannot even be printed is one all the same
        return "(it cannot be printed)"


def _never(error: object) -> Ended:
    return Ended(QueueState.ERROR, reason_text(error))


def _seconds(after: object) -> float | None:
    if isinstance(after, int | float) and math.isfinite(after) and after > 0:
        return float(after)
    return None
