"""Processes that are known by something in their environment."""

from __future__ import annotations

from pathlib import Path


def marked(mark: str) -> list[str]:
    """The numbers of processes that have `mark` in their environment."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and mark.encode() in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found
