"""Commands: bounded in time and in what they say, and gone when we are."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

import pytest

from orchestrator.core import child, leash, warden, which
from orchestrator.core.child import Bounds, Command, Ended, Why
from orchestrator.core.warden import MARK
from tests.support.orch import alive, command_line, eventually

SLEEP = [shutil.which("sleep") or "", "600"]

#: Leaves a process in the session, one in a group of its own, and one in a session of its own.
FAMILY = """
import os, subprocess, sys, time
inner = [
    subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
    for how in ({}, {"process_group": 0}, {"start_new_session": True})
]
with open(sys.argv[1] + ".new", "w") as file:
    file.write(" ".join(str(p.pid) for p in inner) + f" {os.getpid()}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
"""
STAYS = FAMILY + "time.sleep(600)"


def run(
    *words: str,
    timeout: float = 30,
    grace: float = 2.0,
    feed: bytes = b"",
    over: threading.Event | None = None,
    err: int = 2048,
) -> Ended:
    command = Command(which.find(words[0], Path.cwd()), words)
    return child.run(command, Bounds(timeout, grace, err=err), feed=feed, over=over)


def pids_in(file: Path) -> list[int]:
    return eventually(lambda: file.exists() and [int(word) for word in file.read_text().split()])


def nothing_left(pids: list[int]) -> bool:
    return not any(alive(pid) for pid in pids)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def zombies() -> list[int]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if not alive(int(pid))]


def warden_of(pid: int) -> int:
    """The pid of the warden of a process; 0: it has none."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and alive(int(entry.name)):
            words = command_line(int(entry.name)).split(" ")
            if words[3:5] == [warden.__file__, str(pid)]:
                return int(entry.name)
    return 0


def test_what_goes_in_comes_out_and_megabytes_do_not_block() -> None:
    ended = run("cat", feed=b"x" * 5_000_000)
    assert (ended.why, ended.code, ended.said) == (Why.ITSELF, 0, 5_000_000)
    assert ended.out == b"x" * 1024 * 1024


def test_both_pipes_are_read_while_stdin_is_not() -> None:
    script = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero; echo end >&2; exit 3"
    ended = run("sh", "-c", script, feed=b"y" * 3_000_000)
    assert (ended.code, ended.said) == (3, 3_000_000)
    assert len(ended.err) == 2048
    assert ended.err.endswith(b"\0end\n")


def test_a_pipe_that_has_room_for_a_little_does_not_block() -> None:
    script = (
        "dd bs=4096 count=1 of=/dev/null 2>/dev/null; head -c 3000000 /dev/zero; cat >/dev/null"
    )
    assert run("sh", "-c", script, feed=b"y" * 3_000_000).said == 3_000_000


def test_words_reach_the_command_as_they_are() -> None:
    assert run("printf", "%s|", "a b", "$HOME", ";").out == b"a b|$HOME|;|"


def test_a_timeout_asks_first(tmp_path: Path) -> None:
    script = "trap 'echo tidy; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    ended = run("sh", "-c", script, timeout=6, grace=20)  # it is ready by then
    assert (ended.why, ended.code, ended.out) == (Why.TIMEOUT, 9, b"ready\ntidy\n")


def test_who_does_not_listen_is_killed() -> None:
    ended = run("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", timeout=6, grace=0.3)
    assert (ended.why, ended.code) == (Why.TIMEOUT, -signal.SIGKILL)


def test_who_is_called_off_has_little_time() -> None:
    over = threading.Event()
    threading.Timer(0.2, over.set).start()
    begun = time.monotonic()
    script = "trap '' TERM; while :; do sleep 0.1; done"
    ended = run("sh", "-c", script, grace=60, over=over)
    assert ended.why is Why.CALLED_OFF
    assert time.monotonic() - begun < 20


def test_an_end_is_noticed_though_the_pipes_stay_open() -> None:
    begun = time.monotonic()
    ended = run("sh", "-c", "sleep 600 & echo out")
    assert (ended.why, ended.code, ended.out) == (Why.ITSELF, 0, b"out\n")
    assert time.monotonic() - begun < 10


def test_an_end_is_noticed_though_the_pipes_were_closed_before() -> None:
    assert run("sh", "-c", "exec >&- 2>&- <&-; sleep 0.3; exit 4").code == 4


def test_an_ended_command_leaves_nothing_in_its_group(tmp_path: Path) -> None:
    run(sys.executable, "-c", FAMILY, str(tmp_path / "pids"))
    in_group, *others, leader = pids_in(tmp_path / "pids")
    assert eventually(lambda: nothing_left([in_group, leader]))
    for daemon in others:
        assert alive(daemon)  # it may be meant
        os.kill(daemon, signal.SIGKILL)


def test_a_command_that_we_end_leaves_nothing_at_all(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    over = threading.Event()
    threading.Thread(target=lambda: (pids_in(file), over.set())).start()
    assert run(sys.executable, "-c", STAYS, str(file), over=over).why is Why.CALLED_OFF
    assert eventually(lambda: nothing_left(pids_in(file)))


def test_no_file_stays_open_and_no_zombie() -> None:
    run("true")
    gc.collect()  # what tests before this one have left is closed now, not in the middle
    before = open_files(), zombies()
    for _ in range(20):
        run("sh", "-c", "echo x; echo y >&2")
        with pytest.raises(FileNotFoundError):
            child.run(Command("/nowhere", ["nowhere"]), Bounds(5))
    assert (open_files(), zombies()) == before


def test_a_command_inherits_no_file_of_ours(tmp_path: Path) -> None:
    with (tmp_path / "mine").open("w") as mine:
        os.set_inheritable(mine.fileno(), True)
        seen = run("ls", "-l", "/proc/self/fd").out.decode()
    assert "mine" not in seen
    assert seen.count("pipe:") == 3


OURS = """
import sys, threading
from orchestrator.core import child
from orchestrator.core.child import Bounds, Command
words = [sys.executable, "-c", sys.argv[1], sys.argv[2]]
for _ in range(2):
    threading.Thread(target=child.run, args=(Command(words[0], words), Bounds(600))).start()
    words = ["sh", "-c", f"trap '' TERM; echo $$ > {sys.argv[2]}.sh; while :; do sleep 0.1; done"]
    words[0] = "/bin/sh"
words = ["sh", "-c", f"echo $$ > {sys.argv[2]}.bare; exec env -i sleep 600"]
words[0] = "/bin/sh"
threading.Thread(target=child.run, args=(Command(words[0], words), Bounds(600))).start()
"""


def start_ours(file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", OURS, STAYS, str(file)])


def test_when_we_are_killed_nothing_is_left(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with start_ours(file) as ours:
        left = [pid for end in ("", ".sh", ".bare") for pid in pids_in(tmp_path / f"pids{end}")]
        keeper = eventually(lambda: warden_of(ours.pid))
        ours.kill()
    assert eventually(lambda: nothing_left(left))
    assert eventually(lambda: not alive(keeper))  # it has nothing to do any more


def test_what_is_being_started_when_we_are_killed_is_found_by_its_token() -> None:
    """The warden was told that it is to be started, and not yet of its pid."""
    words = [sys.executable, "-I", "-S", warden.__file__]
    with subprocess.Popen(SLEEP) as starter:
        keeper = subprocess.Popen([*words, str(starter.pid)], stdin=subprocess.PIPE)
        assert keeper.stdin
        keeper.stdin.write(b"+cafe\n+beef\n-beef\n")
        keeper.stdin.flush()
        started, ended = (
            subprocess.Popen(SLEEP, env={MARK: token}, start_new_session=True)
            for token in ("cafe", "beef")
        )
        starter.kill()  # its end tells as well as that of the pipe, which we hold
    assert started.wait(20) == -signal.SIGTERM
    assert keeper.wait(20) == 0
    assert ended.poll() is None  # ticked off: what is left of it is meant
    ended.kill()
    ended.wait()
    keeper.stdin.close()


def test_a_recycled_pid_is_nobody_of_ours() -> None:
    with subprocess.Popen(SLEEP, start_new_session=True) as other:
        born = warden.start_time(other.pid)
        assert warden.kin({"t": warden.Leader(other.pid, born)}) == [other.pid]
        assert warden.kin({"t": warden.Leader(other.pid, born - 1)}) == []
        other.kill()


def test_a_warden_that_was_killed_is_replaced(tmp_path: Path) -> None:
    driver = OURS + (
        "sys.stdin.readline()\nchild.run(Command('/bin/true', ['true']), Bounds(9))\nprint(flush=True)"
    )
    file = tmp_path / "pids"
    words = [sys.executable, "-c", driver, STAYS, str(file)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, **pipes) as ours:
        left = [pid for end in ("", ".sh", ".bare") for pid in pids_in(tmp_path / f"pids{end}")]
        keeper = eventually(lambda: warden_of(ours.pid))
        os.kill(keeper, signal.SIGKILL)
        eventually(lambda: not alive(keeper))
        assert ours.stdin
        assert ours.stdout
        ours.stdin.write(b"\n")
        ours.stdin.flush()
        assert ours.stdout.readline() == b"\n"
        assert eventually(lambda: warden_of(ours.pid)) != keeper
        ours.kill()
    assert eventually(lambda: nothing_left(left))


def test_a_fork_of_ours_has_a_warden_of_its_own() -> None:
    run("true")
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = 0 if leash.LEASH._warden is None and run("true").code == 0 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_warden_is_there_at_once() -> None:
    took = []
    for _ in range(5):
        begun = time.monotonic()
        words = [sys.executable, "-I", "-S", warden.__file__, str(os.getpid())]
        subprocess.run(words, stdin=subprocess.DEVNULL, check=True)
        took.append(time.monotonic() - begun)
    assert median(took) < 0.5, took  # some 20 ms on a quiet machine
