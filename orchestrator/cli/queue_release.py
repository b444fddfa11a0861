"""`orch queue release`: what a runner that died has leased goes to others at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.console import emit_json, err, fail, invocation, out
from orchestrator.cli.queue_given import Given
from orchestrator.cli.queue_holder import running
from orchestrator.cli.queue_jobs import holder
from orchestrator.cli.queue_mend import tell_left, tell_some
from orchestrator.cli.queue_options import Json, sharing
from orchestrator.cli.queue_place import opened
from orchestrator.cli.queue_tables import number, printable
from orchestrator.core import config
from orchestrator.core.errors import Busy
from orchestrator.core.home import Home
from orchestrator.queue.config import RunnerConfig
from orchestrator.queue.given import name
from orchestrator.queue.model import QueueState

if TYPE_CHECKING:
    from orchestrator.queue.model import Job
    from orchestrator.queue.work import WorkQueue

#: So many workers are told.
SHOWN = 10


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("release")(release)


@dataclass(slots=True)
class Found:
    """What is to be released: worker -> the ids of its jobs; and what was named and is not leased."""

    held: dict[str, list[str]]
    left: dict[str, Job | None]

    @property
    def ids(self) -> list[str]:
        """Of all workers."""
        return [job_id for ids in self.held.values() for job_id in ids]

    def add(self, job: Job) -> None:
        """A job, if it is in progress."""
        worker = holder(job)
        if worker is None:
            self.left[job.id] = job
        else:
            self.held.setdefault(worker, []).append(job.id)


@sharing()
def release(
    job_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID…]", help="Jobs in progress.")
    ] = None,
    worker: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="All that it holds; `orch queue list` shows names."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also what a process holds that still runs here.")
    ] = False,
    json: Json = False,
) -> None:
    """Let leases run out now, of a runner that died: others may take the jobs at once.

    The attempt counts, and what the old holder may still say is refused. Exit code 75: it still runs on
    this machine, and nothing was done; 1: there is no job of an ID, or none of this worker.
    """
    given = Given()
    named = given.ids(job_ids, worker=worker)
    if not named and worker is None:
        given.problems.append("name what to release: ID…, or --worker NAME")
    given.of("--worker", worker, name)
    place = given.place()
    attempts = _attempts()
    with opened(place) as work:
        found = _of_ids(work, named) if named else _of_worker(work, str(worker))
        _refuse_running(found, told_only=force or dry_run)
        if not dry_run:
            _take_back(work, found, attempts)
        if json:
            emit_json({"ids": found.ids, "dry_run": dry_run})
        else:
            _tell(found, dry_run=dry_run)
        tell_left(work, found.left, "is not in progress")
    raise typer.Exit(1 if None in found.left.values() else 0)


def _attempts() -> int:
    """After how many a job ends as error, as for `orch queue run` here."""
    current = invocation.get()
    loaded = config.load(Home.find(current.home), current.overrides, services=False)
    return RunnerConfig.of(loaded.settings.queue).max_job_attempts


def _of_ids(work: WorkQueue, ids: list[str]) -> Found:
    found = Found({}, {})
    for job_id in ids:
        job = work.job(job_id)
        if job is None:
            found.left[job_id] = None
        else:
            found.add(job)
    return found


def _of_worker(work: WorkQueue, worker: str) -> Found:
    everyone = Found({}, {})
    for job in work.every(state=QueueState.IN_PROGRESS):
        everyone.add(job)
    if worker not in everyone.held:
        fail(f"{printable(worker)!r} holds no job", 1, hint=_others(everyone))
    return Found({worker: everyone.held[worker]}, {})


def _others(everyone: Found) -> str:
    if not everyone.held:
        return "nobody does"
    told = sorted(everyone.held.items(), key=lambda held: -len(held[1]))
    names = (f"{printable(worker)} ({number(len(ids), 'job')})" for worker, ids in told[:SHOWN])
    more = f" and {len(told) - SHOWN} others" if len(told) > SHOWN else ""
    return f"those do: {', '.join(names)}{more}"


def _refuse_running(found: Found, *, told_only: bool) -> None:
    """Refuse, or only tell, what is held by a process that runs on this machine.

    Raises:
        Busy: one does.
    """
    alive = {worker: told for worker in found.held if (told := running(worker))}
    lines = [f"{printable(worker)} still runs: {printable(told)}" for worker, told in alive.items()]
    if lines and not told_only:
        hint = "stop it, and it hands back what it holds; if that is another program: --force"
        raise Busy("; ".join(lines), hint=hint)
    for line in lines:
        err.print(line, markup=False)


def _take_back(work: WorkQueue, found: Found, attempts: int) -> None:
    """Let the leases run out, and be taken back as a runner would."""
    for worker, ids in found.held.items():
        work.expire(worker, ids)
    left = work.stats().expired_leases
    while left:
        work.store.lease(0, work.lease_ttl_s, max_attempts=attempts)
        before, left = left, work.stats().expired_leases
        if left >= before:
            break  # somebody else is at it, or others run out as fast


def _tell(found: Found, *, dry_run: bool) -> None:
    were = "would be released" if dry_run else "released"
    told = number(len(found.ids), "job")
    out.print(f"{told} {were}" if dry_run else f"{were} {told}")
    if dry_run:
        tell_some(found.ids)
