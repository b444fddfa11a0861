"""What people are told while a gate works without its Redis: a file, as there may be nobody to ask."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os

# Typing itself is not imported: this is on the way of `orch status --json`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

#: In the home's folder of what runs.
FOLDER = "gates"

_numbers = itertools.count()


class Notice:
    """A file of this process in `folder`, there from `post` to `take_down`.

    It is locked: whoever can lock it knows that nobody who posted it lives, and removes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder
        self._file = -1

    def post(self, **facts: object) -> None:
        """Say it.

        Raises:
            OSError: it cannot be written.
        """
        self.take_down()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        # A name is used once: whoever removes it because its process is dead removes no other.
        self._path = self._folder / f"{os.getpid()}.{next(_numbers)}"
        draft = self._path.with_name(f".{self._path.name}")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            os.write(file, json.dumps(facts).encode())
            draft.rename(self._path)
        except BaseException:
            os.close(file)
            draft.unlink(missing_ok=True)
            raise
        self._file = file

    def take_down(self) -> None:
        """It is over; a second time does nothing."""
        if self._file >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1


def told(run_folder: str) -> dict[str, str]:
    """Say in words which sites' gates work without Redis, by name."""
    by_site: dict[str, list[dict[str, Any]]] = {}
    for facts in posted(run_folder):
        by_site.setdefault(str(facts.get("site", "")), []).append(facts)
    return {site: _words(found) for site, found in by_site.items()}


def posted(run_folder: str) -> list[dict[str, Any]]:
    """Return what live processes have posted below the home's folder of what runs, oldest first."""
    found = []
    with contextlib.suppress(OSError), os.scandir(f"{run_folder}/{FOLDER}") as entries:
        for entry in entries:
            with contextlib.suppress(OSError, ValueError):
                facts = None if entry.name.startswith(".") else _read(entry.path)
                if isinstance(facts, dict):
                    found.append(facts)
    return sorted(found, key=lambda facts: float(facts.get("since", 0)))


def _read(path: str) -> object:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return json.loads(os.read(file, 65_536))
        os.unlink(path)  # noqa: PTH108  (pathlib is slow to import)
        return None
    finally:
        os.close(file)


def _words(found: list[dict[str, Any]]) -> str:
    one = len(found) == 1
    who = "a process, at its part" if one else f"{len(found)} processes, at their parts"
    return f"asked without the shared gate by {who} of the rate: {found[0].get('reason', '')}"
