"""Services are killed, stopped and confused; what runs afterwards is what should."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.supervise.ownership import family
from tests.support.orch import SMALL, Orch, a_home, alive, eventually, signal_each
from tests.support.row import SERVICES, all_ready, replaced


@pytest.fixture
def up(orch: Orch) -> Orch:
    orch.up()
    return orch


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orch]:
    with a_home(tmp_path_factory.mktemp("shared") / "home") as orch:
        orch.up()
        yield orch


@pytest.fixture
def shared(home: Orch) -> Iterator[Orch]:
    """For tests after which all that was killed runs again."""
    yield home
    eventually(lambda: all_ready(home), 40)


@pytest.mark.parametrize("name", SERVICES)
def test_a_killed_service_comes_back_and_the_others_run_on(shared: Orch, name: str) -> None:
    up = shared
    before = {other: up.pid(other) for other in SERVICES}
    children = family(before[name], "none")

    os.kill(before[name], signal.SIGKILL)

    replaced(up, name, before[name])
    after = {other: up.pid(other) for other in SERVICES if other != name}
    assert after == {other: pid for other, pid in before.items() if other != name}
    assert not [pid for pid in children if alive(pid)]


def test_down_after_a_killed_supervisor_leaves_nothing(up: Orch) -> None:
    os.kill(up.status()["supervisor"]["pid"], signal.SIGKILL)

    assert up("down").returncode == 0

    assert not up.processes()


def test_what_was_adopted_is_replaced_when_it_dies(shared: Orch) -> None:
    up = shared
    os.kill(up.status()["supervisor"]["pid"], signal.SIGKILL)
    up.up()
    worker = up.pid("worker")

    os.kill(worker, signal.SIGKILL)

    replaced(up, "worker", worker)


def test_an_orphan_without_a_state_file_is_ended_not_doubled(up: Orch) -> None:
    before = {name: up.pid(name) for name in SERVICES}
    os.kill(up.status()["supervisor"]["pid"], signal.SIGKILL)
    (up.home / "data/run/state.json").unlink()

    up.up()

    assert {row["state"] for row in up.status()["services"]} == {"ready"}
    assert not [name for name in ("results", "worker", "beat") if alive(before[name])]


def test_one_that_dies_too_often_is_failed_with_its_log_until_restart_revives_it(
    shared: Orch,
) -> None:
    up, before = shared, len(shared.events())
    others = {name: up.pid(name) for name in ("results", "worker", "redis")}

    eventually(lambda: kill_beat(up), 60)

    assert up("status").returncode == 1
    started = [e for e in up.events()[before:] if e["event"] == "service.started"]
    assert len([event for event in started if event["service"] == "beat"]) <= 10
    assert {name: up.pid(name) for name in others} == others
    assert up("restart", "beat").returncode == 0
    assert up.service("beat")["state"] == "ready"
    assert up("status").returncode == 0


def kill_beat(orch: Orch) -> bool:
    """Whether it is given up; else it is killed if it runs, and may have ended meanwhile."""
    row = orch.service("beat")
    signal_each([row["pid"]] if row["pid"] else [], signal.SIGKILL)
    return bool(row["state"] == "failed")


def test_an_end_that_was_asked_for_is_no_failure_whatever_had_failed_before(orch: Orch) -> None:
    up = orch.popen("up", start_new_session=True)
    eventually(lambda: orch.status()["services"] and orch.service("beat")["state"] == "ready", 60)

    eventually(lambda: kill_beat(orch), 60)
    os.killpg(up.pid, signal.SIGINT)
    up.communicate(timeout=60)

    assert up.returncode == 130


def test_a_failure_at_start_up_shows_the_log_and_leaves_nothing(orch: Orch) -> None:
    run = orch.home / "data/run"
    run.mkdir(parents=True, mode=0o700)
    with (run / "beat.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as another beat of this home would
        done = orch("up", "-d")

    assert done.returncode == 1
    assert "beat" in done.stderr
    assert "another beat" in done.stderr
    eventually(lambda: not orch.processes())
    assert orch("status").returncode == 3


def test_a_changed_configuration_replaces_what_was_adopted(up: Orch) -> None:
    redis, worker = up.pid("redis"), up.pid("worker")
    os.kill(up.status()["supervisor"]["pid"], signal.SIGKILL)
    (up.home / "orch.toml").write_text(SMALL.replace("2", "3"))

    up.up()

    assert up.pid("redis") == redis
    assert up.pid("worker") != worker


def test_a_home_that_is_removed_under_its_services_leaves_none_behind(
    orch: Orch, tmp_path: Path
) -> None:
    up = orch.popen("up", start_new_session=True)
    eventually(lambda: orch.status()["services"] and orch.service("beat")["state"] == "ready", 60)
    pids = orch.processes()
    (orch.home / "data").rename(tmp_path / "gone")  # at one moment: they go on writing
    shutil.rmtree(tmp_path / "gone", ignore_errors=True)

    os.killpg(up.pid, signal.SIGINT)
    output = up.communicate(timeout=60)[0]

    assert not [pid for pid in pids if alive(pid)], output
    assert "Traceback" not in output
