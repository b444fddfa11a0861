"""What is measured: homes of ours and other supervisors' Redis, all running at the same time."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orchestrator.supervise.service import ServiceSpec
from orchestrator.supervise.state import StateFile
from tests.bench import peers
from tests.bench.peers import Peer
from tests.support.orch import Orch, a_home


@dataclass(frozen=True, slots=True)
class Ours:
    """A home that is up."""

    orch: Orch
    specs: dict[str, ServiceSpec]

    @property
    def socket(self) -> Path:
        return Path(unquote(urlsplit(self.specs["redis"].probe.target).path))

    @property
    def daemon(self) -> int:
        return int(self.orch.status()["supervisor"]["pid"])


@contextlib.contextmanager
def up(*services: str, toml: str = "") -> Iterator[Ours]:
    """A home of its own with these services ready (all without names)."""
    with (
        tempfile.TemporaryDirectory(prefix="orch-") as folder,
        a_home(Path(folder) / "home", toml) as orch,
    ):
        orch.up(*services)
        left = StateFile(orch.home / "data/run/state.json").read()
        yield Ours(orch, {name: running.spec for name, running in left.items()})


@contextlib.contextmanager
def all_peers(redis: ServiceSpec) -> Iterator[list[Peer]]:
    """Every other supervisor that is on this machine, with a Redis each."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(peers.running(kind, redis.command))
            for kind in peers.present().values()
        ]
