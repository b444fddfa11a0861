"""A home with a pool, and `orch proxies serve` in it as a child process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from orchestrator.core.context import Context
from proxies.model import Anonymity, Proxy, Verdict
from proxies.pool.pool import Pool
from tests.support.gateway import Talk, connected
from tests.support.orch import COMMAND
from tests.support.ports import free_port

PLACE = "127.0.0.1:"


class GatewayHome:
    """`pool(…)` says what is usable, `serve()` starts the gateway."""

    def __init__(self, folder: Path, redis_url: str, settings: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "orch.toml").write_text(f'[redis]\nurl = "{redis_url}"\n{settings}\n')
        self.folder = folder
        self.context = Context.load(folder)
        self.process: subprocess.Popen[str] | None = None
        self.port = 0
        self.said: list[str] = []

    def pool(self, proxies: Iterable[Proxy]) -> None:
        fill(self.context, proxies)

    def serve(self, listen: str = f"{PLACE}0") -> Self:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ORCH_")}
        self.process = subprocess.Popen(
            [*COMMAND, "proxies", "serve", "--listen", listen],
            cwd=self.folder,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr
        for line in self.process.stderr:
            self.said.append(line)
            if PLACE in line:
                self.port = int(line.partition(PLACE)[2].split()[0])
                break
        else:
            raise AssertionError(f"it does not listen: {self.said}")
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()
        return self

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr
        self.said.extend(process.stderr)

    def client(self, data: bytes = b"") -> Talk:
        return connected(self.port, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.context.redis.close()


class UpstreamProcess:
    """One that can be killed, and started again at the same port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    @property
    def proxy(self) -> Proxy:
        return Proxy("http", "127.0.0.1", self.port)

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.support.upstream_process", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def fill(context: Context, proxies: Iterable[Proxy]) -> None:
    """Put these into the pool of a home as if they had just been checked."""
    seconds, _ = context.redis.time()
    Pool(context.redis, context.keys).replace(
        [
            Verdict(proxy, seconds, anonymity=Anonymity.ELITE, exit_ip="127.7.7.7", latency_ms=20)
            for proxy in proxies
        ]
    )
