"""What a queue in a file stands on: the file system, the clock, the errors, the history."""

from __future__ import annotations

import doctest
import json
import sqlite3
from pathlib import Path

import pytest

from orchestrator.core.errors import Busy, DiskFull, IncompatibleData, OrchError, Unavailable
from orchestrator.queue.model import HISTORY, NEVER_SET, Attempt, Limits, QueueState
from orchestrator.queue.sqlite import SqliteStore, clock, filesystem, history, rota, states
from orchestrator.queue.sqlite.faults import fault
from orchestrator.queue.sqlite.states import Place
from tests.support.fake_clock import BootClock

PATH = Path("/data/queue.sqlite")
MOUNTS = r"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
36 22 0:33 / /home rw,noatime - nfs4 server:/export rw
37 22 0:34 / /my\040disk rw - cifs //server/share rw
38 22 0:35 / /mnt/far rw - fuse.sshfs me@far: rw
39 36 0:36 / /home/near rw - ext4 /dev/vdb rw
40 22 0:37 / /mnt/far rw - xfs /dev/vdc rw
a line that is no mount
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/queue.sqlite", "ext4"),
        ("/home/me/queue.sqlite", "nfs4"),
        ("/homeward/queue.sqlite", "ext4"),
        ("/home/near/queue.sqlite", "ext4"),
        ("/my disk/a/queue.sqlite", "cifs"),
        ("/mnt/far/queue.sqlite", "xfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert filesystem.kind_of(Path(path), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 22 0:33 / {tmp_path} rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(filesystem, "_MOUNTS", mounts)
    path = tmp_path / "queue.sqlite"
    with pytest.raises(Unavailable, match=r"network file system \(nfs4\)") as refusal:
        SqliteStore(path).set_limits(Limits())
    assert "redis://" in refusal.value.hint
    assert not path.exists()


def test_the_clock_follows_the_boot_and_not_the_wall() -> None:
    fake = BootClock()
    queue_clock = clock.QueueClock(fake, clock.first_base(fake, seen=0))
    assert queue_clock.now() == 1_700_001_000_000
    fake.offset += 86_400
    fake.boot += 2
    assert queue_clock.now() == 1_700_001_002_000


def test_a_wall_clock_that_is_behind_what_the_queue_has_seen_is_not_believed() -> None:
    fake = BootClock(boot=5.0, offset=0.0)
    queue_clock = clock.QueueClock(fake, clock.first_base(fake, seen=1_700_000_000_000))
    assert queue_clock.now() == 1_700_000_000_000


def test_without_a_boot_id_the_time_of_the_boot_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_BOOT_ID", Path("/nowhere/boot_id"))
    assert clock.boot_id(BootClock()) == clock.boot_id(BootClock(boot=5000.0))
    assert clock.boot_id(BootClock()) != clock.boot_id(BootClock(offset=1_800_000_000.0))


def error(code: int, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    made = kind("what SQLite says")
    made.sqlite_errorcode = code
    return made


@pytest.mark.parametrize(
    ("code", "ours", "told"),
    [
        (sqlite3.SQLITE_FULL, DiskFull, "the disk is full"),
        (sqlite3.SQLITE_IOERR_WRITE, DiskFull, "a quota"),
        (sqlite3.SQLITE_IOERR_SHMSIZE, DiskFull, "the disk is full"),
        (sqlite3.SQLITE_BUSY, Busy, "locked"),
        (sqlite3.SQLITE_BUSY_RECOVERY, Busy, "locked"),
        (sqlite3.SQLITE_NOTADB, IncompatibleData, "no queue"),
        (sqlite3.SQLITE_CORRUPT_INDEX, IncompatibleData, "damaged"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, OrchError, "read-only"),
        (sqlite3.SQLITE_CANTOPEN, OrchError, "read-only"),
        (sqlite3.SQLITE_IOERR_READ, OrchError, "what SQLite says"),
    ],
)
def test_every_fault_names_the_file(code: int, ours: type[OrchError], told: str) -> None:
    found = fault(PATH, error(code))
    assert type(found) is ours
    assert str(PATH) in str(found)
    assert told in str(found)


def test_the_history_keeps_the_last_failures() -> None:
    text = ""
    for number in range(HISTORY + 3):
        text = history.appended(text, number * 1000, "w", f"error {number}")
    assert len(json.loads(text)) == HISTORY
    assert history.appended(text, None, "", "none") == text
    assert history.last_error(history.appended(text, 5, "w", history.RAN_OUT)) == "error 12"
    assert history.last_error("") == ""

    running = history.attempts(text, 90_000, "me", Place.LEASED, "error 12")
    assert len(running) == HISTORY
    assert running[-2:] == (Attempt(12.0, "w", "error 12"), Attempt(90.0, "me", ""))
    failed = history.attempts("", 90_000, "me", Place.ERROR, "boom")
    assert failed == (Attempt(90.0, "me", "boom"),)
    assert history.attempts("", None, "", Place.READY, "") == ()


def test_limits_are_read_as_they_were_written() -> None:
    limits = Limits({"a": 2, "b": 0}, every_key=3, per_host=4)
    assert rota.parsed(rota.written(limits)) == limits
    assert rota.parsed("") == NEVER_SET


def test_jobs_end_in_three_ways() -> None:
    assert [states.end(QueueState(name)) for name in ("done", "skipped", "error")] == [3, 4, 5]
    with pytest.raises(ValueError, match="cannot end as queued"):
        states.end(QueueState.QUEUED)
    assert [states.STATES[place] for place in Place][2:4] == [
        QueueState.IN_PROGRESS,
        QueueState.DONE,
    ]


def test_only_two_ways_to_be_durable(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="FULL or NORMAL"):
        SqliteStore(tmp_path / "queue.sqlite", synchronous="OFF")


def test_the_examples() -> None:
    assert doctest.testmod(filesystem).failed == 0
