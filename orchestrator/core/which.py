"""Which program a command would start, looked up as exec does."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def find(word: str, folder: Path, path: str | None = None) -> str:
    """Return the absolute path of the program that `word` names.

    With a slash it is looked for from `folder`, where the process will be; else on `path` (default:
    `$PATH`), and last beside our own Python, because a command line or cron may not have activated
    the environment that orch and its companions are installed in.

    Raises:
        ValueError: it is not there, or cannot be run; the text says so.
    """
    if "/" in word:
        named = Path(os.path.normpath(folder / os.path.expanduser(word)))  # noqa: PTH111  (no such user: as it is)
        wrong = _wrong(named)
        if wrong:
            raise ValueError(f"{named} {wrong}")
        return str(named)
    folders = (os.environ.get("PATH", os.defpath) if path is None else path).split(os.pathsep)
    beside = str(Path(sys.executable).parent)
    for place in [*folders, beside]:
        candidate = folder / place / word
        if word and not _wrong(candidate):
            return str(candidate)
    raise ValueError(f"{word!r} is not found on the PATH")


def _wrong(program: Path) -> str:
    if not program.exists():
        return "is not there"
    if program.is_dir():
        return "is a folder"
    return "" if os.access(program, os.X_OK) else "may not be executed"
