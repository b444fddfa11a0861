"""What becomes of a job, whatever its pipeline returns or raises."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from orchestrator.core.errors import ConfigError, LeaseLost
from orchestrator.queue.model import LONGEST_TEXT, NewJob, QueueState
from orchestrator.queue.pipeline import Done, Failure, Pipelines, Retry, Skip, Task, load
from orchestrator.queue.texts import LONGEST_REASON
from orchestrator.queue.verdict import Again, Ended, NotOurs, judge, perform, settle
from tests.support.memory_queue import MemoryStore, queue_over


def outcome_of(pipeline: Any, payload: str = "{}") -> tuple[MemoryStore, Any]:
    """Run one job through; return what the store has of it."""
    store = MemoryStore()
    queue = queue_over(store)
    store.enqueue([NewJob("a", payload)])
    (lease,) = queue.lease(1, "test")
    pipelines = Pipelines({"mine": pipeline}, "mine")
    verdict = perform(pipelines, Task(lease, None))  # type: ignore[arg-type]
    settle(queue, lease.token, verdict)
    return store, store.kept["a"]


def raising(error: BaseException) -> Any:
    def pipeline(_: Task) -> None:
        raise error

    return pipeline


def test_done_keeps_the_result_and_adds_the_new_jobs_in_the_same_step() -> None:
    store, job = outcome_of(lambda _: Done({"n": 1}, [NewJob("b")]))
    assert (job.state, job.result) == (QueueState.DONE, '{"n": 1}')
    assert store.states() == {"a": "done", "b": "queued"}
    assert store.called["commit"] == 1


def test_new_jobs_have_the_one_spelling_of_their_hosts() -> None:
    store, _ = outcome_of(lambda _: Done(new_jobs=[NewJob("b", host="HTTP://X.example:80/b")]))
    assert store.kept["b"].new.host == "x.example"


@pytest.mark.parametrize("value", [7, "text", [1, 2], {"a": None}, False, 0, ""])
def test_any_other_json_value_is_the_result_of_a_job_that_is_done(value: Any) -> None:
    _, job = outcome_of(lambda _: value)
    assert job.state is QueueState.DONE
    assert json.loads(job.result) == value


def test_nothing_returned_is_done_without_a_result() -> None:
    _, job = outcome_of(lambda _: None)
    assert (job.state, job.result) == (QueueState.DONE, None)


def test_skip_ends_it_as_skipped() -> None:
    _, job = outcome_of(lambda _: Skip("seen before"))
    assert (job.state, job.reason) == (QueueState.SKIPPED, "seen before")


def test_retry_waits_as_long_as_the_other_side_asks() -> None:
    store, job = outcome_of(lambda _: Retry("429", after=500))
    assert (job.state, job.reason) == (QueueState.QUEUED, "429")
    assert 499 < (store.next_at() or 0) <= 501


@pytest.mark.parametrize("after", [float("nan"), float("inf"), -5, "10", None])
def test_what_is_no_wait_is_no_wait(after: Any) -> None:
    assert judge(Retry("x", after)) == Again("x", None)


def test_failure_is_not_tried_again() -> None:
    _, job = outcome_of(lambda _: Failure("404"))
    assert (job.state, job.reason) == (QueueState.ERROR, "404")


@pytest.mark.parametrize(
    "error", [ValueError("boom"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()]
)
def test_whatever_is_raised_lets_it_be_tried_again(error: BaseException) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(outcome_of(raising(error))[1]))
    thread.start()
    thread.join()
    assert found[0].state is QueueState.QUEUED
    assert found[0].reason == f"{type(error).__name__}: {error}"


def test_ctrl_c_in_the_main_thread_is_the_callers() -> None:
    with pytest.raises(KeyboardInterrupt):
        outcome_of(raising(KeyboardInterrupt()))


def test_the_traceback_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    outcome_of(raising(ValueError("boom")))
    assert "Traceback" in caplog.text


def test_a_long_reason_is_cut_and_an_unprintable_one_is_told_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # xdist cannot hand on what was logged: half a letter ends the whole run.
    caplog.set_level("CRITICAL", "orchestrator.queue.verdict")

    class Evil(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert len(outcome_of(raising(ValueError("x" * 10_000)))[1].reason) == LONGEST_REASON
    assert "Evil" in outcome_of(raising(Evil()))[1].reason
    assert outcome_of(raising(ValueError("half \ud800")))[1].reason == "ValueError: half \\ud800"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({1, 2}, "set"),
        (object, "type"),
        (float("nan"), "Out of range"),
        (Done("x" * (LONGEST_TEXT + 1)), str(LONGEST_TEXT)),
        (Done(new_jobs=["b"]), "NewJob"),  # type: ignore[list-item]
        (Done(new_jobs=7), "iterable"),  # type: ignore[arg-type]
        (Done(new_jobs=[NewJob("b", host="my printer")]), "'my printer'"),
    ],
)
def test_what_cannot_be_kept_is_a_clear_permanent_error(value: Any, told: str) -> None:
    _, job = outcome_of(lambda _: value)
    assert job.state is QueueState.ERROR
    assert told in job.reason


def test_half_a_surrogate_pair_in_a_result_is_kept_by_its_escape() -> None:
    _, job = outcome_of(lambda _: "\ud800")
    assert job.result == '"\\ud800"'


def test_what_the_store_refuses_is_a_permanent_error() -> None:
    store = MemoryStore()
    queue = queue_over(store)
    store.enqueue([NewJob("a")])
    (lease,) = queue.lease(1, "test")
    commit = store.commit

    def picky(*words: Any, new_jobs: Any = (), **more: Any) -> int:
        if new_jobs:
            raise ValueError("the host of b is too long")
        return commit(*words, **more)

    store.commit = picky  # type: ignore[method-assign]
    settle(queue, lease.token, Ended(QueueState.DONE, new_jobs=[NewJob("b")]))
    assert store.kept["a"].state is QueueState.ERROR
    assert "too long" in store.kept["a"].reason


def test_a_job_for_a_pipeline_that_is_not_here_is_given_back_for_a_while() -> None:
    store, job = outcome_of(print, '{"pipeline": "theirs"}')
    assert (job.state, job.attempts) == (QueueState.QUEUED, 0)
    assert 4 < (store.next_at() or 0) <= 5


def test_one_that_was_lost_is_not_given_back() -> None:
    store = MemoryStore()
    queue = queue_over(store)
    store.enqueue([NewJob("a")])
    (lease,) = queue.lease(1, "test")
    store.lose("a")
    with pytest.raises(LeaseLost):
        settle(queue, lease.token, NotOurs("theirs"))


@pytest.mark.parametrize(("payload", "told"), [("{", "payload"), ('{"pipeline": [1]}', "[1]")])
def test_a_payload_that_is_no_use_is_a_permanent_error(payload: str, told: str) -> None:
    _, job = outcome_of(print, payload)
    assert job.state is QueueState.ERROR
    assert told in job.reason


@pytest.mark.parametrize("payload", ["7", "[]", "null", '{"pipeline": ""}', '{"pipeline": "mine"}'])
def test_any_other_payload_goes_to_the_first_pipeline(payload: str) -> None:
    _, job = outcome_of(lambda task: task.payload, payload)
    assert job.state is QueueState.DONE


def test_all_pipelines_that_cannot_be_loaded_are_told_at_once(tmp_path: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        Pipelines.named(["nosuchthing", "no.such:module", "json:nosuch", "json:__name__"])
    assert len(refused.value.problems) == 4


def test_a_module_that_fails_at_its_import_is_a_configuration_error(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_pipeline.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        load("broken_pipeline:run")


def test_a_method_may_be_a_pipeline() -> None:
    assert load("json:JSONDecoder.decode")
