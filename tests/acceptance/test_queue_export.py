"""`orch queue export`: every job, a line of JSON for each."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from orchestrator.queue.model import NewJob, QueueState
from tests.support.orch import eventually
from tests.support.queue_home import QueueHome


def rows(text: str) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert len({row["id"] for row in found}) == len(found)
    return {row["id"]: row for row in found}


def test_all_that_is_known_of_each_job_is_told(either: QueueHome) -> None:
    with either.opened() as queue:
        queue.enqueue("ready", {"ä": ["€", "\ud800"]}, key="k", host="x.example", priority=-1)
        queue.lease(1, "w")
        for name in ("done", "skipped", "error"):
            queue.enqueue(name, {"is": name})
            (lease,) = queue.lease(1, "w")
            queue.ack(
                lease.token, name, {"pages": 3} if name == "done" else None, reason=f"{name}!"
            )
        queue.enqueue_many([NewJob("later", "[1,\n 2]", delay=500.0)])
        queue.enqueue_many([NewJob("words", "no JSON")])

    found = rows(either.fine("export"))

    assert [found[name]["state"] for name in ("ready", "done", "later")] == [
        "in_progress", "done", "queued"
    ]  # fmt: skip
    assert found["done"]["result"] == {"pages": 3}
    assert (found["done"]["error"], found["done"]["attempts"]) == (None, 1)
    assert (found["error"]["error"], found["error"]["result"]) == ("error!", None)
    assert (found["skipped"]["error"], found["skipped"]["reason"]) == (None, "skipped!")
    assert found["ready"]["payload"] == {"ä": ["€", "\ud800"]}
    assert found["later"]["payload"] == [1, 2]
    assert found["words"]["payload"] == "no JSON"
    for name, row in found.items():
        shown = either.json("show", name)
        assert {key: value for key, value in row.items() if key != "error"} == shown


def test_jobs_are_exported_by_state_and_key(either: QueueHome) -> None:
    with either.opened() as queue:
        for number in range(20):
            queue.enqueue(str(number), key="ab"[number % 2])
        queue.cancel(map(str, range(10)))
    assert len(rows(either.fine("export"))) == 20
    assert set(rows(either.fine("export", "--state", "skipped"))) == {*map(str, range(10))}
    found = rows(either.fine("export", "--state", "queued", "--key", "a"))
    assert set(found) == {*map(str, range(10, 20, 2))}
    assert either.fine("export", "--key", "none") == ""


def stopped_in_the_middle(home: QueueHome, target: Path) -> subprocess.Popen[str]:
    """An export that has written some and not all of it, and stands still."""
    before = target.read_text()
    for _ in range(5):  # it may be through before we come to look
        running = home.popen("export", "--output", target.name)
        eventually(lambda: running.poll() is not None or written(target))  # noqa: B023 - asked at once
        running.send_signal(signal.SIGSTOP)
        eventually(lambda: running.poll() is not None or stands_still(running.pid))  # noqa: B023
        if running.poll() is None and target.read_text() == before:
            return running
        running.send_signal(signal.SIGCONT)
        assert running.wait(60) == 0
        target.write_text(before)
    raise AssertionError("it was never met in the middle")


def written(target: Path) -> bool:
    """Whether something is in the file that is to take its place."""
    with contextlib.suppress(FileNotFoundError):
        return any(file.stat().st_size for file in target.parent.glob(f".{target.name}.*"))
    return False


def stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TZ"


def test_a_file_is_whole_or_as_it_was(either: QueueHome) -> None:
    with either.opened() as queue:
        queue.enqueue("a")
    target = either.orch.home / "jobs.jsonl"
    assert either.fine("export", "-o", "jobs.jsonl") == "jobs.jsonl: 1 job\n"
    before = target.read_text()
    assert set(rows(before)) == {"a"}
    with either.opened() as queue:
        queue.enqueue_many([NewJob(str(n), '"%s"' % ("x" * 2000)) for n in range(20_000)])
    beside = set(target.parent.iterdir())
    running = stopped_in_the_middle(either, target)
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGCONT)
    assert running.wait(20) == 130
    assert target.read_text() == before
    assert set(target.parent.iterdir()) == beside
    either.fine("export", "--output", "jobs.jsonl")
    assert len(rows(target.read_text())) == 20_001


def test_where_nothing_can_be_written_it_is_told(home: QueueHome) -> None:
    home.fine("enqueue", "a")
    for output, code in (("data", 2), ("", 2), ("none/jobs.jsonl", 1)):
        done = home("export", "-o", output)
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
    assert home.fine("export", "-o", "/dev/null") == "/dev/null: 1 job\n"
    assert not Path("/dev/null").is_file()
    link = home.orch.home / "link"
    link.symlink_to("real")
    home.fine("export", "-o", "link")
    assert link.is_symlink()
    assert rows((home.orch.home / "real").read_text())


def test_nothing_goes_on_when_nobody_reads_any_more(either: QueueHome) -> None:
    with either.opened() as queue:
        queue.enqueue_many([NewJob(str(n)) for n in range(20_000)])
    running = either.popen("export", stderr=subprocess.PIPE)
    assert running.stdout
    assert running.stderr
    assert json.loads(running.stdout.readline())
    running.stdout.close()
    running.wait(20)
    assert running.stderr.read() == ""


def test_while_somebody_reads_slowly_the_log_does_not_grow(home: QueueHome) -> None:
    """What is read is no transaction that stays open."""
    with home.opened() as queue:
        queue.enqueue_many([NewJob(str(n), '"%s"' % ("x" * 500)) for n in range(3000)])
        reader = home.popen("export")
        assert reader.stdout
        assert reader.stdout.readline()  # and no more: the pipe is full
        log = home.orch.home / "data/queue.sqlite-wal"
        for lease in queue.lease(2000, "w"):
            queue.ack(lease.token, QueueState.DONE, "y" * 500)
        assert log.stat().st_size < 30_000_000
        assert len(rows(reader.stdout.read())) == 2999
        assert reader.wait(20) == 0


def test_it_is_written_as_utf_8_whatever_the_terminal_says(home: QueueHome) -> None:
    home.fine("enqueue", "ü", '"€"')
    home.orch.environment |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    read, write = os.pipe()
    running = home.popen("export", stdout=write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        found = rows(pipe.read().decode())
    assert running.wait(20) == 0
    assert found["ü"]["payload"] == "€"
