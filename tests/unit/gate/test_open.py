"""From a URL, or none, to a gate; and what the package offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import orchestrator.gate
from orchestrator.gate import Limits, Permit, Refused, is_near, open_gate


def test_without_a_redis_it_is_a_gate_of_this_process() -> None:
    with open_gate(None, Limits(rate=5, slots=1)) as gate:
        first = gate.try_enter("books", "books.example")
        second = gate.try_enter("books", "books.example", 60)
        assert isinstance(first, Permit)
        assert isinstance(second, Refused)


def test_limits_may_be_given_by_site() -> None:
    limits = {"one": Limits(rate=5, slots=1), "two": Limits(rate=5, slots=2, burst=2)}
    for given in (limits, limits.__getitem__):
        with open_gate(None, given) as gate:
            found = [gate.try_enter(site, "x.example") for site in ("one", "one", "two", "two")]
            assert [isinstance(one, Permit) for one in found] == [True, False, True, True]


def test_a_redis_that_is_away_is_told_and_the_gate_works_all_the_same() -> None:
    told = []
    with open_gate(
        "unix:///nowhere/redis.sock", Limits(rate=5), tell=lambda name, _: told.append(name)
    ) as gate:
        assert isinstance(gate.try_enter("books", "books.example"), Refused)  # at first it pauses
        assert gate.enter("books", "books.example", 5).wait_s >= 0

    assert told == ["gate.alone"]


@pytest.mark.parametrize(
    ("url", "near"),
    [
        (None, True),
        ("unix:///run/redis.sock", True),
        ("redis://localhost", True),
        ("redis://:secret@127.0.0.2:6379/1", True),
        ("redis://[::1]:6379", True),
        ("redis://192.0.2.1", False),
        ("rediss://redis.example:6380/0", False),
    ],
)
def test_what_is_near(url: str | None, *, near: bool) -> None:
    assert is_near(url) is near


def test_all_that_is_offered_is_there() -> None:
    for name in orchestrator.gate.__all__:
        assert getattr(orchestrator.gate, name).__name__ == name
    with pytest.raises(AttributeError):
        orchestrator.gate.nothing  # noqa: B018


def test_importing_the_package_costs_nothing() -> None:
    code = (
        "import sys, orchestrator.gate, orchestrator.gate.notice;"
        "print([name for name in ('redis', 'asyncio', 'dataclasses', 'pathlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
