"""The same services without a supervisor: started and stopped by a plain loop, in the same order."""

from __future__ import annotations

import signal
import subprocess
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.core import mark
from orchestrator.supervise.service import ServiceSpec
from tests.bench.meters import answers

#: How often the loop looks whether a service is ready, in seconds.
LOOK_EVERY_S = 0.003
START_S = 60.0


class Bare:
    """Starts each service as soon as what it needs is ready; stops them one after the other."""

    def __init__(self, specs: list[ServiceSpec], environment: dict[str, str]) -> None:
        self._specs = specs
        self._environment = environment
        self._running: dict[str, tuple[subprocess.Popen[bytes], str]] = {}

    def start(self) -> None:
        waiting, ready = list(self._specs), set[str]()
        deadline = time.monotonic() + START_S
        while len(ready) < len(self._specs):
            if time.monotonic() > deadline:
                self.stop()
                raise TimeoutError(f"only {ready} became ready")
            for spec in [spec for spec in waiting if ready.issuperset(spec.needs)]:
                self._running[spec.name] = self._launch(spec)
                waiting.remove(spec)
            begun = [spec for spec in self._specs if spec.name not in ready]
            ready |= {spec.name for spec in begun if self._is_ready(spec)}
            time.sleep(LOOK_EVERY_S)

    def stop(self) -> None:
        for spec in reversed(self._specs):
            if spec.name not in self._running:
                continue
            child, _ = self._running.pop(spec.name)
            child.send_signal(getattr(signal, f"SIG{spec.stop[0][0]}"))
            child.wait()

    def _is_ready(self, spec: ServiceSpec) -> bool:
        if spec.name not in self._running:
            return False
        if spec.probe.kind == "redis":
            return answers(Path(urlsplit(spec.probe.target).path))
        facts = mark.read(Path(spec.probe.target)) or {}
        return facts.get("launch") == self._running[spec.name][1]

    def _launch(self, spec: ServiceSpec) -> tuple[subprocess.Popen[bytes], str]:
        launch = uuid.uuid4().hex
        with Path(spec.log.path).open("ab") as log:
            child = subprocess.Popen(
                spec.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=spec.cwd,
                env={**self._environment, **spec.env, "ORCH_LAUNCH": launch},
                start_new_session=True,
            )
        return child, launch
