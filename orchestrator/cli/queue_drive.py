"""A runner in the foreground: signals ask it to stop, and what it does is shown."""

from __future__ import annotations

import threading
from collections import Counter
from queue import Empty
from typing import TYPE_CHECKING

from orchestrator.cli.console import err, out
from orchestrator.cli.log_file import logged_to
from orchestrator.cli.queue_progress import shown, summary, why_left
from orchestrator.cli.queue_tables import number, printable
from orchestrator.cli.signals import BY_SIGNAL, ECHO_S, caught
from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.cli.signals import Inbox
    from orchestrator.queue.runner import Runner
    from orchestrator.queue.work import WorkQueue

IN_PART = 6
#: So many jobs that ended as error, or are tried again, are told one by one; the log has all.
TOLD = {"job.failed": 20, "job.retried": 5, "job.refused": 5, "job.let_go": 20}
#: Signals are noticed within so many seconds.
LOOK_S = 0.2
#: The queue may be anywhere; what a runner writes besides is in the home.
NO_HOME = (
    "logs and downloads go there; `orch --home FOLDER queue run …` puts them into another folder"
)


class Events:
    """What a runner tells, as lines for people: what failed, and what is wrong with the queue."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def __call__(self, name: str, /, **fields: object) -> None:
        """Say it, if it is worth a line."""
        match name:
            case "job.failed":
                self._job(name, f"error: {fields['id']}: {fields['error']}", style="red")
            case "job.retried":
                self._job(name, f"tried again later: {fields['id']}: {fields['error']}")
            case "job.refused":
                told = f"the queue does not take what became of {fields['id']}, tried again"
                self._job(name, f"{told}: {fields['error']}")
            case "job.let_go":
                told = f"{fields['id']} is run again when its lease runs out"
                self._job(name, f"{told}, as the queue takes no outcome of it: {fields['error']}")
            case "pipeline.missing":
                told = f"no pipeline {fields['pipeline']} here: {fields['id']}"
                told = f"{told}, and all like it, are left for a runner that has it"
                err.print(printable(told), markup=False)
            case "runner.paused":
                err.print(f"waiting for the queue: {fields['reason']}", markup=False)
            case "runner.resumed":
                err.print("the queue is back")
            case "runner.left":
                err.print(
                    f"the queue is away: {fields['leases']} jobs come back when their leases run out;"
                    f" outcomes that are lost: {fields['outcomes']}"
                )

    def _job(self, name: str, told: str, style: str | None = None) -> None:
        self._seen[name] += 1
        if self._seen[name] <= TOLD[name]:
            err.print(printable(told), markup=False, style=style if err.is_terminal else None)
        if self._seen[name] == TOLD[name]:
            err.print("further ones are not told one by one; `orch queue list` shows them")


def drive(runner: Runner, work: WorkQueue, *, grace: float, log: Path, place: str) -> int:
    """Run it to its end and return the exit code; a stop may take as long as `grace`, in seconds.

    `place` are the words by which other commands find the queue.
    """
    began = SYSTEM.monotonic()
    before = work.stats()
    with logged_to(log, NO_HOME), caught() as inbox, runner:
        ending = threading.Thread(target=_tell_the_end, args=(runner, inbox), daemon=True)
        ending.start()
        with shown(runner, work):
            stopped_by = _until_the_end(runner, inbox, grace)
    status, after = runner.status, work.stats()
    out.print(summary(status, after, SYSTEM.monotonic() - began), markup=False)
    for line in why_left(status, after, work.limits(), place):
        out.print(printable(line), markup=False)
    if stopped_by is not None:
        return BY_SIGNAL + stopped_by
    in_part = status.failed or status.untold or status.missing or after.error > before.error
    return IN_PART if in_part else 0


def _until_the_end(runner: Runner, inbox: Inbox, grace: float) -> int | None:
    """Act on signals until the runner has ended; return the first one."""
    first: tuple[int, float] | None = None
    while True:
        try:
            # A signal that comes just before a wait begins does not end it: no wait is long.
            signalled = inbox.get(timeout=LOOK_S)
        except Empty:
            continue
        if signalled is None:
            return first and first[0]
        if first is None:
            first = signalled
            told = _stopping(runner, grace)
        elif signalled[1] - first[1] < ECHO_S:
            continue
        else:
            told = "at once: what runs is handed back"
        runner.stop()  # who reads that we stop may rely on it
        err.print(told, markup=False)


def _stopping(runner: Runner, grace: float) -> str:
    running = runner.status.running
    if not running:
        return "stopping"
    within = duration.show(grace)
    return f"stopping: {number(running, 'job')} may end within {within}; once more ends it at once"


def _tell_the_end(runner: Runner, inbox: Inbox) -> None:
    try:
        runner.wait()
    finally:
        inbox.put(None)
