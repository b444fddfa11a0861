"""`orch queue retry-failed`, `cancel`, `prune`: changing what is in a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import queue_given as checks
from orchestrator.cli.console import emit_json, err, out
from orchestrator.cli.queue_given import Given
from orchestrator.cli.queue_look import close_to
from orchestrator.cli.queue_options import Json, OfKey, sharing
from orchestrator.cli.queue_place import opened
from orchestrator.cli.queue_tables import number, printable
from orchestrator.queue.given import name
from orchestrator.queue.model import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.queue.model import Job
    from orchestrator.queue.work import WorkQueue

#: So many ids are shown; `--json` has all.
SHOWN = 20

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID…]", help="Only these jobs.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("retry-failed")(retry_failed)
    app.command("cancel")(cancel)
    app.command("prune")(prune)


@sharing()
def retry_failed(
    job_ids: Ids = None,
    key: OfKey = None,
    error_like: Annotated[str, typer.Option(help="Only with this in the reason.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="How many at most.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which.")] = False,
    json: Json = False,
) -> None:
    """Queue jobs anew that ended as error, oldest first, their attempts from the start.

    Exit code 1: there is none of an ID. One that has not failed stays as it is.
    """
    given = Given()
    wanted = given.ids(job_ids, key=key, error_like=error_like or None, limit=limit)
    given.of("--key", key, name)
    place = given.place()
    with opened(place) as work:
        before = {job_id: work.job(job_id) for job_id in wanted}
        ids = work.retry_failed(
            wanted or None, key=key, error_like=error_like, limit=limit, dry_run=dry_run
        )
        left = {job_id: job for job_id, job in before.items() if job_id not in ids}
        if json:
            emit_json({"ids": ids, "dry_run": dry_run})
        else:
            _tell(ids, dry_run=dry_run)
        tell_left(work, left, "has not failed")
    raise typer.Exit(0 if all(before.values()) else 1)


@sharing()
def cancel(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of jobs.")],
) -> None:
    """End jobs as skipped; the holder of one that runs loses its lease.

    Exit code 1: there is none of such an id. Those that have ended already stay as they are.
    """
    given = Given()
    wanted = given.ids(job_ids)
    place = given.place()
    with opened(place) as work:
        before = {job_id: work.job(job_id) for job_id in wanted}
        out.print(f"cancelled {work.cancel(wanted)} of {len(wanted)}")
        left = {each: job for each, job in before.items() if not job or job.state in ENDED}
        tell_left(work, left, "has ended already")
    raise typer.Exit(0 if all(before.values()) else 1)


@sharing()
def prune(
    job_ids: Ids = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Ended longer ago than that: 12h, 7d.")
    ] = None,
    states: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="STATE", help="Only done, skipped or error; repeatable."),
    ] = None,
) -> None:
    """Forget jobs that ended some time ago, or those named: their ids are as good as new.

    Exit code 1: an ID is of no job, or of one that has not ended; `cancel` ends it.
    """
    given = Given()
    named = given.ids(job_ids, older_than=older_than, state=states or None)
    if not named and older_than is None:
        given.problems.append("name what to forget: ID…, or --older-than DURATION")
    age = given.of("--older-than", older_than, checks.age, 0.0)
    wanted = [given.of("--state", state, checks.ended_state) for state in states or ()]
    place = given.place()
    with opened(place) as work:
        if named:
            raise typer.Exit(_forget(work, named))
        out.print(f"forgot {number(work.prune(age, wanted or None), 'job')}")


def _forget(work: WorkQueue, ids: list[str]) -> int:
    before = {job_id: work.job(job_id) for job_id in ids}
    gone = work.forget(ids)
    out.print(f"forgot {len(gone)} of {len(ids)}")
    left = {job_id: job for job_id, job in before.items() if job_id not in gone}
    tell_left(work, left, "has not ended; `orch queue cancel` ends it")
    return 1 if left else 0


def tell_left(work: WorkQueue, left: dict[str, Job | None], why: str) -> None:
    """Tell of each job that was named why nothing was done to it: there is none, or `why`."""
    for job_id, job in left.items():
        if job is None:
            err.print(f"no job {job_id!r}; {close_to(work, job_id)}", markup=False)
        else:
            state = job.state.replace("_", " ")
            err.print(f"{printable(job_id)}: {why} ({state})", markup=False)


def tell_some(ids: Iterable[str]) -> None:
    """The first ids, one a line."""
    told = list(ids)
    for job_id in told[:SHOWN]:
        out.print(f"  {printable(job_id)}", markup=False)
    if len(told) > SHOWN:
        out.print(f"  … and {len(told) - SHOWN:,} more (--json has all)")


def _tell(ids: list[str], *, dry_run: bool) -> None:
    were = "would be" if dry_run else "was" if len(ids) == 1 else "were"
    out.print(f"{number(len(ids), 'job')} {were} queued anew")
    if dry_run:
        tell_some(ids)
