"""Stopping: in order, no longer than the services themselves, and never held up by one that hangs."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from orchestrator.core.redis import connect
from orchestrator.supervise.ownership import family
from tests.support.orch import Orch, alive, eventually, signal_each
from tests.support.row import (
    AT_ONCE,
    SERVICES,
    configure,
    daemon,
    declared,
    events,
    foreground,
    order_of,
    pids,
    python,
    within,
)

#: What the worker is given: TERM, then QUIT, each with its time.
WORKER_STOP = (("TERM", 8.0), ("QUIT", 2.0))

#: Ends half a second after it was told to, and writes down how long that took it.
SLOW_TO_END = """
import json, os, signal, time
from pathlib import Path

def end(*_):
    began = time.monotonic()
    time.sleep(0.5)
    Path(os.environ["ORCH_SERVICE"] + ".took").write_text(str(time.monotonic() - began))
    os._exit(0)

signal.signal(signal.SIGTERM, end)
Path(os.environ["ORCH_SERVICE"] + ".up").touch()
while True:
    signal.pause()
"""

#: Does not end for TERM, nor does the child that left its session.
DEAF = """
import os, signal, subprocess, sys, time
from pathlib import Path

signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True)
Path(os.environ["ORCH_SERVICE"] + ".up").write_text(str(child.pid))
time.sleep(600)
"""


def is_up(name: str) -> str:
    return json.dumps({"file": f"{name}.up"}).replace('": ', '" = ')


def took(orch: Orch, name: str) -> float:
    return float((orch.home / f"{name}.took").read_text())


def slow(name: str, **more: str) -> str:
    return python(name, SLOW_TO_END, ready=is_up(name), **more)


def deaf(name: str, **more: str) -> str:
    return python(name, DEAF, ready=is_up(name), **more)


def child_of_the_deaf(orch: Orch) -> int:
    """The file is there a moment before its text."""
    return int(eventually((orch.home / "deaf.up").read_text))


def test_the_worker_still_has_redis_while_it_ends_and_redis_is_last(orch: Orch) -> None:
    configure(orch, declared("mine", "sleep", "600", ready=AT_ONCE, needs='["redis"]'))
    orch.up()

    assert orch("down").returncode == 0

    order = order_of(orch, "service.ended")
    assert order == ["mine", "beat", "worker", "results", "redis"]
    assert all(event["exit"] != -9 for event in events(orch, "service.ended"))
    for name in ("worker", "beat", "results"):
        log = (orch.home / f"data/logs/{name}.log").read_text()
        for word in ("onnection refused", "onnection lost", "onnectionError", "Cannot connect"):
            assert word not in log, log[-2000:]
    assert not orch.processes()


@pytest.mark.alone
def test_ctrl_c_costs_a_tenth_of_a_second_over_the_services_own_stop(orch: Orch) -> None:
    names = ("first", "second", "third")
    configure(
        orch, slow("first"), slow("second", needs='["first"]'), slow("third", needs='["second"]')
    )
    over = [_over_the_own_stop(orch, names) for _ in range(3)]

    assert min(over) <= 0.1, over  # whatever else the machine does only adds to it
    assert order_of(orch, "service.ended") == ["third", "second", "first"] * 3


def _over_the_own_stop(orch: Orch, names: tuple[str, ...]) -> float:
    with foreground(orch, names[-1]) as up:
        began = time.monotonic()
        os.killpg(up.pid, signal.SIGINT)
        up.wait(20)
        whole = time.monotonic() - began
    assert up.returncode == 130
    own = sum(took(orch, name) for name in names)
    assert own >= 0.5 * len(names)
    return whole - own


@pytest.mark.alone
def test_after_a_second_ctrl_c_nothing_is_left_within_a_second(orch: Orch) -> None:
    """Neither of ours nor of a service that hears nothing and has a child in another session."""
    configure(orch, deaf("deaf", needs='["beat"]', grace='"60s"'))
    within(1.0, lambda: _after_a_second_ctrl_c(orch))


def _after_a_second_ctrl_c(orch: Orch) -> float:
    """How long it is until nothing is left."""
    before = len(events(orch, "farewell.began"))
    with foreground(orch) as up:
        child = child_of_the_deaf(orch)
        everything = [*pids(orch).values(), child, *family(orch.pid("worker"), "none")]
        os.killpg(up.pid, signal.SIGINT)
        eventually(lambda: len(events(orch, "farewell.began")) > before)

        began = time.monotonic()
        os.killpg(up.pid, signal.SIGINT)
        up.wait(50)  # less than the grace
        eventually(lambda: not any(alive(pid) for pid in everything) and not orch.processes())
        took = time.monotonic() - began
        assert up.returncode == 130
    return took


@pytest.mark.alone
@pytest.mark.parametrize("stopped", [False, True], ids=["deaf", "deaf and stopped"])
def test_a_hung_service_holds_a_stop_for_its_grace_and_one_second_at_most(
    orch: Orch, stopped: bool
) -> None:
    configure(orch, deaf("deaf", grace='"2s"'))
    within(3.0, lambda: _stop_of_the_deaf(orch, stopped))


def _stop_of_the_deaf(orch: Orch, stopped: bool) -> float:
    orch.up("deaf")
    child = child_of_the_deaf(orch)
    if stopped:
        os.kill(orch.pid("deaf"), signal.SIGSTOP)

    began = time.monotonic()
    assert orch("down").returncode == 0

    took = time.monotonic() - began
    assert took >= 2.0
    assert events(orch, "service.ended", "deaf")[-1]["exit"] == -9
    assert not alive(child)
    return took


@pytest.mark.alone
def test_a_stopped_service_that_would_end_hears_term_when_it_goes_on(orch: Orch) -> None:
    """TERM reaches a stopped process only with a CONT after it."""
    configure(orch, slow("slow", grace='"10s"'))
    within(2.0, lambda: _stop_of_a_stopped_one(orch))


def _stop_of_a_stopped_one(orch: Orch) -> float:
    orch.up("slow")
    os.kill(orch.pid("slow"), signal.SIGSTOP)

    began = time.monotonic()
    assert orch("down").returncode == 0

    whole = time.monotonic() - began
    assert took(orch, "slow") >= 0.5
    assert events(orch, "service.ended", "slow")[-1]["exit"] == 0
    return whole


@pytest.mark.alone
def test_a_worker_whose_children_hang_ends_within_its_grace_and_a_second(orch: Orch) -> None:
    orch.up()
    grace = sum(seconds for _, seconds in WORKER_STOP)
    within(grace + 1.0, lambda: _end_of_a_worker_whose_children_hang(orch))


def _end_of_a_worker_whose_children_hang(orch: Orch) -> float:
    worker = orch.pid("worker")
    children = family(worker, "none")
    signal_each(children, signal.SIGSTOP)

    began = time.monotonic()
    restart = orch.popen("restart", "worker")
    eventually(lambda: not alive(worker), 60)
    took = time.monotonic() - began

    assert restart.wait(60) == 0
    assert not [pid for pid in children if alive(pid)]
    return took


def test_a_killed_daemon_costs_no_service_and_the_next_up_adopts_them(orch: Orch) -> None:
    orch.up()
    before, killed = pids(orch), daemon(orch)
    redis = connect(f"unix://{orch.home / 'data/run/redis.sock'}")
    run, uptime = redis.info("server")["run_id"], redis.info("server")["uptime_in_seconds"]

    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not alive(killed))
    assert all(alive(pid) for pid in before.values())
    orch.up()

    assert pids(orch) == before
    assert daemon(orch) != killed
    assert all(orch.service(name)["adopted"] for name in SERVICES)
    told = redis.info("server")
    assert told["run_id"] == run
    assert told["uptime_in_seconds"] >= uptime
    everything = orch.processes()
    assert orch("down").returncode == 0
    assert not [pid for pid in everything if alive(pid)]
    assert not orch.processes()


def test_a_daemon_that_is_killed_again_and_again_is_followed_each_time(orch: Orch) -> None:
    configure(orch, declared("mine", "sleep", "600", ready=AT_ONCE))
    orch.up("redis", "mine")
    before = pids(orch)
    for _ in range(10):
        os.kill(daemon(orch), signal.SIGKILL)
        orch.up("redis", "mine")
        assert pids(orch) == before
    assert order_of(orch, "service.started") == ["redis", "mine"]


def test_the_state_file_is_whole_at_every_moment(orch: Orch) -> None:
    """Whoever reads it while services come and go reads JSON."""
    configure(orch, declared("mine", "sleep", "600", ready=AT_ONCE))
    orch.up("redis", "mine")
    state = Path(orch.home / "data/run/state.json")
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        os.kill(orch.pid("mine"), signal.SIGKILL)
        orch.ask("restart", services=["mine"])
        assert json.loads(state.read_text())["services"]["mine"]["identity"]["pid"]
