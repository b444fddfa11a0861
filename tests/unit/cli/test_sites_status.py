"""What `orch sites status --watch` says of several sites."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli import site_progress, sites_status
from orchestrator.cli import site_tables as tables
from orchestrator.cli.sites_status import _Lines, _Objects
from sites.jobs.totals import SUMMED, totals


def row(site: str, state: str = "running", **more: Any) -> dict[str, Any]:
    numbers = dict.fromkeys(SUMMED, 0)
    found = {"site": site, "job_id": "1", "state": state, "health": "ok", "reason": "", "error": ""}
    return {**found, **numbers, "rate_per_s": 0.0, "eta_s": None, **more}


ROWS = [
    row(
        "a", pages_known=10, pages_done=4, pages_blocked=1, pages_failed=1, rate_per_s=2.0, eta_s=9
    ),
    row("b", pages_known=5, pages_done=1, pages_skipped=2, items=3, rate_per_s=1.5, eta_s=20.0),
    row("c", "done", pages_known=7, pages_done=7, pages_unchanged=6, rate_per_s=100.0),
]


def test_totals_are_the_sums_of_the_sites() -> None:
    found = totals(ROWS)

    assert [found[name] for name in SUMMED] == [sum(row[name] for row in ROWS) for name in SUMMED]
    assert (found["sites"], found["active"]) == (3, 2)
    assert (found["rate_per_s"], found["eta_s"]) == (3.5, 20.0)  # of those that go on
    assert found["success_rate"] == round(12 / 13, 4)
    assert totals([])["success_rate"] is None


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that passes between two looks: for a test to say."""
    at = [1000.0]

    class Clock:
        monotonic = staticmethod(lambda: at[0])
        wall = staticmethod(lambda: at[0])

    monkeypatch.setattr(sites_status, "SYSTEM", Clock)
    return at


def test_without_a_terminal_changes_of_state_are_lines_at_once_and_numbers_now_and_then(
    now: list[float],
) -> None:
    lines = _Lines()
    first = [*lines.new(ROWS)]
    assert len(first) == 4
    assert "c: done, 7/7 pages, 6 unchanged" in first[2]
    assert "all: 2 of 3 active, 12/22 pages, 1 failed, 1 blocked, 2 skipped, 6 unch" in first[3]

    more = [ROWS[0] | {"pages_done": 5}, *ROWS[1:]]
    now[0] += 1
    assert [*lines.new(more)] == []
    stalled = [ROWS[0], ROWS[1] | {"health": "stalled", "reason": "no page for 5 min"}, ROWS[2]]
    (told, _) = lines.new(stalled)
    assert "b: running, stalled, 1/5 pages" in told
    longer = [ROWS[0], ROWS[1] | {"health": "stalled", "reason": "no page for 6 min"}, ROWS[2]]
    assert [*lines.new(longer)] == []

    now[0] += 10
    (numbers, _, whole) = lines.new([more[0], *longer[1:]])
    assert "a: running, 5/10 pages" in numbers
    assert "13/22" in whole


def test_as_json_every_change_is_one_line_with_its_totals() -> None:
    objects = _Objects()

    (line,) = objects.new(ROWS)
    assert [*objects.new(list(ROWS))] == []
    assert len([*objects.new(ROWS[:2])]) == 1

    found = json.loads(line)
    assert found["sites"] == ROWS
    assert found["totals"] == totals(ROWS)


def drawn(rows: list[dict[str, Any]], width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(tables.jobs(rows))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_on_a_narrow_terminal_no_number_no_name_and_no_reason_is_cut_off() -> None:
    quiet: dict[str, Any] = {"breaker": "closed", "rate_set_per_s": None}
    reason = "connect: robots.txt of 127.0.0.1:1: Connect call failed"
    rows = [
        row("a-long-name", pages_known=123_456, pages_done=12_345, **quiet),
        row("b", "partial", error=reason, pages_blocked=1, pages_skipped=2, items=7, **quiet),
    ]

    told = drawn(rows, 80)

    assert all(text in told for text in ("a-long-name", "12345/123456", "1 active", reason))
    assert "b: 1 blocked, 2 skipped, connect" in told
    assert "all: 1 blocked, 2 skipped" in told
    assert "…" not in told + drawn(rows, 40)


def test_without_a_terminal_a_countdown_is_no_line_each_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [1000.0]
    monkeypatch.setattr(site_progress, "SYSTEM", type("C", (), {"monotonic": lambda: at[0]}))
    lines = site_progress._Lines()

    def heard(reason: str, **more: Any) -> int:
        lines.show([row("a", reason=reason, **more)])
        return len(capsys.readouterr().err.splitlines())

    assert heard("quiet hours for 83 min 59 s more") == 1
    at[0] += 10
    assert heard("quiet hours for 83 min 49 s more") == 0
    assert heard("no usable proxy") == 1
    assert heard("no usable proxy", pages_done=1) == 0
    at[0] += 3
    assert heard("no usable proxy", pages_done=2) == 1
    at[0] += 60
    assert heard("no usable proxy", pages_done=2) == 1
