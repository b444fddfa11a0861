"""`orch queue export`: all that a queue knows of its jobs, a line of JSON for each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.console import out
from orchestrator.cli.output_file import written
from orchestrator.cli.queue_given import Given, state
from orchestrator.cli.queue_jobs import as_json, history
from orchestrator.cli.queue_options import OfKey, sharing
from orchestrator.cli.queue_place import opened
from orchestrator.cli.queue_tables import number
from orchestrator.queue.given import name, parsed
from orchestrator.queue.model import QueueState

if TYPE_CHECKING:
    from orchestrator.queue.model import Job


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("export")(export)


@sharing()
def export(
    wanted: Annotated[
        str | None,
        typer.Option("--state", metavar="STATE", help="queued, in_progress, done, skipped, error."),
    ] = None,
    key: OfKey = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE|-", help="Whole or not at all.")
    ] = "-",
) -> None:
    """Write each job as a line of JSON, as `show --json` does: payload, result, error, attempts, times.

    Any number of them; nobody waits for it, and each job is told as it is when its turn comes.
    """
    given = Given()
    chosen = given.of("--state", wanted, state)
    given.of("--key", key, name)
    place = given.place()
    with opened(place) as work, written(output) as file:
        count = 0
        for job in work.every(state=chosen, key=key):
            file.write(line(job))
            count += 1
    if output != "-":
        out.print(f"{output}: {number(count, 'job')}", markup=False)


def line(job: Job) -> bytes:
    """One job; its payload and result stand there as they were written."""
    failed = job.reason and job.state not in {QueueState.DONE, QueueState.SKIPPED}
    facts = as_json(job, whole=False) | {"history": history(job)}
    facts["error"] = job.reason if failed else None
    values = f'"payload": {_embedded(job.payload)}, "result": {_embedded(job.result)}'
    # Half a letter, which UTF-8 cannot say, is an escape of JSON.
    return f"{_text(facts)[:-1]}, {values}}}\n".encode("utf-8", "backslashreplace")


def _embedded(text: str | None) -> str:
    """JSON text on one line; what is none is a string."""
    if text is None:
        return "null"
    try:
        value = parsed(text)
    except ValueError:
        return _text(text)
    return _text(value) if "\n" in text or "\r" in text else text


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
