"""`orch run -- CMD…`: the services up, one command, the services down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.orch import COMMAND, SMALL, Orch, eventually
from tests.support.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SERVICES = ["redis", "results", "worker", "beat"]
#: The start goes on until it is broken off.
SLOW = 'command = ["sleep", "1000"]\nready = { file = "none" }\nstart_timeout = "5m"\n'

#: Signals that come while one waits are one, so that only of several it can be told that none came twice.
SEVERAL = 5

#: Notes each signal it gets, and ends by itself a moment after so many, with 9.
PATIENT = """
import os, pathlib, signal, sys
wanted, got = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}, []
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
pathlib.Path("runs").write_text(str(os.getpid()))
while told := signal.sigtimedwait(wanted, 60 if len(got) < int(sys.argv[1]) else 0.5):
    got.append(signal.Signals(told.si_signo).name)
    pathlib.Path("got.new").write_text(" ".join(got))
    os.replace("got.new", "got")
pathlib.Path("ended").touch()
sys.exit(9)
"""


def patient(signals: int = SEVERAL) -> list[str]:
    return ["run", "--", sys.executable, "-c", PATIENT, str(signals)]


def sent(orch: Orch, send: Callable[[], object]) -> None:
    """Send a signal several times, each when the one before has been noted."""
    got = orch.home / "got"
    for number in range(1, SEVERAL + 1):
        send()
        eventually(lambda wanted=number: got.exists() and len(got.read_text().split()) >= wanted)


def happened(orch: Orch, name: str) -> list[str]:
    return [event.get("service", "") for event in orch.events() if event["event"] == name]


def stopped_in_order(orch: Orch) -> bool:
    ended = happened(orch, "service.ended")
    return sorted(ended) == sorted(SERVICES) and (ended[0], ended[-1]) == ("beat", "redis")


def test_the_command_finds_its_services_and_its_exit_code_is_ours(orch: Orch) -> None:
    script = """
import json, os, sys, subprocess, redis
print(json.dumps({key: os.environ[key] for key in
    ("ORCH_HOME", "ORCH_PREFIX", "REDIS_URL", "CELERY_BROKER_URL", "ORCH_WORKER_CONCURRENCY")}))
