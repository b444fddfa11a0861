"""The commands that are typed most, without the imports that make a command line comfortable.

`orch status [--json]`, a second `orch up [-d]` and `orch down` cost little more than Python's own start.
Whatever is not exactly one of these, or has more to say, is left to the full command line.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import DeadlinePassed, NotRunning, OrchError
from orchestrator.core.home import Home
from orchestrator.supervise.control import ask

STATUS_S = 5.0


def quick(words: list[str]) -> int | None:
    """Do it and return the exit code; None when the full command line must."""
    home: str | None = None
    if len(words) > 2 and words[0] == "--home":  # noqa: PLR2004  (an option and its value)
        home, words = words[1], words[2:]
    try:
        if words == ["status", "--json"]:
            return _status_json(Home.find(home))
        if words in (["up"], ["up", "-d"], ["up", "--detach"]):
            return _second_up(Home.find(home))
    except OrchError:
        return None  # the full command line says it better
    return None


def snapshot(home: Home) -> dict[str, Any]:
    """What `orch status --json` prints, from the supervisor and the summary that `results` keeps."""
    try:
        answer = ask(home.socket("control.sock"), {"do": "status"}, Deadline.after(STATUS_S))
    except NotRunning:
        answer = {"home": str(home.path), "supervisor": stopped(), "services": []}
    answer.pop("ok", None)
    return {**answer, **summary(home, running=bool(answer["services"]))}


def stopped() -> dict[str, Any]:
    """The supervisor's line when there is none."""
    return {"state": "stopped", "pid": None, "since": None}


def summary(home: Home, *, running: bool) -> dict[str, Any]:
    """Proxies and sites as the service `results` last wrote them; empty when nothing runs."""
    empty = {"live": 0, "usable": 0, "refreshed_at": None, "refresh": None}
    try:
        kept = json.loads((home.run / "summary.json").read_text("utf-8")) if running else {}
    except (OSError, ValueError):
        kept = {}
    return {"proxies": kept.get("proxies", empty), "sites": kept.get("sites", [])}


def status_code(status: dict[str, Any]) -> int:
    """0 all ready, 1 something is not, 3 not running."""
    if status["supervisor"]["state"] != "running":
        return NotRunning.exit_code
    wanted = [row for row in status["services"] if row["state"] != "stopped"]
    return 0 if wanted and all(row["state"] == "ready" for row in wanted) else 1


def _status_json(home: Home) -> int:
    status = snapshot(home)
    sys.stdout.write(json.dumps(status, indent=2) + "\n")
    return status_code(status)


def _second_up(home: Home) -> int | None:
    """A supervisor that is there and ready: nothing to do."""
    try:
        status = ask(home.socket("control.sock"), {"do": "status"}, Deadline.after(STATUS_S))
    except (NotRunning, DeadlinePassed):
        return None
    if not all(row["state"] == "ready" for row in status["services"]):
        return None
    pid = status["supervisor"]["pid"]
    sys.stdout.write(f"already running (supervisor pid {pid}); `orch status` shows it\n")
    return 0
