"""`orch queue …` as a child process, on a queue in a file or in Redis."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from orchestrator.queue.open import open_queue
from orchestrator.queue.work import WorkQueue
from tests.support.orch import Orch

Ended = subprocess.CompletedProcess[str]


class QueueHome:
    """A home without services, and the queue that its commands are about; "" is that of the home."""

    def __init__(self, orch: Orch, target: str = "") -> None:
        self.orch = orch
        self.target = target

    @property
    def place(self) -> str:
        """Where the queue is, for code."""
        return self.target or str(self.orch.home / "data/queue.sqlite")

    def opened(self) -> WorkQueue:
        """The queue, for code; it is made when it is not there."""
        (self.orch.home / "data").mkdir(exist_ok=True)
        return open_queue(self.place)

    def words(self, *words: str) -> list[str]:
        return ["queue", *words, *(["--queue", self.target] if self.target else [])]

    def __call__(self, *words: str, said: str | None = None, timeout: float = 60) -> Ended:
        done = subprocess.run(
            [*self.orch.command, *self.words(*words)],
            cwd=self.orch.home,
            env=self.orch.environment,
            input=said if said is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def fine(self, *words: str, said: str | None = None) -> str:
        """What it prints when it ends with 0."""
        done = self(*words, said=said)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        """The one value on standard output."""
        return json.loads(self.fine(*words, "--json"))

    def popen(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        return self.orch.popen(*self.words(*words), **options)

    def refuses(self, *words: str, told: list[str], said: str | None = None) -> None:
        """All of it is told in one message with exit code 2, and no queue is made."""
        done = self(*words, said=said)
        assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
        assert done.stdout == ""
        for part in told:
            assert part in done.stderr, done.stderr
        assert not (self.orch.home / "data/queue.sqlite").exists()

    def states(self) -> dict[str, int]:
        """How many jobs there are of each state, those of which there are some."""
        with self.opened() as queue:
            found = queue.stats()
        names = ("queued", "in_progress", "done", "skipped", "error")
        return {name: count for name in names if (count := getattr(found, name))}
