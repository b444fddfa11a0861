"""Things break in the middle: processes are killed or forked, the disk is full, a verb fails."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import DiskFull, LeaseLost, OrchError
from orchestrator.queue.model import NewJob, QueueState
from orchestrator.queue.sqlite import SqliteStore, connections, ending
from orchestrator.queue.sqlite.lock import WriteLock
from tests.integration.test_queue_sqlite_files import open_files
from tests.support.orch import eventually
from tests.support.queue_place import TTL, add, check_the_counts, counted, one, somebody_is_next

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "queue.sqlite")


def in_child(do: Callable[[], object]) -> int:
    """The exit code of a forked process: 0 when `do` returned."""
    child = FORK.Process(target=do)
    child.start()
    child.join(60)
    assert child.exitcode is not None
    return child.exitcode


def test_a_child_of_a_fork_and_its_parent_both_go_on(store: SqliteStore) -> None:
    add(store, "a", "b", "c")
    mine = one(store)

    def do() -> None:
        lease = one(store)
        store.ack(lease.token, QueueState.DONE)
        assert store.stats().done == 1

    assert in_child(do) == 0
    store.ack(mine.token, QueueState.SKIPPED)
    assert one(store).id == "c"
    assert counted(store) == {"in_progress": 1, "done": 1, "skipped": 1}


def test_a_fork_waits_for_the_transactions_of_other_threads(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "FORK_S", 30.0)  # as above all a slow disk may take
    in_the_block = threading.Event()

    def hold() -> None:
        with store.together():
            add(store, "held")
            in_the_block.set()
            time.sleep(0.1)
            add(store, "held too")

    thread = threading.Thread(target=hold)
    thread.start()
    in_the_block.wait(30)

    def do() -> None:
        assert store.stats().queued == 2
        add(store, "from the child")

    assert in_child(do) == 0
    thread.join()
    assert counted(store) == {"queued": 3}


def test_a_fork_while_other_threads_write_loses_nothing(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "FORK_S", 30.0)  # what stalls is not in the middle of much
    over = threading.Event()
    written = []

    def write(name: str) -> None:
        for number in itertools.count():
            if over.is_set():
                break
            add(store, f"{name}-{number}")
            store.wakes(0)
            written.append(number)

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for number in range(20):
        assert in_child(lambda name=f"child-{number}": add(store, name)) == 0  # type: ignore[misc]
    over.set()
    for thread in threads:
        thread.join()
    assert counted(store) == {"queued": len(written) + 20}
    check_the_counts(store)


def test_while_a_fork_waits_for_a_transaction_no_other_begins(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "FORK_S", 0.1)
    in_the_block, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with store.together():
            add(store, "first")
            in_the_block.set()
            go_on.wait(30)
        add(store, "second")

    thread = threading.Thread(target=write)
    thread.start()
    in_the_block.wait(30)
    ours = store._session.connections
    ours.before_fork()  # it gives up: the transaction is not over
    go_on.set()
    eventually(lambda: counted_elsewhere(ours.path) == {"queued": 1})
    thread.join(0.3)
    assert thread.is_alive()
    assert counted_elsewhere(ours.path) == {"queued": 1}
    ours.after_fork()
    thread.join(30)
    assert counted(store) == {"queued": 2}


def counted_elsewhere(path: Path) -> dict[str, int]:
    """By a store that knows nothing of the fork."""
    with SqliteStore(path) as other:
        return counted(other)


def test_a_child_that_was_forked_inside_of_a_block_is_told_so(
    store: SqliteStore, tmp_path: Path
) -> None:
    def do() -> None:
        for each in (store, SqliteStore(tmp_path / "queue.sqlite")):
            with pytest.raises(OrchError, match="forked in the middle of a transaction"):
                add(each, "from the child")
        assert add(SqliteStore(tmp_path / "another.sqlite"), "a") == 1

    with store.together():
        add(store, "a")
        assert in_child(do) == 0
    assert counted(store) == {"queued": 1}


def test_a_child_locks_for_itself(store: SqliteStore, tmp_path: Path) -> None:
    """Were its parent's locks taken for its own, the last other one to close would remove its log."""
    add(store, "a")
    opened, go_on = FORK.Event(), FORK.Event()

    def do() -> None:
        add(store, "b")
        opened.set()
        go_on.wait(30)
        add(store, "c")

    child = FORK.Process(target=do)
    child.start()
    opened.wait(30)
    store.close()
    log = tmp_path / "queue.sqlite-wal"
    assert in_child(lambda: counted(SqliteStore(tmp_path / "queue.sqlite"))) == 0
    assert log.exists()
    go_on.set()
    child.join(60)
    assert child.exitcode == 0
    assert counted(store) == {"queued": 3}


