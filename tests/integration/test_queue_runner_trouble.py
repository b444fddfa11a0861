"""The store is away, locked or full for a while: the runner waits, and no result is lost for it."""

from __future__ import annotations

import resource
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import Unavailable
from orchestrator.core.redis import connect
from orchestrator.queue import dispatcher, exchange
from orchestrator.queue.config import RunnerConfig
from orchestrator.queue.model import NewJob
from orchestrator.queue.open import open_queue
from orchestrator.queue.pipeline import Pipelines, Retry, Task
from orchestrator.queue.runner import Runner
from tests.support.orch import eventually
from tests.support.queue_place import Place, counted
from tests.support.redis_server import RedisServer
from tests.support.runner_child import SERVER, Book

JOBS = 300
#: Longer than any trouble here, but not than the patience of who runs the tests.
CONFIG = RunnerConfig(lease_ttl_seconds=20, heartbeat_seconds=0.2, max_per_host=0, max_workers=4)


class Ran:
    """A pipeline that counts, and causes trouble in the middle."""

    def __init__(self, trouble: Any = None) -> None:
        self.times: Counter[str] = Counter()
        self.trouble = trouble
        self.lock = threading.Lock()

    def __call__(self, task: Task) -> str:
        with self.lock:
            self.times[task.id] += 1
            trouble = self.trouble if self.times.total() == JOBS // 2 else None
        if trouble:
            trouble()
        time.sleep(0.002)
        return task.id


def fill(target: str) -> None:
    with open_queue(target) as queue:
        queue.enqueue_many([NewJob(str(number)) for number in range(JOBS)])


def test_a_redis_that_is_killed_and_comes_back(server: RedisServer) -> None:
    fill(server.url)
    ran, told = Ran(server.kill), []
    with open_queue(server.url) as queue:
        pipelines = Pipelines({"mine": ran}, "mine")
        made = Runner(
            queue,
            pipelines,
            CONFIG,
            folder=Path(),
            drain=True,
            on_event=lambda name, /, **_: told.append(name),
        )
        with made:
            eventually(lambda: made.status.paused)
            eventually(lambda: made.status.running == 0, what="what runs goes on, and is kept")
            server.start()
            made.wait()
        assert counted(queue.store) == {"done": JOBS}
    assert set(ran.times.values()) == {1}
    assert told.count("runner.paused") == told.count("runner.resumed") == 1
    status = made.status
    assert status.done + status.lost == JOBS  # an answer may have been lost on its way


def test_a_file_that_somebody_else_locks_for_a_while(tmp_path: Path) -> None:
    target = str(tmp_path / "queue.sqlite")
    fill(target)
    # It has to wait itself, for a runner whose disk may be slow.
    options: dict[str, Any] = {"check_same_thread": False, "isolation_level": None}
    with closing(sqlite3.connect(target, timeout=60, **options)) as other:

        def lock() -> None:
            other.execute("BEGIN IMMEDIATE")
            threading.Timer(2, other.execute, ["COMMIT"]).start()

        ran = Ran(lock)
        with open_queue(target) as queue:
            made = Runner(
                queue, Pipelines({"mine": ran}, "mine"), CONFIG, folder=Path(), drain=True
            )
            made.run()
            assert counted(queue.store) == {"done": JOBS}
    assert set(ran.times.values()) == {1}
    assert made.status.done == JOBS


