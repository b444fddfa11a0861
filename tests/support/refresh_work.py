"""A refresh without workers: tests say what its chunks do."""

from __future__ import annotations

from proxies.model import Anonymity, Proxy, Verdict, parse
from proxies.refresh.claim import Claim
from proxies.refresh.collect import Collector
from proxies.refresh.findings import Report
from tests.support.zoo_home import ProxyHome

CANDIDATES = [parse(f"127.0.0.1:{port}") for port in range(1, 13)]
#: Nobody listens there.
JUDGE = "http://127.0.0.1:9/"
JOB = "0123456789ab"


def verdicts(home: ProxyHome, count: int, age: float = 0.0) -> list[Verdict]:
    now = float(home.context.redis.time()[0]) - age
    return [Verdict(proxy, now, anonymity=Anonymity.ELITE) for proxy in CANDIDATES[:count]]


def usable(home: ProxyHome) -> set[Proxy]:
    return {record.proxy for record in home.refresher.pool.usable(1800)}


def begin(home: ProxyHome, chunks: int, want: int = 0) -> str:
    pieces = [[proxy.url for proxy in CANDIDATES[index::chunks]] for index in range(chunks)]
    record = home.record(JOB)
    assert record.begin(pieces, 60, {"candidates": len(CANDIDATES)}, want=want) == ""
    record.sent(60)
    return JOB


def collector(home: ProxyHome) -> Collector:
    return Collector.of(home.context)


def claim(home: ProxyHome, index: int, message: str = "message") -> Claim:
    return Claim(home.record(JOB), index, message)


def report(home: ProxyHome, index: int, found: Report) -> bool:
    return claim(home, index).report(found)
