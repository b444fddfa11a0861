"""A changed configuration is applied while everything runs; the supervisor replaces its own program."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.orch import SMALL, Orch, alive, eventually

SLEEPER = """
[service.sleeper]
command = ["sleep", "{seconds}"]
ready = {{ after = "{after}" }}
"""


def sleeper(seconds: int | str, after: str = "100ms") -> str:
    return SLEEPER.format(seconds=seconds, after=after)


def configure(orch: Orch, *services: str) -> None:
    (orch.home / "orch.toml").write_text(SMALL + "".join(services))


@pytest.fixture
def small(orch: Orch) -> Orch:
    """Redis and a service of the user's, which is enough and quick."""
    configure(orch, sleeper(1001))
    orch.up("redis", "sleeper")
    return orch


def zombies(parent: int) -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] == "Z" and int(fields[1]) == parent:
            found.append(stat.parent.name)
    return found


def test_only_what_was_declared_otherwise_is_restarted(small: Orch) -> None:
    before = {name: small.pid(name) for name in ("redis", "sleeper")}
    supervisor = small.status()["supervisor"]
    configure(small, sleeper(1002))

    said = small("up", "-d", "redis", "sleeper")
    done = small("restart", "--changed")

    assert said.returncode == 0
    assert "sleeper" in said.stdout + said.stderr
    assert "restart --changed" in said.stdout + said.stderr
    assert done.returncode == 0, done.stderr
    assert small.pid("redis") == before["redis"]
    assert small.pid("sleeper") != before["sleeper"]
    assert not alive(before["sleeper"])
    assert small.status()["supervisor"]["pid"] == supervisor["pid"]
    again = small("up", "-d", "redis", "sleeper")
    assert "restart --changed" not in again.stdout + again.stderr


def test_a_service_that_is_new_is_started_and_one_that_is_gone_is_ended(small: Orch) -> None:
    pid = small.pid("sleeper")
    configure(small, sleeper(1003).replace("sleeper", "other"))

    assert small("restart", "--changed").returncode == 0

    eventually(lambda: not alive(pid), 60)  # nobody waits for the end of what is gone
    rows = small.status()["services"]
    assert {row["name"] for row in rows if row["state"] == "ready"} == {"redis", "other"}


def test_what_was_adopted_by_the_new_program_is_still_kept(small: Orch) -> None:
    configure(small, sleeper(1004))
    assert small("restart", "--changed").returncode == 0
    redis, supervisor = small.pid("redis"), small.status()["supervisor"]["pid"]

    os.kill(redis, signal.SIGKILL)

    eventually(lambda: small.service("redis")["pid"] not in (None, redis))
    eventually(lambda: small.service("redis")["state"] == "ready")
    assert small.service("redis")["last_exit"] == -signal.SIGKILL
    assert not zombies(supervisor)


def test_a_broken_configuration_changes_nothing(small: Orch) -> None:
    before = small.status()
    configure(small, sleeper(1), "[worker]\nconcurrency = 'many'\n")

    done = small("restart", "--changed")

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    now = small.status()
    assert now["supervisor"] == before["supervisor"]
    assert [row["pid"] for row in now["services"]] == [row["pid"] for row in before["services"]]


def test_a_change_that_cannot_start_is_told_and_the_others_run_on(small: Orch) -> None:
    redis = small.pid("redis")
    configure(small, sleeper("nonsense", after="9s"))  # it never counts as ready before it ends

    done = small("restart", "--changed")

    assert done.returncode == 1
    assert "sleeper" in done.stderr
    assert "nonsense" in done.stderr  # the end of its log
    assert small.pid("redis") == redis
    assert small.service("sleeper")["state"] == "failed"
    configure(small, sleeper(1005))
    assert small("restart", "--changed").returncode == 0
    assert small.service("sleeper")["state"] == "ready"


def test_in_the_foreground_ctrl_c_still_ends_all_afterwards(orch: Orch) -> None:
    configure(orch, sleeper(1001))
    up = orch.popen("up", "redis", "sleeper", start_new_session=True)
    eventually(lambda: orch.service("sleeper")["state"] == "ready", 60)
    configure(orch, sleeper(1002))
    assert orch("restart", "--changed").returncode == 0

    os.killpg(up.pid, signal.SIGINT)
    output = up.communicate(timeout=60)[0]

    assert up.returncode == 130, output
    assert not orch.processes()


def test_a_stop_that_comes_while_the_program_is_replaced_is_obeyed(small: Orch) -> None:
    configure(small, sleeper(1006))
    supervisor = small.status()["supervisor"]["pid"]
    reload = small.popen("restart", "--changed")
    eventually(lambda: any(e["event"] == "supervisor.reloads" for e in small.events()))

    os.kill(supervisor, signal.SIGTERM)

    eventually(lambda: not alive(supervisor), 60)
    reload.communicate(timeout=60)
    assert not small.processes()
