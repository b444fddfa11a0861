"""Looking at a queue that one may not write."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import Busy, OrchError
from orchestrator.queue.model import NewJob, QueueState
from orchestrator.queue.sqlite import SqliteStore, frozen
from tests.support.nobody import as_nobody
from tests.support.queue_place import TTL, add, counted, one

#: Adds a job, and later cancels it; the queue stays open.
WRITER = """
import sys
from orchestrator.queue.model import NewJob
from orchestrator.queue.sqlite import SqliteStore
with SqliteStore(sys.argv[1]) as store:
    store.enqueue([NewJob("new")])
    print("done", flush=True)
    input()
    store.cancel(["new"])
    print("done", flush=True)
    input()
"""
READ_ONLY = pytest.mark.parametrize("read_only", ["file", "folder", "both"])


@pytest.fixture
def path() -> Iterator[Path]:
    """A queue with a job of each kind, in a folder that others may enter, and nobody has it open."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = Path(name) / "data" / "queue #1?.sqlite"
        with SqliteStore(path) as store:
            add(store, "done", "held", "ready", key="k")
            store.ack(one(store).token, QueueState.DONE, result="1")
            one(store, worker="w")
        yield path


@contextmanager
def protected(path: Path, read_only: str) -> Iterator[None]:
    """Nobody may write the file, or into its folder."""
    for file in path.parent.iterdir():
        file.chmod(0o666 if read_only == "folder" else 0o444)
    path.parent.chmod(0o777 if read_only == "file" else 0o555)
    before = sorted(file.name for file in path.parent.iterdir())
    try:
        yield
    finally:
        assert sorted(file.name for file in path.parent.iterdir()) == before
        path.parent.chmod(0o755)
        for file in path.parent.iterdir():
            file.chmod(0o644)


def everything(path: Path) -> str:
    """What the verbs that only look find."""
    with SqliteStore(path) as store:
        stats, due = store.stats(), store.next_at()
        ids = sorted(job.id for job in store.jobs())
        walked = sorted(job.id for job in store.every())
        done = store.job("done")
        store.limits()
        assert done
        assert due
        return f"{ids} {walked} {done.result} {stats.queued} {stats.in_progress} {0 < due <= TTL}"


FOUND = "['done', 'held', 'ready'] ['done', 'held', 'ready'] 1 1 1 True"


@READ_ONLY
def test_a_queue_at_rest_is_read_and_no_file_is_made(path: Path, read_only: str) -> None:
    assert {file.name for file in path.parent.iterdir()} >= {path.name}
    assert not path.with_name(f"{path.name}-wal").exists()
    with protected(path, read_only):
        assert as_nobody(lambda: everything(path)) == FOUND


@READ_ONLY
def test_of_a_queue_that_others_write_the_newest_is_read(path: Path, read_only: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdin
        assert writer.stdout
        for found in ("1 2 1 True", "1 1 1 True"):
            assert writer.stdout.readline() == "done\n"
            with protected(path, read_only):
                assert found in as_nobody(lambda: everything(path))
            writer.stdin.write("go on\n")
            writer.stdin.flush()


@READ_ONLY
def test_what_a_killed_process_wrote_last_is_read(path: Path, read_only: str) -> None:
    child = os.fork()
    if child == 0:
        add(SqliteStore(path), "last")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.with_name(f"{path.name}-wal").stat().st_size
    with protected(path, read_only):
        assert "'last'" in as_nobody(lambda: everything(path))


@pytest.mark.parametrize("read_only", ["folder", "both"])
def test_what_cannot_be_read_whole_is_not_read_in_part(path: Path, read_only: str) -> None:
    """A copy without one of its files: what is only in the log would be missing."""
    with SqliteStore(path) as store:
        add(store, "new")
        shutil.copytree(path.parent, path.parent.with_name("copy"))
    copy = path.parent.with_name("copy") / path.name
    copy.with_name(f"{copy.name}-shm").unlink()
    with protected(copy, read_only):
        told = as_nobody(lambda: everything(copy))
    assert told.startswith(f"OrchError: cannot read {copy}: without {copy.name}-shm")
    assert "'new'" in everything(copy)


def test_what_nobody_may_read_is_said(path: Path) -> None:
    path.chmod(0o600)
    assert as_nobody(lambda: everything(path)).startswith(f"OrchError: cannot read {path}")


@READ_ONLY
def test_a_write_is_refused_as_before(path: Path, read_only: str) -> None:
    def write() -> None:
        SqliteStore(path).enqueue([NewJob("b")])

    with protected(path, read_only):
        told = as_nobody(write)
    assert told.startswith("OrchError: cannot")
    assert str(path) in told


def test_a_look_at_a_file_that_is_changed_meanwhile_is_no_look(path: Path) -> None:
    """As nothing keeps others from writing: what was read may be half of it."""
    for name, error in (("new", None), ("newer", OrchError("what came of it"))):
        with pytest.raises(Busy, match="was changed while it was read"):
            look_while_it_is_changed(path, name, error)
    with frozen.look(path, SYSTEM) as (db, _):
        assert db.execute("SELECT count(*) FROM jobs").fetchone() == (5,)


def look_while_it_is_changed(path: Path, name: str, error: Exception | None) -> None:
    with frozen.look(path, SYSTEM), SqliteStore(path) as store:
        add(store, name)
        if error:
            raise error


def test_an_older_queue_that_cannot_be_changed_is_said(path: Path) -> None:
    path.write_bytes(b"")
    with protected(path, "both"):
        assert "older version, and read-only" in as_nobody(lambda: everything(path))


def test_a_queue_that_was_made_writable_is_written(path: Path) -> None:
    """By the same store."""
    store = SqliteStore(path)
    assert counted(store) == {"done": 1, "in_progress": 1, "queued": 1}
    add(store, "b")
    assert counted(store)["queued"] == 2
    store.close()
