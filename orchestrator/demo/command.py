"""The commands of the demo: the very ones that a user types, as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.errors import DeadlinePassed, OrchError
from orchestrator.demo import traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: How long a command may take to end after Ctrl+C.
GRACE_S = 5.0
LOOK_EVERY_S = 0.02


class CommandFailed(OrchError):
    """A command ended with another exit code than 0."""

    def __init__(self, words: str, code: int) -> None:
        super().__init__(f"`{words}` ended with exit code {code}")


class Commands:
    """Runs `orch ...` in one home, in the terminal (or file) that we have ourselves."""

    def __init__(self, home: Path, check: Callable[[], None]) -> None:
        self._home = home
        self._check = check

    def run(self, *words: str, timeout: float) -> None:
        """Run `orch WORDS...`; what it prints is seen.

        Raises:
            CommandFailed: it ended with another exit code than 0.
            DeadlinePassed: it took too long and was ended.
        """
        self._run(words, None, timeout)

    def output(self, *words: str, timeout: float) -> str:
        """Run `orch WORDS...` and return what it prints on standard output.

        Raises:
            CommandFailed: it ended with another exit code than 0.
            DeadlinePassed: it took too long and was ended.
        """
        path = self._home / "output"
        with path.open("w+b") as file:
            self._run(words, file.fileno(), timeout)
            file.seek(0)
            text = file.read().decode()
        path.unlink()
        return text

    def _run(self, words: tuple[str, ...], output: int | None, timeout: float) -> None:
        sys.stdout.flush()
        deadline = Deadline.after(timeout)
        with _held_back():
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "orchestrator", *words],
                cwd=self._home,
                env=environment(self._home),
                stdin=subprocess.DEVNULL,
                stdout=output,
                start_new_session=True,
            )
        try:
            ended = self._wait(process, deadline)
        finally:
            _end(process)
        if not ended:
            raise DeadlinePassed(f"`orch {' '.join(words)}` took more than {timeout:g} s")
        if process.returncode != 0:
            raise CommandFailed(f"orch {' '.join(words)}", process.returncode)

    def _wait(self, process: subprocess.Popen[bytes], deadline: Deadline) -> bool:
        def ended() -> bool:
            self._check()
            return process.poll() is not None

        return wait_until(ended, deadline, every=LOOK_EVERY_S)


@contextmanager
def _held_back() -> Iterator[None]:
    """What is started here gets a Ctrl+C only when it can take it: `orch` lets it through."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def environment(home: Path) -> dict[str, str]:
    """Our environment without what would lead out of the demo: other settings, other proxies."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ORCH_") and not name.lower().endswith("_proxy")
    }
    return kept | traces.mark(home)


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl+C does, and by force if that is not enough; nothing for one that has ended."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None, Deadline.after(GRACE_S), every=LOOK_EVERY_S)
    if process.poll() is None:
        process.kill()
        process.wait()
