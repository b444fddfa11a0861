"""The check against proxies of every kind, over real sockets."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from urllib.request import urlopen

import pytest

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.settings import ProxiesSection
from proxies.check import Check, JudgeUnavailable, ask
from proxies.findings import Report
from proxies.judge import PAGE_SHA256
from proxies.model import Anonymity, Proxy, Verdict
from proxies.sweep import Sweep
from tests.support.zoo import Zoo, closed_port

TIMEOUT_S = 2.0


@pytest.fixture
def zoo() -> Iterator[Zoo]:
    with Zoo() as made:
        yield made


def check(zoo: Zoo, proxy: Proxy, timeout: float = TIMEOUT_S) -> Verdict:
    async def run() -> Verdict:
        judge = await ask(zoo.judge, TIMEOUT_S)
        return await Check(judge, timeout, lambda: 1.0).run(proxy)

    return asyncio.run(run())


def sweep(zoo: Zoo, proxies: Sequence[Proxy], *judges: str, **settings: object) -> Report:
    section = ProxiesSection.model_validate(
        {"judges": judges or (zoo.judge,), "check_timeout": TIMEOUT_S, **settings}
    )

    async def wanted(checked: int) -> bool:
        return True

    return asyncio.run(Sweep(section, lambda: 1.0, wanted).run(proxies))


@pytest.mark.parametrize("kind", ["http", "connect", "socks4", "socks5"])
def test_a_good_proxy_of_each_protocol_is_usable_with_its_facts(zoo: Zoo, kind: str) -> None:
    proxy = zoo.add(kind)

    verdict = check(zoo, proxy)

    assert verdict.usable, verdict.reason
    assert verdict.anonymity is Anonymity.ELITE
    assert verdict.exit_ip == zoo.animals[proxy.key].leave_from
    assert 0 <= verdict.latency_ms < TIMEOUT_S * 1000


@pytest.mark.parametrize("kind", ["http", "connect", "socks5"])
def test_credentials_are_sent_and_wrong_ones_are_found_out(zoo: Zoo, kind: str) -> None:
    right = zoo.add(kind, username="ann", password="p:w%@")
    wrong = Proxy(right.scheme, right.host, right.port, "ann", "other")

    assert check(zoo, right).usable
    assert not check(zoo, wrong).live


@pytest.mark.parametrize(
    ("kind", "anonymity"),
    [
        ("anonymous", Anonymity.ANONYMOUS),
        ("forwarded", Anonymity.TRANSPARENT),
        ("transparent", Anonymity.TRANSPARENT),
    ],
)
def test_what_a_live_proxy_tells_about_us_is_seen(
    zoo: Zoo, kind: str, anonymity: Anonymity
) -> None:
    verdict = check(zoo, zoo.add(kind))

    assert verdict.live
    assert verdict.anonymity is anonymity
    assert verdict.usable == (anonymity is not Anonymity.TRANSPARENT)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("altering", "alters pages"),
        ("half", "half an answer"),
        ("stale", "an answer to another question"),
        ("garbage", "not HTTP"),
        ("forbidding", "answered 403"),
        ("captive", "no answer of the judge"),
        ("hanging", "no answer in time"),
        ("trickling", "no answer in time"),
        ("bombing", "an answer of more than 64 KiB"),
    ],
)
def test_no_liar_gets_in_and_each_is_told_apart(zoo: Zoo, kind: str, reason: str) -> None:
    verdict = check(zoo, zoo.add(kind), timeout=0.7)

    assert not verdict.live
    assert verdict.reason == reason


def test_a_proxy_that_is_not_there_is_refused_at_once(zoo: Zoo) -> None:
    started = time.monotonic()

    assert check(zoo, closed_port()).reason == "connection refused"
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5"])
@pytest.mark.parametrize("kind", ["hanging", "trickling", "garbage", "bombing"])
def test_one_deadline_holds_for_all_of_a_check(zoo: Zoo, scheme: str, kind: str) -> None:
    address = zoo.add(kind)
    proxy = Proxy(scheme, address.host, address.port)
    started = time.monotonic()

    assert not check(zoo, proxy, timeout=0.5).live
    assert time.monotonic() - started < 1.0


def test_hundreds_of_slow_proxies_are_checked_side_by_side(zoo: Zoo) -> None:
    proxies = [zoo.add("hanging")] * 300
    started = time.monotonic()

    report = sweep(zoo, proxies, check_timeout=1.0)

    assert report.checked == 300
    assert report.reasons == {"no answer in time": 300}
    assert time.monotonic() - started < 4


def test_a_judge_that_is_down_is_no_verdict_about_any_proxy(zoo: Zoo) -> None:
    proxies = zoo.many("http", 3)
    zoo.close_judge()

    report = sweep(zoo, proxies)

    assert report.problem.startswith("judge unavailable")
    assert report.live == ()
    assert not report.reasons


def test_a_judge_that_goes_down_meanwhile_is_noticed(zoo: Zoo) -> None:
    quick, slow = zoo.add("http"), zoo.add("http", delay=0.5)
    section = ProxiesSection.model_validate({"judges": (zoo.judge,), "check_timeout": TIMEOUT_S})

    async def run() -> Report:
        running = asyncio.create_task(Sweep(section, lambda: 1.0, wanted).run([quick, slow]))
        seen = lambda: zoo.animals[slow.key].connections and "/page" in zoo.asked  # noqa: E731
        await asyncio.to_thread(wait_until, seen, Deadline.after(5), every=0.01)
        await asyncio.to_thread(zoo.close_judge)
        return await running

    async def wanted(checked: int) -> bool:
        return True

    report = asyncio.run(run())

    assert report.problem.startswith("judge unavailable")
    assert [verdict.proxy for verdict in report.live] == [quick]


def test_the_next_judge_is_asked_when_the_first_is_down(zoo: Zoo) -> None:
    report = sweep(zoo, [zoo.add("http")], "http://127.0.0.1:1/", zoo.judge)

    assert not report.problem
    assert len(report.live) == 1


def test_a_chunk_that_is_no_longer_wanted_ends_early(zoo: Zoo) -> None:
    section = ProxiesSection.model_validate(
        {"judges": (zoo.judge,), "check_timeout": 0.5, "in_flight": 1}
    )

    async def unwanted(checked: int) -> bool:
        return checked == 0

    report = asyncio.run(Sweep(section, lambda: 1.0, unwanted).run([zoo.add("hanging")] * 100))

    assert report.problem == "no longer wanted"
    assert report.checked < 10


def test_a_mistake_of_ours_in_one_check_costs_one_verdict(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, cursed = zoo.add("http"), zoo.add("http")
    sound = Check.run

    async def mistaken(self: Check, proxy: Proxy) -> Verdict:
        if proxy == cursed:
            raise KeyError("a bug")
        return await sound(self, proxy)

    monkeypatch.setattr(Check, "run", mistaken)
    report = sweep(zoo, [cursed, good])

    assert [verdict.proxy for verdict in report.live] == [good]
    assert report.reasons == {"the check itself failed": 1}


def test_a_judge_that_lies_is_none() -> None:
    with Zoo() as zoo:
        page = zoo.judge + "page"
        with pytest.raises(JudgeUnavailable, match="no answer of the judge"):
            asyncio.run(ask(page, TIMEOUT_S))


def test_the_judge_runs_as_a_program_and_says_where_it_listens() -> None:
    command = [sys.executable, "-m", "proxies.judge", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        facts = json.loads(process.stdout.readline())
        with urlopen(f"{facts['url']}get?nonce=abc") as answer:  # noqa: S310 (our own judge)
            said = json.load(answer)
        process.terminate()

    assert said["nonce"] == "abc"
    assert said["ip"] == "127.0.0.1"
    assert said["page_sha256"] == PAGE_SHA256
    assert process.returncode == 0
