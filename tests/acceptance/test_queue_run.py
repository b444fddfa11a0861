"""`orch queue run`: jobs are worked off, and a stop leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from orchestrator.queue.model import Limits
from tests.support.orch import Orch, eventually
from tests.support.queue_home import QueueHome
from tests.support.redis_server import RedisServer
from tests.support.typed import Typed

#: Runs until it is told to go on, and says that it runs.
HELD = """sh -c 'touch running-$ORCH_JOB_ID; while ! test -e go; do sleep 0.05; done; echo 1'"""
#: By the payload's number: done, tried again, skipped, an error.
JUDGED = "sh -c 'read n; echo $n; echo because >&2; exit $n'"


@pytest.fixture
def home(tmp_path: Path) -> QueueHome:
    return QueueHome(Orch(tmp_path / "home", "[queue]\nretry_backoff_seconds = 0\n"))


def fill(home: QueueHome, *ids: object, **fields: object) -> None:
    lines = "".join(json.dumps({"id": job_id, **fields}) + "\n" for job_id in ids)
    home.fine("import", "-", said=lines)


def running(home: QueueHome) -> int:
    return len(list(home.orch.home.glob("running-*")))


@pytest.mark.alone
def test_a_drain_of_an_empty_queue_ends_at_once(either: QueueHome) -> None:
    def took() -> float:
        began = time.perf_counter()
        assert "nothing to do" in either.fine("run", "--drain")
        return time.perf_counter() - began

    assert min(took() for _ in range(5)) < 1
    assert either.states() == {}


def test_what_a_command_says_by_its_exit_code_is_what_becomes_of_a_job(either: QueueHome) -> None:
    (either.orch.home / "orch.toml").write_text(
        "[queue]\nretry_backoff_seconds = 0\njitter_seconds = 0\nmax_job_attempts = 2\n"
    )
    for code in (0, 75, 65, 3):
        either.fine("enqueue", f"exit-{code}", str(code))

    done = either("run", "--drain", "--exec", JUDGED)

    assert done.returncode == 6, done.stderr
    assert done.stdout.startswith("1 done, 1 skipped, 2 ended as error, 1 retried (")
    assert "orch queue list --state error" in done.stdout
    assert "error: exit-3: exit code 3: because" in done.stderr
    assert "tried again later: exit-75: exit code 75: because" in done.stderr
    jobs = {code: either.json("show", f"exit-{code}") for code in (0, 75, 65, 3)}
    assert [job["state"] for job in jobs.values()] == ["done", "error", "skipped", "error"]
    assert [job["attempts"] for job in jobs.values()] == [1, 2, 1, 1]
    assert jobs[0]["result"] == 0
    assert "out of attempts (2)" in jobs[75]["reason"]
    assert len(jobs[75]["history"]) == 2
    log = (either.orch.home / "data/logs/queue.log").read_text()
    assert "exit-3 failed" in log

    assert either.fine("retry-failed") == "2 jobs were queued anew\n"
    again = either("run", "--drain", "--exec", "true")
    assert (again.returncode, again.stdout.split(" (")[0]) == (0, "2 done")


def test_a_module_beside_orch_toml_is_a_pipeline_and_adds_jobs(either: QueueHome) -> None:
    (either.orch.home / "shop.py").write_text(
        "from orchestrator.queue import Done, NewJob\n"
        "def page(task):\n"
        "    n = task.payload['n']\n"
        "    more = [NewJob(f'{task.id}{i}', '{\"n\": %d}' % (n - 1)) for i in (0, 1)]\n"
        "    return Done({'n': n}, new_jobs=more if n else ())\n"
        "class All:\n"
        "    def other(task):\n"
        "        return 'other'\n"
        "    other = staticmethod(other)\n"
    )
    either.fine("enqueue", "p", '{"n": 3}')
    either.fine("enqueue", "q", '{"pipeline": "shop:All.other"}')
    done = either("run", "--drain", "--pipeline", "shop:page", "--pipeline", "shop:All.other")
    assert done.returncode == 0
    assert done.stdout.startswith("16 done (")
    assert either.json("show", "q")["result"] == "other"


def test_jobs_for_a_pipeline_that_is_not_here_are_left_for_a_runner_that_has_it(
    either: QueueHome,
) -> None:
    (either.orch.home / "shop.py").write_text("def page(task):\n    return task.lease.attempt\n")
    fill(either, "a", "b")
    fill(either, "x", "y", "z", pipeline="shop:page")

    done = either("run", "--drain", "--exec", "true")

    assert done.returncode == 6
    first, why = done.stdout.splitlines()
    assert first.startswith("2 done, 3 left (")
    assert why == (
        "3 jobs name the pipeline shop:page, which this runner does not have: "
        "start one with --pipeline shop:page"
    )
    assert done.stderr.count("no pipeline shop:page here") == 1
    assert either.states() == {"done": 2, "queued": 3}
    assert either.fine("run", "--drain", "--pipeline", "shop:page").startswith("3 done (")
    assert either.json("show", "x")["result"] == 1


def test_two_runners_share_the_jobs_by_their_pipelines(either: QueueHome) -> None:
    (either.orch.home / "shop.py").write_text("def page(task):\n    return 'by shop'\n")
    fill(either, *(f"e{n}" for n in range(20)), pipeline="exec")
    fill(either, *(f"x{n}" for n in range(20)), pipeline="shop:page")
    words = ("run", "--drain"), ("--exec", "echo 1"), ("--pipeline", "shop:page")
    both = [either.popen(*words[0], *words[1]), either.popen(*words[0], *words[2])]
    assert {process.wait(60) for process in both} <= {0, 6}
    for more in words[1:]:
        either(*words[0], *more)
    assert either.states() == {"done": 40}
    assert either.json("show", "x7")["result"] == "by shop"
    assert either.json("show", "e7")["result"] == 1


def test_a_drain_says_which_limit_of_0_leaves_jobs_and_what_to_do(either: QueueHome) -> None:
    fill(either, "a")
    fill(either, "b", "c", key="it's")
    fill(either, "d", key="k")
    either.fine("limits", "--max-per-resolver", "it's:0,*:0")
    where = f" --queue '{either.target}'" if either.target else ""

    told = either.fine("run", "--drain", "--exec", "true").splitlines()

    assert told[0].startswith("1 done, 3 left (")
    command = f"`orch queue limits{where} --max-per-resolver"
    assert told[1:] == [
        f"2 jobs of key it's left, as its limit is 0: {command} 'it'\"'\"'s:1'` lets them run",
        f"1 job of key k left, as its limit is 0: {command} k:1` lets them run",
    ]
    either.fine("limits", "--max-per-resolver", "it's:1,k:1")
    with either.opened() as queue:
        queue.set_limits(Limits(per_host=0))
    fill(either, "e", host="x.example")
    told = either.fine("run", "--drain", "--exec", "true").splitlines()
    assert told[0].startswith("3 done, 1 left (")
    assert "every host is 0" in told[1]
    assert f"orch queue limits{where} --max-per-host 4`" in told[1]


def test_a_drain_waits_for_delayed_jobs_or_leaves_them(either: QueueHome) -> None:
    either.fine("enqueue", "soon", "--delay", "1s")
    either.fine("enqueue", "late", "--delay", "1h")
    left = either("run", "--drain", "--no-wait-delayed", "--exec", "true")
    assert left.returncode == 0
    assert " left (" in left.stdout
    either.fine("cancel", "late")
    either.fine("run", "--drain", "--exec", "true")
    assert either.states() == {"done": 1, "skipped": 1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_lets_what_runs_finish_and_says_so(either: QueueHome, number: int) -> None:
    fill(either, 1, 2, 3, 4, 5)
    process = either.popen("run", "--workers", "2", "--grace", "30s", "--exec", HELD)
    assert process.stdout
    eventually(lambda: running(either) == 2)

    process.send_signal(number)
    assert "stopping: 2 jobs may end within 30 s" in process.stdout.readline()
    (either.orch.home / "go").touch()

    assert process.wait(20) == 128 + number
    assert process.stdout.read().startswith("2 done, 3 left (")
    assert either.states() == {"done": 2, "queued": 3}


@pytest.mark.parametrize("grace", ["200ms", "1h"])
def test_after_the_grace_or_a_second_signal_what_runs_is_handed_back(
    either: QueueHome, grace: str
) -> None:
    fill(either, 1, 2, 3)
    process = either.popen("run", "--workers", "2", "--grace", grace, "--exec", HELD)
    assert process.stdout
    eventually(lambda: running(either) == 2)

    process.send_signal(signal.SIGTERM)
    process.stdout.readline()
    began = time.monotonic()
    if grace == "1h":
        time.sleep(0.5)  # sooner it is no second one
        process.send_signal(signal.SIGINT)

    assert process.wait(20) == 128 + signal.SIGTERM
    assert time.monotonic() - began < 10
    told = process.stdout.read()
    assert ("at once" in told) is (grace == "1h")
    assert either.states() == {"queued": 3}
    eventually(lambda: not either.orch.processes())


def test_a_signal_that_comes_twice_at_once_is_one(home: QueueHome) -> None:
    """As `timeout` sends it: to the process, and to the group that it is in."""
    home.fine("enqueue", "a")
    process = home.popen("run", "--grace", "30s", "--exec", HELD)
    assert process.stdout
    eventually(lambda: running(home) == 1)
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        process.send_signal(number)  # it hears of both at one moment
    assert "stopping: 1 job" in process.stdout.readline()
    (home.orch.home / "go").touch()
    assert process.wait(20) in (130, 143)
    assert process.stdout.read().startswith("1 done (")
    assert home.states() == {"done": 1}


def test_one_that_was_started_with_ctrl_c_ignored_is_not_stopped_by_it(home: QueueHome) -> None:
    home.fine("enqueue", "a")
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *home.orch.command]
    process = subprocess.Popen(
        [*ignoring, *home.words("run", "--drain", "--exec", HELD)],
        cwd=home.orch.home,
        env=home.orch.environment,
    )
    eventually(lambda: running(home) == 1)
    process.send_signal(signal.SIGINT)
    assert home.states() == {"in_progress": 1}
    (home.orch.home / "go").touch()
    assert process.wait(20) == 0


def test_limits_set_while_it_runs_hold_within_a_second(either: QueueHome) -> None:
    fill(either, *range(8), key="k")
    either.fine("limits", "--max-per-resolver", "k:1")
    process = either.popen("run", "--workers", "4", "--drain", "--exec", HELD)
    eventually(lambda: running(either) == 1)
    either.fine("limits", "--max-per-resolver", "k:3")
    began = time.monotonic()
    eventually(lambda: running(either) == 3)
    assert time.monotonic() - began < 5
    assert either.json("stats")["in_progress"] == 3
    (either.orch.home / "go").touch()
    assert process.wait(30) == 0
    assert either.states() == {"done": 8}


def test_limits_are_those_set_in_the_queue_then_those_of_the_home(either: QueueHome) -> None:
    def limits(per_key: dict[str, int], every_key: int | None, per_host: int | None) -> None:
        told = {"per_key": per_key, "every_key": every_key, "per_host": per_host}
        assert either.json("limits") == told

    toml, drain = either.orch.home / "orch.toml", ["run", "--drain"]
    either.fine(*drain)
    limits({}, None, 4)
    assert either.fine("limits").splitlines()[-1] == "every host: 4 at once (by configuration)"
    toml.write_text('[queue]\nmax_per_host = 7\nmax_per_resolver = { a = 1, c = 1, "*" = 9 }\n')
    either.fine(*drain)
    limits({"a": 1, "c": 1}, 9, 7)
    either.fine(
        "limits", "--max-per-resolver", "a:2,b:5"
    )  # no other is lost, now or at the next run
    told = either(*drain, "--max-per-resolver", "d:3", "--max-per-host", "1").stderr.splitlines()
    limits({"a": 2, "b": 5, "c": 1, "d": 3}, 9, 1)
    holds, change = "was set in the queue, and holds", "`orch queue limits"
    assert told == [
        f"orch.toml: queue.max_per_resolver.a = 1: 2 {holds}; {change} --max-per-resolver a:1` changes it",
        f"orch.toml: queue.max_per_host = 7: 1 {holds}; {change} --max-per-host 7` changes it",
    ]
    either.fine("limits", "--max-per-resolver", "a:none,*:none", "--max-per-host", "none")
    either.fine(*drain)
    limits({"b": 5, "c": 1, "d": 3}, None, None)
    toml.write_text("")
    assert either(*drain).stderr == ""
    limits({"b": 5, "d": 3}, None, None)


def test_all_limits_that_were_set_to_none_stay_so(either: QueueHome) -> None:
    either.fine("run", "--drain", "--max-per-host", "none")
    either.fine("run", "--drain")
    assert (
        either.fine("limits")
        == "every key: any number at once (not set)\nevery host: any number at once\n"
    )


def test_the_home_says_what_is_done_with_jobs(home: QueueHome) -> None:
    toml = home.orch.home / "orch.toml"
    (home.orch.home / "shop.py").write_text("def page(task):\n    return task.id\n")
    toml.write_text("[queue]\npipeline = 'shop:page'\n")
    fill(home, "a", "b")
    assert home.fine("run", "--drain").startswith("2 done")
    assert home.json("show", "a")["result"] == "a"
    fill(home, "c")
    home.fine("run", "--drain", "--exec", "echo 7")
    assert home.json("show", "c")["result"] == 7
    toml.write_text("[queue]\npipeline = 'shop:pages'\n")
    gone = home("run", "--drain", "--workers", "x")
    assert gone.returncode == 2
    assert "orch.toml: queue.pipeline: the pipeline shop:pages cannot be loaded" in gone.stderr
    assert "--workers" in gone.stderr


def test_on_a_terminal_a_line_shows_how_far_it_is_and_ctrl_c_stops_it(home: QueueHome) -> None:
    fill(home, 1, 2, 3)
    words = home.words("run", "--workers", "1", "--grace", "0s", "--exec", HELD)
    with Typed(home.orch, *words) as typed:
        typed.shows("1 running, 2 queued")
        typed.press(b"\x03")
        assert typed.end() == 130
    assert "stopping: 1 job may end" in typed.shown
    assert "Traceback" not in typed.shown
    assert typed.shown.rindex("\x1b[?25h") > typed.shown.rindex("\x1b[?25l")  # the cursor is back
    assert home.states() == {"queued": 3}


def test_a_killed_runner_loses_nothing(either: QueueHome) -> None:
    (either.orch.home / "orch.toml").write_text("[queue]\nlease_ttl_seconds = 1\n")
    fill(either, 1, 2, 3)
    process = either.popen("run", "--workers", "2", "--exec", HELD)
    eventually(lambda: running(either) == 2)
    process.kill()
    process.wait()
    for file in either.orch.home.glob("running-*"):
        file.unlink()
    # The next one keeps what it has, though it may stand still for longer than a second.
    (either.orch.home / "orch.toml").write_text("[queue]\nlease_ttl_seconds = 60\n")
    (either.orch.home / "go").touch()
    assert either.fine("run", "--drain", "--exec", HELD).startswith("3 done")
    assert either.states() == {"done": 3}


def test_everything_that_is_wrong_is_told_at_once(home: QueueHome) -> None:
    wrong = ["--pipeline", "nope:x", "--exec", "no-such-program", "--workers", "0"]
    more = ["--grace", "soon", "--max-per-resolver", "a", "--max-per-host", "-1"]
    told = ["nope:x", "'no-such-program'", "--workers", "greater than or equal to 1", "'soon'"]
    home.refuses("run", *wrong, *more, told=[*told, "'a'", "--max-per-host '-1'"])
    (home.orch.home / "orch.toml").write_text("[queue]\nmax_workers = 1000\n")
    home.refuses("run", told=["queue.max_workers", "1000", "256"])


def test_a_redis_that_goes_away_is_waited_for(home: QueueHome, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "r") as server:
        home.target = server.url
        fill(home, *range(6))
        process = home.popen("run", "--workers", "2", "--drain", "--exec", HELD)
        assert process.stdout
        eventually(lambda: running(home) == 2)
        server.kill()
        (home.orch.home / "go").touch()
        assert "waiting for the queue" in process.stdout.readline()
        server.start()
        assert process.wait(60) == 0, process.stdout.read()
        assert home.states() == {"done": 6}


def test_a_reader_that_goes_away_ends_nothing(home: QueueHome) -> None:
    fill(home, *range(3))
    process = home.popen("run", "--drain", "--exec", "false", stdout=subprocess.PIPE)
    assert process.stdout
    os.close(process.stdout.fileno())
    process.wait(30)
    process.stdout = None
    assert home.states() == {"error": 3}
