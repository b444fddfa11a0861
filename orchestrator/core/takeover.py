"""A supervisor that replaces its own program answers nobody for a moment: whoever asks waits it out.

On the way of `orch status --json`, so nothing is imported that takes longer than the answer.
"""

from __future__ import annotations

import importlib
import json

from orchestrator.core.errors import NotRunning

# Typing itself is not imported either.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LOOK_EVERY_S = 0.02
#: The module that a supervisor's process runs, as in `supervise.program`.
MODULE = b"orchestrator.supervise"
#: Fields of /proc/PID/stat behind the command name (proc(5)).
_STATE, _START = 0, 19


def patiently(
    question: Callable[[], dict[str, Any]], run_folder: str, seconds: float
) -> dict[str, Any]:
    """Ask until there is an answer, at most for `seconds`, while the supervisor that was there lives.

    The question is asked again also when it was heard and the supervisor left before it answered.

    Raises:
        NotRunning: there is no supervisor, or it has ended; at once.
    """
    try:
        return question()
    except NotRunning:
        if seconds <= 0 or not under_way(run_folder):
            raise
    # Only now: nearly always the answer has come without it.
    clock = importlib.import_module("orchestrator.core.clock")
    deadline = clock.Deadline.after(seconds)
    while True:
        clock.SYSTEM.sleep(LOOK_EVERY_S)
        try:
            return question()
        except NotRunning:
            if deadline.passed or not under_way(run_folder):
                raise


def under_way(run_folder: str) -> bool:
    """Whether the process of the last supervisor lives, which does not answer: it comes, or goes.

    One inside another program is no process of its own, and cannot be replaced.
    """
    try:
        me = json.loads(_read(f"{run_folder}/state.json"))["supervisor"]
        pid, started, boot = me["pid"], me["started"], me["boot"]
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        command = _read(f"/proc/{pid}/cmdline")
        boot_now = _read("/proc/sys/kernel/random/boot_id").decode().strip()
    except (OSError, ValueError, LookupError, TypeError):
        return False
    lives = fields[_STATE] not in (b"Z", b"X") and int(fields[_START]) == started
    ours = not command or MODULE in command.split(b"\0")  # empty: just when it is being replaced
    return boot == boot_now and lives and ours


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123  (importing pathlib takes longer than the answer)
        return file.read()
