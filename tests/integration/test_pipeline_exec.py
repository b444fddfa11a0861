"""Commands as jobs: what they are given, what their exit codes mean, what is kept of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core import child
from orchestrator.core.errors import ConfigError
from orchestrator.pipelines.exec import exec_with, run_command
from orchestrator.queue import dispatcher
from orchestrator.queue.config import RunnerConfig
from orchestrator.queue.model import Lease, QueueState
from orchestrator.queue.open import open_queue
from orchestrator.queue.pipeline import (
    Done,
    Failure,
    Outcome,
    Pipeline,
    Pipelines,
    Retry,
    Skip,
    Task,
)
from orchestrator.queue.runner import Runner
from orchestrator.supervise.ownership import session
from tests.support.orch import alive, eventually


def do(payload: Any, pipeline: Pipeline = run_command, over: threading.Event | None = None) -> Any:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return pipeline(Task(Lease("job-7", "2.1.1", text, 2), Path("data"), over or threading.Event()))


def sh(script: str, **more: Any) -> Any:
    return do({"command": ["sh", "-c", script], **more})


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 0", Done()),
        ("echo '{\"n\": 1}'", Done({"n": 1})),
        ("echo fine", Done("fine")),
        ("exit 75", Retry("exit code 75")),
        ("echo 'no room' >&2; exit 75", Retry("exit code 75: no room")),
        ("echo 'seen it' >&2; exit 65", Skip("seen it")),
        ("echo out; echo why >&2; exit 3", Failure("exit code 3: why")),
        ("kill -SEGV $$", Failure("ended by SIGSEGV")),
        ("kill -TERM $$", Retry("ended by SIGTERM")),
        ("kill -KILL $$", Retry("ended by SIGKILL")),
    ],
)
def test_the_end_of_a_command_says_what_came_of_the_job(script: str, expected: Outcome) -> None:
    assert sh(script) == expected


def test_the_payload_is_on_stdin_and_the_job_in_the_environment(tmp_path: Path) -> None:
    payload = {
        "command": ["sh", "-c", "cat; echo $ORCH_JOB_ID $ORCH_JOB_ATTEMPT $MINE $PWD >&2; exit 3"],
        "cwd": str(tmp_path),
        "env": {"MINE": "é"},
        "column": "mine",
    }
    assert do(payload) == Failure(f"exit code 3: job-7 2 é {tmp_path}")
    payload["command"] = ["cat"]
    assert do(payload) == Done(payload)


def test_no_shell_reads_a_command() -> None:
    assert do({"command": "printf %s, '$HOME;' \"a b\""}) == Done("$HOME;,a b,")


def test_what_a_command_says_is_bounded() -> None:
    text = sh("head -c 3000000 /dev/zero | tr '\\0' x").result
    assert text.startswith("x" * 65_536 + "\n[the first 65536 of 3000000 bytes]")
    assert len(text) < 70_000
    error = sh("head -c 100000 /dev/zero | tr '\\0' y >&2; echo last >&2; exit 1").error
    assert error.endswith("yylast")
    assert len(error) < 2200
    assert sh("printf '\\033[31mred\\033[0m\\000' >&2; exit 1").error == "exit code 1: red"


def test_a_long_json_result_is_kept_whole() -> None:
    script = "import json; print(json.dumps(list(range(50000))))"
    assert do({"command": [sys.executable, "-c", script]}) == Done(list(range(50_000)))


def test_a_command_that_takes_too_long_is_tried_again() -> None:
    begun = time.monotonic()
    assert sh("echo slow >&2; sleep 600", timeout=6.5) == Retry("not ended within 6.5 s: slow")
    assert time.monotonic() - begun < 60


def test_a_command_that_is_called_off_ends(tmp_path: Path) -> None:
    over = threading.Event()
    file = tmp_path / "ready"
    threading.Thread(target=lambda: (eventually(file.exists), over.set())).start()
    command = ["sh", "-c", f"trap '' TERM; touch {file}; sleep 600; sleep 600"]
    begun = time.monotonic()
    assert do({"command": command}, over=over) == Retry("called off")
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"command": ["no-such-thing", "x"]}, "'no-such-thing' is not found on the PATH"),
        ({"command": ["/no/such/thing"]}, "/no/such/thing is not there"),
        ({"command": ["/etc/passwd"]}, "/etc/passwd may not be executed"),
        ({"command": ["true"], "cwd": "/no/such"}, "cwd: /no/such is no folder"),
        ({"command": []}, "must name a program"),
        ({"command": "echo 'x"}, "No closing quotation"),
        ({"command": ["echo", "a\0b"]}, "null byte"),
        ({"command": ["true"], "env": {"A=B": "x"}}, "environment variable"),
        ({"command": ["echo", "x" * 4_000_000]}, "Argument list too long"),
        ({}, "command: is missing"),
        ([1], "must be a table"),
        ("no json", "is no JSON"),
    ],
)
def test_what_can_never_run_is_a_permanent_error(payload: Any, told: str) -> None:
    found = do(payload)
    assert isinstance(found, Failure)
    assert told.lower() in found.error.lower()


def test_all_that_is_wrong_is_said_at_once_and_no_secret() -> None:
    error = do({"command": 7, "timeout": "soon", "env": {"KEY": ["hunter2"]}}).error
    assert all(f"payload: {key}" in error for key in ("command", "timeout", "env.KEY"))
    assert "hunter2" not in error


def test_a_machine_that_is_short_of_something_is_no_fault_of_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def short(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(child.subprocess, "Popen", short)
    assert do({"command": ["true"]}) == Retry(
        "true: cannot be started: Resource temporarily unavailable"
    )


def test_a_script_without_an_interpreter_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    assert isinstance(do({"command": [str(script)]}), Failure)


def test_one_command_for_all_jobs_is_not_changed_by_a_payload() -> None:
    payload = {"command": ["touch", "evil"], "cwd": "/no/such", "env": {"MINE": "theirs"}}
    pipeline = exec_with("sh -c 'echo $MINE; cat >&2; exit 3'", env={"MINE": "ours"})
    assert do(payload, pipeline) == Failure(f"exit code 3: {json.dumps(payload)}")
    assert do('"text"', exec_with(["cat"])) == Done("text")
    assert isinstance(do("{}", exec_with(["sleep", "600"], timeout=0.2)), Retry)


@pytest.mark.parametrize("command", ["no-such-thing", "", [], "echo 'x"])
def test_a_command_for_all_jobs_that_cannot_run_is_refused_before_any(command: Any) -> None:
    with pytest.raises(ConfigError, match="command: "):
        exec_with(command)


def test_a_command_that_is_being_replaced_is_tried_again(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    pipeline = exec_with([str(program)])
    assert do("{}", pipeline) == Done()
    program.unlink()
    assert isinstance(do("{}", pipeline), Retry)


def run_with_children_ignored(script: str, folder: Path) -> str:
    ignore = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    return subprocess.run(
        [sys.executable, "-c", ignore + script],
        check=True,
        text=True,
        timeout=60,
        cwd=folder,
        stdout=subprocess.PIPE,
    ).stdout


def test_a_process_that_ignores_the_end_of_its_children_is_told_and_runs_none(
    tmp_path: Path,
) -> None:
    script = """
