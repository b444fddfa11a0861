"""Crash loops, memory, a full Redis: bounded, said, and over when the cause is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.redis import Redis, connect
from tests.chaos.test_site_jobs import TOML, define, exported, progress, start, state
from tests.support.orch import Orch, a_home, alive, eventually
from tests.support.row import (
    all_ready,
    configure,
    cpu_ms,
    daemon,
    declared,
    events,
    pids,
    python,
    states,
    within,
)
from tests.support.site_server import Site, tree

#: Runs for a moment, says why it ends, and ends; with a file `healthy` it stays.
CRASHES = (
    'echo started; [ -e healthy ] && exec sleep 600; sleep 0.2; echo "no such table" >&2; exit 3'
)

#: Takes 20 MB more whenever the file `more` is there, and says so when it is told to end.
GROWS = """
import os, signal, time
from pathlib import Path

def end(*_):
    Path("told to end").touch()
    raise SystemExit

signal.signal(signal.SIGTERM, end)
kept = []
while True:
    if Path("more").exists():
        Path("more").unlink()
        kept.append(bytearray(os.urandom(1 << 20)) * 80)
    time.sleep(0.05)
"""


#: A job of a dozen seconds: it is still at work when Redis is full, however late that comes.
PAGES = 480


def a_crash_loop(orch: Orch, script: str = CRASHES) -> None:
    configure(
        orch, declared("flaky", "/bin/sh", "-c", script, ready='{ after = "100ms" }', auto="false")
    )


def failed(orch: Orch, name: str) -> bool:
    return states(orch)[name] == "failed"


def test_a_crash_loop_ends_as_failed_with_its_log_and_restart_revives_it(orch: Orch) -> None:
    a_crash_loop(orch, f"until [ -e crash ]; do sleep 0.05; done; {CRASHES}")
    orch.up("redis")
    before = pids(orch)

    orch.up("flaky")
    (orch.home / "crash").touch()
    eventually(lambda: failed(orch, "flaky"), 60)

    assert len(events(orch, "service.started", "flaky")) <= 10
    assert pids(orch) == before
    assert orch("status").returncode == 1
    assert "died" in orch.service("flaky")["probe"]["error"]
    again = orch("up", "-d", "flaky")
    assert again.returncode == 0 or "no such table" in again.stderr
    (orch.home / "healthy").touch()
    assert orch("restart", "flaky").returncode == 0
    assert states(orch)["flaky"] == "ready"
    assert pids(orch)["redis"] == before["redis"]


def test_one_that_ends_before_it_is_ready_is_told_with_the_end_of_its_log(orch: Orch) -> None:
    configure(
        orch,
        declared("flaky", "/bin/sh", "-c", CRASHES, ready='{ after = "5s" }', auto="false"),
    )
    orch.up("redis")

    done = orch("up", "-d", "flaky")

    assert done.returncode == 1
    assert "no such table" in done.stderr
    assert "exit code 3" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(events(orch, "service.started", "flaky")) == 1
    assert states(orch)["redis"] == "ready"


@pytest.mark.pair
def test_a_crash_loop_costs_the_daemon_next_to_nothing(orch: Orch) -> None:
    """Compared with half as long a time without it, twice: its probes of others cost the same in both."""
    a_crash_loop(orch)
    orch.up("redis")
    within(50.0, lambda: _cost_of_a_crash_loop(orch, daemon(orch)))


def _cost_of_a_crash_loop(orch: Orch, pid: int) -> float:
    """In milliseconds of processor time."""
    failed_before = len(events(orch, "service.failed", "flaky"))
    before, began = cpu_ms(pid), time.monotonic()
    orch.ask("start", services=["flaky"])
    # The file: asking would cost the daemon.
    while len(events(orch, "service.failed", "flaky")) == failed_before:
        assert time.monotonic() - began < 60
        time.sleep(0.2)
    with_loop, took = cpu_ms(pid) - before, time.monotonic() - began
    before = cpu_ms(pid)
    time.sleep(took / 2)  # without: there is no state to wait for
    without = 2 * (cpu_ms(pid) - before)
    return with_loop - without


def test_a_service_over_its_memory_limit_is_restarted_gently(orch: Orch) -> None:
    configure(
        orch,
        python("grows", GROWS, memory_limit='"60MB"', ready='{ after = "100ms" }', auto="false"),
    )
    orch.up("redis")
    orch.up("grows")
    before = pids(orch)

    (orch.home / "more").touch()
    eventually(lambda: pids(orch).get("grows") not in (None, before["grows"]))
    eventually(lambda: states(orch)["grows"] == "ready")

    (over,) = events(orch, "service.over_memory", "grows")
    assert over["bytes"] > over["limit"] == 60_000_000
    assert (orch.home / "told to end").exists()
    assert not alive(before["grows"])
    assert pids(orch)["redis"] == before["redis"]
    assert orch.service("grows")["restarts"] == 1


def test_one_that_is_over_its_limit_at_every_start_is_failed_in_the_end(orch: Orch) -> None:
    hungry = GROWS.replace("kept = []", "kept = [bytearray(os.urandom(1 << 20)) * 80]")
    configure(
        orch,
        python(
            "grows",
            hungry,
            memory_limit='"60MB"',
            restart_limit="2",
            ready='{ after = "100ms" }',
            auto="false",
        ),
    )
    orch.up("redis")
    orch("up", "-d", "grows")

    eventually(lambda: failed(orch, "grows"), 40)

    assert "memory" in orch.service("grows")["probe"]["error"]
    assert states(orch)["redis"] == "ready"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(tree(PAGES)) as made:
        yield made


@pytest.fixture
def up(tmp_path: Path, site: Site) -> Iterator[Orch]:
    with a_home(tmp_path / "home", TOML) as orch:
        define(orch, site)
        orch.up()
        yield orch


def full(redis: Redis) -> None:
    """No room for anything more; what is there stays."""
    redis.config_set("maxmemory", "1mb")


def standing(up: Orch) -> int:
    """How many pages were done when none was added for 6 s: ending what was leased before takes no room."""
    until, last = time.monotonic() + 60, -1
    while (done := progress(up)) != last:
        assert time.monotonic() < until, "the job goes on"
        last = done
        time.sleep(6)
    return last


def test_a_full_redis_pauses_the_job_and_all_goes_on_when_there_is_room(up: Orch) -> None:
    redis = connect(f"unix://{up.home / 'data/run/redis.sock'}")
    start(up)
    eventually(lambda: progress(up) > PAGES / 16, 60)
    before = pids(up)

    full(redis)
    eventually(lambda: "full" in up.service("redis")["probe"]["error"])
    assert up.service("redis")["state"] == "unhealthy"
    assert up("status").returncode == 1
    stood = standing(up)
    time.sleep(15)  # longer than leases and marks live: what must not happen would happen by then
    assert progress(up) == stood
    (row,) = up.json("sites", "status", "tree", "--json")
    assert (row["state"], row["health"]) == ("running", "stalled")
    assert "full" in row["reason"]
    assert row["pages_failed"] == 0
    assert "failed" not in states(up).values()
    assert daemon(up)
    assert pids(up)["redis"] == before["redis"]
    redis.config_set("maxmemory", "0")

    eventually(lambda: state(up) == "done", 120)
    eventually(lambda: len(set(exported(up))) == 2 * PAGES, 30)
    assert len(exported(up)) == 2 * PAGES
    eventually(lambda: all_ready(up), 60)
