"""Files that are whole or absent, and folders that are private."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from orchestrator.core.errors import DiskFull, OrchError

if TYPE_CHECKING:
    from collections.abc import Iterator


def private_folder(path: Path) -> Path:
    """Make `path` (and its parents) and let nobody else in: mode 0700.

    Raises:
        OrchError: it belongs to somebody else.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if path.stat().st_uid != os.getuid():
            raise OrchError(f"{path} belongs to another user", hint="choose another home")
        path.chmod(0o700)
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def write_atomically(path: Path, data: str | bytes, *, durable: bool = True) -> None:
    """Write a temporary file (mode 0600) beside `path` and rename it into place.

    With `durable` it is flushed to disk first; without, it survives a killed process but not a crash
    of the machine, after which a state of processes means nothing anyway.

    Raises:
        DiskFull: no space; what was there before is still there.
    """
    raw = data.encode() if isinstance(data, str) else data
    with whole_file(path, durable=durable) as file:
        file.write(raw)


@contextlib.contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file that is written piece by piece, and takes the place of `path` when the block ends well.

    Raises:
        DiskFull: as for `write_atomically`.
    """
    temporary = ""
    try:
        name = f"{path.parent}/.{path.name}.{os.urandom(6).hex()}"
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        temporary = name
        # By its name, for writers that want to open the file themselves.
        with io.BufferedWriter(io.FileIO(name, "wb", opener=lambda *_: handle)) as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        if isinstance(error, OSError):
            raise unwritable(path, error) from error
        raise


def write_json(path: Path, value: object, *, durable: bool = True) -> None:
    """Write `value` as JSON, atomically."""
    write_atomically(path, json.dumps(value, separators=(",", ":")), durable=durable)


def read_json(path: Path) -> Any:
    """Return what `write_json` wrote; None when the file is not there or not whole."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def tail(path: Path, lines: int = 20, *, most_bytes: int = 65_536) -> tuple[str, ...]:
    """Return the last `lines` lines of a log, reading at most `most_bytes` of it."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most_bytes))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(text.splitlines()[-lines:])


def unwritable(path: Path, error: OSError) -> OrchError:
    """Translate an OSError met while writing `path` into one of ours."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            f"the disk that holds {path} is full", hint="free some space, then try again"
        )
    return OrchError(f"cannot write {path}: {error.strerror}")
