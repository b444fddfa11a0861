"""Services that do something once: those that need them wait for the end, and it is not done twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.orch import SMALL, Orch, alive, eventually
from tests.support.row import replaced

MIGRATE = """
[service.migrate]
command = ["sh", "-c", "echo began >> {log}; {script}; echo ended >> {log}"]
restart = "never"
[service.app]
command = ["sh", "-c", "echo app >> {log}; exec sleep 1000"]
needs = ["migrate"]
ready = {{ after = "100ms" }}
"""


def configure(orch: Orch, script: str = "sleep 1.5") -> Path:
    log = orch.home / "order"
    (orch.home / "orch.toml").write_text(SMALL + MIGRATE.format(log=log, script=script))
    return log


def wrote(log: Path, *words: str) -> None:
    """What runs may have written nothing yet when it counts as ready."""
    eventually(lambda: log.read_text().split() == [*words], what=f"{words}: {log.read_text()}")


def test_whoever_needs_it_waits_for_its_end(orch: Orch) -> None:
    log = configure(orch)

    orch.up("app")

    wrote(log, "began", "ended", "app")
    assert orch.service("migrate")["state"] == "stopped"
    assert orch.service("migrate")["done"]
    assert orch("status").returncode == 0


def test_one_that_fails_starts_nobody(orch: Orch) -> None:
    log = configure(orch, "exit 7")

    done = orch("up", "-d", "app")

    assert done.returncode == 1
    assert "migrate" in done.stderr
    assert "exit code 7" in done.stderr
    assert log.read_text().split() == ["began"]
    eventually(lambda: not orch.processes())


def test_it_is_done_once_whatever_happens_to_the_others_or_to_the_supervisor(orch: Orch) -> None:
    log = configure(orch, "true")
    orch.up("app")

    app = orch.pid("app")
    os.kill(app, signal.SIGKILL)
    replaced(orch, "app", app)
    orch.up("app")
    supervisor = orch.status()["supervisor"]["pid"]
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: not alive(supervisor))
    orch.up("app")

    assert log.read_text().split().count("began") == 1
    orch.up("migrate")  # by name it is wanted again
    eventually(lambda: log.read_text().split().count("ended") == 2)


def test_after_a_down_it_is_done_again(orch: Orch) -> None:
    log = configure(orch, "true")
    orch.up("app")
    wrote(log, "began", "ended", "app")
    assert orch("down").returncode == 0

    orch.up("app")

    wrote(log, *["began", "ended", "app"] * 2)
