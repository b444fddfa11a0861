"""How a refresh ends, from what its chunks found."""

from __future__ import annotations

from proxies.findings import Findings, Report
from proxies.model import Anonymity, Verdict, parse
from proxies.outcome import RefreshOutcome
from proxies.progress import RefreshStatus

GOOD = Verdict(
    parse("10.0.0.1:80"), 1.0, anonymity=Anonymity.ELITE, exit_ip="10.0.0.1", latency_ms=5
)
DONE = Report((GOOD,), {"connection refused": 2}, 3)
EMPTY = Report((), {"no answer in time": 3}, 3)
FAILED = Report(problem="judge unavailable: http://127.0.0.1:1/: connection refused")


def test_all_chunks_reported_is_complete_even_when_nothing_is_alive() -> None:
    assert Findings(2, {0: DONE, 1: EMPTY}).status is RefreshStatus.COMPLETE
    assert Findings(1, {0: EMPTY}).status is RefreshStatus.COMPLETE


def test_nothing_to_check_is_complete() -> None:
    assert Findings(0, {}).status is RefreshStatus.COMPLETE


def test_something_missing_is_partial() -> None:
    assert Findings(2, {0: EMPTY}).status is RefreshStatus.PARTIAL
    assert Findings(2, {0: EMPTY, 1: FAILED}).status is RefreshStatus.PARTIAL
    assert Findings(2, {0: DONE, 1: FAILED}).undecided == (1,)


def test_a_judge_that_is_down_is_a_failure_and_not_dead_proxies() -> None:
    found = Findings(2, {0: FAILED, 1: FAILED})

    assert found.status is RefreshStatus.FAILED
    assert found.problems == (FAILED.problem,)
    assert found.reasons == {}


def test_no_report_at_all_is_a_failure() -> None:
    found = Findings(3, {})

    assert found.status is RefreshStatus.FAILED
    assert found.problems == ("3 of 3 chunks did not report",)


def test_what_lives_in_a_troubled_chunk_counts_and_what_failed_does_not() -> None:
    troubled = Report((GOOD,), {"no answer in time": 9}, 10, "judge unavailable: gone")
    found = Findings(1, {0: troubled})

    assert found.status is RefreshStatus.PARTIAL
    assert found.live == (GOOD,)
    assert found.reasons == {}


def test_a_report_is_read_back_as_it_was_written() -> None:
    assert Report.from_json(DONE.as_json()) == DONE


def test_the_exit_code_follows_the_status_and_the_usable_ones() -> None:
    def code(status: RefreshStatus, usable: int, at_least: int = 1) -> int:
        return RefreshOutcome("0", status, usable=usable).exit_code(at_least)

    assert code(RefreshStatus.COMPLETE, 1) == 0
    assert code(RefreshStatus.COMPLETE, 0) == 6
    assert code(RefreshStatus.COMPLETE, 0, at_least=0) == 0
    assert code(RefreshStatus.COMPLETE, 9, at_least=10) == 6
    assert code(RefreshStatus.PARTIAL, 99) == 6
    assert code(RefreshStatus.FAILED, 99) == 1
    assert code(RefreshStatus.DISPATCHED, 0) == 0