print(redis.Redis.from_url(os.environ["REDIS_URL"]).ping())
print(subprocess.run([sys.executable, "-P", "-m", "orchestrator", "status"]).returncode)
print(sys.stdin.read(), end="")
sys.exit(7)
"""
    words = ["--set", "worker.concurrency=1", "run", "--", sys.executable, "-c", script]

    done = subprocess.run(
        [*COMMAND, *words],
        cwd=orch.home,
        env=orch.environment,
        input="what comes in",
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 7, done.stderr
    told, ping, *_, code_and_input = done.stdout.splitlines()
    found = json.loads(told)
    assert found["ORCH_HOME"] == str(orch.home)
    assert found["REDIS_URL"] == f"unix://{orch.home}/data/run/redis.sock"
    assert found["CELERY_BROKER_URL"].startswith(f"redis+socket://{orch.home}/data/run/redis.sock")
    assert found["ORCH_WORKER_CONCURRENCY"] == "1"
    assert ping == "True"
    assert done.stdout.splitlines()[-2:] == ["0", "what comes in"], code_and_input
    assert done.stderr == ""
    assert stopped_in_order(orch)
    assert not orch.processes()


def test_what_runs_is_used_and_left_running(orch: Orch) -> None:
    orch.up()
    before = {row["name"]: row["pid"] for row in orch.status()["services"]}

    assert orch("run", "true").returncode == 0
    assert orch("run", "--", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL

    assert {row["name"]: row["pid"] for row in orch.status()["services"]} == before


def test_of_a_supervisor_that_was_there_only_what_was_started_is_stopped(orch: Orch) -> None:
    orch.up("redis")

    done = orch("run", "--", *COMMAND, "status", "--json")

    states = [row["state"] for row in json.loads(done.stdout)["services"]]
    assert states == ["ready"] * 4
    assert {row["name"]: row["state"] for row in orch.status()["services"]} == {
        "redis": "ready",
        "results": "stopped",
        "worker": "stopped",
        "beat": "stopped",
    }


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["no-such-command"], "'no-such-command' is not found"),
        (["--", "./orch.toml"], "may not be executed"),
        (["./gone/script"], "is not there"),
        ([], "CMD"),
    ],
)
def test_a_command_that_is_not_there_is_told_before_anything_is_started(
    orch: Orch, words: list[str], problem: str
) -> None:
    done = orch("run", *words)

    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
    assert not (orch.home / "data").exists()


def test_a_file_that_is_no_program_is_told_and_nothing_is_left(orch: Orch) -> None:
    (orch.home / "script").write_text("#!/no/such/interpreter\n")
    (orch.home / "script").chmod(0o755)

    done = orch("run", "./script")

    assert done.returncode == 2
    assert "cannot be run" in done.stderr
    assert not orch.processes()


def test_a_wrong_configuration_is_told_before_anything_is_started(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text("[worker]\nconcurency = 2\n")
    assert orch("run", "true").returncode == 2
    assert not orch.processes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_handed_on_once_and_the_end_of_the_command_awaited(
    orch: Orch, number: signal.Signals
) -> None:
    run = orch.popen(*patient(), start_new_session=True, stdin=subprocess.DEVNULL)
    eventually((orch.home / "runs").exists, 60)

    # As Ctrl+C and `timeout` do: to the whole group.
    sent(orch, lambda: os.killpg(run.pid, number))

    output = run.communicate(timeout=60)[0]
    assert run.returncode == 9, output
    assert (orch.home / "got").read_text().split() == [number.name] * SEVERAL
    assert (orch.home / "ended").exists()
    assert stopped_in_order(orch)
    assert not orch.processes()


def test_ctrl_c_at_the_keyboard_reaches_the_command_once(orch: Orch) -> None:
    with Typed(orch, *patient()) as typed:
        eventually((orch.home / "runs").exists, 60)
        sent(orch, lambda: typed.press(b"\x03"))
        assert typed.end(60) == 9

    assert (orch.home / "got").read_text().split() == ["SIGINT"] * SEVERAL
    assert not orch.processes()


def test_a_terminal_that_is_closed_ends_the_command_and_the_services(orch: Orch) -> None:
    with Typed(orch, *patient(1)) as typed:
        eventually((orch.home / "runs").exists, 60)
        typed.hang_up()
        assert typed.end(60) == 9

    assert (orch.home / "got").read_text().split() == ["SIGHUP"]
    assert stopped_in_order(orch)
    assert not orch.processes()


def test_a_terminal_that_is_closed_during_the_start_ends_it(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(f"{SMALL}[service.slow]\n{SLOW}")
    with Typed(orch, "run", "touch", "was-run") as typed:
        eventually(lambda: happened(orch, "service.started"))
        typed.hang_up()
        assert typed.end(60) == 128 + signal.SIGHUP

    assert not (orch.home / "was-run").exists()
    assert not orch.processes()


def test_below_a_shell_a_closed_terminal_is_told_once(orch: Orch) -> None:
    script = '"$@"; true'  # the shell leads the session, and ends with it
    with Typed(orch, *patient(1), below=["sh", "-ic", script, "sh"]) as typed:
        eventually((orch.home / "runs").exists, 60)
        typed.hang_up()
        eventually((orch.home / "ended").exists)
        eventually(lambda: not orch.processes(), 60)

    assert (orch.home / "got").read_text().split() == ["SIGHUP"]


def test_a_command_that_a_signal_ends_gives_128_and_its_number(orch: Orch) -> None:
    run = orch.popen("run", "--", "sh", "-c", "touch runs; exec sleep 60", start_new_session=True)
    eventually((orch.home / "runs").exists, 60)

    run.terminate()

    run.communicate(timeout=60)
    assert run.returncode == 143
    assert not orch.processes()


def test_a_signal_during_the_start_ends_it_and_nothing_is_left(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(f"{SMALL}[service.slow]\n{SLOW}")
    run = orch.popen("run", "touch", "was-run", start_new_session=True)
    eventually(lambda: happened(orch, "service.started"))

    run.terminate()

    output = run.communicate(timeout=60)[0]
    assert run.returncode == 143, output
    assert "Traceback" not in output
    assert not (orch.home / "was-run").exists()
    assert not orch.processes()


def test_after_kill_9_the_services_go_on_and_the_next_run_leaves_them(orch: Orch) -> None:
    run = orch.popen(*patient(), start_new_session=True)
    eventually((orch.home / "runs").exists, 60)
    run.kill()
    run.wait(60)

    before = {row["name"]: row["pid"] for row in orch.status()["services"]}
    assert orch("run", "true").returncode == 0

    assert {row["name"]: row["pid"] for row in orch.status()["services"]} == before
    os.kill(int((orch.home / "runs").read_text()), signal.SIGKILL)
    assert orch("down").returncode == 0
    assert not orch.processes()


def test_of_several_runs_the_last_to_end_stops_the_services(orch: Orch, tmp_path: Path) -> None:
    words = ("run", "--", "sh", "-c")
    runs = [
        orch.popen(*words, f"touch {n}; while [ ! -e end-{n} ]; do sleep 0.1; done; exit {n}")
        for n in (1, 2)
    ]
    for n in (1, 2):
        eventually((orch.home / str(n)).exists, 60)
    started = happened(orch, "service.started")

    (orch.home / "end-1").touch()
    runs[0].communicate(timeout=60)
    assert [row["state"] for row in orch.status()["services"]] == ["ready"] * 4
    (orch.home / "end-2").touch()
    runs[1].communicate(timeout=60)

    assert [run.returncode for run in runs] == [1, 2]
    assert sorted(started) == sorted(SERVICES)
    assert not orch.processes()


def test_in_cron_there_is_no_terminal_no_path_and_another_folder(orch: Orch) -> None:
    done = subprocess.run(
        [*COMMAND, "--home", str(orch.home), "run", "celery", "--version"],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("5.6")
    assert not orch.processes()
