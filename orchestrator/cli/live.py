"""The live table of a foreground `orch up`: a child of the supervisor that reads the control socket."""

from __future__ import annotations

import itertools
import signal
import sys
from pathlib import Path

from rich.live import Live

from orchestrator.cli.console import out
from orchestrator.cli.quick import snapshot
from orchestrator.cli.tables import services_table
from orchestrator.cli.watch import LOOK_EVERY_S, MEASURE_EVERY
from orchestrator.core.clock import SYSTEM, Deadline, wait_until
from orchestrator.core.errors import DeadlinePassed
from orchestrator.core.home import Home


def main() -> None:
    """Draw until the supervisor has ended; Ctrl+C is for the supervisor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    home = Home(Path(sys.argv[1]))
    if not wait_until(lambda: _running(home), Deadline.after(10.0)):
        return
    with Live(services_table(snapshot(str(home.path))), console=out, refresh_per_second=4) as live:
        for number in itertools.count():
            try:
                # The supervisor waits for us: when it has hung up, whoever takes over draws anew.
                measured = number % MEASURE_EVERY == 0
                status = snapshot(str(home.path), measured=measured, patient=False)
            except DeadlinePassed:
                continue
            if status["supervisor"]["state"] == "stopped":
                return
            live.update(services_table(status))
            SYSTEM.sleep(LOOK_EVERY_S)


def _running(home: Home) -> bool:
    return bool(snapshot(str(home.path))["supervisor"]["state"] != "stopped")


if __name__ == "__main__":
    main()
