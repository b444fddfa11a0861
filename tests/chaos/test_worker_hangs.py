"""A worker that is of no use is found and replaced; one that is merely busy never is."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.celery_app.app import make_app
from orchestrator.core.context import Context
from orchestrator.supervise.ownership import family
from tests.acceptance.test_redis_choice import use
from tests.chaos.test_site_jobs import define, start
from tests.support.orch import Orch, a_home, alive, eventually, signal_each
from tests.support.redis_server import RedisServer
from tests.support.row import all_ready, daemon, replaced, within
from tests.support.site_server import Answer, Site

#: A worker of no use is found within this time, in seconds.
FOUND_S = 15.0
#: Longer than anything may be owed, in seconds.
LONG_S = 18.0

ONE_SLOT = '[worker]\nconcurrency = 1\n[sites]\nslice = "120s"\n'


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orch]:
    """For tests whose worker is replaced in the end."""
    with a_home(tmp_path_factory.mktemp("shared") / "home") as orch:
        orch.up()
        yield orch


@pytest.fixture
def up(shared: Orch) -> Iterator[Orch]:
    yield shared
    eventually(lambda: all_ready(shared), 40)


@pytest.fixture
def one_slot(tmp_path: Path) -> Iterator[Orch]:
    """A home whose worker has no free slot as soon as it has a shard."""
    with a_home(tmp_path / "home", ONE_SLOT) as orch:
        orch.up()
        yield orch


def mark(orch: Orch) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((orch.home / "data/run/worker.mark.json").read_text())
    return found


def children(orch: Orch) -> list[int]:
    """The pool of the worker."""
    return family(orch.pid("worker"), "none")


def stop(pids: list[int]) -> None:
    signal_each(pids, signal.SIGSTOP)


def found_and_replaced(orch: Orch, harm: Callable[[], object]) -> None:
    """The worker that was harmed ends within the time that is promised, and there is a next one."""

    def measure() -> float:
        worker = orch.pid("worker")
        harm()
        began = time.monotonic()
        eventually(lambda: not alive(worker), 60, "the worker is found")
        took = time.monotonic() - began
        replaced(orch, "worker", worker)
        return took

    within(FOUND_S, measure)


def complaints(orch: Orch) -> list[str]:
    """What was said about the worker."""
    return [
        str(event["error"])
        for event in orch.events()
        if event["event"] == "service.unhealthy" and event["service"] == "worker"
    ]


def stays_well(orch: Orch, seconds: float) -> None:
    """Nobody complains of the worker, or replaces it, for so long: there is no state to wait for."""
    worker = orch.pid("worker")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert not complaints(orch)
        assert alive(worker)
        time.sleep(0.5)
    assert orch.pid("worker") == worker
    assert orch.service("worker")["state"] == "ready"


def a_site_that_never_answers() -> Site:
    return Site({"/0.html": Answer("late", hang=600.0)})


def busy(orch: Orch, site: Site, more: str = "") -> None:
    """Let the worker's only slot be taken by a shard."""
    define(orch, site, "slow", f'{more}\n[limits]\ntimeout = "100s"')
    start(orch, "slow")
    eventually(lambda: site.asked() and mark(orch)["active"] == 1, 60, "the slot is taken")


def test_a_suspended_worker_is_replaced(up: Orch) -> None:
    found_and_replaced(up, lambda: stop([up.pid("worker")]))


def test_a_worker_whose_children_are_all_suspended_is_replaced(up: Orch) -> None:
    found_and_replaced(up, lambda: stop(children(up)))

    # The second when one of them was just about the canary, or a task of beat's, as it was stopped.
    assert any(sign in complaints(up)[-1] for sign in ("canary", "none of its running tasks"))


