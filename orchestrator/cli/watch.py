"""`orch status --watch`: the services as they change, until Ctrl+C or until the supervisor ends."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from rich.live import Live

from orchestrator.cli import chosen, moment, outlet
from orchestrator.cli.console import out
from orchestrator.cli.quick import snapshot
from orchestrator.cli.tables import reason, services_table, standing
from orchestrator.core.clock import SYSTEM, Deadline
from orchestrator.core.errors import DeadlinePassed, NotRunning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.core.home import Home

LOOK_EVERY_S = 0.5
#: Memory costs the supervisor more than all the rest: it is measured at every so many looks.
MEASURE_EVERY = 10
#: A supervisor that replaces its own program is away for a moment, in seconds.
AWAY_S = 2.0


def watch(home: Home, services: Sequence[str], *, as_json: bool) -> None:
    """On a terminal a live table; else a line for every change, or with `as_json` an object.

    Raises:
        NotRunning: when the supervisor has ended, or was not there.
        ConfigError: it does not know one of `services`.
    """
    looks = _only(home, services)
    if as_json:
        _objects(looks)
    elif out.is_terminal:
        _table(looks, whole=not services)
    else:
        _lines(looks)


def _only(home: Home, services: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of `services` alone; one may go while we look."""
    for number, status in enumerate(statuses(home)):
        if number == 0:
            yield chosen.only(home, status, services)
        else:
            rows = [row for row in status["services"] if row["name"] in services or not services]
            yield {**status, "services": rows}


def statuses(home: Home) -> Iterator[dict[str, Any]]:
    """What the supervisor says, again and again.

    Raises:
        NotRunning: it has ended, or was not there.
    """
    seen = False
    away = Deadline.after(AWAY_S)
    for number in itertools.count():
        try:
            status = snapshot(str(home.path), measured=number % MEASURE_EVERY == 0)
        except DeadlinePassed:
            continue  # it is stopped, or the machine is too busy: `doctor` has more to say
        if status["supervisor"]["state"] != "stopped":
            seen, away = True, Deadline.after(AWAY_S)
            yield status
        elif not seen:
            hint = "`orch up -d` starts the services"
            raise NotRunning(f"nothing is running in {home.path}", hint=hint)
        elif away.passed:
            raise NotRunning("the supervisor has ended")
        outlet.pause(LOOK_EVERY_S)


def _table(looks: Iterator[dict[str, Any]], *, whole: bool) -> None:
    first = services_table(next(looks), whole=whole)
    with Live(first, console=out, refresh_per_second=4) as live:
        for status in looks:
            live.update(services_table(status, whole=whole))


def _lines(looks: Iterator[dict[str, Any]]) -> None:
    seen: dict[str, object] = {}
    for status in looks:
        now = {row["name"]: row for row in status["services"]}
        when = moment.local(SYSTEM.wall())
        for name, row in now.items():
            if seen.get(name) != _facts(row):
                out.file.write(f"{when}  {name:<10} {_told(row)}\n")
        for name in seen.keys() - now.keys():
            out.file.write(f"{when}  {name:<10} gone\n")
        out.file.flush()
        seen = {name: _facts(row) for name, row in now.items()}


def _objects(looks: Iterator[dict[str, Any]]) -> None:
    seen: object = None
    for status in looks:
        now = [_facts(row) for row in status["services"]]
        if now != seen:
            out.file.write(json.dumps(status) + "\n")
            out.file.flush()
        seen = now


def _facts(row: Mapping[str, Any]) -> object:
    """What must change to be worth a line: not times, sizes or the words of an error."""
    facts = ("name", "state", "done", "pid", "restarts", "external")
    return [row.get(key) for key in facts]


def _told(row: Mapping[str, Any]) -> str:
    pid = f" (pid {row['pid']})" if row["pid"] else ""
    why = reason(row)
    return f"{standing(row)}{pid}{': ' if why else ''}{why}"
