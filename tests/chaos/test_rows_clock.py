"""Time stands still, or everything does: nothing is restarted for it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.supervise.keeper import WAKE_UP_S
from tests.chaos.test_site_jobs import PAGES, TOML, define, exported, progress, start, state
from tests.support.orch import Orch, a_home, eventually, signal_each
from tests.support.row import (
    all_ready,
    configure,
    daemon,
    declared,
    events,
    order_of,
    pids,
)
from tests.support.site_server import Site, tree

#: Longer than any heartbeat, lease or probe of ours lives.
SUSPENDED_S = 30
#: A machine that wakes up lets some processes go on later than others, in seconds.
OTHERS_SLEEP_ON_S = 3

#: Writes a file four times a second, which is asked for as its sign of life.
TICKS = "while :; do touch alive; sleep 0.25; done"
MINE = declared(
    "mine",
    "/bin/sh",
    "-c",
    TICKS,
    ready='{ file = "alive", max_age = "8s", every = "500ms" }',
)
#: Of a Redis that is silent for a second or two on a busy machine nothing is said, where nothing may be.
PATIENT = '\n[service.redis]\nalive = { timeout = "5s" }\n'


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(tree(PAGES)) as made:
        yield made


@pytest.fixture
def more() -> str:
    """What else stands in `orch.toml`: for a test to say."""
    return ""


@pytest.fixture
def up(tmp_path: Path, site: Site, more: str) -> Iterator[Orch]:
    with a_home(tmp_path / "home") as orch:
        configure(orch, MINE, more, base=TOML)
        define(orch, site)
        orch.up()
        yield orch


@contextlib.contextmanager
def asleep(processes: list[int]) -> Iterator[None]:
    """All of them stand still, the first one first and longest; so also when the test is broken off."""
    try:
        signal_each(processes, signal.SIGSTOP)
        yield
    finally:
        signal_each(reversed(processes), signal.SIGCONT)


def suspend(processes: list[int]) -> None:
    """As a laptop does: all at once."""
    with asleep(processes):
        time.sleep(SUSPENDED_S)  # the length is what is tested


def nothing_was_restarted(orch: Orch, before: dict[str, int]) -> None:
    time.sleep(WAKE_UP_S + 4)  # what must not happen would happen by then
    eventually(lambda: all_ready(orch), 60)
    assert pids(orch) == before
    assert order_of(orch, "service.ended") == []
    assert events(orch, "service.failed") == []


@pytest.mark.parametrize("more", [PATIENT], ids=["patient"])
def test_a_daemon_that_was_suspended_restarts_nothing(up: Orch) -> None:
    before = pids(up)

    suspend([daemon(up)])

    nothing_was_restarted(up, before)
    assert order_of(up, "service.unhealthy") == []


def test_a_whole_project_that_was_suspended_goes_on_where_it_was(up: Orch) -> None:
    """In the middle of a job, with the site itself awake."""
    before = pids(up)
    start(up)
    eventually(lambda: progress(up) > PAGES / 4, 60)

    suspend([daemon(up), *up.processes()])

    eventually(lambda: state(up) == "done", 90)
    eventually(lambda: len(set(exported(up))) == 2 * PAGES, 30)
    assert len(exported(up)) == 2 * PAGES
    nothing_was_restarted(up, before)


def test_a_project_whose_daemon_wakes_up_first_waits_for_the_others(up: Orch) -> None:
    before, judge, others = pids(up), daemon(up), up.processes()
    assert judge not in others
    with asleep([judge, *others]):
        time.sleep(SUSPENDED_S)  # the length is what is tested
        os.kill(judge, signal.SIGCONT)
        time.sleep(OTHERS_SLEEP_ON_S)  # the length is what is tested

    nothing_was_restarted(up, before)
