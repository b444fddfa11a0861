"""The supervisor itself under haste, noise and hostile callers."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.redis import connect
from tests.acceptance.test_redis_choice import use
from tests.support.orch import SMALL, Orch, a_home, alive, eventually
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.row import order_of

#: Never ready: whoever starts all waits, however long the test takes.
LATE = '[service.x]\ncommand = ["sleep", "999"]\nready = {file = "no"}\nstart_timeout = "200s"\n'


def farewells(orch: Orch) -> list[dict[str, object]]:
    return [event for event in orch.events() if event["event"].startswith("farewell")]


def test_a_terminal_that_closes_ends_everything_in_order(orch: Orch) -> None:
    master, slave = pty.openpty()
    up = orch.popen("up", stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    eventually(lambda: orch.status()["services"] and orch.service("beat")["state"] == "ready", 60)

    os.killpg(up.pid, signal.SIGHUP)
    os.killpg(up.pid, signal.SIGHUP)  # a shell and the kernel send one each
    os.close(master)
    up.wait(60)

    ended = [event for event in orch.events() if event["event"] == "service.ended"]
    assert [event["service"] for event in ended] == ["beat", "worker", "results", "redis"]
    assert -9 not in [event["exit"] for event in ended]


def test_two_downs_at_once_are_one_ordered_stop(orch: Orch) -> None:
    orch.up()

    downs = [orch.popen("down") for _ in range(2)]

    assert [down.wait(60) for down in downs] == [0, 0]
    ended = [event for event in orch.events() if event["event"] == "service.ended"]
    assert -9 not in [event["exit"] for event in ended]


def test_an_up_during_a_down_starts_anew_when_it_is_over(orch: Orch) -> None:
    orch.up()
    down = orch.popen("down")
    eventually(lambda: farewells(orch))

    orch.up()

    assert down.wait(60) == 0
    assert {row["state"] for row in orch.status()["services"]} == {"ready"}


def test_an_up_that_is_stopped_by_a_down_does_not_say_that_all_is_ready(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(SMALL + LATE)
    up = orch.popen("up", "-d")
    eventually(lambda: orch.status()["supervisor"]["state"] == "running")
    assert orch("down").returncode == 0

    output = up.communicate(timeout=60)[0]
    assert up.returncode == 1, output
    assert "stopped" in output


def test_a_second_up_starts_what_is_missing(orch: Orch) -> None:
    orch.up("redis")
    orch.up()

    assert {row["state"] for row in orch.status()["services"]} == {"ready"}


def test_down_after_a_killed_supervisor_works_with_a_foreign_redis(
    orch: Orch, theirs: RedisServer
) -> None:
    use(orch, theirs.url)
    orch.up()
    os.kill(orch.status()["supervisor"]["pid"], signal.SIGKILL)

    assert orch("down").returncode == 0
    assert not orch.processes()
    assert theirs.process
    assert alive(theirs.process.pid)


def test_whoever_stops_reading_does_not_end_the_supervisor(orch: Orch) -> None:
    reader, writer = os.pipe()
    up = orch.popen("up", "redis", stdout=writer, stderr=writer, start_new_session=True)
    os.close(writer)
    os.close(reader)  # as in `orch up | head -1`

    eventually(lambda: orch.service("redis")["state"] == "ready")
    redis = orch.pid("redis")
    os.kill(redis, signal.SIGKILL)
    eventually(lambda: orch.service("redis")["pid"] not in (None, redis))
    os.killpg(up.pid, signal.SIGINT)
    assert up.wait(60) == 130
    assert not orch.processes()


@pytest.fixture(scope="module")
def redis_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orch]:
    """A home with its Redis, for tests that change nothing."""
    with a_home(tmp_path_factory.mktemp("redis") / "home") as orch:
        orch.up("redis")
        yield orch


@pytest.mark.parametrize(
    "line",
    [
        b"5",
        b'{"do":"status","services":5}',
        b'{"do":"wait","services":[[1]]}',
        b"[" * 60_000,
        b"\xff",
    ],
)
def test_nonsense_on_the_control_socket_is_hung_up_on(redis_up: Orch, line: bytes) -> None:
    orch = redis_up
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(orch.home / "data/run/control.sock"))
        with contextlib.suppress(ConnectionError):
            client.sendall(line + b"\n")
            assert client.recv(100) == b""

    assert orch.service("redis")["state"] == "ready"


@pytest.mark.parametrize(
    ("line", "ok"),
    [
        (b'{"do":"status","declared":{"redis":5,"x":["a"],"y":[{},{}]}}', True),
        (b'{"do":"status","declared":[]}', True),
        (b'{"do":"reload"}', False),
        (b'{"do":"reload","order":{"specs":[{"name":"x"}]}}', False),
        (b'{"do":"dance"}', False),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_and_changes_nothing(
    redis_up: Orch, line: bytes, ok: bool
) -> None:
    orch = redis_up
    before = orch.pid("redis")

    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(orch.home / "data/run/control.sock"))
        client.sendall(line + b"\n")
        answer = json.loads(client.makefile("rb").readline())

    assert answer["ok"] is ok
    assert orch.pid("redis") == before


def test_too_many_callers_do_not_end_the_supervisor(orch: Orch) -> None:
    # Who lacks files fails at once; a busy machine may take longer.
    (orch.home / "orch.toml").write_text(SMALL + '[service.redis]\nalive = {timeout = "10s"}\n')
    limited = subprocess.Popen(
        ["/bin/sh", "-c", 'ulimit -n 60; exec "$@"', "sh", *orch.command, "up", "redis"],
        cwd=orch.home,
        env=orch.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually(lambda: orch.service("redis")["state"] == "ready")
    path, before = str(orch.home / "data/run/control.sock"), orch.pid("redis")
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(path)
        # They stay, and what else needs open files has some all the same. Nobody else calls meanwhile,
        # or he would make room; what must not happen would happen by then.
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(path)
        time.sleep(5)
        assert orch.service("redis")["state"] == "ready"
        assert orch.pid("redis") == before
        assert not [event for event in orch.events() if event["event"] == "service.unhealthy"]
    os.killpg(limited.pid, signal.SIGINT)
    assert limited.wait(60) == 130


def test_a_module_of_the_users_with_a_common_name_is_not_imported(orch: Orch) -> None:
    (orch.home / "selectors.py").write_text("raise SystemExit('imported from the home')\n")

    orch.up()

    assert {row["state"] for row in orch.status()["services"]} == {"ready"}


def test_a_setting_of_up_holds_for_its_services_too(orch: Orch) -> None:
    done = orch("--set", "worker.concurrency=1", "up", "-d", "worker")

    assert done.returncode == 0, done.stderr
    mark = json.loads((orch.home / "data/run/worker.mark.json").read_text())
    assert mark["slots"] == 1


def test_a_canary_whose_trace_is_lost_does_not_cost_a_healthy_worker(orch: Orch) -> None:
    """As after a night's sleep of a laptop, or when Redis restarts at the wrong moment."""
    orch.up()
    worker = orch.pid("worker")
    mark = orch.home / "data/run/worker.mark.json"
    node = json.loads(mark.read_text())["node"]
    redis = connect(f"unix://{orch.home / 'data/run/redis.sock'}")

    def owed() -> float:
        return float(json.loads(mark.read_text())["canary_waits_s"])

    deadline = time.monotonic() + 30
    while not owed() and time.monotonic() < deadline:
        redis.delete(f"canary:{node}")

    assert owed()
    eventually(lambda: not owed(), 30)
    assert orch.pid("worker") == worker
    assert order_of(orch, "service.unhealthy") == []


