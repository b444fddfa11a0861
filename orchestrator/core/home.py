"""The home: the folder a project lives in, and the paths inside it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core import places
from orchestrator.core.files import private_folder, write_atomically


@dataclass(frozen=True, slots=True)
class Home:
    """A folder with (or without) an `orch.toml`; everything of a run lies under its `data/`."""

    path: Path

    @classmethod
    def find(cls, explicit: str | Path | None = None) -> Home:
        """Return `explicit`, else `$ORCH_HOME`, else the nearest folder upwards with `orch.toml`.

        Raises:
            ConfigError: the folder that was named is not there.
        """
        return cls(Path(places.find(os.fspath(explicit) if explicit else None)))

    @property
    def config_file(self) -> Path:
        """Where `orch.toml` is, or would be."""
        return self.path / places.CONFIG_NAME

    @property
    def data(self) -> Path:
        """Everything a run writes."""
        return self.path / "data"

    @property
    def run(self) -> Path:
        """Lock, sockets, state and marks of the running services."""
        return self.data / "run"

    @property
    def logs(self) -> Path:
        """One `<service>.log` for each service, and `events.jsonl`."""
        return self.data / "logs"

    @property
    def redis_data(self) -> Path:
        """The folder of our own Redis."""
        return self.data / "redis"

    @property
    def live_proxies(self) -> Path:
        """The snapshot of the pool, for people and other programs."""
        return self.data / "proxies" / "live_proxies.json"

    def log(self, service: str) -> Path:
        """Where `service` writes its log."""
        return self.logs / f"{service}.log"

    def mark(self, service: str) -> Path:
        """Where `service` says that it is ready and alive."""
        return self.run / f"{service}.mark.json"

    def site_results(self, site: str) -> Path:
        """The SQLite file with what was scraped from `site`."""
        return self.data / "sites" / site / "results.sqlite"

    def socket(self, name: str) -> Path:
        """Path of a Unix socket: in `data/run`, or in a private folder if that is too long."""
        return self._sockets / name

    @property
    def _sockets(self) -> Path:
        """One folder for all of them, whatever the lengths of their names.

        Which one is written down, because cron, sudo and ssh each have another XDG_RUNTIME_DIR.
        """
        kept = places.kept_sockets(str(self.path))
        if kept:
            return Path(kept)
        if places.socket_fits(str(self.path)):
            return self.run
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        # The folder made there is private: `make` refuses one that belongs to somebody else.
        roots = (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), "/tmp")  # noqa: S108
        folders = [Path(root) / f"orch-{os.getuid()}-{digest}" for root in roots if root]
        return next(folder for folder in folders if places.sockets_fit(str(folder)))

    def make(self) -> Home:
        """Make the folders, private."""
        for folder in (self.data, self.run, self.logs, self.live_proxies.parent):
            private_folder(folder)
        folder = private_folder(self._sockets)
        if folder != self.run:
            write_atomically(self.run / "sockets", str(folder))
        return self

    def identity(self) -> str:
        """Return a name for this home that no other home has: 32 hex digits, made once."""
        file = self.data / "home.id"
        if not file.exists():
            private_folder(self.data)
            made = file.with_name(f".home.id.{os.urandom(16).hex()}")
            made.write_text(os.urandom(16).hex(), "utf-8")
            try:
                os.link(made, file)  # of two at once, one wins and both read the same
            except FileExistsError:
                pass
            finally:
                made.unlink()
        return file.read_text("utf-8").strip()
