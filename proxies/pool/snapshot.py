"""`data/proxies/live_proxies.json` and `.txt`: the pool as files, for people and other programs.

Each is whole at any moment, only its owner can read it, and it is rewritten when nothing is alive too.
The `generation` grows with every change, and nobody ever reads an older one after a newer one. The text
has the URL of each usable proxy, one a line, the best first. Credentials are masked unless the settings
say otherwise; the text then leaves out proxies that want some, as nobody can use them without.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.files import (
    private_folder,
    read_json,
    unwritable,
    write_atomically,
    write_json,
)
from proxies.pool.ledger import Ledger
from proxies.pool.picker import LEASE_S
from proxies.pool.standing import standings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.core.context import Context
    from proxies.pool.pool import Pool
    from proxies.pool.standing import Standing

#: Another writer is waited for so long at most, in seconds.
LOCK_S = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The file at `path`; proxies count as usable for `fresh_for` seconds after their check."""

    path: Path
    fresh_for: float
    credentials: bool = False  #: whether they are in it

    @classmethod
    def of(cls, context: Context) -> Snapshot:
        """The one of a home."""
        settings = context.settings.proxies
        return cls(context.home.live_proxies, settings.fresh_for, settings.credentials_in_file)

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
            document, text = self._look(pool, status)
            # One that was stopped for long has lost the lock, and others may have written since.
            if self.generation() <= document["generation"]:
                write_atomically(self.path.with_suffix(".txt"), text)
                write_json(self.path, document)

    def sync(self, pool: Pool, generation: int, status: str) -> None:
        """Write it unless it shows this generation already."""
        if self.generation() != generation:
            self.write(pool, status)

    def _look(self, pool: Pool, status: str) -> tuple[dict[str, Any], str]:
        """What the two files say of the pool now."""
        state = pool.state()
        look = Ledger(pool.keys, LEASE_S).look("", state.generation, 0.0, 0.0).run(pool.redis)
        found = standings(state, look, self.fresh_for)
        document = {
            "generation": state.generation,
            "refresh": state.refresh,
            "status": status or self.read().get("status", ""),
            "refreshed_at": state.refreshed_at,
            "live": len(state.records),
            "usable": len(state.usable(self.fresh_for)),
            "proxies": [entry(one, credentials=self.credentials) for one in found],
        }
        told = [one.record.proxy for one in found if one.usable]
        urls = [proxy.url for proxy in told if self.credentials or not proxy.username]
        return document, "".join(f"{url}\n" for url in urls)


def entry(standing: Standing, *, credentials: bool) -> dict[str, Any]:
    """One proxy as the file shows it."""
    proxy = standing.record.proxy
    secret = {"password": proxy.password} if credentials else {}
    masked = "***" if proxy.username else ""
    return {
        "url": proxy.url if credentials else proxy.masked,
        "protocol": proxy.scheme,
        "host": proxy.host,
        "port": proxy.port,
        "username": proxy.username if credentials else masked,
        **secret,
        **facts(standing),
    }


def facts(standing: Standing) -> dict[str, Any]:
    """What is known of a proxy, without naming it."""
    verdict = standing.record.verdict
    return {
        "anonymity": str(verdict.anonymity),
        "exit_ip": verdict.exit_ip,
        "latency_ms": verdict.latency_ms,
        "tls": verdict.tls,
        "checked_at": verdict.checked_at,
        "usable": standing.usable,
        "score": standing.score,
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
