"""`orch status --watch`: the services as they change, until Ctrl+C or until the supervisor ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.live import Live

from orchestrator.cli import moment
from orchestrator.cli.console import out
from orchestrator.cli.quick import snapshot
from orchestrator.cli.tables import reason, services_table
from orchestrator.core.clock import SYSTEM, Deadline
from orchestrator.core.errors import DeadlinePassed, NotRunning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.core.home import Home

LOOK_EVERY_S = 0.5
#: A supervisor that replaces its own program is away for a moment, in seconds.
AWAY_S = 2.0


def watch(home: Home, *, as_json: bool) -> None:
    """On a terminal a live table; else a line for every change, or with `as_json` an object.

    Raises:
        NotRunning: when the supervisor has ended, or was not there.
    """
    if as_json:
        _objects(home)
    elif out.is_terminal:
        _table(home)
    else:
        _lines(home)


def statuses(home: Home) -> Iterator[dict[str, Any]]:
    """What the supervisor says, again and again.

    Raises:
        NotRunning: it has ended, or was not there.
    """
    seen = False
    away = Deadline.after(AWAY_S)
    while True:
        try:
            status = snapshot(str(home.path))
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
        SYSTEM.sleep(LOOK_EVERY_S)


def _table(home: Home) -> None:
    looks = statuses(home)
    with Live(services_table(next(looks)), console=out, refresh_per_second=4) as live:
        for status in looks:
            live.update(services_table(status))


def _lines(home: Home) -> None:
    seen: dict[str, object] = {}
    for status in statuses(home):
        now = {row["name"]: row for row in status["services"]}
        when = moment.local(SYSTEM.wall())
        for name, row in now.items():
            if seen.get(name) != _facts(row):
                out.file.write(f"{when}  {name:<10} {_told(row)}\n")
        for name in seen.keys() - now.keys():
            out.file.write(f"{when}  {name:<10} gone\n")
        out.file.flush()
        seen = {name: _facts(row) for name, row in now.items()}


def _objects(home: Home) -> None:
    seen: object = None
    for status in statuses(home):
        now = [_facts(row) for row in status["services"]]
        if now != seen:
            out.file.write(json.dumps(status) + "\n")
            out.file.flush()
        seen = now


def _facts(row: Mapping[str, Any]) -> object:
    """What must change to be worth a line: not times, sizes or the words of an error."""
    return [row[key] for key in ("name", "state", "pid", "restarts", "external")]


def _told(row: Mapping[str, Any]) -> str:
    pid = f" (pid {row['pid']})" if row["pid"] else ""
    why = reason(row)
    return f"{row['state']}{pid}{': ' if why else ''}{why}"
