"""The commands that are typed most, without the imports that make a command line comfortable.

`orch status --json` and a second `orch up [-d]` cost little more than Python's own start. Whatever is
not exactly one of these, or has more to say, is left to the full command line.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys

from orchestrator.cli import outlet
from orchestrator.core import places
from orchestrator.core.errors import DeadlinePassed, NotRunning, OrchError
from orchestrator.core.takeover import patiently
from orchestrator.core.wire import ask
from orchestrator.gate.notice import told

# Typing itself is not imported: it takes longer than the answer.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATUS_S = 5.0


def quick(words: list[str]) -> int | None:
    """Do it and return the exit code; None when the full command line must."""
    if "_ORCH_COMPLETE" in os.environ:
        # Only now: nobody else needs the table of words.
        done: int | None = importlib.import_module("orchestrator.cli.complete").complete(os.environ)
        return None if done is None else outlet.finish(done)
    home: str | None = None
    if len(words) > 2 and words[0] == "--home":  # noqa: PLR2004  (an option and its value)
        home, words = words[1], words[2:]
    try:
        if words == ["status", "--json"]:
            return _status_json(places.find(home))
        if words in (["up"], ["up", "-d"], ["up", "--detach"]):
            found = places.find(home)
            code = _second_up(found)
            return _first_up(found, detach=len(words) > 1) if code is None else code
    except OrchError:
        return None  # the full command line says it better
    return None


def supervisor(home: str, *, measured: bool = False, patient: bool = True) -> dict[str, Any]:
    """What the supervisor of `home` says of itself and its services, their memory `measured` anew.

    One that replaces its own program is waited for, if we are `patient`.

    Raises:
        NotRunning: there is none.
        DeadlinePassed: it does not answer.
    """
    path = places.control_socket(home)
    if path is None:
        raise NotRunning(f"nothing has run in {home} yet")
    wish = {"do": "status", "memory": measured}
    patience = STATUS_S if patient else 0.0
    return patiently(lambda: ask(path, wish, STATUS_S), places.run_folder(home), patience)


def snapshot(home: str, *, measured: bool = False, patient: bool = True) -> dict[str, Any]:
    """What `orch status --json` prints, from the supervisor and the summary that `results` keeps."""
    try:
        answer = supervisor(home, measured=measured, patient=patient)
    except NotRunning:
        answer = {"home": home, "supervisor": stopped(), "services": []}
    answer.pop("ok", None)
    return {**answer, **summary(home, running=bool(answer["services"]))}


def stopped() -> dict[str, Any]:
    """The supervisor's line when there is none."""
    return {"state": "stopped", "pid": None, "since": None}


def summary(home: str, *, running: bool) -> dict[str, Any]:
    """Proxies and sites as the service `results` last wrote them; empty when nothing runs."""
    empty = {"live": 0, "usable": 0, "refreshed_at": None, "refresh": None}
    kept: dict[str, Any] = {}
    if running:
        try:
            with open(f"{places.run_folder(home)}/summary.json", "rb") as file:  # noqa: PTH123
                kept = json.load(file)
        except (OSError, ValueError):
            kept = {}
    sites = kept.get("sites", [])
    alone = told(places.run_folder(home)) if sites else {}
    for row in sites:
        row["reason"] = alone.get(row["site"]) or row.get("reason", "")
    return {"proxies": kept.get("proxies", empty), "sites": sites}


def status_code(status: dict[str, Any]) -> int:
    """0 all that should run is ready, or done; 1 something is not, or nothing should run; 3 not running."""
    if status["supervisor"]["state"] == "stopped":
        return NotRunning.exit_code
    done = [row for row in status["services"] if row.get("done")]
    wanted = [row for row in status["services"] if row["state"] != "stopped"]
    well = all(row["state"] == "ready" for row in wanted)
    return 0 if well and (wanted or done) else 1


def _status_json(home: str) -> int:
    status = snapshot(home, measured=True)
    return outlet.finish(status_code(status), json.dumps(status, indent=2) + "\n")


def _second_up(home: str) -> int | None:
    """A supervisor that is there and ready, of the settings of today: nothing to do."""
    try:
        status = supervisor(home)
    except (NotRunning, DeadlinePassed):
        return None
    me = status["supervisor"]
    if me["state"] != "running" or not all(_as_wanted(row) for row in status["services"]):
        return None
    if me.get("source") != _source(home):
        return None
    told = f"already running (supervisor pid {me['pid']}); `orch status` shows it\n"
    return outlet.finish(0, told)


def _first_up(home: str, *, detach: bool) -> int:
    """Have all started; what goes wrong is worth the imports that say it well."""
    where = importlib.import_module("orchestrator.core.home").Home.find(home)
    # The supervisor loads while what reads the configuration is loaded here.
    detached = importlib.import_module("orchestrator.operate.detached") if detach else None
    early = detached and detached.early(where)
    launch = importlib.import_module("orchestrator.operate.launch")
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # not in the background of a script
            signal.signal(signal.SIGINT, signal.default_int_handler)
        order = {"services": None, "detach": detach, "say": _say, "early": early}
        return int(launch.bring_up(where, {}, **order))
    except OrchError as error:
        importlib.import_module("orchestrator.cli.console").explain(error)
        return error.exit_code
    except KeyboardInterrupt:
        return outlet.INTERRUPTED


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _as_wanted(row: dict[str, Any]) -> bool:
    """Whether `orch up` has nothing to do for it."""
    rests = row.get("done") or not row.get("auto", True)
    return row["state"] == "ready" or (row["state"] == "stopped" and rests)


def _source(home: str) -> str:
    """What it would be configured from today. Only now: the answer may have come without it."""
    return str(importlib.import_module("orchestrator.core.source").digest(home, {}))
