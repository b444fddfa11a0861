"""`orch queue stats`, `list`, `show`, and commands about a queue that is not there."""

from __future__ import annotations

import json
import signal

import pytest

from orchestrator.queue.model import NewJob, QueueState
from tests.support.orch import eventually
from tests.support.ports import free_port
from tests.support.queue_home import QueueHome
from tests.support.redis_server import RedisServer
from tests.support.typed import Typed

READING = [
    ["stats"],
    ["stats", "--json"],
    ["stats", "--watch"],
    ["list"],
    ["show", "a"],
    ["export"],
    ["export", "-o", "jobs.jsonl"],
    ["release", "a"],
    ["release", "--worker", "w"],
    ["limits"],
    ["retry-failed"],
    ["cancel", "a"],
    ["prune", "--older-than", "1s"],
]


@pytest.fixture
def filled(either: QueueHome) -> QueueHome:
    """A queue with a job of each state."""
    with either.opened() as queue:
        for name in ("done", "skipped", "error", "running"):
            queue.enqueue_many([NewJob(name, f'{{"is": "{name}"}}', key="k", host="x.example")])
            (lease,) = queue.lease(1, "tester")
            if name == "error":
                queue.store.ack(lease.token, QueueState.ERROR, reason="it\nbroke \x1b[2J")
            elif name != "running":
                queue.ack(lease.token, name, {"pages": 3})
        queue.enqueue("ready", priority=7)
        queue.enqueue_many([NewJob("delayed", delay=3600.0, key="k")])
    return either


@pytest.mark.parametrize("words", READING)
def test_without_a_queue_the_way_to_one_is_told_and_none_is_made(
    home: QueueHome, words: list[str], redis_server: RedisServer
) -> None:
    for target in ("", "other.sqlite", f"{redis_server.url}#none"):
        home.target = target
        done = home(*words)
        assert done.returncode == 3, done.stderr
        assert "no queue" in done.stderr
        assert "orch queue enqueue" in done.stderr
        assert done.stdout == ""
    assert [path.name for path in home.orch.home.iterdir()] == ["orch.toml"]


def test_the_jobs_are_counted_by_state_and_key(filled: QueueHome) -> None:
    found = filled.json("stats")
    oldest = found.pop("oldest_queued_s")
    assert 0 <= oldest < 60
    assert found == {
        "queued": 2,
        "delayed": 1,
        "in_progress": 1,
        "done": 1,
        "skipped": 1,
        "error": 1,
        "total": 6,
        "expired_leases": 0,
        "by_key": {"k": {"queued": 1, "in_progress": 1, "done": 1, "skipped": 1, "error": 1}},
    }
    lines = filled.fine("stats").splitlines()
    assert lines[0].split() == ["key", "queued", "in", "progress", "done", "skipped", "error"]
    assert lines[1].split() == ["all", "2", "1", "1", "1", "1"]
    assert lines[2].split() == ["k", "1", "1", "1", "1", "1"]
    assert lines[3] == "1 of the queued ones waits for its time"
    assert lines[4].startswith("the oldest has been ready for ")


def test_jobs_are_listed_by_state_and_key(filled: QueueHome) -> None:
    rows = filled.json("list")
    assert {row["id"] for row in rows} == {
        "done", "skipped", "error", "running", "ready", "delayed"
    }  # fmt: skip
    assert {row["id"] for row in filled.json("list", "--key", "k")} == {
        "done", "skipped", "error", "running", "delayed"
    }  # fmt: skip
    assert [row["id"] for row in filled.json("list", "--state", "queued")] == ["ready", "delayed"]
    assert [row["id"] for row in filled.json("list", "--state", "in-progress")] == ["running"]
    assert len(filled.json("list", "--limit", "2")) == 2
    assert filled.json("list", "--state", "done", "--key", "none") == []
    text = filled.fine("list", "--limit", "5")
    ids = [row["id"] for row in filled.json("list", "--limit", "5")]
    assert text.endswith(f"the first 5; --limit shows more, --after {ids[-1]} the next\n")
    error = filled.fine("list", "--state", "error").splitlines()
    assert error[0].split() == ["id", "state", "key", "host", "tries", "when", "reason"]
    assert error[1].endswith("it broke [2J")
    assert filled.fine("list", "--state", "done", "--key", "none") == "no such job\n"


def test_a_list_goes_on_behind_the_last_job_that_was_shown(filled: QueueHome) -> None:
    whole = [row["id"] for row in filled.json("list")]
    found = [filled.json("list", "--limit", "1")[0]["id"]]
    while rows := filled.json("list", "--limit", "1", "--after", found[-1]):
        found.append(rows[0]["id"])
    assert found == whole
    assert filled.fine("list", "--after", whole[-1]) == "no more\n"
    for after, told in (("runing", "no job 'runing'"), ("done", "the job 'done' is done")):
        wrong = filled("list", "--state", "queued", "--after", after)
        assert wrong.returncode == 1
        assert f"--after: {told}" in wrong.stderr.replace("there is ", "")
        assert "orch queue export" in wrong.stderr


