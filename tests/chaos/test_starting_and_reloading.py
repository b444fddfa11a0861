"""Two who start, stop or reload at the same time; and Ctrl+C at every moment of a start."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

from tests.support.orch import Orch, alive, eventually

SLEEPER = """
[service.sleeper]
command = ["sleep", "{seconds}"]
ready = {{ after = "{after}" }}
"""


def sleeper(*, seconds: int = 1000, after: str = "100ms") -> str:
    return SLEEPER.format(seconds=seconds, after=after)


def at_work_in(home: Path) -> list[int]:
    """Every process whose current folder is the home, also a supervisor that still loads."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink() == home.resolve() and alive(int(link.parent.name)):
                found.append(int(link.parent.name))
    return found


def test_ctrl_c_at_any_moment_of_a_detached_start_leaves_nothing(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(sleeper(after="2s"))
    orch.up("sleeper")
    assert orch("down").returncode == 0

    # The moment is the point: these go through loading, forking, giving the order and waiting.
    for delay in (0.15, 0.18, 0.2, 0.22, 0.25, 0.28, 0.3, 0.35, 0.5):
        up = orch.popen("up", "-d", "sleeper")
        time.sleep(delay)
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=60)
        # One that has no order may still be loading, only to find that there is none.
        eventually(
            lambda: not at_work_in(orch.home), 10, f"nothing runs, {delay} s after the start"
        )
