"""The daemon: `python -m orchestrator.supervise HOME`, its services as JSON on standard input.

In the foreground `orch up` becomes this process, so that Ctrl+C reaches it and nothing heavy stays in
its memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import Busy, NotRunning, OrchError, ServiceFailed
from orchestrator.core.home import Home
from orchestrator.supervise.control import ask, checked
from orchestrator.supervise.notify import Notify
from orchestrator.supervise.origin import Origin
from orchestrator.supervise.program import SIGNALS, become
from orchestrator.supervise.service import ServiceSpec
from orchestrator.supervise.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

UP_S = 120.0
LOOK_EVERY_S = 0.02


def main() -> int:
    """Supervise until told to stop; return the exit code."""
    text = sys.stdin.read()
    if not text:  # whoever started us found that there is nothing to do
        return 0
    order: dict[str, Any] = json.loads(text)
    home = Home(Path(order["home"]))
    received: list[int] = []
    origin = Origin(
        source=str(order.get("source", "")),
        can_reload=True,
        reloaded=bool(order.get("reloaded")),
        notify=Notify(**order["notify"]) if "notify" in order else Notify.from_environment(),
    )
    if origin.reloaded:
        _reap()
    while True:
        code = _supervise(home, order, origin, received)
        if code != Busy.exit_code or not order.get("foreground"):
            return code
        _end_on_signals(received)
        ended = _second(home, order)
        if ended is not None:
            return ended


def _reap() -> None:
    """What the program before us had started, and has ended since, would stay a zombie."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _supervise(home: Home, order: dict[str, Any], origin: Origin, received: list[int]) -> int:
    foreground = bool(order.get("foreground"))
    on_terminal = foreground and sys.stdout.isatty()
    supervisor = Supervisor(
        home,
        [ServiceSpec.from_json(raw) for raw in order["specs"]],
        only_stop=order.get("only_stop", False),
        origin=origin,
        echo=_say if foreground and not on_terminal else None,
    )
    _obey_signals(supervisor, received)
    table = _show_table(home) if on_terminal else None
    failure = _run(supervisor, order.get("wanted"))
    _wait(table)
    if supervisor.successor is not None:
        facts = {"foreground": foreground, "reloaded": True, "notify": origin.notify.to_json()}
        become({**supervisor.successor, **facts}, received)
    if failure is None:
        return _asked(received)
    if not (isinstance(failure, Busy) and foreground):
        explain(failure)
    return failure.exit_code


def _run(supervisor: Supervisor, wanted: list[str] | None) -> OrchError | None:
    try:
        supervisor.run(wanted)
    except OrchError as error:
        return error
    return None


def _asked(received: list[int]) -> int:
    """The exit code of an end that was asked for: by a signal, or (0) by a request."""
    return 128 + received[0] if received else 0


def _second(home: Home, order: dict[str, Any]) -> int | None:
    """Somebody was quicker: have all ready there, and leave it to it. None when it has ended."""
    deadline = Deadline.after(UP_S)
    request = {"do": "start", "services": order.get("wanted")}
    while True:
        deadline.clock.sleep(LOOK_EVERY_S)
        try:
            answer = checked(ask(home.socket("control.sock"), request, deadline))
        except NotRunning:
            return None if not deadline.passed else NotRunning.exit_code
        except Busy:  # it is stopping: wait until it has
            if deadline.passed:
                return Busy.exit_code
        except OrchError as error:
            explain(error)
            return error.exit_code
        else:
            with contextlib.suppress(OSError):
                _say(f"already running (supervisor pid {answer['supervisor']['pid']})")
            return 0


def _say(line: str) -> None:
    """Say it to whoever listens: one who does not read now misses it, so that nobody waits for him."""
    _put(line, sys.stdout, patience_s=0)


def _put(line: str, stream: TextIO, *, patience_s: float) -> bool:
    """Write a line if it can be taken within `patience_s`; tell whether it was."""
    handle = stream.fileno()
    if not select.select((), (handle,), (), patience_s)[1]:
        return False
    # A pipe that is writable takes PIPE_BUF bytes, and may make us wait for one byte more.
    os.write(handle, line.encode()[: select.PIPE_BUF - 1] + b"\n")
    return True


def _show_table(home: Home) -> subprocess.Popen[bytes]:
    """The live table is drawn by a process of its own: this one stays lean."""
    command = [sys.executable, "-P", "-m", "orchestrator.cli.live", str(home.path)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def _wait(table: subprocess.Popen[bytes] | None) -> None:
    """Let the table give the terminal back; it ends by itself when the control socket closes."""
    if table is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            table.wait(2.0)
        table.kill()
        table.wait()


def explain(error: OrchError) -> None:
    """Say on standard error what went wrong, with the end of the log and the next step."""
    lines = [f"orch: {error}"]
    if isinstance(error, ServiceFailed) and error.log_tail:
        lines += ["  the end of its log:", *(f"  | {line}" for line in error.log_tail)]
    if error.hint:
        lines.append(f"  {error.hint}")
    with contextlib.suppress(OSError):  # whoever read it may have gone
        all(_put(line, sys.stderr, patience_s=1.0) for line in lines)


def _obey_signals(supervisor: Supervisor, received: list[int]) -> None:
    """Turn signals into requests, noting them in `received`; a second Ctrl+C or TERM kills.

    A terminal that closes sends HUP more than once: that is no impatience.
    """

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        presses = sum(number != signal.SIGHUP for number in received)
        supervisor.request_stop(kill=presses > 1 and number != signal.SIGHUP)

    _heed(note)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _end_on_signals(received: list[int]) -> None:
    """Nothing is ours to be stopped: the next signal ends us, as does one that came already."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    _heed(leave)
    if received:
        sys.exit(_asked(received))


def _heed(handler: Callable[[int, FrameType | None], None]) -> None:
    """What whoever started us had ignored stays so: `nohup orch up` outlives its terminal."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
