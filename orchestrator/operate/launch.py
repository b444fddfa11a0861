"""Bringing the services up and down: one supervisor a home, in the foreground or detached."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestrator.core import places
from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.errors import (
    Busy,
    DeadlinePassed,
    NotRunning,
    OrchError,
)
from orchestrator.core.source import digest
from orchestrator.core.takeover import patiently
from orchestrator.core.version import VERSION
from orchestrator.operate import detached
from orchestrator.operate.detached import Detached
from orchestrator.operate.order import UP_S, make_order, time_for
from orchestrator.supervise.control import ask, checked
from orchestrator.supervise.order import in_order
from orchestrator.supervise.ownership import launched
from orchestrator.supervise.program import PROGRAM, become
from orchestrator.supervise.service import ServiceSpec
from orchestrator.supervise.state import StateFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.core.home import Home

#: How often we look whether a detached supervisor answers, in seconds.
LOOK_EVERY_S = 0.01
#: A supervisor that does not answer for so long is there all the same, in seconds.
LOOK_S = 5.0
#: Stands for the pid of a supervisor that does not answer.
SILENT = -1
#: While somebody else holds the lock, we try again so often, in seconds.
AGAIN_S = 0.1
#: A detached start that failed, or met Ctrl+C, is stopped again within this time, in seconds.
STOP_S = 60.0


def bring_up(
    home: Home,
    overrides: Mapping[str, str],
    *,
    services: list[str] | None,
    detach: bool,
    say: Callable[[str], None],
    timeout_s: float | None = None,
    early: Detached | None = None,
) -> int:
    """Have the services running and ready; in the foreground, become the supervisor.

    A second call anywhere in the same home is a no-op: it waits until the first has them ready.
    Without `timeout_s` that takes as long as the declarations permit. `early` is a supervisor that
    waits for its order already. Returns the exit code (0) when it does not become the supervisor.

    Raises:
        ConfigError: with every problem of the configuration; nothing was started.
        Unavailable: something that is needed is not there; nothing is left running.
        ServiceFailed: a service did not become ready; nothing is left running.
    """
    deadline = Deadline.after(timeout_s or UP_S)
    while (running := _who_is_up(home)) is not None:
        try:
            return _second(home, overrides, services, say, deadline)
        except (Busy, NotRunning):  # it is being stopped: start anew when it has
            if not wait_until(partial(_is_over, home, running), deadline):
                raise
    if not detach:
        become(make_order(home, overrides, services, detach=False))
    # It loads while the configuration is read; in a home without its folders, after that.
    early = early or detached.early(home)
    order = _order_for(early, home, overrides, services)
    answer = _when_ready(home, order, early, Deadline.after(timeout_s or time_for(order)))
    ready = ", ".join(_ready(answer)) or "nothing that goes on running"
    say(f"ready: {ready} (supervisor pid {answer['supervisor']['pid']})")
    return 0


def bring_down(home: Home, deadline: Deadline) -> bool:
    """Stop everything in order; tell whether anything ran. Also after a killed supervisor.

    Raises:
        DeadlinePassed: it takes longer.
    """
    while True:
        try:
            doomed = request(home, "status", None, deadline)["supervisor"]["pid"]
            _ask(home, {"do": "stop"}, deadline)
        except NotRunning:
            stopped = _stop_leftovers(home)
            if stopped is not None:
                return stopped
        else:
            if wait_until(partial(_is_over, home, doomed), deadline):
                return True
        deadline.require("the services are still stopping; `orch status` shows which")
        deadline.clock.sleep(AGAIN_S)


def request(
    home: Home, what: str, services: list[str] | None, deadline: Deadline, **more: object
) -> dict[str, Any]:
    """Ask the supervisor for something, its refusal becoming an error."""
    return checked(_ask(home, {"do": what, "services": services, **more}, deadline))


def _ask(home: Home, words: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
    """Ask the supervisor, or the one that is taking over from it."""
    path = home.socket("control.sock")
    return patiently(
        lambda: ask(path, words, deadline), places.run_folder(str(home.path)), deadline.remaining()
    )


def _ready(answer: dict[str, Any]) -> dict[str, int | None]:
    return {row["name"]: row["pid"] for row in answer["services"] if row["state"] == "ready"}


def _order_for(
    early: Detached | None, home: Home, overrides: Mapping[str, str], services: list[str] | None
) -> dict[str, Any]:
    try:
        return make_order(home, overrides, services, detach=True)
    except BaseException:
        if early:
            early.dismiss()
        raise


def _when_ready(
    home: Home, order: dict[str, Any], early: Detached | None, deadline: Deadline
) -> dict[str, Any]:
    """Give a supervisor its order; wait until it, or one that was quicker, has the services ready.

    Whatever goes wrong, also Ctrl+C: if it was ours, nothing is left running.
    """
    daemon = early or Detached(home)
    try:
        daemon.give(order)
        while True:
            try:
                return request(home, "start", order["wanted"], deadline)
            except (Busy, NotRunning):
                deadline.require("the services are not ready yet")
            daemon.require()
            if daemon.exit_code is not None:
                deadline.clock.sleep(AGAIN_S)
                daemon = Detached(home)  # the quicker one may have ended in the meantime
                daemon.give(order)
            deadline.clock.sleep(LOOK_EVERY_S)
    except BaseException:
        daemon.end(STOP_S)
        raise


def _second(
    home: Home,
    overrides: Mapping[str, str],
    services: list[str] | None,
    say: Callable[[str], None],
    deadline: Deadline,
) -> int:
    before = {row["pid"] for row in request(home, "status", None, deadline)["services"]}
    answer = request(home, "start", services, deadline, again=bool(services))
    started = [name for name, pid in _ready(answer).items() if pid not in before]
    what = f"ready: {', '.join(started)}" if started else "already running"
    say(f"{what} (supervisor pid {answer['supervisor']['pid']})")
    if answer["supervisor"]["source"] != digest(str(home.path), overrides):
        for line in _told(differences(home, overrides, deadline)):
            say(line)
    return 0


def differences(home: Home, overrides: Mapping[str, str], deadline: Deadline) -> dict[str, str]:
    """How the services differ from what is declared by now: service -> changed|tuned|new|gone.

    Raises:
        NotRunning: nothing runs here.
        ConfigError: with every problem of the configuration.
    """
    return _compare(home, make_order(home, overrides, None, detach=True), deadline)


def _told(differs: Mapping[str, str]) -> list[str]:
    """What `orch restart --changed` would do, a line for each service, and how to have it done."""
    words = {
        "changed": "declared otherwise since it was started",
        "tuned": "has other limits, probes or log settings by now, which need no restart",
        "new": "declared, and not yet known to the supervisor",
        "gone": "runs, and is declared no more",
    }
    lines = [f"{name}: {words[what]}" for name, what in sorted(differs.items())]
    return [*lines, "`orch restart --changed` applies this"] if lines else []


def _compare(home: Home, order: dict[str, Any], deadline: Deadline) -> dict[str, str]:
    specs_now = [ServiceSpec.from_json(raw) for raw in order["specs"]]
    declared = {spec.name: [spec.digest, spec.fingerprint] for spec in specs_now}
    answer = request(home, "status", None, deadline, declared=declared)
    differs: dict[str, str] = answer["differs"]
    return differs


def apply_changes(home: Home, overrides: Mapping[str, str], deadline: Deadline) -> list[str]:
    """Have the supervisor take the configuration of now; return the services that it changed.

    It replaces its own program by that of the orch which calls, keeps what runs, and restarts, starts
    or ends, gently, the services that are declared otherwise.

    Raises:
        NotRunning: nothing runs here.
        ConfigError: with every problem of the configuration; nothing was changed.
        Unavailable: the supervisor lives inside another program.
        ServiceFailed: a changed service did not become ready; the others run on.
    """
    status = request(home, "status", None, deadline)
    order = make_order(home, overrides, None, detach=True)
    differs = _compare(home, order, deadline)
    if not differs and status["supervisor"]["version"] == VERSION:
        return []
    running = {row["name"] for row in status["services"] if row["state"] != "stopped"}
    order["wanted"] = sorted(running & {raw["name"] for raw in order["specs"]}) + [
        raw["name"] for raw in order["specs"] if differs.get(raw["name"]) == "new" and raw["auto"]
    ]
    before = _reload(home, order, deadline)
    while True:
        answer = request(home, "wait", None, deadline)
        if answer["supervisor"]["since"] != before:
            return sorted(differs)
        deadline.clock.sleep(LOOK_EVERY_S)


def _reload(home: Home, order: dict[str, Any], deadline: Deadline) -> float:
    """Have it replace its program, as soon as it stops no service; since when the old one ran."""
    while True:
        try:
            answer = request(home, "reload", None, deadline, order=order)
        except Busy:
            deadline.require("services are still being stopped")
            deadline.clock.sleep(AGAIN_S)
        else:
            return float(answer["supervisor"]["since"])


def _who_is_up(home: Home) -> int | None:
    """The pid of the supervisor; None when there is none, `SILENT` when it does not answer."""
    try:
        status = _ask(home, {"do": "status"}, Deadline.after(LOOK_S))
    except NotRunning:
        return None
    except DeadlinePassed:
        return SILENT
    return int(status["supervisor"]["pid"])


def _is_over(home: Home, supervisor: int) -> bool:
    """Whether that one has ended; whoever waited for it may have started the next one by now."""
    return _who_is_up(home) not in (supervisor, SILENT)


def _stop_leftovers(home: Home) -> bool | None:
    """A killed supervisor may have left services: stop them in order, without one.

    Return whether there were any; None when somebody holds the lock, who must be asked.
    """
    left = StateFile(home.run / "state.json").read()
    if not left and not launched(home.path):
        return False
    recorded = {name: running.spec for name, running in left.items()}
    declared = [spec.to_json() for spec in in_order(recorded)]
    order = {"home": str(home.path), "specs": declared, "only_stop": True}
    asked = json.dumps(order).encode()
    done = subprocess.run(PROGRAM, input=asked, stderr=subprocess.PIPE, check=False)
    if done.returncode == Busy.exit_code:
        return None
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip().removeprefix("orch: ")
        wrong = f"the services that were left could not be stopped: {why}"
        raise OrchError(wrong, hint="`orch doctor`")
    return True
