"""How proxies stand: what people see of picking, in the order in which it prefers them."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from proxies.model import Anonymity, Verdict, parse
from proxies.pool import latencies
from proxies.pool.latencies import EDGES_MS, figures, histogram
from proxies.pool.ledger import Failing, Look, Pair
from proxies.pool.odds import Tally
from proxies.pool.pool import PoolState, Record
from proxies.pool.standing import Standing, left, standings, success_of

NOW, FRESH_FOR = 1_000_000.0, 1800.0


def record(number: int, *, age: float = 0.0, **facts: Any) -> Record:
    facts = {"anonymity": Anonymity.ELITE, "latency_ms": 100, **facts}
    verdict = Verdict(parse(f"10.0.0.{number}:80"), NOW - age, **facts)
    return Record(verdict, age_s=age)


def key(number: int) -> str:
    return f"http://10.0.0.{number}:80"


def stand(*records: Record, flying: dict[str, int] | None = None, **seen: Any) -> list[Standing]:
    empty: dict[str, Any] = {"failing": {}, "tallies": {}, "pairs": {}, "limit": 0.0}
    look = Look(at=NOW, generation=1, pool=None, **{**empty, **seen})
    return standings(PoolState(records, 1, NOW, "", NOW), look, FRESH_FOR, flying)


def names(found: list[Standing]) -> list[int]:
    return [int(one.record.proxy.host.rpartition(".")[2]) for one in found]


def states(found: list[Standing]) -> dict[int, str]:
    return dict(zip(names(found), (one.state for one in found), strict=True))


def worked(ok: float, failed: float, seconds: float = 1.0) -> Tally:
    return Tally(NOW, ok, failed, ok * seconds, failed * 5.0, NOW)


def test_who_answers_more_often_and_sooner_has_the_better_score() -> None:
    tallies = {key(1): worked(5, 5), key(2): worked(10, 0), key(3): worked(10, 0, 0.3)}

    found = stand(record(1), record(2), record(3), tallies=tallies)

    assert names(found) == [3, 2, 1]
    assert found[0].score > found[1].score > found[2].score > 0


def test_the_score_is_how_many_answers_a_minute_may_be_expected() -> None:
    (one,) = stand(record(1), tallies={key(1): worked(1000, 0, 0.5)})

    assert one.score == pytest.approx(60 / 0.5, rel=0.1)


def test_without_any_request_the_quicker_check_comes_first() -> None:
    found = stand(record(1, latency_ms=300), record(2, latency_ms=20))

    assert names(found) == [2, 1]
    assert found[0].score == found[1].score


def test_who_is_not_picked_comes_last_and_has_no_score() -> None:
    good = {key(number): worked(40, 0, 0.1) for number in (1, 2, 3)}
    found = stand(
        record(1, age=FRESH_FOR + 1),
        record(2, anonymity=Anonymity.TRANSPARENT),
        Record(record(3).verdict, failures=3),
        record(4),
        tallies={**good, key(1): worked(40, 0, 0.1)._replace(worked_at=NOW - FRESH_FOR - 1)},
    )

    assert names(found)[0] == 4
    assert [one.score for one in found[1:]] == [0.0, 0.0, 0.0]
    assert states(found) == {1: "stale", 2: "transparent", 3: "evicted", 4: "usable"}


def test_who_has_worked_since_its_check_became_old_is_picked_all_the_same() -> None:
    ages = (FRESH_FOR + 600, FRESH_FOR + 600, 0.0)
    old = [record(number, age=age) for number, age in enumerate(ages, 1)]

    found = stand(*old, tallies={key(1): worked(20, 0, 0.1)})

    assert names(found) == [1, 3, 2]
    assert [(one.state, one.usable) for one in found] == [
        ("stale", False),
        ("usable", True),
        ("stale", False),
    ]
    assert found[0].score > found[1].score > found[2].score == 0.0


def test_who_must_wait_comes_after_all_who_need_not() -> None:
    found = stand(
        *(record(number) for number in range(1, 6)),
        tallies={key(number): worked(20, 0, 0.1) for number in range(1, 5)},
        failing={key(1): Failing(1, NOW - 1, NOW + 9)},
        pairs={
            key(2): Pair(at=NOW, cool_until=NOW + 600, bans=1),
            key(3): Pair(at=NOW, heat=7.0),
            key(4): Pair(at=NOW, heat=1.0),
        },
        limit=5.0,
        flying={key(4): 1},
    )

    assert names(found)[0] == 5
    assert states(found) == {1: "resting", 2: "cooling", 3: "busy", 4: "busy", 5: "usable"}
    told = {one.record.proxy.key: one for one in found}
    assert told[key(1)].rest_s == 9.0
    assert told[key(2)].cool_s == 600.0


def test_what_a_pair_was_asked_lately_fades() -> None:
    pair = Pair(at=NOW - 400, heat=8.0, most=5.0)

    (one,) = stand(record(1), pairs={key(1): pair}, limit=9.0)

    assert (one.lately, one.most, one.state) == (4.0, 5.0, "usable")


def test_a_rest_that_began_before_the_clock_was_set_back_is_over() -> None:
    assert left(NOW + 86_401, NOW) == 0.0
    assert left(NOW - 1, NOW) == 0.0
    assert left(NOW + 2.5, NOW) == 2.5


def test_success_is_unknown_without_any_request() -> None:
    assert success_of(Tally()) is None
    assert success_of(worked(3, 1)) == 0.75


def test_every_latency_is_in_one_bar() -> None:
    bars = histogram([0, 49, 50, 199, 200, 4999, 5000, 100_000])

    assert [bar["count"] for bar in bars] == [2, 1, 1, 1, 0, 0, 1, 2]
    assert [bar["from_ms"] for bar in bars] == list(EDGES_MS)
    assert bars[-1]["to_ms"] is None
    assert figures([7]) == {"p50": 7, "p95": 7}
    assert doctest.testmod(latencies).failed == 0
