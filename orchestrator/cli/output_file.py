"""What a command writes for other programs: standard output, or a file that is whole or not there."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from orchestrator.core.errors import ConfigError
from orchestrator.core.files import unwritable, whole_file

if TYPE_CHECKING:
    from collections.abc import Iterator

STDOUT = "-"


@contextmanager
def written(output: str) -> Iterator[BinaryIO]:
    """Standard output for `-`; a file that is whole or not there; or what can only be written to.

    Raises:
        ConfigError: it names no file.
        DiskFull, OrchError: it cannot be written; what was there before is still there.
    """
    if output == STDOUT:
        sys.stdout.flush()
        yield cast("BinaryIO", sys.stdout.buffer)
        return
    path = Path(os.path.realpath(output))
    if not output or path.is_dir():
        raise ConfigError((f"--output {output!r}: name a file, or - for standard output",))
    try:
        special = path.exists() and not stat.S_ISREG(path.stat().st_mode)
        target = path.open("wb") if special else nullcontext()
    except OSError as error:
        raise unwritable(path, error) from error
    with target as pipe, nullcontext(pipe) if pipe else whole_file(path) as file:
        yield file


def like_others(file: BinaryIO, output: str) -> None:
    """Let a new file have the rights of the one that it replaces, or those that new files have here."""
    try:
        mode = stat.S_IMODE(Path(output).stat().st_mode)
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        os.fchmod(file.fileno(), mode)
