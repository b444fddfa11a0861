"""Starting: ready means ready, and however many start at once, there is one of everything."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

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
    states,
)

#: Redis loads this many keys at so many microseconds each, and answers in between.
KEYS, EACH_US = 3000, 1000
SLOW_TO_LOAD = ("--key-load-delay", str(EACH_US), "--loading-process-events-interval-bytes", "1024")
LOADS_S = KEYS * EACH_US / 1e6


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


def said_of_redis(orch: Orch) -> str:
    return str(orch.service("redis").get("probe", {}).get("error", ""))


def fill(url: str) -> None:
    client = connect(url)
    with client.pipeline(transaction=False) as pipe:
        for number in range(KEYS):
            pipe.set(f"key:{number}", "x" * 100)
        pipe.execute()
    client.close()


def test_nothing_starts_before_a_slow_redis_answers(orch: Orch, tmp_path: Path) -> None:
    configure(orch, a_redis(tmp_path, "sleep 1"))

    orch.up()

    redis_ready = at(orch, "service.ready", "redis")
    assert redis_ready - at(orch, "service.started", "redis") >= 1.0
    for name in ("results", "worker", "beat"):
        assert at(orch, "service.started", name) >= redis_ready
    for name in ("worker", "results", "beat"):
        assert "Cannot connect" not in (orch.home / f"data/logs/{name}.log").read_text()
    assert order_of(orch, "service.started") == list(SERVICES)


def test_a_redis_that_loads_its_data_is_alive_and_not_ready(orch: Orch, tmp_path: Path) -> None:
    """Also when that takes longer than a start may."""
    quick_start = '\n[service.redis]\nstart_timeout = "1s"\n'
    configure(orch, a_redis(tmp_path), quick_start)
    orch.up("redis")
    fill(f"unix://{orch.home / 'data/run/redis.sock'}")
    assert orch("down").returncode == 0
    configure(orch, a_redis(tmp_path, options=SLOW_TO_LOAD), quick_start)

    up = orch.popen("up", "-d")
    eventually(lambda: said_of_redis(orch) == "is loading its data")

    assert states(orch) == {
        "redis": "starting",
        "results": "stopped",
        "worker": "stopped",
        "beat": "stopped",
    }
    output = up.communicate(timeout=60)[0]
    assert up.returncode == 0, output
    assert all_ready(orch)
    last = {
        name: events(orch, name, "redis")[-1]["at"] for name in ("service.started", "service.ready")
    }
    assert last["service.ready"] - last["service.started"] >= 0.9 * LOADS_S
    assert at(orch, "service.started", "worker") >= last["service.ready"]
    assert not events(orch, "service.restarting")


def test_a_foreign_redis_that_loads_its_data_is_waited_for_and_used(
    orch: Orch, theirs: RedisServer
) -> None:
    fill(theirs.url)
    theirs.kill()
    theirs.options = SLOW_TO_LOAD
    process = _started_and_loading(theirs)
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
            eventually(partial(one_daemon, orch), 10, "the losers are gone")
        for orch in ten_homes:
            orch.ask("stop")
        eventually(lambda: not any(daemons(orch) for orch in ten_homes), 30)


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
    assert all_ready(orch)
    eventually(partial(one_daemon, orch), 10, "the losers are gone")


def test_up_of_one_service_with_its_needs_and_then_of_all_starts_nothing_twice(orch: Orch) -> None:
    ups = [orch.popen("up", "-d", *names) for names in (["worker"], ["redis"], [], ["beat"])]
    outputs = [up.communicate(timeout=90)[0] for up in ups]

    assert [up.returncode for up in ups] == [0] * 4, outputs
    assert sorted(order_of(orch, "service.started")) == sorted(SERVICES)
