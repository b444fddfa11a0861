"""One chunk at work: it says how far it is, and reports its part whatever happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from orchestrator.core.redis import Redis
from proxies.check.check import Check
from proxies.model import Proxy, Verdict
from proxies.refresh.claim import Claim, Word
from proxies.refresh.findings import Findings, Report
from proxies.refresh.member import Member
from proxies.refresh.progress import RefreshRecord, RefreshStatus
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer
from tests.support.zoo import Zoo
from tests.support.zoo_home import ProxyHome

JOB = "0123456789ab"


@pytest.fixture
def zoo() -> Iterator[Zoo]:
    with Zoo() as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: Redis, zoo: Zoo) -> ProxyHome:
    return ProxyHome(tmp_path / "home", redis_server.url, zoo.judge, check_timeout=60)


def begin(home: ProxyHome, proxies: list[Proxy], want: int = 0) -> RefreshRecord:
    """A refresh of one chunk."""
    record = home.record(JOB)
    assert record.begin([[proxy.url for proxy in proxies]], 60, {}, want=want) == ""
    record.sent(60)
    return record


def given_away(record: RefreshRecord) -> bool:
    """Unless whoever works on it has just given a sign: then it was not silent."""
    record.redis.hset(record.key("signs"), "0", "1.0")
    return Claim(record, 0, "other").take("1.0") is Word.GO_ON


def found(record: RefreshRecord) -> Report:
    (facts,) = record.reports().values()
    return Report.from_json(facts)


def test_a_chunk_whose_time_is_up_reports_what_it_has(home: ProxyHome, zoo: Zoo) -> None:
    good, hanging = zoo.many("http", 3), zoo.many("hanging", 2)
    record = begin(home, [hanging[0], *good, hanging[1]])
    started = time.monotonic()

    assert Member(home.context, JOB, 0, longest=8.0).run()

    assert time.monotonic() - started < 40  # and not the 60 s of those that hang
    report = found(record)
    assert {verdict.proxy for verdict in report.live} == set(good)
    assert (report.checked, report.problem) == (3, "ran out of time")
    assert report.unchecked == ((0, 1), (4, 5))
    assert Findings(1, {0: report}).status is RefreshStatus.PARTIAL


def test_a_check_that_blocks_everything_costs_only_what_was_not_checked_yet(
    home: ProxyHome, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, cursed = zoo.many("http", 3), zoo.add("http")
    sound, ended = Check.run, set[Proxy]()

    async def block(self: Check, proxy: Proxy) -> Verdict:
        verdict = await sound(self, proxy)
        ended.add(proxy)
        if proxy == cursed:
            while not ended.issuperset(good):  # noqa: ASYNC110 (it is not told)
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)  # their verdicts are noted
            time.sleep(20)  # noqa: ASYNC251 (that is the mistake)
        return verdict

    monkeypatch.setattr(Check, "run", block)
    record = begin(home, [cursed, *good])
    started = time.monotonic()

    Member(home.context, JOB, 0, longest=6.0).run()

    assert time.monotonic() - started < 18
    assert {verdict.proxy for verdict in found(record).live} == set(good)
    assert found(record).unchecked == ((0, 1),)


def test_a_mistake_of_ours_costs_one_chunk_what_it_had_not_found_yet(
    home: ProxyHome, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object) -> float:
        raise KeyError("a bug")

    monkeypatch.setattr("proxies.check.sweep.Sweep._check_all", mistaken)
    record = begin(home, zoo.many("http", 2))

    Member(home.context, JOB, 0).run()

    assert found(record).problem == "a chunk failed: KeyError"
    assert Findings(1, {0: found(record)}).status is not RefreshStatus.COMPLETE


def test_it_says_every_second_how_far_it_is(home: ProxyHome, zoo: Zoo) -> None:
    record = begin(home, [*zoo.many("http", 2), zoo.add("hanging")])
    seen: list[tuple[float, str, int, int]] = []

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(Member(home.context, JOB, 0, longest=40.0).run)
        while not (work.done() or (len(seen) >= 7 and seen[-1][2:] == (2, 2))):
            look = record.read()
            sign = look.begun[0].sign if look.begun else ""
            if sign and (not seen or seen[-1][1] != sign):
                seen.append((time.monotonic(), sign, look.checked, look.usable))
            time.sleep(0.02)
        assert not work.done()
        eventually(lambda: given_away(record))

    gaps = [after[0] - before[0] for before, after in pairwise(seen[1:])]
    assert sorted(gaps)[len(gaps) // 2] < 1.5


def test_with_enough_found_anywhere_it_stops_and_reports(home: ProxyHome, zoo: Zoo) -> None:
    good = zoo.many("http", 2)
    record = begin(home, [*good, *zoo.many("hanging", 3)], want=2)
    started = time.monotonic()

    Member(home.context, JOB, 0).run()

    assert time.monotonic() - started < 40  # and not the 60 s of those that hang
    report = found(record)
    assert (report.problem, report.unchecked) == ("", ((2, 5),))
    assert Findings(1, {0: report}, want=2).status is RefreshStatus.COMPLETE


def test_what_begins_after_there_is_enough_reports_at_once(home: ProxyHome, zoo: Zoo) -> None:
    record = begin(home, zoo.many("hanging", 2), want=1)
    home.context.redis.hset(record.key("usable"), "7", "1")

    Member(home.context, JOB, 0).run()

    assert (found(record).checked, found(record).unchecked) == (0, ((0, 2),))
    assert found(record).problem == ""


def test_one_whose_chunk_was_given_away_stops_and_says_nothing(home: ProxyHome, zoo: Zoo) -> None:
    hanging = zoo.add("hanging")
    record = begin(home, [hanging])

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(Member(home.context, JOB, 0).run)
        eventually(lambda: zoo.animals[hanging.key].connections)
        eventually(lambda: given_away(record))
        work.result(40)

    assert record.reports() == {}


def test_a_redis_that_is_away_when_a_chunk_reports_gets_its_report_later(
    tmp_path: Path, server: RedisServer, zoo: Zoo
) -> None:
    home = ProxyHome(tmp_path / "home", server.url, zoo.judge, check_timeout=20)
    slow = zoo.add("http", delay=5.0)
    record = begin(home, [slow])

    def pages() -> int:
        return sum("/page" in path for path in zoo.asked)

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(Member(home.context, JOB, 0).run)
        eventually(lambda: zoo.animals[slow.key].connections)
        before = pages()  # those of us, who look at the judge
        server.kill()
        eventually(lambda: pages() > before, what="the check is over")
        time.sleep(1.0)
        assert not work.done()
        server.start()
        assert work.result(60)

    assert [verdict.proxy for verdict in found(record).live] == [slow]


def test_a_redis_that_is_away_when_a_chunk_begins_only_delays_it(
    tmp_path: Path, server: RedisServer, zoo: Zoo
) -> None:
    home = ProxyHome(tmp_path / "home", server.url, zoo.judge, check_timeout=20)
    good = zoo.add("http")
    record = begin(home, [good])
    server.kill()

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(Member(home.context, JOB, 0).run)
        time.sleep(1.0)
        server.start()
        assert work.result(60)

    assert [verdict.proxy for verdict in found(record).live] == [good]