def test_a_child_does_not_keep_the_lock_of_a_parent_that_was_killed(store: SqliteStore) -> None:
    add(store, "a")
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        with store.together():
            add(store, "lost")
            child = os.fork()
            if child == 0:
                signal.pause()
            os.write(writing, str(child).encode())
            signal.pause()
    child = int(os.read(reading, 20))
    try:
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        add(store, "b")
        assert counted(store) == {"queued": 2}
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_process_that_is_killed_in_a_transaction_leaves_nothing_of_it(store: SqliteStore) -> None:
    add(store, *(str(number) for number in range(50)))
    for _ in range(5):
        began = FORK.Event()

        def hold(began: threading.Event = began) -> None:  # type: ignore[assignment]
            with store.together():
                store.lease(10, TTL)
                store.enqueue(
                    [NewJob(f"new {number}", payload="x" * 5000) for number in range(900)]
                )
                began.set()
                signal.pause()

        child = FORK.Process(target=hold)
        child.start()
        began.wait(30)
        child.kill()
        child.join()
        assert counted(store) == {"queued": 50}
    check_the_counts(store)


@pytest.fixture
def brimful(store: SqliteStore) -> SqliteStore:
    """Room for a few jobs only."""
    add(store, *(str(number) for number in range(10)))
    db = store._session.connections.mine().db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages + 5}")
    return store


def test_a_full_disk_undoes_the_step_and_nothing_else(brimful: SqliteStore) -> None:
    big = [NewJob(f"big {number}", payload="x" * 100_000) for number in range(3)]
    for _ in range(3):
        with pytest.raises(DiskFull, match="the disk is full") as refusal:
            brimful.enqueue(big)
        assert refusal.value.hint
        lease = one(brimful)
        brimful.ack(lease.token, QueueState.DONE)
    assert counted(brimful) == {"queued": 7, "done": 3}
    check_the_counts(brimful)


def test_a_full_disk_in_a_block_undoes_the_block_even_if_nobody_looks(brimful: SqliteStore) -> None:
    lease = one(brimful)
    big = [NewJob("big", payload="x" * 300_000)]

    def all_of_it() -> None:
        with brimful.together():
            brimful.ack(lease.token, QueueState.DONE)
            for _ in range(2):
                with pytest.raises(DiskFull):
                    brimful.enqueue(big)

    with pytest.raises(DiskFull):
        all_of_it()
    assert counted(brimful) == {"queued": 9, "in_progress": 1}
    brimful.ack(lease.token, QueueState.DONE)
    check_the_counts(brimful)


def test_a_bound_on_the_size_of_files_is_a_full_disk(store: SqliteStore, tmp_path: Path) -> None:
    add(store, "a")
    log = (tmp_path / "queue.sqlite-wal").stat().st_size

    def do() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (log + 40_000, resource.RLIM_INFINITY))
        with pytest.raises(DiskFull):
            store.enqueue([NewJob(f"big {number}", payload="x" * 10_000) for number in range(50)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        add(store, "b")

    assert in_child(do) == 0
    assert counted(store) == {"queued": 2}


def test_a_verb_that_fails_half_way_undoes_all_of_its_transaction(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, "a", "b")
    first, second = store.lease(2, TTL)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def both(swallowed: type[BaseException]) -> None:
        with store.together():
            store.ack(first.token, QueueState.DONE)
            with monkeypatch.context() as patch, contextlib.suppress(swallowed):
                patch.setattr(ending.rota, "freed", interrupt)
                store.ack(second.token, QueueState.DONE)

    with pytest.raises(KeyboardInterrupt):
        both(ZeroDivisionError)
    assert counted(store) == {"in_progress": 2}
    with pytest.raises(OrchError, match="nothing was written"):
        both(KeyboardInterrupt)
    assert counted(store) == {"in_progress": 2}


def test_a_verb_that_is_refused_undoes_nothing(store: SqliteStore) -> None:
    add(store, "a", "b")
    first, second = store.lease(2, TTL)
    with store.together():
        store.ack(first.token, QueueState.DONE)
        with pytest.raises(LeaseLost):
            store.ack(first.token, QueueState.DONE)
        store.ack(second.token, QueueState.DONE)
    assert counted(store) == {"done": 2}
    check_the_counts(store)


def test_threads_that_have_ended_leave_no_connection(store: SqliteStore, tmp_path: Path) -> None:
    def use(number: int) -> None:
        add(store, str(number))

    for number in range(20):
        thread = threading.Thread(target=use, args=(number,))
        thread.start()
        thread.join()
    open_ones = [file for file in open_files(tmp_path) if file.endswith(".sqlite")]
    assert len(open_ones) <= 2
    store.close()


@pytest.mark.parametrize("made", [True, False])
def test_close_does_not_wait_for_a_thread_that_waits_to_write(
    store: SqliteStore, tmp_path: Path, made: bool
) -> None:
    """Another process may hold the lock for long; what the thread is about to write is not lost."""
    path = tmp_path / "queue.sqlite"
    if made:
        add(store, "a")
    another = WriteLock(path, SYSTEM, TTL)
    another.acquire()
    thread = threading.Thread(target=add, args=(store, "b"))
    thread.start()
    eventually(lambda: somebody_is_next(path))
    began = time.monotonic()
    store.close()
    took = time.monotonic() - began
    another.release()
    another.close()
    thread.join()
    assert took < 10
    assert counted(store) == {"queued": 1 + made}
    store.close()
    assert open_files(tmp_path) == []