from orchestrator.core.child import Bounds, Command, run
try:
    run(Command("/bin/sh", ["sh", "-c", "touch ran"]), Bounds(10))
except RuntimeError as error:
    print(error)
"""
    assert "SIGCHLD" in run_with_children_ignored(script, tmp_path)
    assert not (tmp_path / "ran").exists()


def test_queue_run_knows_how_commands_end_whoever_started_it(tmp_path: Path) -> None:
    target = str(tmp_path / "queue.sqlite")
    with open_queue(target) as queue:
        queue.enqueue("good", {"command": ["true"]})
        queue.enqueue("bad", {"command": ["sh", "-c", "exit 3"]})
    script = f"""
import os, sys
words = ["queue", "run", "--queue", {target!r}, "--exec", "sh -c 'grep -q true'", "--drain"]
os.execv(sys.executable, [sys.executable, "-m", "orchestrator", *words])
"""
    with pytest.raises(subprocess.CalledProcessError) as raised:
        run_with_children_ignored(script, tmp_path)
    assert raised.value.returncode == 6
    with open_queue(target) as queue:
        jobs = {job.id: job for job in queue.store.jobs()}
        assert jobs["good"].state == QueueState.DONE
        assert (jobs["bad"].state, jobs["bad"].reason) == (QueueState.ERROR, "exit code 1")


def test_a_killed_runner_leaves_no_command(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    payload = {"command": ["sh", "-c", f"echo $$ > {file}; sleep 600; true"]}
    words = ["-m", "tests.support.pipeline_process", "exec", str(tmp_path), "job"]
    with subprocess.Popen([sys.executable, *words, json.dumps(payload)]) as runner:
        pid = int(eventually(lambda: file.exists() and file.read_text()))
        runner.send_signal(signal.SIGKILL)
    eventually(lambda: not alive(pid) and not session(pid))


def test_a_command_that_will_not_end_is_gone_before_its_job_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert child.HASTE_S + child.LOOK_EVERY_S < dispatcher.LEAVE_S
    for module in ("dispatcher", "runner"):  # the machine may stand still for longer
        monkeypatch.setattr(f"orchestrator.queue.{module}.LEAVE_S", 30.0)
    file = tmp_path / "pid"
    script = f"trap '' TERM; echo $$ > {file}; while :; do sleep 600; done"
    pipelines = Pipelines({"mine": exec_with(["sh", "-c", script])}, "mine")
    seen: list[bool] = []
    with open_queue(tmp_path / "queue.sqlite") as queue:
        store = queue.store
        release = type(store).release

        def watched(self: Any, *words: Any) -> Any:
            seen.append(alive(int(file.read_text())))
            return release(self, *words)

        monkeypatch.setattr(type(store), "release", watched)
        queue.enqueue("job-7", {})
        with Runner(queue, pipelines, RunnerConfig(max_workers=1), folder=tmp_path) as runner:
            eventually(lambda: file.exists() and file.read_text())
            runner.stop(0)
    assert seen == [False]