def test_a_database_number_is_heeded_by_everybody(orch: Orch) -> None:
    port = free_port()
    (orch.home / "orch.toml").write_text(
        f'{SMALL}\n[redis]\nurl = "redis://127.0.0.1:{port}/3"\nprefix = "mine:"\n'
    )
    orch.up()
    client = connect(f"redis://127.0.0.1:{port}/3")
    client.sadd("mine:sites:active", "ghost:000000000001")
    client.hset("mine:scrape_ghost:000000000001:record", mapping={"state": "running"})
    done = subprocess.run(
        [orch.command[0], "-P", "-m", "sites.shared.halt"],
        env={
            **orch.environment,
            "ORCH_REDIS": f"redis://127.0.0.1:{port}/3",
            "ORCH_PREFIX": "mine:",
        },
        check=False,
    )
    assert done.returncode == 0
    assert client.hget("mine:scrape_ghost:000000000001:record", "state") == "stopped"
    assert not list(connect(f"redis://127.0.0.1:{port}/0").scan_iter())


def test_restarting_a_foreign_redis_that_is_away_only_looks_for_it(
    orch: Orch, theirs: RedisServer
) -> None:
    use(orch, theirs.url)
    orch.up()
    theirs.kill()
    eventually(lambda: orch.service("redis")["state"] == "unhealthy")
    theirs.start()
    eventually(lambda: {r["state"] for r in orch.status()["services"]} == {"ready"}, 60)


def test_a_state_file_of_another_version_is_no_obstacle(orch: Orch) -> None:
    orch.up("redis")
    os.kill(orch.status()["supervisor"]["pid"], signal.SIGKILL)
    (orch.home / "data/run/state.json").write_text('{"services": {"redis": {"pid": 1}, "x": 3}}')

    orch.up("redis")

    assert orch.service("redis")["state"] == "ready"


def test_ctrl_c_while_a_detached_start_is_waited_for_stops_it(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(SMALL + LATE)
    up = orch.popen("up", "-d", start_new_session=True)
    eventually(lambda: orch.status()["supervisor"]["state"] == "running")

    os.killpg(up.pid, signal.SIGINT)
    assert up.wait(60) == 130
    eventually(lambda: not orch.processes(), 60)


def test_a_home_with_a_long_path_is_found_with_another_runtime_folder(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as runtime, a_home(tmp_path / ("x" * 80)) as orch:
        orch.environment["XDG_RUNTIME_DIR"] = runtime
        orch.up("redis")
        del orch.environment["XDG_RUNTIME_DIR"]  # as in cron

        assert orch.service("redis")["state"] == "ready"
        assert orch("down").returncode == 0
