"""The embedded engine: works off a queue in threads of this process."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Self

from orchestrator.queue.crew import Crew
from orchestrator.queue.dispatcher import (
    LAST_LOOK_S,
    LAST_TRY_S,
    LEAVE_S,
    Dispatcher,
    StopRequest,
    Until,
)
from orchestrator.queue.exchange import Exchange
from orchestrator.queue.heartbeat import Heartbeat
from orchestrator.queue.holdings import Holdings, Stage
from orchestrator.queue.leftovers import Leftovers
from orchestrator.queue.tally import RunnerStatus, Tally
from orchestrator.queue.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.queue.config import RunnerConfig
    from orchestrator.queue.pipeline import Pipelines
    from orchestrator.queue.tally import Told
    from orchestrator.queue.work import WorkQueue

log = logging.getLogger(__name__)


class Runner:
    """A dispatcher, a heartbeat and `config.max_workers` threads, while the `with` block lasts.

    The limits that were set in the queue hold, for every process; the config's where none were set. Its
    attempts, backoff and ttl go over those of `queue`. With `drain` it ends when nothing is queued or in
    progress any more, wherever that runs, but what a limit of 0 holds back, and what names a pipeline that
    is not here: that is given back for a few seconds, for runners that have it. Without `wait_delayed`
    it ends also when only delayed jobs are left.

    `on_event` is told, with fields: `runner.started, paused, resumed, stopping, stopped`; `runner.left`
    when the store was away until the end of a stop: so many leases run out, and the outcomes among them
    are lost; `job.retried, failed`; `job.refused` when the store is there and does not take an outcome,
    which is tried again, and `job.let_go` when that goes on: the lease runs out; `lease.lost`,
    `thread.abandoned`, `pipeline.missing`. It obeys no signals: call `stop`. One runner runs once.
    """

    def __init__(
        self,
        queue: WorkQueue,
        pipelines: Pipelines,
        config: RunnerConfig,
        *,
        folder: Path,
        drain: bool = False,
        wait_delayed: bool = True,
        on_event: Told | None = None,
    ) -> None:
        clock = queue.clock
        self._config = config
        self._queue = replace(queue, policy=config.policy(), lease_ttl_s=config.lease_ttl_seconds)
        self._stop = StopRequest(clock)
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._left = False
        self._tally = Tally(clock, on_event)
        self._holdings = Holdings(folder, config.lease_ttl_seconds, queue.store.shared)
        self._leftovers = Leftovers(clock)
        self._exchange = Exchange(
            self._queue, _name(), self._holdings, self._tally, self._leftovers
        )
        self._crew = Crew(config.max_workers, pipelines, self._holdings, clock, self._stop.bell.set)
        until = Until.STOPPED
        if drain:
            until = Until.DRAINED if wait_delayed else Until.NOTHING_DUE
        self._dispatcher = Dispatcher(self._exchange, config, self._crew, self._stop, until)
        self._thread = threading.Thread(target=self._run, name="queue-dispatcher", daemon=True)

    def __enter__(self) -> Self:
        """Start.

        Raises:
            OrchError: the store is away.
        """
        kept = self._queue.store.limits()
        limits = kept.filled(self._config.limits())
        if limits != kept:
            self._queue.store.set_limits(limits)
        self._tally.tell("runner.started", workers=self._config.max_workers)
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._stop.at is None:  # to ask again would mean: at once
            self.stop()
        if kind is None:
            self.wait()
        else:
            with contextlib.suppress(Exception):  # what is on its way says more
                self.wait()

    def run(self) -> None:
        """Work until stopped or drained.

        Raises:
            OrchError: the store was away at the start.
        """
        with self:
            self.wait()

    def stop(self, grace: float | None = None) -> None:
        """Ask for the end and return at once; may be called from any thread.

        Nothing more is begun. What runs may end within `grace` seconds (the config's by default), and
        is handed back after them. To ask again means: at once.
        """
        self._stop.ask(self._config.grace_seconds if grace is None else grace)

    def wait(self) -> None:
        """Return when it has ended, a second after the grace at the latest.

        Raises:
            Exception: a mistake of ours ended it; everything was handed back.
        """
        self._stop.asked.wait()
        while not self._ended.wait(0.05):
            if self._stop.overdue > LEAVE_S + LAST_TRY_S + LAST_LOOK_S:
                if not self._left:  # a call of the store takes its time
                    self._tell_what_is_left()
                break
        if self._failure is not None:
            raise self._failure

    @property
    def status(self) -> RunnerStatus:
        """How it stands."""
        return self._tally.status(
            running=len(self._holdings.at(Stage.RUNNING)),
            waiting=len(self._holdings.at(Stage.WAITING)),
            started=self._holdings.started,
            missing=self._leftovers.missing(),
        )

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            self._guarded(lambda: self._work(stack))
            self._tally.tell("runner.stopping", running=self.status.running)
            self._guarded(self._dispatcher.leave)
            self._tell_what_is_left()
        self._tally.tell("runner.stopped", **asdict(self.status))
        self._ended.set()
        self._stop.asked.set()

    def _tell_what_is_left(self) -> None:
        told, self._left = self._left, True
        left = len(self._holdings)
        if told or not left:
            return
        outcomes = sum(held.verdict is not None for held in self._holdings.at(Stage.BACK))
        log.error("the store is away: %d leases run out, %d outcomes are lost", left, outcomes)
        self._tally.tell("runner.left", leases=left, outcomes=outcomes)

    def _work(self, stack: contextlib.ExitStack) -> None:
        """Start the other threads, which go on until the stack is closed, and dispatch."""
        stack.enter_context(self._crew)
        every = self._config.heartbeat_seconds
        beat = Heartbeat(self._queue, every, self._holdings.tokens, self._exchange.answered)
        stack.enter_context(beat)
        watcher = stack.enter_context(Watcher(self._queue.store, self._stop.bell.set))
        try:
            self._dispatcher.run(watcher)
        finally:
            watcher.end()

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # the thread's outer edge; `wait` raises it again
            log.exception("the runner ends")
            self._failure = self._failure or error
            self._stop.ask(0.0)


def _name() -> str:
    return f"{socket.gethostname()}.{os.getpid()}"
