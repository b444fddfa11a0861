"""The last good list of each source, in a file, with what proves whether the server has another one.

The file's time is when the source was last read well. It is private, as lists may hold passwords.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import OrchError
from orchestrator.core.files import private_folder, write_atomically
from proxies.sources.body import Body, Proof

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from orchestrator.core.home import Home

log = logging.getLogger(__name__)

#: What belongs to no source any more is removed after so long, in seconds.
FORGOTTEN_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A list that was read well `age_s` seconds ago, and came with other content `changed_at`."""

    body: Body
    age_s: float
    changed_at: float


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of the lists."""

    folder: Path

    @classmethod
    def of(cls, home: Home) -> Shelf:
        """The one of a home."""
        return cls(home.live_proxies.parent / "sources")

    def has(self, key: str) -> bool:
        """Whether the source was ever read well."""
        return self._path(key).is_file()

    def read(self, key: str) -> Kept | None:
        """Return what is kept; None when there is nothing, or it is spoilt."""
        try:
            with self._path(key).open("rb") as file:
                facts = json.loads(file.readline())
                body = Body(file.read(), facts["charset"], Proof(**facts["proof"]))
                if len(body.raw) != facts["size"]:
                    return None
                age = max(0.0, SYSTEM.wall() - os.fstat(file.fileno()).st_mtime)
                return Kept(body, age, float(facts["changed_at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, key: str, body: Body, before: Kept | None) -> float:
        """Keep a list that was read well; return when its content changed. A full disk is only logged."""
        try:
            if before and before.body == body:
                os.utime(self._path(key))
                return before.changed_at
            same = before is not None and before.body.raw == body.raw
            changed_at = before.changed_at if before and same else SYSTEM.wall()
            facts = {
                "changed_at": changed_at,
                "charset": body.charset,
                "proof": asdict(body.proof),
                "size": len(body.raw),
            }
            private_folder(self.folder)
            head = json.dumps(facts).encode()
            write_atomically(self._path(key), head + b"\n" + body.raw, durable=False)
        except (OSError, OrchError) as error:
            log.warning("a list could not be kept: %s", error)
            changed_at = SYSTEM.wall()
        return changed_at

    def tidy(self, keys: Iterable[str]) -> None:
        """Remove what was last read long ago and belongs to no source of `keys`."""
        ours = {self._path(key).name for key in keys}
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if path.name in ours:
                    continue
                if SYSTEM.wall() - path.stat().st_mtime > FORGOTTEN_S:
                    path.unlink()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.list"
