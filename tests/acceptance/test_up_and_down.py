"""`orch up`, `down`, `status`: the services as a user sees them."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import stat
import subprocess

import pytest

from orchestrator.core.redis import connect
from tests.support.orch import Orch, alive, eventually

SERVICES = ["redis", "results", "worker", "beat"]


def test_up_makes_every_service_ready_and_down_leaves_nothing(orch: Orch) -> None:
    orch.up()

    status = orch.status()
    assert [row["name"] for row in status["services"]] == SERVICES
    assert {row["state"] for row in status["services"]} == {"ready"}
    pids = orch.processes()
    assert orch("down").returncode == 0
    assert not [pid for pid in pids if alive(pid)]
    assert not orch.processes()


def test_status_of_nothing_says_so_with_exit_code_3(orch: Orch) -> None:
    done = orch("status")

    assert done.returncode == 3
    assert "orch up" in done.stderr
    assert orch.status()["supervisor"]["state"] == "stopped"


def test_down_of_nothing_is_no_error(orch: Orch) -> None:
    done = orch("down")

    assert done.returncode == 0
    assert "nothing" in done.stdout


def test_a_second_up_changes_nothing(orch: Orch) -> None:
    orch.up()
    before = {row["name"]: row["pid"] for row in orch.status()["services"]}

    assert orch("up").returncode == 0
    assert orch("up", "-d").returncode == 0

    assert {row["name"]: row["pid"] for row in orch.status()["services"]} == before


def test_of_five_ups_in_the_foreground_one_stays_and_the_others_exit_with_0(orch: Orch) -> None:
    ups = [orch.popen("up", start_new_session=True) for _ in range(5)]

    eventually(lambda: sum(up.poll() is not None for up in ups) == 4, 60)
    (stayed,) = [up for up in ups if up.poll() is None]
    gone = [up for up in ups if up is not stayed]

    assert [up.returncode for up in gone] == [0] * 4, [up.communicate()[0] for up in gone]
    started = [event["service"] for event in orch.events() if event["event"] == "service.started"]
    assert sorted(started) == sorted(SERVICES)
    os.killpg(stayed.pid, signal.SIGINT)
    stayed.communicate(timeout=60)
    assert stayed.returncode == 130


def test_the_socket_and_its_folder_are_private_and_there_is_no_port(orch: Orch) -> None:
    orch.up("redis")

    run = orch.home / "data/run"
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert (run / "redis.sock").is_socket()
    client = connect(f"unix://{run / 'redis.sock'}")
    told = client.config_get("port", "appendonly", "appendfsync", "maxmemory-policy")
    assert told == {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
    }


def test_up_of_one_service_starts_only_what_it_needs(orch: Orch) -> None:
    orch.up("redis")

    states = {row["name"]: row["state"] for row in orch.status()["services"]}
    assert states == {
        "redis": "ready",
        "results": "stopped",
        "worker": "stopped",
        "beat": "stopped",
    }


def test_ctrl_c_in_the_foreground_stops_in_order_and_exits_with_130(orch: Orch) -> None:
    up = orch.popen("up", start_new_session=True)
    eventually(lambda: orch.status()["services"] and orch.service("beat")["state"] == "ready")
    pids = orch.processes()

    os.killpg(up.pid, signal.SIGINT)

    output = up.communicate(timeout=60)[0]
    assert up.returncode == 130, output
    ended = [event["service"] for event in orch.events() if event["event"] == "service.ended"]
    assert ended == ["beat", "worker", "results", "redis"]
    assert not [pid for pid in pids if alive(pid)]


def test_a_ctrl_c_that_was_held_back_while_python_starts_ends_it_without_a_traceback(
    orch: Orch,
) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        status = subprocess.Popen(  # it is there before Python is
            ["/bin/sh", "-c", 'kill -INT $$; exec "$@"', "sh", *orch.command, "status"],
            cwd=orch.home,
            env=orch.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    assert status.communicate(timeout=60)[0] == ""
    assert status.returncode == -signal.SIGINT


def test_term_in_the_foreground_exits_with_143(orch: Orch) -> None:
    up = orch.popen("up", "redis", start_new_session=True)
    eventually(lambda: orch.service("redis")["state"] == "ready")

    up.terminate()

    up.communicate(timeout=60)
    assert up.returncode == 143
    assert not orch.processes()


def test_on_a_terminal_up_shows_a_live_table(orch: Orch) -> None:
    master, slave = pty.openpty()
    up = orch.popen("up", "redis", stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    seen = b""

    def shows_the_table() -> bool:
        nonlocal seen
        with contextlib.suppress(OSError):  # EIO: nobody holds the other end any more
            if select.select([master], [], [], 0)[0]:
                seen += os.read(master, 65_536)
        return b"redis" in seen and b"ready" in seen

    eventually(shows_the_table)
    os.killpg(up.pid, signal.SIGINT)
    eventually(lambda: shows_the_table() and up.poll() is not None)
    os.close(master)
    assert up.returncode == 130


def test_help_and_status_are_quick_and_import_neither_redis_nor_celery(orch: Orch) -> None:
    for words in (["--help"], ["status"], ["status", "--json"]):
        orch.environment["PYTHONPROFILEIMPORTTIME"] = "1"
        done = orch(*words)
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert not {"redis", "celery", "kombu", "aiohttp"} & imported, words


def test_the_home_may_have_a_path_too_long_for_a_socket(orch: Orch) -> None:
    deep = Orch(orch.home / ("x" * 60) / ("y" * 60))
    try:
        deep.up("redis")
        assert deep.service("redis")["state"] == "ready"
    finally:
        deep.close()


def test_the_home_may_have_spaces_and_letters_of_any_alphabet_in_its_path(orch: Orch) -> None:
    odd = Orch(orch.home / "mein Projekt %20 ü?")
    try:
        odd.up()
        assert {row["state"] for row in odd.status()["services"]} == {"ready"}
    finally:
        odd.close()


@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_trouble(orch: Orch, closing: str) -> None:
    command = ["sh", "-c", f'"$@" {closing}', "sh", *orch.command, "status"]

    done = subprocess.run(
        command, cwd=orch.home, env=orch.environment, capture_output=True, check=False
    )

    assert done.returncode == 3
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["up"], ["up", "redis"]])
def test_in_the_background_of_a_script_ctrl_c_is_meant_for_others(
    orch: Orch, words: list[str]
) -> None:
    """A shell that runs no jobs has its background commands ignore it."""
    up = subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *orch.command, *words],
        cwd=orch.home,
        env=orch.environment,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: orch.service("redis")["state"] == "ready")

    up.send_signal(signal.SIGINT)

    assert orch("down").returncode == 0
    assert up.wait(60) == 0
