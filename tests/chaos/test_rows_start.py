"""Starting: ready means ready, and however many start at once, there is one of everything."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import OrchError
from orchestrator.core.redis import connect
from orchestrator.supervise.redis_binary import bundled
from tests.support.orch import Orch, a_home, eventually
from tests.support.redis_server import RedisServer
from tests.support.row import (
    SERVICES,
    all_ready,
    configure,
    daemon,
    daemons,
    events,
    order_of,
)

#: Redis loads this many keys, and answers after each 1024th: within what a probe waits.
KEYS = 30_000


def slow_to_load(seconds: float) -> tuple[str, ...]:
    """Redis takes so long, and answers in between."""
    each_us = str(int(seconds * 1e6 / KEYS))
    return ("--key-load-delay", each_us, "--loading-process-events-interval-bytes", "1024")


def a_redis(folder: Path, before: str = "", options: tuple[str, ...] = ()) -> str:
    """A table that names the real server behind a script of the test's."""
    script = folder / "slow-redis-server"
    quick = f'case "$1" in --version) exec {bundled()} --version;; esac'
    script.write_text(f'#!/bin/sh\n{quick}\n{before}\nexec {bundled()} "$@" {" ".join(options)}\n')
    script.chmod(0o755)
    return f'\n[redis]\nbinary = "{script}"\n'


def at(orch: Orch, name: str, service: str) -> float:
    (event,) = events(orch, name, service)
    return float(event["at"])


def loading(orch: Orch) -> dict[str, dict[str, Any]]:
    """All services, at a moment in which Redis loads its data; else none."""
    try:
        rows = {row["name"]: row for row in orch.ask("status")["services"]}
    except OrchError:  # there is no supervisor yet
        return {}
    return rows if rows["redis"]["probe"]["error"] == "is loading its data" else {}


def fill(url: str) -> None:
    client = connect(url)
    with client.pipeline(transaction=False) as pipe:
        for number in range(KEYS):
            pipe.set(f"key:{number}", "x" * 100)
        pipe.execute()
    client.close()


