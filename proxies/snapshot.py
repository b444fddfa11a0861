"""`data/proxies/live_proxies.json`: the pool as a file, for people and other programs.

It is whole at any moment, only its owner can read it (it holds credentials), it is rewritten when
nothing is alive too, and its `generation` grows with every change.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.files import private_folder, read_json, unwritable, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxies.pool import Pool, PoolState, Record

#: Another writer is waited for so long at most, in seconds.
LOCK_S = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The file at `path`; proxies count as usable for `fresh_for` seconds after their check."""

    path: Path
    fresh_for: float

    def generation(self) -> int:
        """The generation that the file shows; 0 without a file."""
        return generation_of(self.read())

    def read(self) -> dict[str, Any]:
        """What the file says; empty without one."""
        document = read_json(self.path)
        return document if isinstance(document, dict) else {}

    def write(self, pool: Pool, status: str = "") -> None:
        """Write the pool as it is now; of two writers at once the later one has read later.

        Raises:
            OrchError: the file cannot be written; the old one is still there.
        """
        private_folder(self.path.parent)
        with _one_at_a_time(self.path.with_name(".live_proxies.lock")):
            write_json(self.path, self._document(pool.state(), status))

    def sync(self, pool: Pool, generation: int, status: str) -> None:
        """Write it unless it shows this generation already."""
        if self.generation() != generation:
            self.write(pool, status)

    def _document(self, state: PoolState, status: str) -> dict[str, Any]:
        return {
            "generation": state.generation,
            "refresh": state.refresh,
            "status": status or self.read().get("status", ""),
            "refreshed_at": state.refreshed_at,
            "live": len(state.records),
            "usable": len(state.usable(self.fresh_for)),
            "proxies": [self.entry(record) for record in state.records],
        }

    def entry(self, record: Record) -> dict[str, Any]:
        """One proxy as the file shows it, with its credentials."""
        proxy, verdict = record.proxy, record.verdict
        return {
            "url": proxy.url,
            "protocol": proxy.scheme,
            "host": proxy.host,
            "port": proxy.port,
            "username": proxy.username,
            "password": proxy.password,
            **facts(record, self.fresh_for),
            "checked_at": verdict.checked_at,
        }


def facts(record: Record, fresh_for: float) -> dict[str, Any]:
    """What is known of a proxy, without naming it."""
    return {
        "anonymity": str(record.verdict.anonymity),
        "exit_ip": record.verdict.exit_ip,
        "latency_ms": record.verdict.latency_ms,
        "usable": record.usable(fresh_for),
    }


def generation_of(document: dict[str, Any]) -> int:
    """The generation of a document that anybody may have written."""
    generation = document.get("generation", 0)
    return generation if isinstance(generation, int) else 0


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    try:
        file = path.open("w")
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        # Whoever holds it for longer is stopped or hangs: the file is written whole in any case.
        wait_until(lambda: _locked(file), Deadline.after(LOCK_S), every=0.01)
        yield


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
