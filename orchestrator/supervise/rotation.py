"""Keeping a service's log small: the service holds the file open, so it is copied and emptied."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.supervise.service import LogSpec


def is_due(log: LogSpec) -> bool:
    """Whether the file has grown beyond its limit."""
    try:
        return 0 < log.max_bytes < os.stat(log.path).st_size  # noqa: PTH116  (asked for ever)
    except OSError:
        return False


def rotate(log: LogSpec) -> None:
    """Move the older ones on (`.1` is the newest), and begin the file anew.

    With `log.reopen` the file is renamed, and the caller must send that signal. Else it is copied and
    truncated: what is written between the two is lost, some microseconds' worth.

    Raises:
        OSError: no room for the copy; the log goes on growing.
    """
    path = Path(log.path)
    older = [path.with_name(f"{path.name}.{number}") for number in range(1, log.keep + 1)]
    for number in range(log.keep - 1, 0, -1):
        if older[number - 1].exists():
            older[number - 1].replace(older[number])
    if log.reopen:
        if older:
            path.replace(older[0])
        else:
            path.unlink()
        return
    if older:
        _copy(path, older[0])
    os.truncate(path, 0)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError:
        target.unlink(missing_ok=True)
        raise
    target.chmod(0o600)
