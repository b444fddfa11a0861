"""What beat has done every few seconds: refreshes that nobody waits for, and those that are due."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.celery_app.app import make_app, settings
from orchestrator.core.clock import SystemClock
from orchestrator.core.redis import Redis
from proxies.pool.appeal import Appeal
from proxies.refresh import progress
from proxies.refresh.claim import MOST_RUNS, Claim, Word
from proxies.refresh.due import PAUSE_S
from proxies.refresh.findings import Report
from proxies.refresh.mend import NOBODY_S, SILENCE_S
from proxies.refresh.progress import SENDING_S, RefreshStatus
from proxies.refresh.tend import Tend
from tests.support.redis_server import RedisServer
from tests.support.refresh_work import CANDIDATES, JOB, begin, claim, report, usable, verdicts
from tests.support.zoo import Zoo
from tests.support.zoo_home import ProxyHome


class HandClock(SystemClock):
    """Does something instead of sleeping."""

    def __init__(self, instead: Callable[[], object] = lambda: None) -> None:
        self.instead = instead

    def sleep(self, _seconds: float) -> None:
        self.instead()


@pytest.fixture
def zoo() -> Iterator[Zoo]:
    with Zoo() as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: Redis, zoo: Zoo) -> ProxyHome:
    made = ProxyHome(tmp_path / "home", redis_server.url, zoo.judge)
    return made.stand_in().candidates(CANDIDATES)


def every(home: ProxyHome, seconds: str) -> ProxyHome:
    """The same home with another setting."""
    file = home.folder / "orch.toml"
    file.write_text(file.read_text() + f'refresh_every = "{seconds}"\n')
    home.load()
    return home


def tend(home: ProxyHome, instead: Callable[[], object] = lambda: None) -> Tend:
    return Tend(home.context, make_app(home.context), HandClock(instead))


def age(home: ProxyHome, name: str, seconds: float, index: int = 0) -> None:
    """Let the sign of life of a chunk, or the beginning of the refresh, be longer ago."""
    key, at = home.record(JOB).key(name), f"{time.time() - seconds:.6f}"
    if name == "signs":
        home.context.redis.hset(key, str(index), at)
    else:
        home.context.redis.set(key, at)


def running(home: ProxyHome) -> str:
    return progress.current(home.context.redis, home.context.keys)


def test_a_lost_chunk_that_nobody_waits_for_is_redone_and_the_refresh_ends(home: ProxyHome) -> None:
    begin(home, 2)
    report(home, 0, Report(tuple(verdicts(home, 1)), {}, 6))
    claim(home, 1, "killed").take()
    age(home, "signs", SILENCE_S + 1, 1)

    tend(home).run()

    seen = home.record(JOB).read()
    assert (seen.status, seen.checked, seen.begun[1].runs) == (RefreshStatus.COMPLETE, 12, 2)
    assert usable(home) == {CANDIDATES[0]}


def test_a_chunk_that_is_worked_on_is_left_alone(home: ProxyHome) -> None:
    begin(home, 2)
    worker = claim(home, 0, "worker")
    worker.take()

    tend(home).run()

    assert worker.beat(1, 0).run(home.context.redis) is Word.GO_ON
    assert home.record(JOB).read().status is RefreshStatus.PROCESSING


def test_a_chunk_that_speaks_again_was_not_lost(home: ProxyHome) -> None:
    begin(home, 1)
    worker = claim(home, 0, "worker")
    worker.take()
    age(home, "signs", 3600)  # the machine slept

    tend(home, lambda: worker.beat(1, 0).run(home.context.redis)).run()

    assert worker.beat(2, 0).run(home.context.redis) is Word.GO_ON


def test_one_that_was_begun_too_often_and_speaks_again_is_waited_for(home: ProxyHome) -> None:
    begin(home, 1)
    for _ in range(MOST_RUNS):
        worker = claim(home, 0, "worker")
        worker.take()
    age(home, "signs", 3600)

    tend(home, lambda: worker.beat(1, 0).run(home.context.redis)).run()
    assert home.record(JOB).read().status is RefreshStatus.PROCESSING

    age(home, "signs", 3600)
    tend(home).run()
    assert home.record(JOB).read().status is RefreshStatus.FAILED


@pytest.mark.parametrize(("sent", "after"), [(False, SENDING_S + 1), (True, NOBODY_S + 1)])
def test_chunks_that_never_reach_a_worker_are_done_one_by_one(
    home: ProxyHome, sent: bool, after: float
) -> None:
    begin(home, 2)
    if not sent:
        home.context.redis.delete(home.record(JOB).key("sent"))
    age(home, "started_at", after - 10)
    tend(home).run()
    assert home.record(JOB).read().begun == {}

    age(home, "started_at", after)
    tend(home).run()
    age(home, "signs", NOBODY_S + 1, 0)
    tend(home).run()

    assert home.record(JOB).read().status is RefreshStatus.COMPLETE


def test_a_refresh_that_somebody_looks_after_keeps_its_lease(home: ProxyHome) -> None:
    begin(home, 1)
    lease = home.context.keys.refresh_current()
    home.context.redis.pexpire(lease, 9_000)

    tend(home).run()

    assert home.context.redis.pttl(lease) > 10_000


def test_nothing_is_due_unless_it_was_said(home: ProxyHome) -> None:
    tend(home).run()

    assert running(home) == ""
    assert home.refresher.progress() is None


def test_a_refresh_is_due_when_there_was_none_yet_and_when_the_last_one_is_old(
    home: ProxyHome,
) -> None:
    home = every(home, "1h")
    assert tend(home).due() == "there was none yet"
    home.refresher.pool.replace(verdicts(home, 3))
    assert tend(home).due() == ""

    meta = home.context.keys.pool_meta()
    home.context.redis.hset(meta, "refreshed_at", f"{time.time() - 7300:.6f}")

    assert tend(home).due().startswith("the last one was 2 h 1 min ago")


def test_one_that_failed_is_tried_again_only_after_a_while(home: ProxyHome) -> None:
    home = every(home, "1h")
    begin(home, 1)
    report(home, 0, Report(problem="judge unavailable"))
    home.refresher.wait_for(JOB, timeout=10)
    assert tend(home).due() == ""

    age(home, "started_at", PAUSE_S + 1)

    assert tend(home).due() == "there was none yet"


def test_of_many_ticks_one_starts_a_refresh_and_says_why(home: ProxyHome) -> None:
    home = every(home, "1h")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: tend(home).run(), range(6)))

    job_id = running(home)
    assert home.record(job_id).read().candidates == len(CANDIDATES)
    events = (home.context.home.logs / "events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in events] == [
        {
            "at": json.loads(events[0])["at"],
            "event": "refresh.began",
            "job": job_id,
            "candidates": len(CANDIDATES),
            "why": "there was none yet",
        }
    ]


def test_without_any_candidates_nothing_is_started(home: ProxyHome) -> None:
    file = home.folder / "orch.toml"
    file.write_text(file.read_text().replace("sources = ['list.txt']", ""))
    home = every(home, "1h")

    assert tend(home).due() == ""
    home.refresher.pool.add([CANDIDATES[0]])
    assert tend(home).due() != ""


def test_a_site_with_too_few_proxies_asks_for_a_refresh_but_not_again_and_again(
    home: ProxyHome,
) -> None:
    async def saw(*counts: int) -> None:
        redis = home.context.async_redis()
        appeal = Appeal(redis, home.context.keys, 10)
        for count in counts:
            await appeal.saw("books", count)
        await redis.aclose()

    asyncio.run(saw(10, 11))
    assert tend(home).due() == ""
    asyncio.run(saw(9))
    assert tend(home).due() == "books has too few usable proxies"

    tend(home).run()
    job_id = running(home)
    assert job_id
    Claim(home.record(job_id), 0, "worker").report(Report((), {"connection refused": 12}, 12))
    tend(home).run()

    assert home.record(job_id).read().status is RefreshStatus.COMPLETE
    assert tend(home).due() == ""  # it still asks: that did not help, and would not so soon


def test_a_source_that_is_wrong_is_tried_again_only_after_a_while(
    home: ProxyHome, caplog: pytest.LogCaptureFixture
) -> None:
    home = every(home, "1h")
    home.list.unlink()

    for _ in range(3):
        tend(home).run()

    told = [line for line in caplog.messages if "could not be started" in line]
    assert len(told) == 1
    assert "list.txt" in told[0]


def test_beat_sends_it(home: ProxyHome) -> None:
    sent = {entry["task"] for entry in settings(home.context)["beat_schedule"].values()}

    assert sent == {"sites.tasks.tick", "proxies.tasks.tend"}
