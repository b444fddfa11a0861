"""How much each source is worth."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.keys import Keys
from orchestrator.core.proxies_section import ProxiesSection
from orchestrator.core.redis import Redis
from proxies.model import Proxy, candidates_of, parse
from proxies.sources.source import declared
from proxies.sources.sources import Candidates, SourceReport
from proxies.sources.yields import REFRESHES, TTL_S, Yields

KEYS = Keys("x:")
SETTINGS = ProxiesSection(sources=("a.txt", "b.txt", "never.txt"))


@pytest.fixture
def yields(any_redis: Redis) -> Yields:
    return Yields(any_redis, KEYS)


def found(**lists: list[str]) -> Candidates:
    """What the sources gave: addresses are tried as http and socks5."""
    sources = {source.name: source for source in declared(SETTINGS)}
    reports, named = [], {}
    for name, lines in lists.items():
        source = sources[f"{name}.txt"]
        reports.append(SourceReport(source.name, len(lines), key=source.key, kind="file"))
        named[source.key] = [proxy for line in lines for proxy in candidates_of(line)]
    return Candidates((), tuple(reports), named)


def row(yields: Yields, name: str) -> dict[str, Any]:
    return {row["source"]: row for row in yields.rows(SETTINGS)}[name]


def counts(yields: Yields, name: str) -> tuple[int, int, int, float]:
    it = row(yields, name)
    return it["refreshes"][0]["tried"], it["live"], it["alone"], it["hit_rate"]


def test_each_source_is_credited_with_its_live_addresses_once(yields: Yields) -> None:
    lists = found(
        a=["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "ann@10.0.0.1:80"], b=["10.0.0.1:80"]
    )

    yields.begin("r1", lists)
    yields.record(
        "r1",
        ["http://10.0.0.1:80", "socks5://10.0.0.1:80", "http://10.0.0.3:80", "http://10.9.9.9:80"],
    )

    assert counts(yields, "a.txt") == (4, 2, 1, 0.5)
    assert counts(yields, "b.txt") == (1, 1, 0, 1.0)


def test_what_was_not_found_out_counts_for_nothing(yields: Yields) -> None:
    yields.begin("r1", found(a=["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"], b=["10.0.0.3:80"]))

    yields.record(
        "r1", ["http://10.0.0.1:80"], ["socks5://10.0.0.1:80", "http://10.0.0.3:80", "http://x:1"]
    )

    assert counts(yields, "a.txt") == (2, 1, 1, 0.5)
    assert row(yields, "b.txt")["refreshes"] == []
    assert row(yields, "b.txt")["candidates"] == 1


def test_a_refresh_counts_once_however_often_it_is_told_of(yields: Yields) -> None:
    yields.begin("r1", found(a=["10.0.0.1:80"]))
    named = yields.redis.hgetall(KEYS.refresh("r1", "named"))

    yields.record("r1", ["http://10.0.0.1:80"])
    yields.redis.hset(KEYS.refresh("r1", "named"), mapping=named)  # killed before it was removed
    yields.record("r1", [])

    assert len(row(yields, "a.txt")["refreshes"]) == 1
    assert row(yields, "a.txt")["live"] == 1
    assert not yields.redis.exists(KEYS.refresh("r1", "named"))


def test_the_rate_is_of_the_last_refreshes_and_the_yield_of_the_last(yields: Yields) -> None:
    for number in range(REFRESHES + 2):
        yields.begin(f"r{number}", found(a=["10.0.0.1:80", "10.0.0.2:80"]))
        live = ["http://10.0.0.1:80"] if number > 2 else []
        yields.record(f"r{number}", live)

    it = row(yields, "a.txt")
    assert [one["refresh"] for one in it["refreshes"]] == ["r6", "r5", "r4", "r3", "r2"]
    assert (it["live"], it["hit_rate"]) == (1, 0.4)
    seconds, _ = yields.redis.time()
    assert abs(it["refreshes"][0]["at"] - seconds) < 60


def test_a_source_that_failed_says_why_and_how_old_its_list_is(yields: Yields) -> None:
    lists = found(a=["10.0.0.1:80"])
    (report,) = lists.reports
    failed = SourceReport(report.source, 1, error="answered 500", key=report.key, kept_s=100.0)
    yields.begin("r1", Candidates((), (failed,), lists.lists))
    _rewind(yields, 50)

    it = row(yields, "a.txt")

    assert it["error"] == "answered 500"
    assert 50 <= it["read_s"] < 60
    assert 150 <= it["kept_s"] < 160


def test_a_source_that_was_never_read_is_shown_as_such(yields: Yields) -> None:
    it = row(yields, "never.txt")

    assert (it["read_s"], it["candidates"], it["live"], it["hit_rate"]) == (None,) * 4


def test_what_people_added_is_a_source_of_its_own(yields: Yields) -> None:
    proxy = parse("http://ann:secret@10.0.0.1:80")
    yields.redis.hset(KEYS.pool_added(), proxy.key, proxy.url)
    yields.begin("r1", Candidates().with_added([proxy]))

    yields.record("r1", [proxy.key])

    assert counts(yields, "added by hand") == (1, 1, 1, 1.0)
    assert "secret" not in str(yields.rows(SETTINGS))
    assert "secret" not in str(yields.redis.hgetall(KEYS.sources()))


def test_what_is_known_is_not_kept_for_ever(yields: Yields) -> None:
    yields.begin("r1", found(a=["10.0.0.1:80"]))
    yields.record("r1", [])
    assert 0 < yields.redis.ttl(KEYS.sources()) <= TTL_S
    _rewind(yields, TTL_S + 10)

    yields.begin("r2", found(b=["10.0.0.1:80"]))

    assert row(yields, "a.txt")["read_s"] is None
    assert row(yields, "a.txt")["live"] is None
    assert 0 < yields.redis.ttl(KEYS.refresh("r2", "named")) <= 86_400


def test_a_hundred_thousand_candidates_take_little_room(yields: Yields) -> None:
    proxies = [Proxy("http", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 80) for n in range(100_000)]
    (source, *_) = declared(SETTINGS)
    report = SourceReport(source.name, len(proxies), key=source.key)
    yields.begin("r1", Candidates((), (report,), {source.key: proxies}))

    size = len(str(yields.redis.hget(KEYS.refresh("r1", "named"), source.key)))
    yields.record("r1", [proxy.key for proxy in proxies[::10]])

    assert size < 1_200_000
    assert counts(yields, "a.txt") == (100_000, 10_000, 10_000, 0.1)


def _rewind(yields: Yields, seconds: float) -> None:
    """As if it had all been read earlier."""
    for field, text in yields.redis.hgetall(KEYS.sources()).items():
        if field.endswith(":read"):
            facts = json.loads(text)
            facts["at"] -= seconds
            yields.redis.hset(KEYS.sources(), field, json.dumps(facts))