def test_who_has_a_job_is_listed(filled: QueueHome) -> None:
    (row,) = filled.json("list", "--state", "in_progress")
    assert row["worker"] == "tester"
    heading, line = filled.fine("list", "--state", "in_progress").splitlines()
    assert heading.split() == ["id", "state", "key", "host", "tries", "when", "worker"]
    assert line.endswith("  tester")
    assert {row["worker"] for row in filled.json("list")} == {None, "tester"}


def test_a_job_is_shown_with_payload_result_and_attempts(filled: QueueHome) -> None:
    done = filled.json("show", "done")
    assert done["payload"] == {"is": "done"}
    assert done["result"] == {"pages": 3}
    assert done["attempts"] == 1
    assert done["state"] == "done"
    running = filled.json("show", "running")
    assert running["lease_until"] > running["enqueued_at"]
    assert running["history"][-1]["worker"] == "tester"
    text = filled.fine("show", "error")
    assert 'payload: {"is": "error"}' in text
    assert "reason: it broke [2J" in text


def test_of_a_job_that_is_not_there_close_ones_are_told(filled: QueueHome) -> None:
    done = filled("show", "runing", "--json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "no job 'runing'" in done.stderr
    assert "did you mean running?" in done.stderr


def test_a_wrong_state_is_told_with_those_there_are(home: QueueHome) -> None:
    wrong = ["list", "--state", "finished", "--queue", "ftp://x"]
    home.refuses(*wrong, told=["'finished'", "in_progress", "ftp://x", "rediss://"])


def test_long_values_are_cut_to_a_terminal_and_whole_elsewhere(home: QueueHome) -> None:
    long = "x" * 400
    home.fine("enqueue", long, "--key", "k" * 200, "--host", "h.example")
    assert long in home.fine("list")
    assert long in home.fine("show", long)
    with Typed(home.orch, *home.words("list"), COLUMNS="80") as typed:
        assert typed.end() == 0
    assert "…" in typed.shown
    assert max(len(line) for line in typed.shown.splitlines() if "\x1b" not in line) <= 80
    assert "queued" in typed.shown


def test_watch_is_a_line_a_change_and_ends_with_the_queue(home: QueueHome) -> None:
    home.fine("enqueue", "a")
    watch = home.popen("stats", "--watch", "--json")
    assert watch.stdout
    assert json.loads(watch.stdout.readline())["queued"] == 1
    home.fine("enqueue", "b")
    assert json.loads(watch.stdout.readline())["queued"] == 2
    (home.orch.home / "data/queue.sqlite").rename(home.orch.home / "away")
    assert watch.wait(20) == 3
    assert "was removed" in watch.stdout.read()


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_watch_ends_when_nobody_reads_it_any_more_also_at_rest(
    filled: QueueHome, more: list[str]
) -> None:
    watch = filled.popen("stats", "--watch", *more)
    assert watch.stdout
    assert watch.stdout.readline()
    watch.stdout.close()
    watch.wait(20)


def test_watch_on_a_terminal_is_a_table_until_ctrl_c(filled: QueueHome) -> None:
    with Typed(filled.orch, *filled.words("stats", "--watch")) as typed:
        typed.shows("in progress")
        filled.fine("cancel", "ready", "delayed")
        eventually(lambda: typed._read() and "oldest" in typed.shown)
        typed.press(b"\x03")
        assert typed.end() == 128 + signal.SIGINT
    assert "Traceback" not in typed.shown


def test_a_redis_that_does_not_answer_is_told_without_its_password(home: QueueHome) -> None:
    home.target = f"redis://me:s3cret@127.0.0.1:{free_port()}/0"
    done = home("stats")
    assert done.returncode == 3
    assert "s3cret" not in done.stderr
    assert "orch up" not in done.stderr
    for target in ("redis://:s3cret@127.0.0.1:x/0", "unix:///none?password=s3cret&db=x"):
        home.target = target
        done = home("enqueue", "a")
        assert done.returncode in (2, 3), done.stderr
        assert "s3cret" not in done.stderr


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"{}"])
def test_a_file_that_is_no_queue_is_told_and_left_alone(home: QueueHome, content: bytes) -> None:
    file = home.orch.home / "notes.txt"
    file.write_bytes(content)
    home.target = "notes.txt"
    for words in (["stats"], ["enqueue", "a"], ["run", "--drain"]):
        done = home(*words)
        assert done.returncode in (2, 3), (done.returncode, done.stderr)
        assert "notes.txt" in done.stderr
    assert file.read_bytes() == content
    home.target = "."
    assert home("stats").returncode in (2, 3)


def test_a_command_that_looks_costs_no_import_of_what_it_does_not_use(home: QueueHome) -> None:
    home.orch.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    for words in (["--help"], ["status"], ["status", "--json"]):
        imported = {
            line.rpartition("|")[2].strip() for line in home.orch(*words).stderr.splitlines()
        }
        queue = {name for name in imported if name.startswith("orchestrator.queue")}
        assert not queue | ({"sqlite3", "redis"} & imported)
