"""The check against proxies of every kind, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from proxies import loop
from proxies.check.check import Check
from proxies.check.direct import JudgeUnavailable, ask
from proxies.check.lines import Lines
from proxies.check.unreachable import Unreachable
from proxies.model import Proxy, Verdict
from tests.support.zoo import Resident, Zoo, closed_port, trusting
from tests.support.zoo_kinds import GOOD, KINDS, SLOW_S, TELLING

#: For those that answer, however busy the machine is; only the silent ones take so long.
PATIENT_S = 8.0
#: Whatever would go on for ever has ended by then.
ENDLESS_S = 30.0

T = TypeVar("T")
Runner = Callable[[Coroutine[Any, Any, T]], T]


@pytest.fixture
def zoo() -> Iterator[Zoo]:
    with Zoo() as made:
        yield made


def check(zoo: Zoo, *proxies: Proxy, seconds: float = PATIENT_S) -> list[Verdict]:
    return asyncio.run(checking(zoo, proxies, seconds))


async def checking(zoo: Zoo, proxies: tuple[Proxy, ...], seconds: float) -> list[Verdict]:
    with Lines() as lines:
        judge = await ask(lines, (zoo.judge, zoo.judge_tls), PATIENT_S, trusting(zoo))
        one = Check(lines, judge, seconds, lambda: 1.0, Unreachable(proxies))
        return await asyncio.gather(*map(one.run, proxies))


def wrong(resident: Resident, verdict: Verdict) -> list[str]:
    """What the verdict says otherwise than the truth."""
    kind = resident.kind
    told = {"usable": (verdict.usable, kind.usable), "reason": (verdict.reason, kind.reason)}
    if kind.live:
        told |= {
            "anonymity": (verdict.anonymity, kind.anonymity),
            "tls": (verdict.tls, kind.tls),
            "listed": (verdict.candidate, resident.proxy),
            "scheme": (verdict.proxy.scheme, kind.works_as or kind.scheme),
            "exit": (verdict.exit_ip, resident.animal.leave_from or "127.0.0.1"),
        }
    return [f"{what}: {said} and not {true}" for what, (said, true) in told.items() if said != true]


@pytest.mark.parametrize("run", [asyncio.run, loop.run], ids=["asyncio", "uvloop"])
def test_no_liar_gets_in_no_good_one_is_missed_and_each_is_told_apart(
    zoo: Zoo, run: Runner[list[Verdict]]
) -> None:
    proxies = zoo.all()

    verdicts = run(checking(zoo, tuple(proxies), PATIENT_S))

    residents = [zoo.residents[proxy.key] for proxy in proxies]
    found = {
        resident.name: wrong(resident, v) for resident, v in zip(residents, verdicts, strict=True)
    }
    assert {name: told for name, told in found.items() if told} == {}
    assert len(KINDS) >= 90
    assert len(GOOD) >= 30
    assert len(TELLING) >= 7


def test_what_a_proxy_needs_for_an_answer_is_its_latency(zoo: Zoo) -> None:
    (verdict,) = check(zoo, zoo.add("slow"))

    assert SLOW_S * 1000 <= verdict.latency_ms < PATIENT_S * 1000


def test_pages_and_tls_are_looked_at_side_by_side(zoo: Zoo) -> None:
    (verdict,) = check(zoo, zoo.add("meeting"))

    assert verdict.usable
    assert verdict.tls


def test_a_proxy_that_does_not_say_no_to_tls_but_nothing_at_all_is_for_plain_http(
    zoo: Zoo,
) -> None:
    (verdict,) = check(zoo, zoo.add("silent_connect"), seconds=2.0)

    assert verdict.usable
    assert verdict.http_only


def test_without_an_https_judge_nobody_has_looked_at_tls(zoo: Zoo) -> None:
    async def run() -> Verdict:
        with Lines() as lines:
            judge = await ask(lines, [zoo.judge], PATIENT_S)
            return await Check(lines, judge, PATIENT_S, lambda: 1.0).run(zoo.add("http"))

    verdict = asyncio.run(run())

    assert verdict.usable
    assert verdict.tls is None


def test_with_an_https_judge_alone_who_makes_no_tunnel_is_refused(zoo: Zoo) -> None:
    async def run() -> list[Verdict]:
        proxies = zoo.all(["http", "socks5", "socks4", "connect", "http_only", "rogue"])
        with Lines() as lines:
            judge = await ask(lines, [zoo.judge_tls], PATIENT_S, trusting(zoo))
            one = Check(lines, judge, PATIENT_S, lambda: 1.0)
            return await asyncio.gather(*map(one.run, proxies))

    *good, only, rogue = asyncio.run(run())

    assert all(verdict.usable and verdict.tls for verdict in good), good
    assert [verdict.proxy.scheme for verdict in good] == ["http", "socks5", "socks4", "https"]
    assert (only.reason, rogue.reason) == ("tunnel refused (405)", "intercepts TLS")


def test_a_proxy_that_is_not_there_is_refused_at_once(zoo: Zoo) -> None:
    started = time.monotonic()

    assert check(zoo, closed_port())[0].reason == "connection refused"
    assert time.monotonic() - started < ENDLESS_S


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5"])
@pytest.mark.parametrize("kind", ["hanging", "trickling", "slow_headers", "swelling", "syn_drop"])
def test_one_deadline_holds_for_all_of_a_check(zoo: Zoo, scheme: str, kind: str) -> None:
    address = zoo.add(kind)
    proxy = Proxy(scheme, address.host, address.port)
    started = time.monotonic()

    assert not check(zoo, proxy, seconds=0.5)[0].live
    assert time.monotonic() - started < ENDLESS_S


def test_a_name_is_looked_up_and_one_that_nobody_has_is_told(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = zoo.add("http")
    known = {"good.example": good.host}
    answered = threading.Event()

    def look(host: str, *_: object) -> list[tuple[object, ...]]:
        if host == "slow.example":
            answered.wait(60)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(0, 0, 0, "", (known[host], 0))]

    names = ["good.example", "nobody.example", "slow.example"]
    proxies = [Proxy("http", name, good.port) for name in names]
    monkeypatch.setattr(socket, "getaddrinfo", look)

    try:
        verdicts = check(zoo, *proxies, seconds=3.0)

        assert [verdict.reason for verdict in verdicts] == [
            "",
            "name not known",
            "no answer in time",
        ]
        assert not answered.is_set(), "a lookup that hangs holds up the end of the loop"
    finally:
        answered.set()


def test_nobody_is_blamed_while_we_do_not_get_our_turn(zoo: Zoo) -> None:
    async def run() -> Verdict:
        with Lines() as lines:
            judge = await ask(lines, [zoo.judge], PATIENT_S)
            one = Check(lines, judge, 1.5, lambda: 1.0)
            course = asyncio.create_task(one.run(zoo.add("http", delay=0.3)))
            await asyncio.sleep(0.05)
            time.sleep(2.5)  # noqa: ASYNC251 (that is what this is about)
            return await course

    assert asyncio.run(run()).live


def test_nobody_is_blamed_while_others_are_looked_at_more_closely(zoo: Zoo) -> None:
    async def run() -> list[Verdict]:
        with Lines() as lines:
            judge = await ask(lines, [zoo.judge, zoo.judge_tls], PATIENT_S, trusting(zoo))
            one = Check(lines, judge, 3.0, lambda: 1.0, closer=asyncio.Semaphore(1))
            return await asyncio.gather(*map(one.run, proxies))

    proxies = [zoo.add("http", delay=0.7) for _ in range(6)]

    verdicts = asyncio.run(run())

    assert [verdict.reason for verdict in verdicts] == [""] * 6
    assert all(verdict.tls for verdict in verdicts)


def test_candidates_at_one_address_learn_from_the_first_whether_anybody_is_there(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    talk = Lines.talk

    async def counted(self: Lines, address: tuple[str, int], *rest: Any) -> Any:
        tried.append(names.get(address[1], ""))
        return await talk(self, address, *rest)

    monkeypatch.setattr(Lines, "talk", counted)
    residents = [zoo.add(kind) for kind in ("dead", "syn_drop", "hanging", "socks5")]
    names = dict(
        zip([p.port for p in residents], ["dead", "syn_drop", "hanging", "socks5"], strict=True)
    )
    proxies = [Proxy(scheme, p.host, p.port) for p in residents for scheme in ("http", "socks5")]
    started = time.monotonic()

    verdicts = check(zoo, *proxies, seconds=2.0)

    late = "no answer in time"
    reasons = [verdict.reason for verdict in verdicts]
    assert reasons[:6] == ["connection refused"] * 2 + [late] * 4
    assert not verdicts[6].live
    assert verdicts[7].usable
    assert (tried.count("dead"), tried.count("syn_drop")) == (1, 1)
    assert tried.count("hanging") == 2, "whoever takes a connection may still be of the other kind"
    assert time.monotonic() - started < ENDLESS_S


def test_who_gives_up_leaves_the_looking_to_the_next(zoo: Zoo) -> None:
    good = zoo.add("socks5")
    twins = (Proxy("http", good.host, good.port), good)

    async def run() -> Verdict:
        with Lines() as lines:
            judge = await ask(lines, [zoo.judge], PATIENT_S)
            one = Check(lines, judge, PATIENT_S, lambda: 1.0, Unreachable(twins))
            first, second = (asyncio.create_task(one.run(twin)) for twin in twins)
            await asyncio.sleep(0)
            first.cancel()
            return await second

    assert asyncio.run(run()).usable


def test_a_judge_that_lies_is_none(zoo: Zoo) -> None:
    async def run() -> None:
        with Lines() as lines:
            await ask(lines, [f"{zoo.judge}page"], PATIENT_S)

    with pytest.raises(JudgeUnavailable, match="no answer of the judge"):
        asyncio.run(run())


def test_a_judge_whose_certificate_nobody_knows_is_none(zoo: Zoo) -> None:
    async def run() -> None:
        with Lines() as lines:
            await ask(lines, [zoo.judge, zoo.judge_tls], PATIENT_S)

    with pytest.raises(JudgeUnavailable, match="its certificate is not trusted"):
        asyncio.run(run())
