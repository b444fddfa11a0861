"""The tables of the demo say what the files say."""

from __future__ import annotations

from pathlib import Path

from orchestrator.demo import findings
from orchestrator.demo.upstream import PLANS, Kind, Upstream

UPSTREAMS = [Upstream(plan, 4000 + number) for number, plan in enumerate(PLANS)]


def snapshot(*kinds: Kind) -> dict[str, object]:
    """As if these kinds had been found usable, and what leaves from our address transparent."""
    return {
        "proxies": [
            {
                "url": it.url,
                "usable": it.kind in kinds,
                "anonymity": "elite" if it.kind in kinds else "transparent",
            }
            for it in UPSTREAMS
            if it.kind in (*kinds, Kind.OWN_ADDRESS)
        ]
    }


def test_each_proxy_stands_there_with_what_it_was_found_to_be() -> None:
    rows = findings.verdicts(UPSTREAMS, snapshot(Kind.HONEST)).rows
    assert len(rows) == len(UPSTREAMS)
    assert rows[0] == ("http://127.0.0.1:4000", "honest", "elite", "usable")
    assert {row[1:] for row in rows if row[1] != "honest"} == {
        ("closed port", "not live", "not used"),
        ("never answers", "not live", "not used"),
        ("announces itself", "not live", "not used"),
        ("leaves from our own address", "transparent", "not used"),
        ("alters pages", "not live", "not used"),
    }


def test_a_liar_that_is_taken_for_usable_is_found() -> None:
    good = snapshot(Kind.HONEST, Kind.ANNOUNCING)
    assert findings.trusted(UPSTREAMS, good) == []
    wrong = findings.trusted(UPSTREAMS, snapshot(Kind.HONEST, Kind.ALTERING))
    assert [it.kind for it in wrong] == [Kind.ALTERING]


def test_our_own_address_stands_among_the_visitors_with_its_number() -> None:
    rows = findings.visitors(UPSTREAMS, {"127.0.0.11": 3, "127.0.0.22": 1}).rows
    assert rows == (
        ("127.0.0.11", "good-1", "3"),
        ("127.0.0.22", "altering", "1"),
        ("127.0.0.1", "none: our own address", "0"),
    )
    assert findings.visitors(UPSTREAMS, {"127.0.0.1": 2}).rows[-1][2] == "2"


def test_the_samples_are_well_known_ones_and_three_in_any_case() -> None:
    items = [{"module": name, "classes": 1} for name in ("abc", "ast", "heapq", "zlib", "json")]
    assert [row[0] for row in findings.samples(items).rows] == ["heapq", "json", "abc"]
    assert [row[0] for row in findings.samples(items[:2]).rows] == ["abc", "ast"]


def test_only_files_that_are_there_are_listed(tmp_path: Path) -> None:
    (tmp_path / "orch.toml").write_text("x" * 1500)
    assert findings.files(tmp_path).rows == (("orch.toml", "1.5 kB", "the configuration"),)
