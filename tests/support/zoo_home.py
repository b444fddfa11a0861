"""A home whose candidates are the zoo's, on the tests' own Redis, with or without a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from orchestrator.celery_app.app import make_app
from orchestrator.core.context import Context
from orchestrator.core.queues import QUEUES
from orchestrator.nodes.registry import Nodes
from proxies.model import Proxy
from proxies.refresh.progress import RefreshRecord
from proxies.refresh.refresh import Refresher
from proxies.refresh.wait import Patience
from tests.support.orch import eventually

#: Tests do not want to wait for what is silent on purpose.
IMPATIENT = Patience(silence=3.0)

WORKER = "from orchestrator.celery_app.__main__ import main; raise SystemExit(main())"


class ProxyHome:
    """`candidates` are written to the list that the home's only source is."""

    def __init__(self, folder: Path, redis_url: str, judge: str, **settings: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.list = folder / "list.txt"
        self.list.write_text("")
        rows = {"sources": ["list.txt"], "judges": [judge], "check_timeout": 2, **settings}
        lines = [f"{key} = {value!r}" for key, value in rows.items()]
        text = f'[redis]\nurl = "{redis_url}"\n[worker]\nconcurrency = 2\n[proxies]\n'
        (folder / "orch.toml").write_text(text + "\n".join(lines) + "\n")
        self.load()

    def load(self) -> None:
        """Read its settings, again if they have been changed."""
        self.context = Context.load(self.folder)
        self.context.home.make()
        self.refresher = Refresher(self.context, make_app(self.context), IMPATIENT)

    def candidates(self, proxies: Iterable[Proxy]) -> Self:
        self.list.write_text("".join(f"{proxy.url}\n" for proxy in proxies))
        return self

    def stand_in(self, slots: int = 2) -> Self:
        """Let it look for an hour as if a worker were there."""
        redis, keys = self.context.redis, self.context.keys
        facts = json.dumps({"slots": slots, "active": 0, "takes": list(QUEUES)})
        redis.zadd(keys.nodes(), {"stand-in": int(redis.time()[0]) + 3600})
        redis.set(keys.node("stand-in"), facts, ex=3600)
        return self

    def record(self, job_id: str) -> RefreshRecord:
        return RefreshRecord(self.context.redis, self.context.keys, job_id)

    def worker(self, before: str = "") -> Worker:
        return Worker(self, before)


class Worker:
    """A real Celery worker of that home, as the supervisor would start it; `before` is run first."""

    def __init__(self, home: ProxyHome, before: str = "") -> None:
        self._home = home
        self._before = before
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        environment = {
            **os.environ,
            "ORCH_HOME": str(self._home.folder),
            "ORCH_SERVICE": "worker",
            "ORCH_LAUNCH": "test",
            "PYTHONSAFEPATH": "1",
        }
        with (self._home.folder / "worker.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"{self._before}\n{WORKER}", "worker"],
                env=environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        nodes = Nodes(self._home.context.redis, self._home.context.keys)
        eventually(nodes.live, what="the worker registered")
        return self

    def children(self) -> list[int]:
        assert self.process
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(word) for word in text.split()]

    def kill(self) -> None:
        """Kill the main process; its pool children follow by themselves."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def log(self) -> str:
        return (self._home.folder / "worker.log").read_text()
