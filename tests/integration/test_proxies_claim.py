"""Chunks at a real server: who may work on one, how often, and when there is enough."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.core.redis import Redis
from proxies.refresh.claim import MOST_RUNS, Word
from proxies.refresh.findings import Report
from proxies.refresh.progress import RefreshStatus
from tests.support.redis_server import RedisServer
from tests.support.refresh_work import (
    CANDIDATES,
    JOB,
    JUDGE,
    begin,
    claim,
    report,
    usable,
    verdicts,
)
from tests.support.zoo_home import ProxyHome


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: Redis) -> ProxyHome:
    made = ProxyHome(tmp_path / "home", redis_server.url, JUDGE)
    return made.stand_in().candidates(CANDIDATES)


def test_a_chunk_that_is_worked_on_is_nobody_elses(home: ProxyHome) -> None:
    begin(home, 1)
    first = claim(home, 0, "one")
    assert first.take() is Word.GO_ON

    assert claim(home, 0, "other").take() is Word.NOT_WANTED

    assert first.beat(1, 0).run(home.context.redis) is Word.GO_ON


def test_a_message_that_comes_again_takes_its_chunk_over(home: ProxyHome) -> None:
    begin(home, 1)
    dead = claim(home, 0, "one")
    dead.take()

    again = claim(home, 0, "one")

    assert again.take() is Word.GO_ON
    assert dead.beat(5, 5).run(home.context.redis) is Word.NOT_WANTED
    assert again.beat(1, 0).run(home.context.redis) is Word.GO_ON
    assert home.record(JOB).read().checked == 1


def test_a_silent_chunk_is_taken_over_once_and_not_if_it_has_spoken_again(home: ProxyHome) -> None:
    job_id = begin(home, 1)
    worker = claim(home, 0, "worker")
    worker.take()
    silent = home.record(job_id).read().begun[0].sign
    worker.beat(1, 0).run(home.context.redis)
    assert claim(home, 0, "hasty").take(silent) is Word.NOT_WANTED

    silent = home.record(job_id).read().begun[0].sign
    waiting = [claim(home, 0, name) for name in "abcd"]
    with ThreadPoolExecutor(4) as pool:
        words = list(pool.map(lambda made: made.take(silent), waiting))

    assert sorted(words) == [Word.NOT_WANTED] * 3 + [Word.GO_ON]
    assert worker.beat(2, 0).run(home.context.redis) is Word.NOT_WANTED


def test_a_lease_that_ran_out_over_night_is_taken_again_unless_another_refresh_began(
    home: ProxyHome,
) -> None:
    job_id = begin(home, 2)
    redis, lease = home.context.redis, home.context.keys.refresh_current()
    worker = claim(home, 0)
    works = {
        "claim": worker.take,
        "beat": lambda: worker.beat(1, 0).run(redis),
        "keep": lambda: home.record(job_id).keep().run(redis),
    }

    for name, work in works.items():
        redis.delete(lease)
        work()
        assert (redis.get(lease), redis.ttl(lease) > 50) == (job_id, True), name
    for other, work in zip("abc", works.values(), strict=True):
        redis.delete(lease)
        redis.set(home.context.keys.refresh_last(), other)
        work()
        assert redis.get(lease) is None


def test_a_claim_whose_reply_is_lost_is_made_again_and_counts_once(home: ProxyHome) -> None:
    job_id = begin(home, 1)
    made = claim(home, 0)

    assert made.take() is made.take() is Word.GO_ON

    assert home.record(job_id).read().begun[0].runs == 1


def test_a_chunk_that_ends_every_worker_is_given_up(home: ProxyHome) -> None:
    job_id = begin(home, 1)

    words = [claim(home, 0).take() for _ in range(MOST_RUNS + 1)]

    assert words == [Word.GO_ON] * MOST_RUNS + [Word.NOT_WANTED]
    assert home.record(job_id).read().begun[0].runs == MOST_RUNS


def test_whoever_was_thought_dead_may_report_first(home: ProxyHome) -> None:
    job_id = begin(home, 1)
    thought_dead = claim(home, 0, "one")
    thought_dead.take()
    claim(home, 0, "other").take(home.record(job_id).read().begun[0].sign)

    assert thought_dead.report(Report(tuple(verdicts(home, 2)), {}, 12))
    assert not claim(home, 0, "other").report(Report((), {}, 12))


def test_enough_is_a_sum_over_all_chunks(home: ProxyHome) -> None:
    begin(home, 3, want=5)
    one, other = claim(home, 0, "one"), claim(home, 1, "other")
    assert one.take() is other.take() is Word.GO_ON
    redis = home.context.redis

    assert one.beat(4, 3).run(redis) is Word.GO_ON
    assert other.beat(4, 1).run(redis) is Word.GO_ON
    assert other.beat(5, 2).run(redis) is Word.ENOUGH
    assert one.beat(4, 3).run(redis) is Word.ENOUGH
    assert claim(home, 2, "late").take() is Word.ENOUGH


def test_who_joins_and_wants_more_gets_more(home: ProxyHome) -> None:
    first = home.refresher.refresh(wait=False, want=3)
    record = home.record(first.job_id)

    assert (record.read().want, record.read().enough) == (3, False)
    home.refresher.refresh(wait=False, want=2)
    assert record.read().want == 3
    home.refresher.refresh(wait=False, want=4)
    assert record.read().want == 4
    home.refresher.refresh(wait=False)
    assert record.read().want == 0
    home.refresher.refresh(wait=False, want=1)
    assert record.read().want == 0


def test_one_that_ended_early_keeps_what_it_has_not_looked_at(home: ProxyHome) -> None:
    home.refresher.pool.replace(verdicts(home, 12))
    job_id = begin(home, 2, want=1)  # even candidates in the one, odd ones in the other
    keys = [proxy.key for proxy in CANDIDATES[::2]]
    found = Report((verdicts(home, 1)[0],), {"connection refused": 1}, 2)
    report(home, 0, found.part(keys, {keys[0], keys[1]}))

    outcome = home.refresher.wait_for(job_id, timeout=10)

    assert (outcome.status, outcome.early, outcome.checked) == (RefreshStatus.COMPLETE, True, 2)
    assert usable(home) == {proxy for proxy in CANDIDATES if proxy != CANDIDATES[2]}
    assert outcome.exit_code() == 0


def test_a_chunk_that_is_delivered_twice_counts_once(home: ProxyHome) -> None:
    job_id = begin(home, 2)
    one, other = verdicts(home, 2)

    assert report(home, 0, Report((one,), {}, 6))
    assert claim(home, 0).take() is Word.NOT_WANTED
    assert not report(home, 0, Report((other,), {}, 6))

    seen = home.record(job_id).read()
    assert (seen.completed_chunks, seen.checked) == (1, 6)
    assert home.record(job_id).reports()[0]["live"] == [one.as_json()]
