"""A Redis that hangs is replaced soon; one that is only busy is left to its work."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest

from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.redis import connect
from orchestrator.core.resp import Connection
from orchestrator.supervise.ownership import process_stat
from tests.support.orch import Orch, alive, eventually
from tests.support.redis_server import RedisServer
from tests.support.row import all_ready, configure, events, pids, replaced, within
from tests.support.site_home import Background

TUNED = '\n[service.redis]\nalive = { every = "500ms", timeout = "400ms" }\n'


@pytest.mark.alone
@pytest.mark.parametrize(
    ("settings", "seconds"), [("", 4.0), (TUNED, 2.0)], ids=["default", "tuned"]
)
def test_a_stopped_redis_is_replaced_in_time_and_the_others_run_on(
    orch: Orch, settings: str, seconds: float
) -> None:
    configure(orch, settings)
    orch.up()
    within(seconds, lambda: _stopped_until_replaced(orch))


def _stopped_until_replaced(orch: Orch) -> float:
    if events(orch, "service.ended", "redis"):  # another try: one that has died waits for its turn
        assert orch("restart", "redis").returncode == 0
        eventually(lambda: all_ready(orch), 60)
    before = pids(orch)
    redis = connect(url(orch))
    redis.set("kept", "yes")
    # While a slow disk syncs, Redis holds back what it would append; what it has appended stays.
    eventually(lambda: redis.info("persistence")["aof_buffer_length"] == 0)

    began = time.monotonic()
    os.kill(before["redis"], signal.SIGSTOP)
    replaced(orch, "redis", before["redis"])

    took = time.monotonic() - began
    assert not alive(before["redis"])
    eventually(lambda: all_ready(orch), 60)
    after = pids(orch)
    assert {name: after[name] for name in before if name != "redis"} == {
        name: pid for name, pid in before.items() if name != "redis"
    }
    assert connect(url(orch)).get("kept") == "yes"
    return took


def test_a_busy_redis_is_unhealthy_and_left_to_its_work(orch: Orch) -> None:
    """At first it answers nothing at all; then that it is busy, until its script is ended."""
    orch.up()
    before = pids(orch)
    connect(url(orch)).config_set("busy-reply-threshold", 15_000)
    loop = Background(lambda: _loop(orch))

    assert "no answer" in eventually(lambda: complaint(orch))
    assert orch("status").returncode == 1
    assert pids(orch) == before
    eventually(lambda: "BUSY" in complaint(orch), 60)
    Connection(url(orch), timeout=60).call("SCRIPT", "KILL")
    loop.join()

    eventually(lambda: all_ready(orch), 60)
    assert pids(orch) == before
    assert not events(orch, "service.ended")


def test_a_redis_that_was_busy_and_then_does_nothing_at_all_is_replaced(orch: Orch) -> None:
    orch.up("redis")
    redis = orch.pid("redis")
    connect(url(orch)).config_set("busy-reply-threshold", 600_000)
    loop = Background(lambda: _loop(orch))
    eventually(lambda: orch.service("redis")["state"] == "unhealthy")

    os.kill(redis, signal.SIGSTOP)

    replaced(orch, "redis", redis)
    loop.join()


def test_a_foreign_redis_that_hangs_is_never_ended(orch: Orch, theirs: RedisServer) -> None:
    assert theirs.process
    configure(orch, f'\n[redis]\nurl = "{theirs.url}"\n')
    orch.up()
    worker = orch.pid("worker")
    os.kill(theirs.process.pid, signal.SIGSTOP)
    eventually(lambda: orch.service("redis")["state"] == "unhealthy")
    time.sleep(5)  # what must not happen would happen by then

    found = process_stat(theirs.process.pid)
    assert found
    assert found.state == "T"
    os.kill(theirs.process.pid, signal.SIGCONT)
    eventually(lambda: all_ready(orch))
    assert orch("restart", "redis").returncode == 0
    assert orch.pid("worker") == worker
    assert orch("down").returncode == 0
    assert alive(theirs.process.pid)


def complaint(orch: Orch) -> str:
    """What is said of an unhealthy Redis; nothing while it is well."""
    row = orch.service("redis")
    return str(row["probe"]["error"]) if row["state"] == "unhealthy" else ""


def url(orch: Orch) -> str:
    return f"unix://{orch.home / 'data/run/redis.sock'}"


def _loop(orch: Orch) -> None:
    with contextlib.suppress(RedisUnavailable):  # its script is killed, or it is
        Connection(url(orch), timeout=60).call("EVAL", "while true do end", 0)
