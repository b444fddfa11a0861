"""kill -9 of a worker: nothing of it is left, and what it had taken goes on at once, once."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.context import Context
from proxies.refresh.progress import RefreshRecord, current
from tests.chaos.test_site_jobs import TOML, define, exported, start, state
from tests.chaos.test_worker_hangs import children
from tests.support.orch import Orch, a_home, alive, command_line, eventually, signal_each
from tests.support.row import replaced
from tests.support.site_server import Site, tree
from tests.support.zoo import Zoo

#: What a worker had taken waits in its queue before the next one takes anything, and is taken as soon as
#: the machine permits, in seconds. Celery itself would bring it back a quarter of an hour later.
BACK_S = 30.0
SHARD = "sites.tasks.shard"

#: Let each pool child start a subprocess, and one that leaves its session, as a task might.
OFFSPRING = """
import os, subprocess, sys

def start():
    for options in ({}, {"start_new_session": True}):
        subprocess.Popen(["sleep", "600"], **options)

if "orchestrator.celery_app" in sys.orig_argv and "worker" in sys.orig_argv:
    os.register_at_fork(after_in_child=start)
"""


@pytest.fixture
def zoo() -> Iterator[Zoo]:
    with Zoo() as made:
        yield made


def test_no_grandchild_of_a_killed_worker_is_left(orch: Orch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(OFFSPRING)
    orch.environment["PYTHONPATH"] = str(tmp_path)
    orch.up()
    worker = orch.pid("worker")
    sleepers = eventually(lambda: offspring(orch) if len(offspring(orch)) >= 4 else [])
    assert len({os.getsid(pid) for pid in sleepers}) > 1, "some have left the session"
    before = {worker, *children(orch), *sleepers}

    os.kill(worker, signal.SIGKILL)

    replaced(orch, "worker", worker)
    assert not [pid for pid in before if alive(pid)]
    assert orch("down").returncode == 0
    assert not offspring(orch)


def offspring(orch: Orch) -> list[int]:
    """The subprocesses of pool children."""
    return [pid for pid in orch.processes() if "sleep " in command_line(pid)]


def received(orch: Orch, name: str) -> Counter[str]:
    """How often each task of that name was received by the worker, by id."""
    log = (orch.home / "data/logs/worker.log").read_text()
    return Counter(re.findall(rf"Task {re.escape(name)}\[([0-9a-f-]+)\] received", log))


def received_again(orch: Orch, name: str, taken: Counter[str]) -> None:
    """Wait until some of the tasks that were `taken` are there again."""

    def again() -> bool:
        return any(received(orch, name)[task] > count for task, count in taken.items())

    eventually(again, BACK_S, "its messages are back")


@pytest.mark.pair
def test_a_chunk_that_was_being_checked_goes_on_at_once_and_counts_once(
    tmp_path: Path, zoo: Zoo
) -> None:
    toml = (
        "[worker]\nconcurrency = 1\n"
        f'[proxies]\nsources = ["list.txt"]\njudges = ["{zoo.judge}"]\ncheck_timeout = 12\n'
    )
    with a_home(tmp_path / "home", toml) as orch:
        good, silent = zoo.many("http", 3), zoo.many("hanging", 2)
        (orch.home / "list.txt").write_text("".join(f"{p.url}\n" for p in (*good, *silent)))
        orch.up()
        worker = orch.pid("worker")
        refresh = orch.popen("proxies", "refresh", "--timeout", "120")
        eventually(lambda: zoo.animals[silent[0].key].connections, 60, "the chunk is checked")
        context = Context.load(orch.home)
        job_id = current(context.redis, context.keys)
        taken = received(orch, "proxies.tasks.check_chunk")

        os.kill(worker, signal.SIGKILL)

        replaced(orch, "worker", worker)
        received_again(orch, "proxies.tasks.check_chunk", taken)
        output = refresh.communicate(timeout=150)[0]
        assert refresh.returncode == 0, output
        seen = RefreshRecord(context.redis, context.keys, job_id).read()
        assert (seen.status, seen.completed_chunks) == ("COMPLETE", seen.total_chunks)
        assert max(zoo.animals[proxy.key].connections for proxy in silent) <= 2


@pytest.mark.parametrize("victim", ["worker", "its children"])
def test_a_shard_that_was_at_work_goes_on_at_once_and_only_once(
    tmp_path: Path, victim: str
) -> None:
    """Its message comes back, and takes over the lease of the one that is provably dead."""
    toml = TOML.replace('"3s"', '"60s"')
    with Site(tree(800)) as site, a_home(tmp_path / "home", toml) as orch:
        define(orch, site)
        orch.up()
        start(orch)
        eventually(lambda: len(site.asked()) > 15, 30)
        worker, taken = orch.pid("worker"), received(orch, SHARD)
        (lease,) = leases(orch)

        signal_each([worker] if victim == "worker" else children(orch), signal.SIGKILL)
        lapses = until(orch, lease)

        if victim == "worker":
            replaced(orch, "worker", worker)
        again = eventually(lambda: [new for new in leases(orch) if new != lease], 60)
        # A machine that took longer to start a worker than the lease lived: others may have noticed.
        if now(orch) < lapses:
            assert len(again) == 1
            assert again[0].partition("/")[0] == lease.partition("/")[0], "it is the same message"
            assert len(leases(orch)) == 1
            assert sum(received(orch, SHARD).values()) == sum(taken.values()) + 1
        asked = len(site.asked())
        eventually(lambda: len(site.asked()) > asked + 15, 60, "it goes on")


def now(orch: Orch) -> float:
    """The time of Redis, by which leases live."""
    seconds, micros = Context.load(orch.home).redis.time()
    return float(seconds) + float(micros) / 1e6


def until(orch: Orch, lease: str) -> float:
    """When the lease of a shard runs out that nobody renews any more."""
    redis = Context.load(orch.home).redis
    ((site, job_id),) = [str(job).split(":") for job in redis.smembers("sites:active")]
    return float(redis.zscore(f"scrape_{site}:{job_id}:shards", lease) or 0) / 1000


def leases(orch: Orch) -> list[str]:
    """Who works on the only job: one lease for each shard at work."""
    context = Context.load(orch.home)
    ((site, job_id),) = [str(job).split(":") for job in context.redis.smembers("sites:active")]
    return [str(lease) for lease in context.redis.zrange(f"scrape_{site}:{job_id}:shards", 0, -1)]


def test_what_a_living_worker_has_taken_stays_its_own(tmp_path: Path) -> None:
    """A second worker is killed and comes back: the first one's shard is neither lost nor doubled."""
    toml = f'{TOML}[worker.heavy]\nconcurrency = 1\nqueues = ["control"]\n'
    with Site(tree(80, hang=0.2)) as site, a_home(tmp_path / "home", toml) as orch:
        define(orch, site)
        orch.up()
        start(orch)
        eventually(lambda: len(site.asked()) > 5, 30)
        heavy = orch.pid("worker-heavy")
        assert received(orch, SHARD)

        os.kill(heavy, signal.SIGKILL)

        replaced(orch, "worker-heavy", heavy)
        eventually(lambda: state(orch) == "done", 60)
        assert set(received(orch, SHARD).values()) == {1}
        eventually(lambda: len(set(exported(orch))) == 2 * 80, 30)
        assert len(exported(orch)) == 2 * 80
