"""A refresh without a worker: how it starts, is joined, ends once, and what it leaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.core.errors import (
    Busy,
    ConfigError,
    DeadlinePassed,
    NotRunning,
    RedisUnavailable,
)
from orchestrator.core.redis import Redis
from proxies.pool.pool import Pool
from proxies.refresh import chunk, progress, start
from proxies.refresh.claim import Claim, Word
from proxies.refresh.dispatch import Dispatch
from proxies.refresh.findings import Report
from proxies.refresh.outcome import RefreshOutcome
from proxies.refresh.progress import SENDING_S, RefreshStatus
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer
from tests.support.refresh_work import (
    CANDIDATES,
    JUDGE,
    begin,
    claim,
    collector,
    report,
    usable,
    verdicts,
)
from tests.support.site_server import Answer, Site
from tests.support.zoo_home import ProxyHome


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: Redis) -> ProxyHome:
    made = ProxyHome(tmp_path / "home", redis_server.url, JUDGE)
    return made.stand_in().candidates(CANDIDATES)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site({"/list": Answer("10.0.0.1:80\nnonsense\n"), "/gone": Answer("", 404)}) as made:
        yield made


def test_nothing_to_check_is_complete_at_once_and_empties_the_pool(home: ProxyHome) -> None:
    home.refresher.pool.replace(verdicts(home, 3))
    home.candidates([])

    outcome = home.refresher.refresh(timeout=30)

    assert outcome.status is RefreshStatus.COMPLETE
    assert (outcome.live, outcome.usable, outcome.exit_code()) == (0, 0, 6)
    assert home.refresher.snapshot.read()["proxies"] == []
    assert progress.current(home.context.redis, home.context.keys) == ""


def test_the_keys_of_a_refresh_are_there_for_everybody(home: ProxyHome) -> None:
    job_id = home.refresher.refresh(wait=False).job_id
    record = home.record(job_id)
    values = {
        field: home.context.redis.get(record.key(field))
        for field in ("total_chunks", "completed_chunks", "status", "started_at")
    }

    assert values["status"] == "DISPATCHED"
    assert (values["total_chunks"], values["completed_chunks"]) == ("1", "0")
    assert float(str(values["started_at"])) > 0
    report_all = Report(tuple(verdicts(home, 2)), {}, 12)
    made = Claim(record, 0, "message")
    assert made.take() is Word.GO_ON
    assert made.beat(3, 1).run(record.redis) is Word.GO_ON
    assert made.report(report_all)
    collector(home).collect(job_id)
    assert home.context.redis.get(record.key("status")) == "COMPLETE"
    assert home.context.redis.get(record.key("result_count")) == "2"
    assert home.context.redis.get(record.key("completed_at"))
    keys = home.context.redis.keys(f"*{job_id}:*")
    assert all(home.context.redis.ttl(key) > 0 for key in keys)


def test_a_second_refresh_joins_the_first_or_is_told_that_it_runs(home: ProxyHome) -> None:
    first = home.refresher.refresh(wait=False)

    second = home.refresher.refresh(wait=False)

    assert (second.job_id, second.joined, first.joined) == (first.job_id, True, False)
    with pytest.raises(Busy, match=first.job_id):
        home.refresher.refresh(join=False)


def test_of_many_refreshes_at_once_one_is_started(home: ProxyHome) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: home.refresher.refresh(wait=False).job_id, range(8)))

    assert len(set(jobs)) == 1
    queue = home.context.keys.queue_name("control")
    assert home.context.redis.llen(f"{home.context.keys.prefix}{queue}") == 1
    assert len(home.context.redis.keys("*:chunks")) == 1


def test_who_joins_gets_the_same_outcome(home: ProxyHome) -> None:
    job_id = begin(home, 1)
    joined = [threading.Event() for _ in range(4)]

    def join(event: threading.Event) -> RefreshOutcome:
        return home.refresher.refresh(timeout=30, on_progress=lambda _: event.set())

    with ThreadPoolExecutor(len(joined)) as pool:
        waits = [pool.submit(join, event) for event in joined]
        assert all(event.wait(20) for event in joined)  # or the slowest would begin the next one
        report(home, 0, Report(tuple(verdicts(home, 2)), {"connection refused": 10}, 12))
        outcomes = [wait.result() for wait in waits]

    assert {outcome.job_id for outcome in outcomes} == {job_id}
    assert {outcome.usable for outcome in outcomes} == {2}
    assert home.refresher.pool.generation() == 1


def test_a_refresh_whose_lease_ran_out_does_not_stop_the_next(home: ProxyHome) -> None:
    first = home.refresher.refresh(wait=False)
    home.context.redis.delete(home.context.keys.refresh_current())

    second = home.refresher.refresh(wait=False)

    assert second.job_id != first.job_id
    given_up = home.refresher.wait_for(first.job_id, timeout=30)
    assert given_up.status is RefreshStatus.FAILED
    assert given_up.problems == ("1 of 1 chunks did not report",)
    assert Claim(home.record(first.job_id), 0, "x").take() is Word.NOT_WANTED
    assert Claim(home.record(second.job_id), 0, "x").take() is Word.GO_ON


def test_what_a_refresh_found_that_nobody_waited_for_is_not_lost(home: ProxyHome) -> None:
    job_id = begin(home, 2)
    report(home, 0, Report(tuple(verdicts(home, 2)), {}, 6))
    home.context.redis.delete(home.context.keys.refresh_current())

    home.refresher.refresh(wait=False)

    assert home.record(job_id).read().status is RefreshStatus.PARTIAL
    assert usable(home) == set(CANDIDATES[:2])


def test_a_refresh_whose_sender_was_killed_is_soon_nobodys(
    home: ProxyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(Dispatch, "send", kill)
    with pytest.raises(Killed):
        home.refresher.refresh(wait=False)

    lease = home.context.redis.pttl(home.context.keys.refresh_current())
    assert 0 < lease <= SENDING_S * 1000


def test_a_refresh_on_its_way_needs_nobody_for_as_long_as_it_may_take(home: ProxyHome) -> None:
    job_id = home.refresher.refresh(wait=False).job_id

    seen = home.record(job_id).read()
    lease = home.context.redis.pttl(home.context.keys.refresh_current())
    assert seen.sent
    assert home.record(job_id).facts()["budget_s"] - 5 < lease / 1000


def test_without_a_worker_nothing_is_started(
    home: ProxyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "WORKER_S", 0.3)
    home.context.redis.delete(home.context.keys.nodes())

    with pytest.raises(NotRunning) as told:
        home.refresher.refresh()

    assert "orch up" in told.value.hint
    assert home.refresher.progress() is None


def test_a_worker_that_is_just_being_restarted_is_waited_for(
    home: ProxyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "WORKER_S", 30.0)
    home.context.redis.delete(home.context.keys.nodes())
    timer = threading.Timer(0.5, home.stand_in)
    timer.start()

    assert home.refresher.refresh(wait=False).status is RefreshStatus.DISPATCHED
    timer.join()


def test_a_refresh_ends_once_however_many_collect_it(home: ProxyHome) -> None:
    job_id = begin(home, 1)
    report(home, 0, Report(tuple(verdicts(home, 3)), {}, 12))
    barrier = threading.Barrier(6)

    def collect(_: int) -> bool:
        barrier.wait()
        return collector(home).collect(job_id)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(collect, range(6)))

    assert home.refresher.pool.generation() == home.refresher.snapshot.generation() == 1
    assert len(usable(home)) == 3
    assert not home.context.redis.keys("*staged*")


def test_the_body_does_not_end_a_refresh_that_is_not_done(home: ProxyHome) -> None:
    job_id = begin(home, 2)
    report(home, 0, Report(tuple(verdicts(home, 3)), {}, 6))

    assert not collector(home).collect(job_id)
    assert home.record(job_id).read().status is RefreshStatus.PROCESSING


def test_what_comes_after_the_end_changes_nothing(home: ProxyHome) -> None:
    job_id = begin(home, 2)
    report(home, 0, Report(tuple(verdicts(home, 3)), {}, 6))
    collector(home).collect(job_id, missing_ok=True)

    assert not report(home, 1, Report(tuple(verdicts(home, 1)), {}, 6))
    assert claim(home, 1).take() is Word.NOT_WANTED
    assert claim(home, 1).beat(3, 0).run(home.context.redis) is Word.NOT_WANTED
    assert home.record(job_id).read().status is RefreshStatus.PARTIAL


def test_a_partial_refresh_keeps_fresh_verdicts_about_what_it_did_not_check(
    home: ProxyHome,
) -> None:
    old = [*verdicts(home, 6), *verdicts(home, 8, age=9000)[6:]]
    home.refresher.pool.replace(old)
    job_id = begin(home, 2)  # even candidates in the one, odd ones in the other
    report(home, 0, Report((verdicts(home, 1)[0],), {"connection refused": 5}, 6))

    collector(home).collect(job_id, missing_ok=True)

    assert usable(home) == {CANDIDATES[0], CANDIDATES[1], CANDIDATES[3], CANDIDATES[5]}
    assert home.record(job_id).summary()["kept"] == 3
    assert home.refresher.pool.counts()["live"] == 4


def test_a_judge_that_is_down_leaves_pool_and_file_as_they_were(home: ProxyHome) -> None:
    home.refresher.pool.replace([*verdicts(home, 3), *verdicts(home, 5, age=9000)[3:]])
    home.refresher.snapshot.write(home.refresher.pool, "COMPLETE")
    before = home.refresher.snapshot.path.read_bytes()
    job_id = begin(home, 1)
    report(home, 0, Report(problem="judge unavailable: http://127.0.0.1:9/: connection refused"))

    outcome = home.refresher.wait_for(job_id, timeout=30)

    assert (outcome.status, outcome.exit_code()) == (RefreshStatus.FAILED, 1)
    assert "judge unavailable" in outcome.problems[0]
    assert (outcome.usable, len(usable(home))) == (3, 3)
    assert home.refresher.snapshot.path.read_bytes() == before
    assert home.refresher.pool.counts()["live"] == 5


def test_nine_usable_of_ten_refresh_and_ten_do_not(home: ProxyHome) -> None:
    home.refresher.pool.replace(verdicts(home, 10))
    assert home.refresher.ensure(10, timeout=30) == 10
    assert home.refresher.progress() is None

    home.refresher.pool.replace(verdicts(home, 9))
    with pytest.raises(DeadlinePassed):
        home.refresher.ensure(10, timeout=6)
    assert home.refresher.progress() is not None


def test_stale_proxies_are_not_counted_as_usable(home: ProxyHome) -> None:
    home.refresher.pool.replace(verdicts(home, 10, age=1801))

    assert home.refresher.needed(if_below=1).needed
    assert home.refresher.usable_count() == 0


def test_whether_a_refresh_is_needed(home: ProxyHome) -> None:
    needed = home.refresher.needed
    assert needed().needed
    assert needed(if_older_than=60).needed  # there was none yet
    home.refresher.pool.replace(verdicts(home, 3))

    assert needed().needed
    assert not needed(if_older_than=60).needed
    assert not needed(if_below=3).needed
    assert needed(if_below=4).needed
    assert needed(if_older_than=60, if_below=4).needed
    assert "3 usable" in needed(if_below=3).why
    eventually(lambda: needed(if_older_than=0.2).needed)


def test_a_missing_file_is_told_before_anything_starts(home: ProxyHome) -> None:
    home.list.unlink()

    with pytest.raises(ConfigError, match=r"list\.txt is not there"):
        home.refresher.refresh()
    assert home.refresher.progress() is None


def test_a_missing_file_is_told_even_without_redis(tmp_path: Path) -> None:
    home = ProxyHome(tmp_path, f"unix://{tmp_path}/nobody", JUDGE)
    home.list.unlink()

    with pytest.raises(ConfigError):
        home.refresher.refresh()
    home.list.write_text("")
    with pytest.raises(RedisUnavailable):
        home.refresher.refresh()


def test_lists_come_from_the_web_too_and_one_that_fails_is_reported(
    tmp_path: Path, redis_server: RedisServer, real_redis: Redis, site: Site
) -> None:
    sources = [site.url("/list"), site.url("/gone"), "list.txt"]
    home = ProxyHome(tmp_path / "home", redis_server.url, JUDGE, sources=sources)
    home.stand_in().candidates(CANDIDATES[:2])

    outcome = home.refresher.refresh(wait=False)

    assert outcome.candidates == 4  # an address without a scheme may be two things
    good, gone, file = outcome.sources
    assert (good["candidates"], good["bad_lines"]) == (1, 1)
    assert "404" in gone["error"]
    assert file["candidates"] == 2


def test_a_list_that_never_ends_does_not_hold_the_refresh(
    tmp_path: Path, redis_server: RedisServer, real_redis: Redis
) -> None:
    with Site({"/slow": Answer("10.0.0.1:80\n", hang=60)}) as site:
        home = ProxyHome(
            tmp_path / "home", redis_server.url, JUDGE, sources=[site.url("/slow"), "list.txt"]
        ).candidates(CANDIDATES)
        home.stand_in()
        with pytest.raises(DeadlinePassed):
            home.refresher.refresh(timeout=10)

    seen = home.refresher.progress()
    assert seen
    facts = home.record(seen["job_id"]).facts()
    assert facts["sources"][0]["error"] == "no answer in time"
    assert facts["candidates"] == len(CANDIDATES)


def test_added_proxies_are_candidates_of_every_refresh(home: ProxyHome) -> None:
    home.candidates([])
    home.refresher.pool.add([CANDIDATES[0]])

    outcome = home.refresher.refresh(wait=False)

    assert outcome.candidates == 1
    assert home.record(outcome.job_id).chunk(0) == [CANDIDATES[0].url]


def test_there_are_two_chunks_for_each_live_slot(
    home: ProxyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "SMALLEST", 1)

    seen = home.record(home.refresher.refresh(wait=False).job_id).read()

    assert (seen.total_chunks, seen.candidates) == (4, len(CANDIDATES))


def test_progress_has_the_form_of_the_status(home: ProxyHome) -> None:
    job_id = begin(home, 2)
    working = claim(home, 0)
    working.take()
    working.beat(3, 0).run(home.context.redis)

    seen = home.refresher.progress()

    assert seen
    assert set(seen) == {"job_id", "status", "completed_chunks", "total_chunks", "eta_s"}
    assert (seen["job_id"], seen["status"], seen["total_chunks"]) == (job_id, "PROCESSING", 2)
    assert seen["eta_s"] is not None
    assert home.refresher.progress("ffffffffffff") is None


def test_a_full_pool_of_outcomes_is_json(home: ProxyHome) -> None:
    outcome = home.refresher.refresh(wait=False)

    assert isinstance(outcome, RefreshOutcome)
    assert outcome.as_json()["status"] == "DISPATCHED"
    assert Pool(home.context.redis, home.context.keys).counts()["usable"] == 0
