"""Queues in processes of their own: ours in this Python, others in one of `$BENCH_PATH`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from tests.bench.queue_engines import MODULES

ROOT = Path(__file__).parents[2]
#: Whoever answers nothing for so long is stuck.
PATIENCE_S = 300.0

_ASKED = (
    "import sys, importlib.metadata as m\n"
    "for name in sys.argv[1:]:\n"
    "    try: print(name, m.version(name))\n"
    "    except m.PackageNotFoundError: pass\n"
)


def pythons(modules: Mapping[str, str | None] = MODULES) -> dict[str, tuple[str, str]]:
    """Engine -> the Python that has it, and its version; those that are nowhere are not in it."""
    found = {name: (sys.executable, "") for name, module in modules.items() if not module}
    for folder in os.environ.get("BENCH_PATH", "").split(os.pathsep):
        python = shutil.which("python", path=folder) if folder else None
        if not python:
            continue
        asked = [python, "-c", _ASKED, *filter(None, modules.values())]
        told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        versions = dict(line.split() for line in told.splitlines())
        for name, module in modules.items():
            if module in versions:
                found.setdefault(name, (python, versions[module]))
    return {name: found[name] for name in modules if name in found}


class Child:
    """A driver; `tell` and `hear` are the halves of `ask`, so that several may work at once."""

    module = "tests.bench.queue_driver"

    def __init__(
        self, engine: str, python: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.engine = engine
        self.process = subprocess.Popen(
            [python, "-P", "-m", self.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        )

    def open(self, folder: Path, sync: str = "FULL", **options: Any) -> Self:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.can = self.ask("open", engine=self.engine, folder=str(folder), sync=sync, **options)
        return self

    def ask(self, verb: str, **facts: Any) -> Any:
        self.tell(verb, **facts)
        return self.hear()

    def tell(self, verb: str, **facts: Any) -> None:
        assert self.process.stdin
        print(json.dumps({"verb": verb} | facts), file=self.process.stdin, flush=True)

    def hear(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise ChildProcessError(f"the driver of {self.engine} ended: {self.process.wait()}")
        return json.loads(line)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            with contextlib.suppress(BrokenPipeError):
                stream.close()


@contextlib.contextmanager
def children(there: dict[str, tuple[str, str]], *names: str) -> Iterator[dict[str, Child]]:
    """A driver for each of these engines that is there; they end with the block."""
    started: dict[str, Child] = {}
    try:
        for name in names:
            if name in there:
                started[name] = Child(name, there[name][0])
        yield started
    finally:
        for child in started.values():
            child.kill()
