"""How a refresh ends, from what its chunks found."""

from __future__ import annotations

from proxies.model import Anonymity, Verdict, parse
from proxies.refresh.findings import Findings, Report
from proxies.refresh.outcome import RefreshOutcome
from proxies.refresh.progress import RefreshStatus

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
    assert Findings(2, {0: DONE, 1: FAILED}).undecided == {1: None}


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


def test_a_chunk_that_ran_out_of_time_says_what_it_knows() -> None:
    keys = [f"http://10.0.0.{number}:80" for number in range(1, 7)]
    part = Report((GOOD,), {"connection refused": 1}, 2, "ran out of time")
    found = Findings(1, {0: part.part(keys, {keys[0], keys[3]})})

    assert found.undecided == {0: ((1, 3), (4, 6))}
    assert found.status is RefreshStatus.PARTIAL
    assert found.reasons == {"connection refused": 1}
    assert found.problems == ("ran out of time",)


def test_a_chunk_that_found_nobody_before_its_time_was_up_is_no_failure_of_all() -> None:
    part = Report((), {"no answer in time": 1}, 1, "ran out of time").part(["a", "b"], {"a"})

    assert Findings(1, {0: part}).status is RefreshStatus.PARTIAL
    assert Findings(2, {0: part}).status is RefreshStatus.PARTIAL


def test_enough_is_complete_whatever_was_not_checked() -> None:
    early = Report((GOOD,), {}, 1).part(["a", "b"], {"a"})

    found = Findings(3, {0: early}, want=1)

    assert (found.early, found.status) == (True, RefreshStatus.COMPLETE)
    assert found.problems == ()
    assert found.undecided == {0: ((1, 2),), 1: None, 2: None}
    assert Findings(3, {0: early}, want=2).status is RefreshStatus.PARTIAL


def test_enough_counts_only_those_that_hide_us() -> None:
    seen = Verdict(parse("10.0.0.2:80"), 1.0, anonymity=Anonymity.TRANSPARENT)

    assert not Findings(2, {0: Report((seen,), {}, 1)}, want=1).early


def test_a_report_survives_redis_and_one_of_an_earlier_version_too() -> None:
    part = Report((GOOD,), {"connection refused": 1}, 2, "ran out of time", ((3, 7),))

    assert Report.from_json(part.as_json()) == part
    old = {key: value for key, value in part.as_json().items() if key != "unchecked"}
    assert Report.from_json(old).unchecked == ()
