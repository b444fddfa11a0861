"""`orch` as a child process in a home of the test's own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import OrchError
from orchestrator.core.home import Home
from orchestrator.supervise.control import ask, checked
from orchestrator.supervise.ownership import launched, pids

#: One worker child is enough for most tests, and quick.
SMALL = "[worker]\nconcurrency = 2\n"

COMMAND = [sys.executable, "-P", "-m", "orchestrator"]


class Orch:
    """A home and the commands typed in it."""

    def __init__(self, home: Path, toml: str = SMALL) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        (home / "orch.toml").write_text(toml)
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("ORCH_")
        }
        self.command = COMMAND

    def __call__(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def refuses(self, *words: str, told: Iterable[str]) -> None:
        """Whatever is wrong with the configuration is told, in one message; nothing is started."""
        done = self(*words)
        assert done.returncode == 2, done.stdout + done.stderr
        for part in told:
            assert part in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        assert not self.processes()

    def popen(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True} | options
        return subprocess.Popen([*COMMAND, *words], cwd=self.home, env=self.environment, **options)

    def up(self, *words: str) -> None:
        done = self("up", "-d", *words)
        assert done.returncode == 0, done.stdout + done.stderr

    def json(self, *words: str) -> Any:
        done = self(*words)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"{words}: {done.stdout!r} {done.stderr!r}") from None

    def status(self) -> dict[str, Any]:
        """What the supervisor says, or when there is none the command: much is asked of it."""
        try:
            return self.ask("status")
        except OrchError:
            found: dict[str, Any] = self.json("status", "--json")
            return found

    def ask(self, what: str, **more: Any) -> dict[str, Any]:
        """Ask the supervisor itself, which costs no process; what it refuses is an error."""
        socket = Home(self.home.resolve()).socket("control.sock")
        return checked(ask(socket, {"do": what, **more}, Deadline.after(60)))

    def service(self, name: str) -> dict[str, Any]:
        rows = {row["name"]: row for row in self.status()["services"]}
        return rows.get(name, {"state": "stopped", "pid": None})

    def pid(self, name: str) -> int:
        pid = self.service(name)["pid"]
        assert isinstance(pid, int), f"{name} does not run"
        return pid

    def processes(self) -> list[int]:
        """Every live process that was launched for this home, or names it on its command line."""
        home = self.home.resolve()
        ours = {pid for pids in launched(home).values() for pid in pids}
        return sorted(ours | {pid for pid in pids() if str(home) in command_line(pid)})

    def events(self) -> list[dict[str, Any]]:
        file = self.home / "data/logs/events.jsonl"
        return [json.loads(line) for line in whole_lines(file)]

    def close(self) -> None:
        """Stop everything by `orch down`, if there is anything; what is left then is a failure of ours."""
        if self.processes():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self("down", timeout=40)
        left = {pid: command_line(pid) for pid in self.processes() if alive(pid)}
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not left, f"orch down left these running: {left}"


def eventually(condition: Callable[[], Any], timeout: float = 60, what: str = "") -> Any:
    """Wait for a state, not for a time; return what the condition returned."""
    deadline = time.monotonic() + timeout
    while True:
        asked = time.monotonic()
        found = condition()
        if found:
            return found
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"not within {timeout} s: {what or condition}")
        # A question that is a command of its own leaves the processor to what is waited for.
        time.sleep(min(0.5, max(0.05, now - asked)))


@contextlib.contextmanager
def a_home(folder: Path, toml: str = SMALL) -> Iterator[Orch]:
    orch = Orch(folder, toml)
    try:
        yield orch
    finally:
        orch.close()


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def whole_lines(file: Path) -> list[str]:
    """What was written so far; the last line may be on its way."""
    text = file.read_text() if file.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def signal_each(pids: Iterable[int], number: signal.Signals) -> None:
    """What has ended since it was listed (a `sleep` of a shell's loop) is nobody to signal."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def command_line(pid: int) -> str:
    """Its words, each with a space behind it; "" when it has ended."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline")
            .read_bytes()
            .replace(b"\0", b" ")
            .decode("utf-8", "replace")
        )
    except OSError:
        return ""
