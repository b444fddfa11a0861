"""A chunk of candidates through the check, over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.proxies_section import ProxiesSection
from proxies.check import judge
from proxies.check.check import Check
from proxies.check.sweep import Sweep
from proxies.check.window import FIRST
from proxies.model import Proxy, Verdict
from proxies.refresh.findings import Report
from tests.support.zoo import Zoo, closed_port

TIMEOUT_S = 4.0


@pytest.fixture
def zoo() -> Iterator[Zoo]:
    with Zoo() as made:
        yield made


async def wanted(checked: int) -> bool:
    return True


def section(zoo: Zoo, *judges: str, **settings: object) -> ProxiesSection:
    facts = {"judges": judges or (zoo.judge,), "check_timeout": TIMEOUT_S, **settings}
    return ProxiesSection.model_validate(facts)


def sweep(zoo: Zoo, proxies: Sequence[Proxy], *judges: str, **settings: object) -> Report:
    return asyncio.run(Sweep(section(zoo, *judges, **settings), lambda: 1.0, wanted).run(proxies))


def test_hundreds_of_silent_proxies_are_checked_side_by_side(zoo: Zoo) -> None:
    proxies = zoo.many("hanging", 150) + zoo.many("syn_drop", 150)
    started = time.monotonic()

    report = sweep(zoo, proxies, check_timeout=1.0)

    assert report.checked == 300
    assert report.reasons == {"no answer in time": 300}
    assert time.monotonic() - started < 30, "one after the other they take 300 s"


def test_a_judge_that_does_not_keep_up_is_asked_less(zoo: Zoo) -> None:
    proxies = zoo.many("hanging", FIRST + 20)

    async def run() -> Report:
        course = Sweep(section(zoo, check_timeout=2.0), lambda: 1.0, wanted)
        running = asyncio.create_task(course.run(proxies))
        begun = lambda: zoo.most_open > 0  # noqa: E731
        await asyncio.to_thread(wait_until, begun, Deadline.after(30), every=0.01)
        zoo.judge_delay = 0.4
        return await running

    report = asyncio.run(run())

    assert report.checked == len(proxies)
    assert zoo.most_open <= FIRST


def test_a_judge_that_keeps_up_is_asked_by_more_and_more(zoo: Zoo) -> None:
    proxies = zoo.many("hanging", FIRST + 100)
    zoo.judge_delay = 0.4  # it is far away, which is no fault

    sweep(zoo, proxies, check_timeout=3.0)

    assert zoo.most_open > FIRST


def test_tls_is_looked_at_with_authorities_of_ones_own(zoo: Zoo, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(zoo.certificates.ca.read_text())
    good, rogue = zoo.add("http"), zoo.add("rogue")
    settings = section(zoo, zoo.judge, zoo.judge_tls, judge_ca="ca.pem")

    report = asyncio.run(Sweep(settings, lambda: 1.0, wanted, tmp_path).run([good, rogue]))

    assert [(verdict.proxy, verdict.tls) for verdict in report.live] == [(good, True)]
    assert report.reasons == {"intercepts TLS": 1}


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_authorities_that_is_none_is_told(
    zoo: Zoo, tmp_path: Path, content: str | None
) -> None:
    if content:
        (tmp_path / "ca.pem").write_text(content)
    settings = section(zoo, judge_ca="ca.pem")

    report = asyncio.run(Sweep(settings, lambda: 1.0, wanted, tmp_path).run([zoo.add("http")]))

    assert report.problem.startswith("judge unavailable: proxies.judge_ca: ca.pem: ")
    assert not report.live


@pytest.mark.parametrize("down", ["http", "https"])
def test_a_judge_that_is_down_is_no_verdict_about_any_proxy(zoo: Zoo, down: str) -> None:
    proxies = zoo.many("http", 3)
    zoo.close_judge(down)

    report = sweep(zoo, proxies, zoo.judge, zoo.judge_tls, judge_ca=zoo.ca)

    assert report.problem.startswith(f"judge unavailable: {down}://")
    assert "connection refused" in report.problem
    assert report.live == ()
    assert not report.reasons


@pytest.mark.parametrize("down", ["http", "https"])
def test_a_judge_that_goes_down_meanwhile_is_noticed(zoo: Zoo, down: str) -> None:
    quick, slow = zoo.add("http"), zoo.add("http", delay=3.0)
    settings = section(zoo, zoo.judge, zoo.judge_tls, judge_ca=zoo.ca)

    async def run() -> Report:
        proxies = [quick, slow, closed_port()]
        course = Sweep(settings, lambda: 1.0, wanted)
        running = asyncio.create_task(course.run(proxies))
        seen = lambda: any(v.live for v in course.verdicts)  # noqa: E731
        await asyncio.to_thread(wait_until, seen, Deadline.after(30), every=0.01)
        await asyncio.to_thread(zoo.close_judge, down)
        return await running

    report = asyncio.run(run())

    assert report.problem.startswith(f"judge unavailable: {down}://")
    assert quick in [verdict.proxy for verdict in report.live]


def test_whoever_failed_while_the_judge_was_away_for_a_while_is_checked_again(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = [zoo.add("http", delay=0.3) for _ in range(3)]
    settings = section(zoo, zoo.judge, zoo.judge_tls, judge_ca=zoo.ca, check_timeout=12.0)
    sound, begun = Check.run, set[Proxy]()

    async def goes_away(self: Check, proxy: Proxy) -> Verdict:
        if not begun:
            zoo.judge_away = True  # before any of them has asked it
        begun.add(proxy)
        return await sound(self, proxy)

    monkeypatch.setattr(Check, "run", goes_away)

    async def run() -> Report:
        course = Sweep(settings, lambda: 1.0, wanted)
        running = asyncio.create_task(course.run(proxies))
        failed = lambda: len(course.verdicts) == len(proxies)  # noqa: E731
        await asyncio.to_thread(wait_until, failed, Deadline.after(30), every=0.01)
        assert not any(verdict.live for verdict in course.verdicts)
        zoo.judge_away = False
        return await running

    report = asyncio.run(run())

    assert not report.problem
    assert [verdict.tls for verdict in report.live] == [True] * 3


@pytest.mark.parametrize("changes", ["before", "meanwhile"])
def test_a_judge_whose_page_is_not_the_one_that_it_promised_is_none(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, changes: str
) -> None:
    proxies = [zoo.add("http", delay=3.0), zoo.add("closing")]
    settings = section(zoo, check_timeout=12.0)
    monkeypatch.setattr("proxies.check.sweep._LOOK_FIRST_S", 60.0)  # nobody looks but at the end

    async def run() -> Report:
        course = asyncio.create_task(Sweep(settings, lambda: 1.0, wanted).run(proxies))
        asked = lambda: zoo.animals[proxies[0].key].connections > 0  # noqa: E731
        if changes == "meanwhile":
            await asyncio.to_thread(wait_until, asked, Deadline.after(30), every=0.01)
        monkeypatch.setattr(judge, "PAGE_SHA256", "0" * 64)
        return await course

    report = asyncio.run(run())

    page = {"before": "page: not what the judge says of it", "meanwhile": ": its page is no longer"}
    assert report.problem.startswith("judge unavailable: http://")
    assert page[changes] in report.problem


def test_the_next_judge_is_asked_when_the_first_is_down(zoo: Zoo) -> None:
    report = sweep(zoo, [zoo.add("http")], "http://127.0.0.1:1/", zoo.judge)

    assert not report.problem
    assert len(report.live) == 1


def test_a_chunk_that_is_no_longer_wanted_ends_early(zoo: Zoo) -> None:
    async def unwanted(checked: int) -> bool:
        return checked == 0

    settings = section(zoo, check_timeout=0.5, in_flight=1)
    report = asyncio.run(Sweep(settings, lambda: 1.0, unwanted).run([zoo.add("hanging")] * 100))

    assert report.problem == "no longer wanted"
    assert report.checked < 50


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


def alone(program: str, facts: object) -> dict[str, float]:
    """Run a program about sweeps in a process of its own; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(facts)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, float] = json.loads(done.stdout)
    return told


