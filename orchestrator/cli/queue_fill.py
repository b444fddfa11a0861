"""`orch queue enqueue` and `import`: work for a queue."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from orchestrator.cli.console import emit_json, err, out
from orchestrator.cli.queue_given import Given, on_conflict
from orchestrator.cli.queue_import import Tally, bring_in
from orchestrator.cli.queue_lines import source
from orchestrator.cli.queue_options import Conflict, Json, sharing
from orchestrator.cli.queue_place import opened
from orchestrator.cli.queue_tables import number
from orchestrator.queue import given as checks
from orchestrator.queue.given import Defaults
from orchestrator.queue.model import KEPT, OnConflict, QueueState

if TYPE_CHECKING:
    from orchestrator.queue.model import Job

Key = Annotated[str | None, typer.Option(help="What limits per key count by.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("enqueue")(enqueue)
    app.command("import")(import_file)


@sharing()
def enqueue(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="Makes it idempotent.")],
    payload: Annotated[
        str | None, typer.Argument(metavar="JSON|-", help="Any JSON value; - reads it.")
    ] = None,
    key: Key = None,
    host: Annotated[
        str | None, typer.Option(help="A host, or a URL at it, for limits per host.")
    ] = None,
    priority: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Lower ones first; 0 by default.")
    ] = None,
    delay: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Not before: 90, 90s, 10m.")
    ] = None,
    conflict: Conflict = "ignore",
) -> None:
    """Add one job, and say whether it was new. Exit code 0 either way.

    One that --on-conflict changes keeps all that was not typed; --key '' takes its key away.
    """
    given = Given()
    text = given.of("payload:", sys.stdin.buffer, _read) if payload == "-" else payload
    fields = {"key": key, "host": host, "priority": priority, "delay": delay}
    if text is not None:
        fields["payload"] = text or " "  # nothing is no JSON here, unlike an empty cell of a table
    job = given.of("", {"id": job_id, **fields}, lambda typed: checks.new_job(typed, text=True))
    policy = given.of("--on-conflict", conflict, on_conflict, OnConflict.IGNORE)
    place = given.place()
    job = replace(job, keep=tuple(name for name in KEPT if fields.get(name) is None))
    with opened(place, create=True) as work, work.store.together():
        before = work.job(job.id)
        new = work.enqueue_many([job], policy)
        told = _told_of(before, work.job(job.id), new=new)
    out.print(f"{job.id}: {told}", markup=False)


def _read(stdin: BinaryIO) -> str:
    try:
        return stdin.read().decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"standard input is not UTF-8 text (byte {error.start})") from error


def _told_of(before: Job | None, after: Job | None, *, new: int) -> str:
    """What became of one job."""
    if before is None or after is None:
        return "new" if new else "known already"
    state = before.state.replace("_", " ")
    if new:
        return f"queued anew (it was {state})"
    changed = after.state is before.state is QueueState.QUEUED and after != before
    return "updated" if changed else f"known already ({state})"


@sharing()
def import_file(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="JSON lines, or CSV with a header.")
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="With a bad line, import nothing: exit code 1.")
    ] = False,
    key: Annotated[str | None, typer.Option(help="For lines that name none.")] = None,
    host_from_url: Annotated[
        bool, typer.Option("--host-from-url", help="For lines without a host, that of their url.")
    ] = False,
    conflict: Conflict = "ignore",
    json: Json = False,
) -> None:
    """Add many jobs: fields id, payload, key, host, priority, delay.

    Without a field `payload`, all others are the payload. Exit code 6 when some lines were bad.
    """
    given = Given()
    defaults = Defaults(given.of("--key", key, checks.name, ""), host_from_url=host_from_url)
    policy = given.of("--on-conflict", conflict, on_conflict, OnConflict.IGNORE)
    place = given.place()
    tally = Tally()
    try:
        with source(file, twice=strict) as lines:
            code = bring_in(lines, place, tally, defaults, policy, strict=strict)
    except BaseException:
        _bad_lines(tally, file)
        if tally.lines or tally.bad:
            err.print(f"not to the end of {file}: {_told(tally, policy)}", markup=False)
        raise
    _bad_lines(tally, file)
    if json:
        emit_json(tally.as_json())
    elif code != 1:
        out.print(f"{file}: {_told(tally, policy)}", markup=False)
    raise typer.Exit(code)


def _told(tally: Tally, policy: OnConflict) -> str:
    more = {OnConflict.UPDATE: ", renewed if they waited", OnConflict.REQUEUE: ", left alone"}
    words = "new or queued anew" if policy is OnConflict.REQUEUE else "new"
    known = f", {tally.known:,} known already{more.get(policy, '')}" if tally.known else ""
    bad = f", {number(tally.bad, 'bad line')}" if tally.bad else ""
    return f"{tally.new:,} {words}{known}{bad}"


def _bad_lines(tally: Tally, file: str) -> None:
    for line in tally.first_bad:
        err.print(f"{file}: {line}", markup=False)
    if tally.bad > len(tally.first_bad):
        err.print(f"… and {number(tally.bad - len(tally.first_bad), 'more bad line')}")
    if tally.bad and not tally.lines:
        err.print(f"nothing was imported: {number(tally.bad, 'bad line')}", markup=False)