def drain_on_a_disk_that_is_full_for_a_while(target: str, book: Book) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def no_room() -> None:
        size = Path(target + "-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))

    def told(name: str, /, **fields: object) -> None:
        if name == "runner.paused":
            threading.Timer(1, resource.setrlimit, (resource.RLIMIT_FSIZE, (most, most))).start()
        book.write(what=name, **fields)

    ran = Ran(no_room)
    with open_queue(target) as queue:
        Runner(
            queue,
            Pipelines({"mine": ran}, "mine"),
            CONFIG,
            folder=Path(),
            drain=True,
            on_event=told,
        ).run()
    book.write(what="ran", times=sorted(set(ran.times.values())), jobs=len(ran.times))


def test_a_disk_that_is_full_for_a_while(tmp_path: Path) -> None:
    target, book = str(tmp_path / "queue.sqlite"), Book(tmp_path / "book")
    fill(target)
    child = SERVER.Process(
        target=drain_on_a_disk_that_is_full_for_a_while, args=(target, book), daemon=True
    )
    child.start()
    child.join(60)
    assert child.exitcode == 0
    (paused,) = book.lines("runner.paused")
    assert "full" in paused["reason"]
    assert len(book.lines("runner.resumed")) == 1
    assert book.lines("ran") == [{"what": "ran", "times": [1], "jobs": JOBS}]
    with open_queue(target) as queue:
        assert counted(queue.store) == {"done": JOBS}


@pytest.mark.parametrize("outcome", ["fine", Retry("not yet", 600.0)])
def test_an_outcome_that_never_got_there_is_told_as_lost(
    queue_place: Place, monkeypatch: pytest.MonkeyPatch, outcome: Any
) -> None:
    tell = unable(monkeypatch, queue_place, before=True)
    config = RunnerConfig(lease_ttl_seconds=1, heartbeat_seconds=0.2, max_workers=1)
    with open_queue(queue_place.target) as queue:
        queue.enqueue("a", {})
        pipelines = Pipelines({"mine": lambda _: outcome}, "mine")
        with Runner(queue, pipelines, config, folder=Path()) as made:
            eventually(lambda: made.status.paused)
            with queue_place.open() as other:
                eventually(lambda: other.lease(1, 600.0, worker="other"))
            tell.set()
            eventually(lambda: made.status.lost)
            made.stop(0)
        status = made.status
    assert (status.lost, status.done, status.retried) == (1, 0, 0)


@pytest.mark.parametrize("outcome", ["fine", Retry("not yet", 600.0)])
def test_an_outcome_that_got_there_without_an_answer_is_told_as_what_it_is(
    queue_place: Place, monkeypatch: pytest.MonkeyPatch, outcome: Any
) -> None:
    tell = unable(monkeypatch, queue_place, before=False)
    with open_queue(queue_place.target) as queue:
        queue.enqueue("a", {})
        pipelines = Pipelines({"mine": lambda _: outcome}, "mine")
        with Runner(queue, pipelines, CONFIG, folder=Path()) as made:
            eventually(lambda: made.status.paused)
            tell.set()
            eventually(lambda: made.status.done + made.status.retried + made.status.lost)
        status = made.status
    assert (status.lost, status.done + status.retried) == (0, 1)


def unable(monkeypatch: pytest.MonkeyPatch, place: Place, *, before: bool) -> threading.Event:
    """Have no outcome told, or no answer to it come, until the event is set."""
    tell, asked = threading.Event(), threading.Event()

    def cut(name: str, verb: Any) -> Any:
        def call(*args: Any, **fields: Any) -> Any:
            if name in ("commit", "retry"):
                asked.set()
            if fields.get("worker") == "other" or tell.is_set() or not asked.is_set():
                return verb(*args, **fields)
            if not before:
                verb(*args, **fields)
            raise Unavailable("away")

        return call

    with place.open() as store:
        kind = type(store)
    for name in ("commit", "retry", "heartbeat", "lease"):
        monkeypatch.setattr(kind, name, cut(name, getattr(kind, name)))
    return tell


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "AGAIN_S", 0.01)
    monkeypatch.setattr(dispatcher, "RECHECK_S", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_result_that_redis_never_takes_ends_its_job_as_error_and_keeps_no_drain_from_ending(
    server: RedisServer,
) -> None:
    with open_queue(server.url) as queue, closing(connect(server.url)) as client:
        client.config_set("proto-max-bulk-len", 1024 * 1024)
        queue.enqueue_many([NewJob("small"), NewJob("large"), NewJob("other")])
        pipelines = Pipelines({"mine": lambda task: "x" * 2**21 * (task.id == "large")}, "mine")
        made = Runner(queue, pipelines, CONFIG, folder=Path(), drain=True)
        made.run()
        assert (made.status.done, made.status.failed, made.status.untold) == (2, 1, 0)
        job = queue.job("large")
        assert job
        assert job.reason.startswith("the queue does not take the outcome: ")


@pytest.mark.usefixtures("impatient")
def test_results_wait_for_a_redis_that_takes_no_writes_for_a_while(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It leases nothing, which is no write: so it seems to be there."""
    with open_queue(server.url) as queue, closing(connect(server.url)) as client:
        queue.enqueue_many([NewJob(str(number)) for number in range(4)])

        def fail_over(task: Task) -> str:
            client.replicaof("127.0.0.1", "1")
            return task.id

        pipelines = Pipelines({"mine": fail_over}, "mine")
        with Runner(queue, pipelines, CONFIG, folder=Path(), drain=True) as made:
            most = 4 * (exchange.MOST_REFUSALS + exchange.LAST_REFUSALS)
            eventually(lambda: caplog.text.count("does not take its outcome") > most)
            client.replicaof("NO", "ONE")
            made.wait()
        assert (made.status.done, made.status.failed, made.status.started) == (4, 0, 4)