_ALONE = """
import asyncio, json, os, resource, sys
from orchestrator.core.proxies_section import ProxiesSection
from proxies import loop
from proxies.model import parse
from proxies.check.sweep import Sweep

facts = json.loads(sys.argv[1])

async def wanted(checked):
    return True

def run():
    settings = ProxiesSection.model_validate(facts["settings"])
    sweep = Sweep(settings, lambda: 1.0, wanted)
    return loop.run(sweep.run([parse(url) for url in facts["proxies"]]))
"""
_SHORT_OF_FILES = """
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(150)]
report = run()
print(json.dumps({"live": len(report.live), "checked": report.checked}))
"""
_HOSTILE = """
import gc
few, facts["proxies"] = facts["proxies"], facts["few"]
run()
facts["proxies"] = few
def now():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
before = now()
most = 0
async def watch(task):
    global most
    while not task.done():
        most = max(most, int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize())
        await asyncio.sleep(0.02)
async def watched():
    settings = ProxiesSection.model_validate(facts["settings"])
    sweep = Sweep(settings, lambda: 1.0, wanted)
    task = asyncio.create_task(sweep.run([parse(url) for url in facts["proxies"]]))
    await watch(task)
    return task.result()
report = asyncio.run(watched())
print(json.dumps({"grown": (most - before) / 1e6, "live": len(report.live), "checked": report.checked}))
"""


def test_when_there_are_no_more_open_files_some_wait_and_none_is_missed(zoo: Zoo) -> None:
    proxies = [proxy.url for proxy in zoo.many("http", 120)]
    settings = {
        "judges": [zoo.judge, zoo.judge_tls],
        "judge_ca": zoo.ca,
        "check_timeout": 20,
    }

    told = alone(_ALONE + _SHORT_OF_FILES, {"settings": settings, "proxies": proxies})

    assert told == {"live": 120, "checked": 120}


HOSTILE = (
    *("bombing", "swelling", "endless_headers", "endless_line", "endless_chunks", "zip_bomb"),
    *("huge", "trickling", "slow_headers", "bombing_socks"),
)


def test_hostile_answers_cost_next_to_no_memory(zoo: Zoo) -> None:
    few = zoo.all(HOSTILE)
    crowd = [proxy.url for kind in HOSTILE for proxy in zoo.many(kind, 40)]
    crowd += [proxy.url for proxy in zoo.many("swelling", 600)]  # 36 MB, if all of it were kept
    crowd += [proxy.url for proxy in zoo.many("bombing", 400)]  # 26 MB
    settings = {"judges": [zoo.judge], "check_timeout": 3}
    facts = {"settings": settings, "few": [proxy.url for proxy in few], "proxies": crowd}

    told = alone(_ALONE + _HOSTILE, facts)

    assert (told["live"], told["checked"]) == (0, len(crowd))
    assert told["grown"] < 20, told
