"""What the supervisor decides, without a process or a clock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.core import mark
from orchestrator.supervise.arrival import Arrival, decide
from orchestrator.supervise.probes.mark import judge_mark
from orchestrator.supervise.probes.result import ProbeResult
from orchestrator.supervise.redis_binary import RedisBinary, can_read
from orchestrator.supervise.restart import GiveUp, Restart, RestartPolicy
from orchestrator.supervise.service import MOVES, ProbeSpec, ServiceSpec, ServiceState


@pytest.mark.parametrize(
    ("facts", "ok", "word"),
    [
        (None, False, "no mark"),
        ({"launch": "old", "at": 99.0}, False, "no mark"),
        ({"launch": "me", "at": 99.0}, True, ""),
        ({"launch": "me", "at": 80.0}, False, "no sign of life"),
        (
            {"launch": "me", "at": 99, "slots": 2, "active": 1, "canary_waits_s": 30},
            False,
            "no work",
        ),
        ({"launch": "me", "at": 99, "slots": 2, "active": 2, "canary_waits_s": 30}, True, ""),
        ({"launch": "me", "at": 99, "slots": 2, "active": 0, "canary_waits_s": 3}, True, ""),
    ],
)
def test_a_mark_says_absent_old_deaf_or_fine(
    facts: dict[str, object] | None, ok: bool, word: str
) -> None:
    result = judge_mark(facts, "me", 100.0, 10.0)

    assert result.ok is ok
    assert word in result.error


@pytest.mark.parametrize(
    ("result", "managed", "patient", "expected"),
    [
        (ProbeResult(ok=True), True, True, Arrival.USE),
        (ProbeResult(ok=False, absent=True), True, True, Arrival.START),
        (ProbeResult(ok=False, absent=True), False, True, Arrival.ASK_AGAIN),
        (ProbeResult(ok=False, absent=True), False, False, Arrival.REFUSE),
        (ProbeResult(ok=False, stranger=True), True, True, Arrival.REFUSE),
        (
            ProbeResult(ok=False, alive=True, error="is loading its data"),
            True,
            True,
            Arrival.ASK_AGAIN,
        ),
        (ProbeResult(ok=False, alive=True, error="refuses us"), True, True, Arrival.REFUSE),
        (ProbeResult(ok=False, error="no answer"), True, True, Arrival.ASK_AGAIN),
        (ProbeResult(ok=False, error="no answer"), True, False, Arrival.REFUSE),
    ],
)
def test_who_is_there_already_is_used_refused_or_replaced_by_nobody(
    result: ProbeResult, managed: bool, patient: bool, expected: Arrival
) -> None:
    assert decide(result, managed=managed, patient=patient) is expected


def test_restarts_come_at_once_then_slower_then_not_at_all() -> None:
    policy = RestartPolicy()
    deaths: list[float] = []
    delays = []
    for second in range(20):
        deaths.append(float(second))
        decision = policy.decide(deaths, float(second))
        if isinstance(decision, GiveUp):
            break
        delays.append(decision.delay)

    assert delays[0] == 0.0
    assert delays == sorted(delays)
    assert len(deaths) <= 10
    assert policy.decide([*deaths, 1000.0], 1000.0) == Restart(0.0)


@pytest.mark.parametrize(
    ("reader", "writer", "fine"),
    [
        (("redis", "7.0.15"), ("redis", "6.2.14"), True),
        (("redis", "6.2.14"), ("redis", "7.0.15"), False),
        (("redis", "7.0.1"), ("redis", "7.0.15"), True),
        (("valkey", "9.1.2"), ("redis", "7.0.15"), True),
        (("valkey", "9.1.2"), ("redis", "8.0.0"), False),
        (("redis", "7.0.15"), ("valkey", "9.1.2"), False),
        (("redis", "8.2.0"), ("valkey", "8.0.0"), False),
        (("valkey", "8.0.0"), ("valkey", "9.1.2"), False),
    ],
)
def test_only_a_server_that_reads_the_data_may_open_it(
    reader: tuple[str, str], writer: tuple[str, str], fine: bool
) -> None:
    assert can_read(RedisBinary("a", *reader), RedisBinary("b", *writer)) is fine


def test_every_state_can_be_left_and_reached() -> None:
    assert set(MOVES) == set(ServiceState)
    reached = {state for targets in MOVES.values() for state in targets}
    assert reached == set(ServiceState)
    assert all(MOVES.values())


def test_a_declaration_survives_the_way_through_json() -> None:
    spec = ServiceSpec(
        "x", ProbeSpec("mark", "/m"), command=("a",), needs=("b",), stop=(("TERM", 1.0),)
    )

    assert ServiceSpec.from_json(spec.to_json()) == spec
    assert ServiceSpec.from_json(spec.to_json()).digest == spec.digest


def test_a_mark_is_young_as_long_as_its_stamp_is(tmp_path: Path) -> None:
    path = tmp_path / "mark.json"
    mark.Mark(path, "me").write(slots=2)
    at = mark.read(path)["at"]  # type: ignore[index]
    os.utime(path, (at + 50, at + 50))

    assert mark.read(path)["at"] == pytest.approx(at + 50)  # type: ignore[index]
    os.utime(path)  # a date: written, and not stamped yet
    assert mark.read(path)["at"] == pytest.approx(at)  # type: ignore[index]