def test_a_worker_whose_busy_children_are_all_suspended_is_replaced(one_slot: Orch) -> None:
    with a_site_that_never_answers() as site:
        busy(one_slot, site)

        def harm() -> None:
            eventually(lambda: mark(one_slot)["active"] == 1, 60, "the slot is taken")
            stop(children(one_slot))

        found_and_replaced(one_slot, harm)

        assert "none of its running tasks" in complaints(one_slot)[0]
        eventually(lambda: sum(site.asked().values()) >= 2, 30, "the job goes on")


@pytest.mark.parametrize("queue", ["control", "shards"])
def test_a_worker_whose_consumer_was_cancelled_is_replaced(up: Orch, queue: str) -> None:
    found_and_replaced(up, lambda: cancel(up, [f"orch.{queue}"]))

    assert f"takes nothing from orch.{queue}" in complaints(up)[-1]


def test_a_worker_that_takes_nothing_after_a_restart_of_redis_is_replaced(up: Orch) -> None:
    def harm() -> None:
        worker, redis = up.pid("worker"), up.pid("redis")
        cancel(up, mark(up)["queues"])
        os.kill(redis, signal.SIGKILL)
        replaced(up, "redis", redis)
        assert alive(worker)

    found_and_replaced(up, harm)


def cancel(orch: Orch, queues: list[str]) -> None:
    """Tell the worker to take nothing from `queues` any more, as anybody with a client can."""
    app = make_app(Context.load(orch.home))
    for queue in queues:
        node = mark(orch)["node"]
        answers = app.control.cancel_consumer(queue, destination=[node], reply=True, timeout=30)
        assert answers, "the worker did not answer"


def test_a_worker_whose_slots_are_all_taken_for_long_is_left_alone(one_slot: Orch) -> None:
    with a_site_that_never_answers() as site:
        busy(one_slot, site)

        stays_well(one_slot, LONG_S)

        assert mark(one_slot)["active"] == 1


def test_a_worker_that_computes_without_a_sign_is_left_alone(one_slot: Orch) -> None:
    """A regular expression that takes for ever holds the shard's event loop."""
    page = f'<div class="item"><h2>{"a" * 40}!</h2><b>1</b></div>'
    with Site({"/0.html": Answer(page)}) as site:
        slow = '[item.fields.slow]\ncss = "h2::text"\nmatch = "(a+)+$"\n'
        busy(one_slot, site, slow)

        stays_well(one_slot, LONG_S)

        assert mark(one_slot)["active"] == 1


def test_after_a_suspension_of_everything_nothing_is_judged_by_old_facts(one_slot: Orch) -> None:
    """As after a laptop's sleep; the pool is the last to wake up."""
    with a_site_that_never_answers() as site:
        busy(one_slot, site)
        before = {row["name"]: row["pid"] for row in one_slot.status()["services"]}
        pool = children(one_slot)
        judge = daemon(one_slot)
        others = set(one_slot.processes()) - {judge, *pool}

        stop([judge, *others, *pool])
        time.sleep(LONG_S)  # there is no state to wait for
        go_on([*others, judge])
        stays_well(one_slot, 5.0)
        go_on(pool)

        stays_well(one_slot, 5.0)
        assert {row["name"]: row["pid"] for row in one_slot.status()["services"]} == before


def go_on(pids: Iterable[int]) -> None:
    signal_each(pids, signal.SIGCONT)


def test_a_redis_that_is_away_for_long_is_not_held_against_the_worker(
    orch: Orch, theirs: RedisServer
) -> None:
    use(orch, theirs.url)
    orch.up()
    worker = orch.pid("worker")

    theirs.kill()
    eventually(lambda: orch.service("redis")["state"] == "unhealthy")
    time.sleep(LONG_S)  # longer than anything may be owed: there is no state to wait for
    theirs.start()

    # That this takes no longer than anything may be owed is what nobody complains of below.
    eventually(lambda: not mark(orch)["deaf_to"], 60, "it is back")
    done = mark(orch)["processed"]
    eventually(lambda: mark(orch)["processed"] > done, 60, "it takes work")
    assert orch.pid("worker") == worker
    assert not complaints(orch)