def test_nothing_starts_before_a_slow_redis_answers(orch: Orch, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = f"until [ -e {gate} ]; do sleep 0.05; done"
    configure(orch, a_redis(tmp_path, waits), '\n[service.redis]\nstart_timeout = "60s"\n')

    up = orch.popen("up", "-d")
    eventually(lambda: events(orch, "service.started", "redis"), 60)
    time.sleep(1)  # what must not happen would happen by then
    opened = time.time()
    gate.touch()

    output = up.communicate(timeout=90)[0]
    assert up.returncode == 0, output
    redis_ready = at(orch, "service.ready", "redis")
    assert redis_ready >= opened
    for name in ("results", "worker", "beat"):
        assert at(orch, "service.started", name) >= redis_ready
    for name in ("worker", "results", "beat"):
        assert "Cannot connect" not in (orch.home / f"data/logs/{name}.log").read_text()
    assert order_of(orch, "service.started") == list(SERVICES)


def test_a_redis_that_loads_its_data_is_alive_and_not_ready(orch: Orch, tmp_path: Path) -> None:
    """Also when that takes longer than a start may."""
    start_s, loads_s = 5.0, 9.0
    quick_start = f'\n[service.redis]\nstart_timeout = "{start_s}s"\n'
    configure(orch, a_redis(tmp_path))
    orch.up("redis")
    fill(f"unix://{orch.home / 'data/run/redis.sock'}")
    assert orch("down").returncode == 0
    configure(orch, a_redis(tmp_path, options=slow_to_load(loads_s)), quick_start)

    up = orch.popen("up", "-d")
    found = eventually(lambda: loading(orch), 60)

    assert {name: row["state"] for name, row in found.items()} == {
        "redis": "starting",
        "results": "stopped",
        "worker": "stopped",
        "beat": "stopped",
    }
    output = up.communicate(timeout=90)[0]
    assert up.returncode == 0, output
    assert all_ready(orch)
    last = {
        name: events(orch, name, "redis")[-1]["at"] for name in ("service.started", "service.ready")
    }
    assert last["service.ready"] - last["service.started"] > start_s
    assert at(orch, "service.started", "worker") >= last["service.ready"]
    assert not events(orch, "service.restarting")


def test_a_foreign_redis_that_loads_its_data_is_waited_for_and_used(
    orch: Orch, theirs: RedisServer
) -> None:
    """Also when that takes longer than one that is silent is asked again."""
    fill(theirs.url)
    theirs.kill()
    theirs.options = slow_to_load(6.0)
    process = _started_and_loading(theirs)
    eventually(lambda: _listens(theirs.port), 60)  # else there is none yet, and one is started
    configure(orch, f'\n[redis]\nurl = "{theirs.url}"\n')

    orch.up("redis")

    assert orch.service("redis")["external"]
    assert process.poll() is None
    assert connect(theirs.url).dbsize() >= KEYS


def _started_and_loading(server: RedisServer) -> subprocess.Popen[bytes]:
    """`start` would wait until it has loaded."""
    wait, server.wait_ready = server.wait_ready, lambda *_: None  # type: ignore[method-assign]
    server.start()
    server.wait_ready = wait  # type: ignore[method-assign]
    assert server.process
    return server.process


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


@pytest.fixture
def ten_homes(tmp_path: Path) -> Iterator[list[Orch]]:
    with ExitStack() as stack:
        yield [stack.enter_context(a_home(tmp_path / f"home{n}")) for n in range(10)]


@pytest.mark.alone  # so many processes leave nothing for anybody else
@pytest.mark.timeout(400)
def test_of_fifty_pairs_of_ups_each_in_a_stopped_home_each_starts_one_redis(
    ten_homes: list[Orch],
) -> None:
    """Five times two at once in each of ten homes; the homes share the machine, so turns mix."""
    for number in range(1, 6):
        pairs = [[orch.popen("up", "-d", "redis") for _ in range(2)] for orch in ten_homes]
        for orch, pair in zip(ten_homes, pairs, strict=True):
            said = [up.communicate(timeout=120)[0] for up in pair]
            assert [up.returncode for up in pair] == [0, 0], said
            assert order_of(orch, "service.started") == ["redis"] * number
            assert orch.processes() == [orch.pid("redis")]
            eventually(partial(one_daemon, orch), 60, "the losers are gone")
        for orch in ten_homes:
            orch.ask("stop")
        eventually(lambda: not any(daemons(orch) for orch in ten_homes), 60)


def one_daemon(orch: Orch) -> bool:
    return daemons(orch) == [daemon(orch)]


@pytest.mark.alone  # so many processes leave nothing for anybody else
@pytest.mark.timeout(400)
def test_of_a_hundred_ups_at_once_one_starts_and_all_exit_with_0(orch: Orch) -> None:
    """Fifty pairs in one home."""
    ups = [orch.popen("up", "-d") for _ in range(100)]
    outputs = [up.communicate(timeout=300)[0] for up in ups]

    assert [up.returncode for up in ups] == [0] * 100, outputs
    assert order_of(orch, "service.started") == list(SERVICES)
    assert order_of(orch, "service.ended") == []
    eventually(lambda: all_ready(orch), 60)  # so many at once may keep one from an answer
    eventually(partial(one_daemon, orch), 60, "the losers are gone")


def test_up_of_one_service_with_its_needs_and_then_of_all_starts_nothing_twice(orch: Orch) -> None:
    ups = [orch.popen("up", "-d", *names) for names in (["worker"], ["redis"], [], ["beat"])]
    outputs = [up.communicate(timeout=90)[0] for up in ups]

    assert [up.returncode for up in ups] == [0] * 4, outputs
    assert sorted(order_of(orch, "service.started")) == sorted(SERVICES)
