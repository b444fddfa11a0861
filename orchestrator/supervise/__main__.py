"""The daemon: `python -m orchestrator.supervise HOME`, its services as JSON on standard input.

In the foreground `orch up` becomes this process, so that Ctrl+C reaches it and nothing heavy stays in
its memory.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import Busy, NotRunning, OrchError, ServiceFailed
from orchestrator.core.home import Home
from orchestrator.supervise.control import ask, checked
from orchestrator.supervise.service import ServiceSpec
from orchestrator.supervise.supervisor import Supervisor

if TYPE_CHECKING:
    from types import FrameType

UP_S = 120.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Supervise until told to stop; return the exit code."""
    order: dict[str, Any] = json.load(sys.stdin)
    home, foreground = Home(Path(order["home"])), bool(order.get("foreground"))
    on_terminal = foreground and sys.stdout.isatty()
    supervisor = Supervisor(
        home,
        [ServiceSpec.from_json(raw) for raw in order["specs"]],
        only_stop=order.get("only_stop", False),
        echo=_say if foreground and not on_terminal else None,
    )
    received = _obey_signals(supervisor)
    table = _show_table(home) if on_terminal else None
    failure = _run(supervisor, order.get("wanted"))
    _wait(table)
    if isinstance(failure, Busy) and foreground:
        return _second(home)
    if failure is not None:
        explain(failure)
        return failure.exit_code
    return _verdict(supervisor, received)


def _run(supervisor: Supervisor, wanted: list[str] | None) -> OrchError | None:
    try:
        supervisor.run(wanted)
    except OrchError as error:
        return error
    return None


def _verdict(supervisor: Supervisor, received: list[int]) -> int:
    if any(keeper.failure for keeper in supervisor.keepers.values()):
        return 1
    return 128 + received[0] if received else 0


def _second(home: Home) -> int:
    """Somebody was quicker: wait until its services are ready, and leave them to it."""
    deadline = Deadline.after(UP_S)
    while True:
        try:
            answer = checked(ask(home.socket("control.sock"), {"do": "wait"}, deadline))
        except NotRunning:  # it holds the lock, and will listen in a moment
            if deadline.passed:
                return NotRunning.exit_code
            deadline.clock.sleep(0.01)
        except OrchError as error:
            explain(error)
            return error.exit_code
        else:
            _say(f"already running (supervisor pid {answer['supervisor']['pid']})")
            return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _show_table(home: Home) -> subprocess.Popen[bytes]:
    """The live table is drawn by a process of its own: this one stays lean."""
    command = [sys.executable, "-m", "orchestrator.cli.live", str(home.path)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def _wait(table: subprocess.Popen[bytes] | None) -> None:
    """Let the table give the terminal back; it ends by itself when the control socket closes."""
    if table is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            table.wait(2.0)
        table.kill()


def explain(error: OrchError) -> None:
    """Say on standard error what went wrong, with the end of the log and the next step."""
    lines = [f"orch: {error}"]
    if isinstance(error, ServiceFailed) and error.log_tail:
        lines += ["  the end of its log:", *(f"  | {line}" for line in error.log_tail)]
    if error.hint:
        lines.append(f"  {error.hint}")
    sys.stderr.write("\n".join(lines) + "\n")


def _obey_signals(supervisor: Supervisor) -> list[int]:
    """Turn signals into requests; return the list that the received ones are noted in."""
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        supervisor.request_stop()

    for number in SIGNALS:
        signal.signal(number, note)
    return received


if __name__ == "__main__":
    sys.exit(main())
