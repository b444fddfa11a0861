"""Refreshes on a real Celery worker, through real proxies, with things going wrong."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.errors import DeadlinePassed
from proxies.model import Proxy
from proxies.refresh import chunk
from proxies.refresh.outcome import RefreshOutcome
from proxies.refresh.progress import Progress, RefreshStatus
from proxies.refresh.wait import Patience
from tests.support.orch import alive, eventually, signal_each
from tests.support.redis_server import RedisServer
from tests.support.zoo import Zoo, closed_port
from tests.support.zoo_home import ProxyHome, Worker

GOOD = ("http", "connect", "socks4", "socks5", "anonymous")
BAD = ("transparent", "forwarded", "altering", "half", "stale", "garbage", "captive", "hanging")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that keeps what it holds between the tests of this module."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as made:
        yield made


@pytest.fixture(scope="module")
def zoo() -> Iterator[Zoo]:
    with Zoo() as made:
        yield made


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, server: RedisServer, zoo: Zoo
) -> Iterator[ProxyHome]:
    """A home with a worker, for tests that hurt neither."""
    home = ProxyHome(tmp_path_factory.mktemp("home"), server.url, zoo.judge)
    with home.worker():
        yield home


@pytest.fixture
def many_chunks(
    tmp_path: Path, server: RedisServer, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[ProxyHome, Worker]]:
    """A home of its own, with a worker that checks one proxy after the other in four chunks."""
    monkeypatch.setattr(chunk, "SMALLEST", 1)
    home = ProxyHome(tmp_path / "home", server.url, zoo.judge, in_flight=1, check_timeout=2)
    with home.worker() as worker:
        yield home, worker


def test_no_liar_gets_in_and_no_good_one_is_missed(shared: ProxyHome, zoo: Zoo) -> None:
    good, bad = [zoo.add(kind) for kind in GOOD], [zoo.add(kind) for kind in BAD]
    secret = zoo.add("socks5", username="ann", password="secret")
    shared.candidates([*good, secret, *bad, closed_port()])
    seen: list[Progress] = []

    outcome = shared.refresher.refresh(timeout=30, on_progress=seen.append)

    assert outcome.status is RefreshStatus.COMPLETE
    usable = {record.proxy for record in shared.refresher.pool.usable(1800)}
    assert usable == {*good, secret}
    assert (outcome.usable, outcome.live, outcome.candidates) == (6, 8, 15)
    assert sum(outcome.reasons.values()) == 7
    assert seen[-1].final
    assert outcome.exit_code(6) == 0
    assert outcome.exit_code(7) == 6
    document = shared.refresher.snapshot.read()
    assert {entry["url"] for entry in document["proxies"] if entry["usable"]} == {
        proxy.masked for proxy in usable
    }
    assert "secret" not in (shared.folder / "worker.log").read_text()


def test_the_end_is_noticed_at_once(
    shared: ProxyHome, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.candidates(zoo.many("http", 3))
    shared.refresher.refresh(timeout=20)
    slow_looks = Patience(look_every=40.0)
    monkeypatch.setattr(shared.refresher, "_patience", slow_looks)
    started = time.monotonic()

    outcome = shared.refresher.refresh(timeout=90)

    assert outcome.usable == 3
    assert time.monotonic() - started < 30  # by the chord: there was no look for 40 s


def test_an_empty_result_is_a_result(shared: ProxyHome) -> None:
    shared.candidates([closed_port()])

    outcome = shared.refresher.refresh(timeout=20)

    assert (outcome.status, outcome.usable) == (RefreshStatus.COMPLETE, 0)
    assert outcome.exit_code() == 6
    assert shared.refresher.snapshot.read()["proxies"] == []


def test_a_judge_that_is_down_never_means_that_all_are_dead(
    tmp_path: Path, server: RedisServer
) -> None:
    with Zoo() as own:
        home = ProxyHome(tmp_path / "home", server.url, own.judge)
        home.candidates(own.many("http", 3))
        with home.worker():
            assert home.refresher.refresh(timeout=20).usable == 3
            own.close_judge()
            outcome = home.refresher.refresh(timeout=20)

    assert outcome.status is RefreshStatus.FAILED
    assert outcome.problems[0].startswith("judge unavailable")
    assert outcome.usable == 3
    assert outcome.exit_code() == 1


def test_a_killed_pool_child_costs_nothing(many_chunks: tuple[ProxyHome, Worker], zoo: Zoo) -> None:
    home, worker = many_chunks
    home.refresher._patience = Patience(silence=60.0)  # it is no silence that helps
    good = [zoo.add("http", delay=0.4) for _ in range(6)]
    home.candidates(good)
    results: list[RefreshOutcome] = []
    wait = threading.Thread(target=lambda: results.append(home.refresher.refresh(timeout=60)))
    wait.start()

    busy = eventually(lambda: [pid for pid in worker.children() if alive(pid)])
    eventually(lambda: any(zoo.animals[proxy.key].connections for proxy in good))
    os.kill(busy[0], signal.SIGKILL)
    wait.join()

    (outcome,) = results
    assert (outcome.status, outcome.usable) == (RefreshStatus.COMPLETE, 6)
    seen = home.record(outcome.job_id).read()
    assert seen.completed_chunks == seen.total_chunks == 3


def test_the_chunks_of_a_killed_worker_are_redone_by_whoever_waits(
    many_chunks: tuple[ProxyHome, Worker], zoo: Zoo
) -> None:
    home, worker = many_chunks
    good, bad = zoo.many("http", 4), zoo.many("hanging", 4)
    # One in the chunk of each: the worker is killed in the middle of its first two.
    home.candidates([*bad, *good])
    results: list[RefreshOutcome] = []
    wait = threading.Thread(target=lambda: results.append(home.refresher.refresh(timeout=60)))
    wait.start()

    eventually(lambda: sum(zoo.animals[proxy.key].connections for proxy in bad) >= 2)
    worker.kill()
    wait.join()

    (outcome,) = results
    assert (outcome.status, outcome.usable) == (RefreshStatus.COMPLETE, 4)
    assert outcome.checked == 8
    runs = [begun.runs for begun in home.record(outcome.job_id).read().begun.values()]
    assert sorted(runs) == [1, 1, 2, 2]


def test_a_worker_that_never_answers_does_not_hold_the_wait(
    many_chunks: tuple[ProxyHome, Worker], zoo: Zoo
) -> None:
    home, worker = many_chunks
    home.candidates(zoo.many("http", 2))
    frozen = [worker.process.pid if worker.process else 0, *worker.children()]
    signal_each(frozen, signal.SIGSTOP)
    started = time.monotonic()

    with pytest.raises(DeadlinePassed):
        home.refresher.refresh(timeout=2)
    assert 1.5 <= time.monotonic() - started <= 12

    signal_each(reversed(frozen), signal.SIGCONT)
    outcome = home.refresher.refresh(timeout=30)  # the same one goes on and is joined
    assert (outcome.joined, outcome.usable) == (True, 2)


def test_redis_killed_in_the_middle_only_delays_the_refresh(tmp_path: Path, zoo: Zoo) -> None:
    with RedisServer(tmp_path / "redis") as own:
        home = ProxyHome(tmp_path / "home", own.url, zoo.judge)
        home.candidates([*zoo.many("http", 3), zoo.add("hanging")])
        with home.worker():
            results: list[RefreshOutcome] = []
            wait = threading.Thread(
                target=lambda: results.append(home.refresher.refresh(timeout=60))
            )
            wait.start()
            eventually(lambda: (home.refresher.progress() or {}).get("status") == "PROCESSING")
            own.kill()
            own.start()
            wait.join()

    (outcome,) = results
    assert outcome.usable == 3
    assert outcome.status is RefreshStatus.COMPLETE


#: A chunk of this worker knows nothing of its task's limit.
SHORT = """
import orchestrator.celery_app.app as app
app.SOFT_LIMIT_S, app.HARD_LIMIT_S = 3, 60
from proxies.refresh import member
member.Member.__init__.__kwdefaults__["longest"] = 600.0
"""


def test_a_task_that_is_told_to_end_reports_its_part(
    tmp_path: Path, server: RedisServer, zoo: Zoo
) -> None:
    home = ProxyHome(tmp_path / "home", server.url, zoo.judge, check_timeout=60)
    good = zoo.many("http", 3)
    home.candidates([*good, *zoo.many("hanging", 2)])

    with home.worker(SHORT) as worker:
        outcome = home.refresher.refresh(timeout=40)

    assert outcome.status is RefreshStatus.PARTIAL
    assert (outcome.usable, outcome.checked) == (3, 3)
    assert outcome.problems == ("ran out of time",)
    assert "is out of time" in worker.log()


def test_proxies_of_the_pool_carry_what_was_found(shared: ProxyHome, zoo: Zoo) -> None:
    proxy: Proxy = zoo.add("socks5")
    shared.candidates([proxy])
    shared.refresher.refresh(timeout=20)

    (record,) = shared.refresher.pool.usable(1800)

    assert record.proxy == proxy
    assert record.verdict.exit_ip == zoo.animals[proxy.key].leave_from
    assert record.age_s < 5
