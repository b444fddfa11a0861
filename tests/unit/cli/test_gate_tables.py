"""Gates in people's words."""

from __future__ import annotations

import copy
import doctest
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.cli import gate_tables as tables

if TYPE_CHECKING:
    from orchestrator.gate.picture import GateView

AT_REST: GateView = {
    "site": "shop",
    "known": True,
    "rate": {
        "now_per_s": 5.0,
        "configured_per_s": 5.0,
        "set_per_s": None,
        "adaptive_per_s": None,
        "lowest_per_s": 0.5,
        "slowed_for": None,
        "slowed_ago_s": None,
    },
    "next_in_s": 0.0,
    "pause_s": 0.0,
    "breaker": {
        "state": "closed",
        "why": "",
        "rest_s": 0.0,
        "trips": 0,
        "trials": 0,
        "failed": 0,
        "judged": 0,
    },
    "slot_limit": 8,
    "slots": [],
    "waiting": [],
    "host_per_s": 0.0,
    "host_slot_limit": 0,
    "hosts": [],
    "processes": 0,
}


def view(**changed: Any) -> GateView:
    """The gate at rest, but for what is said: `breaker` and `rate` in parts."""
    found: Any = copy.deepcopy(AT_REST)
    for name, value in changed.items():
        if isinstance(value, dict):
            found[name] |= value
        else:
            found[name] = value
    result: GateView = found
    return result


def row(**changed: Any) -> dict[str, str]:
    heading, cells = tables.rows([view(**changed)])
    return {name: cell for name, cell in zip(heading, cells, strict=True) if cell}


def facts(**changed: Any) -> dict[str, str]:
    told = tables.facts(view(**changed)).splitlines()
    return dict(line.split(": ", 1) for line in told if not line.startswith(" "))


def test_the_examples_in_the_docstrings_hold() -> None:
    failed, tried = doctest.testmod(tables)
    assert tried
    assert not failed


def test_a_gate_at_rest_is_told_in_few_words() -> None:
    assert row() == {
        "site": "shop",
        "breaker": "closed",
        "rate": "5/s",
        "next": "now",
        "slots": "0/8",
    }
    assert tables.line(view()) == "shop: closed, 5/s, 0/8 slots"
    assert facts() == {
        "site": "shop",
        "breaker": "closed",
        "rate": "5/s",
        "next turn": "now",
        "slots": "0 held of 8",
        "waiting": "0",
        "used by": "0 processes",
    }


def test_an_open_breaker_says_for_how_long_and_why() -> None:
    shut = {"state": "open", "why": "5 of 5 requests failed", "rest_s": 42.0, "trips": 2}
    assert row(breaker=shut)["breaker"] == "open 42 s"
    assert row(breaker=shut)["note"] == "5 of 5 requests failed"
    assert row(breaker=shut)["next"] == facts(breaker=shut)["next turn"] == "in 42 s"
    assert facts(breaker=shut)["breaker"] == (
        "open for 42 s: 5 of 5 requests failed (2 times in a row)"
    )
    assert tables.line(view(breaker=shut)).endswith("0/8 slots: 5 of 5 requests failed")


@pytest.mark.parametrize(
    ("breaker", "told"),
    [
        ({"state": "half-open", "why": "it failed"}, "half-open, no trial yet: it failed"),
        ({"state": "half-open", "why": "it failed", "trials": 1}, "half-open, 1 trial: it failed"),
        ({"failed": 2, "judged": 10, "trips": 1}, "closed, 2 of 10 requests failed lately"),
    ],
)
def test_a_breaker_that_is_tried_or_closed_says_so(breaker: dict[str, Any], told: str) -> None:
    assert facts(breaker=breaker)["breaker"] == told


