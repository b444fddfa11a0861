"""Two who start, stop or reload at the same time; and Ctrl+C at every moment of a start."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import signal
import subprocess
import time
from pathlib import Path

from orchestrator.supervise.ownership import process_stat
from tests.chaos.test_reload import zombies
from tests.support.orch import Orch, alive, command_line, eventually
from tests.support.row import replaced

SLEEPER = """
[service.sleeper]
command = ["sleep", "{seconds}"]
ready = {{ after = "{after}" }}
"""


def sleeper(*, seconds: int = 1000, after: str = "100ms") -> str:
    return SLEEPER.format(seconds=seconds, after=after)


def at_work_in(home: Path) -> list[int]:
    """Every process whose current folder is the home, also a supervisor that still loads."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink() == home.resolve() and alive(int(link.parent.name)):
                found.append(int(link.parent.name))
    return found


def test_ctrl_c_at_any_moment_of_a_detached_start_leaves_nothing(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(sleeper(after="2s"))
    orch.up("sleeper")
    assert orch("down").returncode == 0

    # The moment is the point: these go through loading, forking, giving the order and waiting.
    for delay in (0.15, 0.18, 0.2, 0.22, 0.25, 0.28, 0.3, 0.35, 0.5):
        up = orch.popen("up", "-d", "sleeper")
        time.sleep(delay)
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=60)
        # One that has no order may still be loading, only to find that there is none.
        eventually(
            lambda: not at_work_in(orch.home), 60, f"nothing runs, {delay} s after the start"
        )


def test_down_ends_a_start_that_found_a_killed_supervisor(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(sleeper(after="1s"))
    for delay in (0.06, 0.12, 0.18, 0.24):
        orch.up("sleeper")
        os.kill(orch.status()["supervisor"]["pid"], signal.SIGKILL)
        up = orch.popen("up", "-d", "sleeper")
        time.sleep(delay)

        down = orch("down", "--timeout", "50")
        up.communicate(timeout=60)

        assert down.returncode == 0, f"{delay} s after the start: {down.stderr}"
        assert "another supervisor" not in down.stderr
        assert orch("down").returncode == 0  # the start may have come after it


def test_nobody_is_told_that_nothing_runs_while_the_supervisor_replaces_itself(
    orch: Orch,
) -> None:
    (orch.home / "orch.toml").write_text(sleeper())
    orch.up("sleeper")
    pid = orch.pid("sleeper")
    looks = list[subprocess.Popen[str]]()
    for turn in range(3):
        (orch.home / "orch.toml").write_text(sleeper() + f"log_keep = {turn + 1}\n")
        restart = orch.popen("restart", "--changed")
        while restart.poll() is None:
            looks.append(orch.popen("status", "--json", stderr=subprocess.DEVNULL))
            looks[-1].communicate(timeout=60)
        assert restart.returncode == 0, restart.communicate()[0]

    # 1: something that need not run does not.
    assert {look.returncode for look in looks} <= {0, 1}
    assert orch.pid("sleeper") == pid


def test_three_reloads_at_once_all_succeed(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(sleeper())
    orch.up("sleeper")
    for turn in range(3):
        (orch.home / "orch.toml").write_text(sleeper(seconds=1001 + turn))

        restarts = [orch.popen("restart", "--changed") for _ in range(3)]
        said = [restart.communicate(timeout=60)[0] for restart in restarts]

        assert [restart.returncode for restart in restarts] == [0, 0, 0], said
        assert f"{1001 + turn}" in command_line(orch.pid("sleeper"))


def test_whoever_waits_for_a_reload_hears_that_the_supervisor_has_ended(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(sleeper())
    orch.up("sleeper")
    supervisor = orch.status()["supervisor"]["pid"]
    (orch.home / "orch.toml").write_text(sleeper(seconds=1001, after="60s"))
    restart = orch.popen("restart", "--changed")
    eventually(lambda: orch.service("sleeper")["state"] == "starting")

    os.kill(supervisor, signal.SIGKILL)

    restart.communicate(timeout=50)  # less than the service takes to be ready
    assert restart.returncode == 3


def rests(pid: int) -> bool:
    """Whether a process does next to nothing for half a second: one that loads does."""
    looks = []
    for _ in range(10):
        looks.append(process_stat(pid))
        time.sleep(0.05)
    found = [look for look in looks if look]
    assert len(found) == len(looks), "it has ended"
    return {look.state for look in found} == {"S"} and found[-1].cpu_ticks - found[0].cpu_ticks <= 2


def test_ctrl_c_ends_the_slower_of_two_foreground_starts(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(sleeper(after="200s"))
    ups = [orch.popen("up", "sleeper") for _ in range(2)]
    eventually(lambda: orch.service("sleeper")["state"] == "starting")
    supervisor = orch.status()["supervisor"]["pid"]
    [second] = [up for up in ups if up.pid != supervisor]
    # It has lost the race for the lock; or it was later still, has found the quicker one running, and waits
    # for that. Either way it heeds Ctrl+C.
    eventually(lambda: rests(second.pid), 60, "it waits")

    second.send_signal(signal.SIGINT)

    assert second.wait(60) in (130, -signal.SIGINT)
    assert orch.status()["supervisor"]["pid"] == supervisor


def test_a_reader_that_does_not_read_holds_nothing_up(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(sleeper(after="0s"))
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 8192)
    up = orch.popen("up", "sleeper", stdout=writer, stderr=writer)
    os.close(writer)
    eventually(lambda: orch.service("sleeper")["state"] == "ready")

    for _ in range(60):  # each is worth three lines
        orch.ask("restart", services=["sleeper"])
    up.send_signal(signal.SIGTERM)

    assert up.wait(60) == 128 + signal.SIGTERM
    said = os.read(reader, 1_000_000)
    os.close(reader)
    assert b"service.ready" in said


def test_nohup_is_honoured(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(sleeper())
    command = ["nohup", *orch.command, "up", "sleeper"]
    with subprocess.Popen(
        command,
        cwd=orch.home,
        env=orch.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as up:
        eventually(lambda: orch.service("sleeper")["state"] == "ready")
        up.send_signal(signal.SIGHUP)
        orch.ask("restart", services=["sleeper"])
        assert orch.service("sleeper")["state"] == "ready"

        up.send_signal(signal.SIGTERM)
        assert up.wait(60) == 128 + signal.SIGTERM


def reloads_since(orch: Orch, before: int) -> bool:
    return any(event["event"] == "supervisor.reloads" for event in orch.events()[before:])


def test_what_ends_while_the_supervisor_replaces_itself_is_reaped(orch: Orch) -> None:
    slow_probe = 'alive = { exec = ["sleep", "0.7"], every = "800ms", timeout = "5s" }\n'
    (orch.home / "orch.toml").write_text(sleeper() + slow_probe)
    orch.up("sleeper")
    supervisor = orch.status()["supervisor"]["pid"]
    pid = orch.pid("sleeper")
    for turn in range(4):
        changed = sleeper() + slow_probe + f"log_keep = {turn + 1}\n"
        (orch.home / "orch.toml").write_text(changed)
        before = len(orch.events())
        restart = orch.popen("restart", "--changed")
        eventually(functools.partial(reloads_since, orch, before))
        os.kill(pid, signal.SIGKILL)
        restart.communicate(timeout=60)
        pid = replaced(orch, "sleeper", pid, 60)

    eventually(lambda: not zombies(supervisor), 60, "no zombies")
