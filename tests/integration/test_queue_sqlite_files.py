"""Which files a queue is kept in, and which are refused."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.core.errors import IncompatibleData, OrchError
from orchestrator.queue.model import NewJob, QueueState, Stats
from orchestrator.queue.sqlite import SqliteStore, connection
from tests.support.nobody import as_nobody
from tests.support.queue_place import add, counted, one

LOOKS: list[Callable[[SqliteStore], object]] = [
    SqliteStore.stats,
    SqliteStore.limits,
    SqliteStore.jobs,
    SqliteStore.next_at,
    lambda store: store.job("a"),
    lambda store: store.wakes(0),
    SqliteStore.close,
]


def test_a_look_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "data" / "queue.sqlite"
    with SqliteStore(path) as store:
        assert store.stats() == Stats()
        for look in LOOKS:
            look(store)
        assert not path.parent.exists()
        add(store, "a")
        assert counted(store) == {"queued": 1}


def test_the_file_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "data" / "queue.sqlite"
    with SqliteStore(path) as store:
        add(store, "a")
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
        assert path in path.parent.iterdir()


def test_a_file_that_is_empty_is_an_empty_queue(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    path.touch()
    with SqliteStore(path) as store:
        assert store.stats() == Stats()
        add(store, "a")
        assert one(store).id == "a"


def newer(path: Path) -> None:
    with SqliteStore(path) as store:
        add(store, "a")
    alter(path, "PRAGMA user_version = 999")


def another_application(path: Path) -> None:
    alter(path, "CREATE TABLE theirs (a)")


def another_id(path: Path) -> None:
    alter(path, "PRAGMA application_id = 7")


def text(path: Path) -> None:
    path.write_text("to be or not to be\n" * 500)


def alter(path: Path, statement: str) -> None:
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (newer, "version 999; this orch knows versions up to"),
        (another_application, "is no queue"),
        (another_id, "is no queue"),
        (text, "is no queue"),
    ],
)
def test_what_we_do_not_know_is_left_alone(
    tmp_path: Path, make: Callable[[Path], None], told: str
) -> None:
    path = tmp_path / "queue.sqlite"
    make(path)
    before = path.read_bytes()
    store = SqliteStore(path)
    for verb in (store.stats, lambda: add(store, "b")):
        with pytest.raises(IncompatibleData, match=told) as refusal:
            verb()
        assert str(path) in str(refusal.value)
        assert refusal.value.hint
    assert path.read_bytes() == before


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("read_only", ["file", "folder"])
def test_what_is_read_only_is_said_in_one_message(open_folder: Path, read_only: str) -> None:
    path = open_folder / "data" / "queue.sqlite"
    with SqliteStore(path) as store:
        add(store, "a")
    for file in path.parent.iterdir():
        file.chmod(0o444 if read_only == "file" else 0o666)
    path.parent.chmod(0o555 if read_only == "folder" else 0o777)

    told = as_nobody(lambda: SqliteStore(path).enqueue([NewJob("b")]))

    path.parent.chmod(0o755)
    assert "OrchError" in told
    assert str(path) in told
    with SqliteStore(path) as store:
        assert counted(store) == {"queued": 1}


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    store = SqliteStore(tmp_path / "data" / "queue.sqlite")
    with pytest.raises(OrchError, match="cannot write"):
        add(store, "a")


def test_after_close_the_next_call_opens_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "queue.sqlite")
    add(store, "a")
    lease = one(store)
    store.close()
    assert not (tmp_path / "queue.sqlite-wal").exists()
    store.ack(lease.token, QueueState.DONE)
    assert counted(store) == {"done": 1}
    with store.together(), pytest.raises(RuntimeError, match="inside of `together`"):
        store.close()
    store.close()
    assert open_files(tmp_path) == []


def test_a_store_that_is_dropped_leaves_no_file_open(tmp_path: Path) -> None:
    for number in range(3):
        add(SqliteStore(tmp_path / "queue.sqlite"), str(number))
    gc.collect()
    assert open_files(tmp_path) == []


def open_files(folder: Path) -> list[str]:
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(str(entry.readlink()))
    return [link for link in links if link.startswith(str(folder))]


def test_a_sqlite_that_is_too_old_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(OrchError, match=r"a queue needs 3\.35\.0"):
        add(SqliteStore(tmp_path / "queue.sqlite"), "a")


def test_a_queue_that_somebody_makes_while_we_look_is_one(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    db = sqlite3.connect(path, isolation_level=None)

    class Slow:
        """After each statement somebody else has made the queue."""

        def execute(self, statement: str) -> Any:
            found = db.execute(statement).fetchall()
            with SqliteStore(path) as store:
                add(store, "theirs")
            return SimpleNamespace(fetchone=lambda: found[0])

    assert connection._version(cast("sqlite3.Connection", Slow()), path) == 0
    assert connection._version(db, path) == len(connection.migrations())
