"""The hook of a stop is bounded, and is ended with all that it started."""

from __future__ import annotations

import json
import selectors
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.clock import SYSTEM
from orchestrator.core.events import EventLog
from orchestrator.supervise.farewell import HOOK_S, Farewell
from orchestrator.supervise.keeper import Keeper
from orchestrator.supervise.service import LogSpec, ProbeSpec, ServiceSpec
from tests.support.orch import alive, eventually


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as made:
        yield made


def begin(folder: Path, selector: selectors.BaseSelector, script: str) -> Farewell:
    """Take leave, at second 0, of a service that wants `script` run before."""
    log = LogSpec(str(folder / "log"))
    spec = ServiceSpec("x", ProbeSpec("end"), log=log, before_stop=("sh", "-c", script))
    events = EventLog(folder / "events")
    return Farewell([Keeper(spec, selector, SYSTEM, events)], events, 0.0)


def child_of(folder: Path) -> int:
    file = folder / "pid"
    eventually(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


def events(folder: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (folder / "events").read_text().splitlines()]


def goes_over(farewell: Farewell, now: float, *, kill: bool) -> bool:
    farewell.tick(now, kill=kill)
    return farewell.over


@pytest.mark.parametrize("kill", [False, True])
def test_a_hook_is_ended_with_its_children_when_it_is_late_or_somebody_is_in_a_hurry(
    tmp_path: Path, selector: selectors.BaseSelector, kill: bool
) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    farewell = begin(tmp_path, selector, script)
    child = child_of(tmp_path)
    farewell.tick(1.0, kill=False)
    assert not farewell.over

    now = 2.0 if kill else HOOK_S
    eventually(lambda: goes_over(farewell, now, kill=kill))

    eventually(lambda: not alive(child))
    assert events(tmp_path).count("farewell.hook_late") == (not kill)


def test_a_hook_that_cannot_be_ended_is_not_waited_for(
    tmp_path: Path, selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError(pid, number)  # as of a command that runs as another user

    farewell = begin(tmp_path, selector, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    pid = child_of(tmp_path)
    hook = farewell._hooks[0]
    with monkeypatch.context() as patch:
        patch.setattr("os.killpg", refuse)
        assert not goes_over(farewell, HOOK_S, kill=False)
        assert goes_over(farewell, HOOK_S + 1, kill=False)

    assert alive(pid)
    hook.kill()
    hook.wait()
