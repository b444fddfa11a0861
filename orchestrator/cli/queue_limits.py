"""`orch queue limits`: how many jobs of a key and of a host may run at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli import queue_given as checks
from orchestrator.cli.console import emit_json, err, out
from orchestrator.cli.queue_given import Given
from orchestrator.cli.queue_options import Json, PerHost, PerKey, sharing
from orchestrator.cli.queue_place import opened
from orchestrator.cli.queue_tables import printable
from orchestrator.queue.config import ANY_KEY, RunnerConfig, named
from orchestrator.queue.model import EVERY_HOST, EVERY_KEY

if TYPE_CHECKING:
    import typer

    from orchestrator.core.config import Config
    from orchestrator.queue.model import Limits
    from orchestrator.queue.work import WorkQueue


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("limits")(limits)


@sharing()
def limits(
    per_key: PerKey = None,
    per_host: PerHost = None,
    json: Json = False,
) -> None:
    """Show how many jobs of a key and of a host may run at once; or change that, while they run.

    Only what is named is changed. It holds for every runner, within a second, and stays until somebody
    changes it again.
    """
    given = Given()
    wanted = typed(given, per_key, per_host)
    place = given.place()
    with opened(place) as work:
        found = put(work, wanted)
    if json:
        own = {key: cap for key, cap in found.per_key.items() if cap is not None}
        emit_json({"per_key": own, "every_key": found.every_key, "per_host": found.per_host})
    else:
        for line in _told(found):
            out.print(line, markup=False)


def typed(given: Given, per_key: str | None, per_host: str | None) -> dict[str, int | None]:
    """The limits that were typed, by name; those that were not are not there."""
    of_keys: dict[str, int | None] = given.of("--max-per-resolver", per_key, checks.caps, {})
    of_host: int | None = given.of("--max-per-host", per_host, checks.cap_of_host)
    return named(of_keys) | ({} if of_host is None else {EVERY_HOST: of_host or None})


def put(work: WorkQueue, wanted: dict[str, int | None]) -> Limits:
    """Have these hold, besides those that hold already; return them all."""
    kept = work.limits()
    found = kept.changed(wanted)
    if found != kept:
        work.store.set_limits(found)
    return found


def tell_overruled(loaded: Config, kept: Limits) -> None:
    """Say which limits of the configuration do not hold, as others were set in the queue."""
    holding, section = kept.named(), loaded.settings.queue
    for name, limit in RunnerConfig.of(section).limits().named().items():
        key = ANY_KEY if name == EVERY_KEY else name[1:]
        setting, option = "max_per_host", f"--max-per-host {_word(limit)}"
        if name != EVERY_HOST:
            setting, option = f"max_per_resolver.{key}", f"--max-per-resolver {key}:{_word(limit)}"
        origin = loaded.origins.get(f"queue.{setting}")
        if origin and name not in kept.defaults and holding.get(name, limit) != limit:
            told = f"{origin}: queue.{setting} = {limit or 0}: {_word(holding[name])} was set in the queue"
            err.print(f"{told}, and holds; `orch queue limits {option}` changes it", markup=False)


def _told(limits: Limits) -> list[str]:
    own = {key: cap for key, cap in limits.per_key.items() if cap is not None}
    lines = [
        f"key {printable(key)}: {_at_once(limits, f'k{key}', cap)}"
        for key, cap in sorted(own.items())
    ]
    others = "every other key" if lines else "every key"
    return [
        *lines,
        f"{others}: {_at_once(limits, EVERY_KEY, limits.every_key)}",
        f"every host: {_at_once(limits, EVERY_HOST, limits.per_host)}",
    ]


def _at_once(limits: Limits, name: str, cap: int | None) -> str:
    at_once = f"{'any number' if cap is None else cap} at once"
    if name not in limits.defaults:
        return at_once
    # A runner brought it, or the next one may.
    return f"{at_once} ({'not set' if cap is None else 'by configuration'})"


def _word(cap: int | None) -> str:
    return "none" if cap is None else str(cap)
