"""Pure parts of the gateway: user names, bodies, countries, what is drawn."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import ConfigError
from proxies.gateway.body import BadBody, Chunked
from proxies.gateway.choice import Choice, Want
from proxies.gateway.countries import Countries
from proxies.gateway.route import ANY, BadRoute, Route, read
from proxies.model import Anonymity, Proxy, Verdict
from proxies.pool.pool import Record


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("", ANY),
        ("site-books", Route("books")),
        ("site-books-session-7-country-de", Route("books", "7", "de")),
        ("country-DE-session-a-b-site-my-shop", Route("my-shop", "a-b", "de")),
        ("site-site-session-session", Route("site", "session")),
        ("session-x--y", Route("", "x--y")),
    ],
)
def test_a_user_name_says_what_is_wanted(said: str, meant: Route) -> None:
    assert read(said) == meant


@pytest.mark.parametrize(
    "said",
    [
        *("ann", "site", "site-", "session--country-de", "country-deu", "site-a b", "site-a/b"),
        *("country-de-session-", "x-site-a", "site-ü", "session-" + "x" * 300),
    ],
)
def test_a_user_name_that_is_not_understood_is_refused_and_never_taken_for_less(said: str) -> None:
    with pytest.raises(BadRoute):
        read(said)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_chunks_end_at_the_same_place_however_they_are_cut(
    contents: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(b"%x;a=b\r\n%s\r\n" % (len(one), one) for one in contents)
    whole += b"0\r\nX-Sum: 1\r\n\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    plain = bytearray()
    body = Chunked(plain)
    taken = 0
    for first, last in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        taken += body.feed(whole[first:last])
    assert body.done
    assert taken == len(whole)
    assert plain == b"".join(contents)
    assert body.feed(b"GET / HTTP/1.1") == 0


@pytest.mark.parametrize(
    "said",
    [
        *(b"\r\n", b"g\r\n", b"-1\r\n", b"+5\r\n", b"0x5\r\n", b" 5\r\n", b"5\n", b"5\r5\r\n"),
        *(b"1\r\nab\r\n", b"1\r\na\n", b"fffffffffffffffff\r\n", b"5;" + b"x" * 2000),
        b"0\r\n" + b"X: 1\r\n" * 3000,
    ],
)
def test_chunks_that_could_be_read_in_two_ways_are_none(said: bytes) -> None:
    with pytest.raises(BadBody):
        Chunked().feed(said)


def test_a_table_of_ranges_tells_the_country_of_an_address() -> None:
    table = Countries.of(
        [
            ["start", "end", "country"],
            ["10.0.1.0", "10.0.1.255", "DE"],
            ["10.0.0.0", "10.0.0.255", "fr"],
            ["2001:db8::", "2001:db8::ffff", "nl"],
        ],
        "table",
    )
    told = {
        address: table.of_address(address)
        for address in ("10.0.0.9", "10.0.1.0", "10.0.2.0", "2001:db8::1", "9.9.9.9", "nonsense")
    }
    assert told == {
        "10.0.0.9": "fr",
        "10.0.1.0": "de",
        "10.0.2.0": "",
        "2001:db8::1": "nl",
        "9.9.9.9": "",
        "nonsense": "",
    }


def test_what_is_wrong_in_a_table_is_told_with_its_lines() -> None:
    with pytest.raises(ConfigError) as caught:
        Countries.of([["1.1.1.1", "1.1.1.2", "de"], ["x"], ["1.1.1.1", "1.1.1.2", "deu"]], "t.csv")
    assert len(caught.value.problems) == 2
    assert "t.csv, line 2" in caught.value.problems[0]
    with pytest.raises(ConfigError):
        Countries.of([], "t.csv")


# What is drawn.

ANYTHING = Want(ANY, "a.test", sealed=False)


def upstreams(count: int, latency_ms: int = 10) -> tuple[Choice, list[Record]]:
    records = [
        Record(
            Verdict(
                Proxy("http", "10.0.0.1", port),
                0.0,
                anonymity=Anonymity.ELITE,
                exit_ip=f"10.1.{port % 2}.1",
                latency_ms=latency_ms,
            )
        )
        for port in range(1, count + 1)
    ]
    choice = Choice(lambda record: "de" if record.verdict.exit_ip == "10.1.0.1" else "fr")
    choice.update(records)
    return choice, records


def test_all_that_are_about_as_quick_are_used_about_as_often() -> None:
    choice, _ = upstreams(10)
    for number, one in enumerate(choice.standings):
        one.took(0.010 + 0.002 * number)
    drawn = Counter(id(choice.draw(ANYTHING, (), 0.0)) for _ in range(10_000))
    assert len(drawn) == 10
    assert min(drawn.values()) > 800


def test_a_slow_one_is_hardly_used_while_there_are_others() -> None:
    choice, _ = upstreams(5)
    for one in choice.standings:
        one.took(0.010)
    slow = choice.standings[2]
    slow.took(100.0)
    assert sum(choice.draw(ANYTHING, (), 0.0) is slow for _ in range(1000)) < 5
    others = [one for one in choice.standings if one is not slow]
    assert choice.draw(ANYTHING, others, 0.0) is slow


def test_one_that_rests_is_the_last_resort_and_then_on_trial() -> None:
    choice, _ = upstreams(2)
    bad, good = choice.standings
    good.took(0.01)
    bad.failed(0.0)
    rested = bad.rests_until
    assert {id(choice.draw(ANYTHING, (), 0.0)) for _ in range(50)} == {id(good)}
    assert choice.draw(ANYTHING, [good], 0.0) is bad
    assert bad in {choice.draw(ANYTHING, (), rested + 1) for _ in range(200)}
    bad.in_flight = 1
    assert bad not in {choice.draw(ANYTHING, (), rested + 1) for _ in range(200)}


def test_one_that_nobody_has_tried_is_tried_however_slow_its_check_was() -> None:
    choice, _ = upstreams(5, latency_ms=900_000)
    new, *others = choice.standings
    for one in others:
        one.took(0.01)
    assert 5 < sum(choice.draw(ANYTHING, (), 0.0) is new for _ in range(3000)) < 300


def test_each_failure_in_a_row_rests_it_for_longer() -> None:
    choice, _ = upstreams(1)
    (one,) = choice.standings
    rests = []
    for _ in range(10):
        one.failed(0.0)
        rests.append(one.rests_until)
    assert rests == sorted(rests)
    assert 1 <= rests[0] <= 3
    assert rests[-1] <= 120 * 1.5
    one.took(0.1)
    assert one.rests_until == 0


def test_a_country_is_kept_to() -> None:
    choice, _ = upstreams(6)
    want = Want(Route(country="de"), "a.test", sealed=False)
    for _ in range(50):
        drawn = choice.draw(want, (), 0.0)
        assert drawn is not None
        assert drawn.record.verdict.exit_ip == "10.1.0.1"
    assert choice.draw(Want(Route(country="nl"), "a.test", sealed=False), (), 0.0) is None


def test_a_session_keeps_its_upstream_also_when_others_come_and_go() -> None:
    choice, records = upstreams(20)
    sessions = [Want(Route(session=f"{n}"), "a.test", sealed=False) for n in range(100)]
    before = [choice.draw(want, (), 0.0) for want in sessions]
    assert len({id(one) for one in before}) > 10
    again, _ = upstreams(20)
    later = [again.draw(want, (), 0.0) for want in sessions]
    assert [one and one.record for one in later] == [one and one.record for one in before]
    gone = records.pop(random.Random(1).randrange(20))
    again.update(records)
    after = [again.draw(want, (), 0.0) for want in sessions]
    for old, new in zip(before, after, strict=True):
        assert old is not None and new is not None  # noqa: PT018  (types)
        assert new.record != gone
        assert old.record in (new.record, gone)
