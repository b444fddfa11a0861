"""Entries of the stream that are no results: kept for people, because nobody may lose them silently."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM
from orchestrator.core.files import private_folder, unwritable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.core.home import Home

#: The file starts anew at this size, in bytes; the one before it is kept.
MOST_BYTES = 10_000_000


def aside_file(home: Home) -> Path:
    """Where they are, one a line, the newest last."""
    return home.data / "sites" / "set-aside.jsonl"


def set_aside(home: Home, entry_id: str, fields: Mapping[Any, Any], why: str) -> None:
    """Keep an entry as it is, safe on disk on return.

    Raises:
        DiskFull, OrchError: it is not kept.
    """
    path = aside_file(home)
    facts = {"entry": entry_id, "at": round(SYSTEM.wall(), 3), "why": why, "fields": dict(fields)}
    line = (json.dumps(facts) + "\n").encode()
    private_folder(path.parent)
    try:
        _turn_over(path, len(line))
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write_whole(file, line)
        finally:
            os.close(file)
    except OSError as error:
        raise unwritable(path, error) from error


def _write_whole(file: int, line: bytes) -> None:
    """All of the line, or nothing of it: half a line would break the next one."""
    size = os.fstat(file).st_size
    try:
        left = memoryview(line)
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)
        raise


def _turn_over(path: Path, more: int) -> None:
    if path.exists() and path.stat().st_size + more > MOST_BYTES:
        path.replace(path.with_name("set-aside.1.jsonl"))