def test_a_rate_that_was_set_or_adapted_says_by_whom() -> None:
    by_hand = {"now_per_s": 2.0, "set_per_s": 2.0}
    assert row(rate=by_hand) | {"site": ""} == {
        "site": "",
        "breaker": "closed",
        "rate": "2/s",
        "of": "5/s",
        "next": "now",
        "slots": "0/8",
        "note": "rate set to 2/s by hand",
    }
    assert facts(rate=by_hand)["rate"] == "2/s of 5/s; rate set to 2/s by hand"
    slowed = {"now_per_s": 1.0, "adaptive_per_s": 1.0, "slowed_for": "limited", "slowed_ago_s": 9.0}
    assert facts(rate=slowed)["rate"] == (
        "1/s of 5/s; slowed down: it said that it is too much 9.0 s ago; down to 0.5/s at most"
    )
    assert "its answers take longer" in row(rate=slowed | {"slowed_for": "slow"})["note"]
    assert row(rate=slowed | {"slowed_for": None})["note"] == "slowed down"
    assert row(rate=by_hand | slowed)["note"].startswith("rate set to 2/s by hand, slowed down")


def test_of_a_gate_without_a_file_only_what_is_known_is_told() -> None:
    unknown = {"now_per_s": None, "configured_per_s": None, "lowest_per_s": None}
    assert row(rate=unknown, slot_limit=None)["rate"] == "?"
    assert tables.line(view(rate=unknown, slot_limit=None)) == "shop: closed, rate unknown, 0 slots"


def test_who_has_a_slot_and_who_waits_is_listed() -> None:
    one: Any = {"who": "n:1", "host": "a", "lease_left_s": 5.0, "due_in_s": 0.0, "trial": False}
    waiter: Any = {"who": "n:2", "host": "b", "waited_s": 1.2}
    told = tables.facts(
        view(slots=[one, one | {"due_in_s": 2.0, "trial": True}], waiting=[waiter], processes=1)
    ).splitlines()
    assert "  n:1  a  at work, lease for 5.0 s" in told
    assert "  n:1  a  its turn is in 2.0 s, a trial, lease for 5.0 s" in told
    assert "  n:2  b  for 1.2 s" in told
    assert told[-1] == "used by: 1 process"
    many = tables.facts(view(slots=[one] * 50)).splitlines()
    assert "  and 30 more (--json has all)" in many


def test_hosts_with_limits_of_their_own_are_listed() -> None:
    host: Any = {"host": "a.example", "next_in_s": 0.5, "slots_held": 1, "waiting": 2}
    told = tables.facts(view(host_per_s=1.0, host_slot_limit=2, hosts=[host])).splitlines()
    assert "each host: 1/s, 2 at once" in told
    assert "  a.example  next turn in 0.5 s, 1 slot held, 2 waiting" in told


def test_a_pause_is_told() -> None:
    assert facts(pause_s=9.0, next_in_s=9.0)["pause"] == "9.0 s left"
    assert row(pause_s=9.0)["note"] == "paused for 9.0 s"


def test_what_a_stranger_said_does_a_terminal_no_harm() -> None:
    shut = {"state": "open", "why": "a\x1b[2J\nb", "rest_s": 1.0}
    one: Any = {
        "who": "n\x1b",
        "host": "\x07",
        "lease_left_s": 5.0,
        "due_in_s": 0.0,
        "trial": False,
    }
    found = view(breaker=shut, slots=[one])
    for text in (tables.facts(found), tables.line(found), *tables.rows([found])[1]):
        assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_only_a_countdown_is_no_change() -> None:
    shut = {"state": "open", "rest_s": 42.0}
    before = tables.changes(view(breaker=shut, next_in_s=3.0, pause_s=5.0))
    assert tables.changes(view(breaker=shut | {"rest_s": 41.0}, pause_s=4.0)) == before
    for other in (
        {"pause_s": 4.0, "breaker": shut, "processes": 1},
        {"pause_s": 4.0},
        {"breaker": shut},
        {"pause_s": 4.0, "breaker": shut, "rate": {"now_per_s": 1.0}},
    ):
        assert tables.changes(view(**other)) != before
