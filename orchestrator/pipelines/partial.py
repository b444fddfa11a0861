"""A download that is not whole yet: a file with what we have, and one beside it that says of what."""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from orchestrator.core.clock import SYSTEM, Deadline
from orchestrator.core.errors import DiskFull
from orchestrator.core.files import read_json, unwritable, write_json

if TYPE_CHECKING:
    import threading

#: The folder of what is not whole yet, in that of the downloads.
FOLDER = "partial"
#: Another attempt at the same job, whose lease is lost, is given so long to let go of the file.
LET_GO_S = 2.0
#: What nobody has gone on with for so long is removed.
KEEP_S = 7 * 86_400.0
#: No folder is looked through further at once.
_MOST_TIDIED = 10_000
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Origin:
    """What a partial file is part of; `proof` (an ETag or a date) lets us go on, "" never.

    `boot`: after a crash of the machine a file may have holes. `order`: a digest of what was asked for;
    `place`: who answered, without the query. `total`: the length that was announced.
    """

    boot: str
    order: str
    place: str
    url: str
    proof: str
    total: int | None
    status: int
    content_type: str
    content_encoding: str


class Partial:
    """The partial file of one job, ours alone while this context lasts.

    When somebody else holds it, and does not let go, we have one of our own that nobody goes on with.
    What is of another `order`, or cannot be gone on with, is dropped.

    Raises:
        OrchError: the folder cannot be written to; `DiskFull` when that is why.
    """

    def __init__(self, downloads: Path, job: str, order: str, over: threading.Event) -> None:
        self.size = 0
        self.origin: Origin | None = None
        self._downloads = downloads
        self._order = order
        self._hash = hashlib.sha256()
        name = hashlib.sha256(job.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        folder = downloads / FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path = folder / f"{name}.part"
            self._file = _hold(self.path, over)
            if self._file < 0:
                self.path = folder / f"{name}.{os.urandom(6).hex()}.part"
                self._file = _hold(self.path, over)
        except OSError as error:
            raise unwritable(folder, error) from error
        self._note = self.path.with_suffix(".json")

    def __enter__(self) -> Self:
        """Find out whether we can go on with what is there."""
        self.origin = self._known()
        self.size = os.fstat(self._file).st_size if self.origin else 0
        total = self.origin.total if self.origin else None
        if not self.size or (total is not None and self.size > total):
            self.again()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go; what nobody can go on with is removed."""
        if self._file >= 0:
            if not (self.size and self.origin and self.origin.proof):
                self.drop()
            os.close(self._file)
            self._file = -1

    @property
    def progress(self) -> str:
        """What the next attempt can build on, for people."""
        if self.size and self.origin and self.origin.proof:
            return f"goes on from {self.size} bytes"
        return "begins again"

    def again(self) -> None:
        """Begin from zero."""
        self.size, self.origin, self._hash = 0, None, hashlib.sha256()
        os.ftruncate(self._file, 0)

    def begin(self, origin: Origin) -> None:
        """Begin with the first byte of `origin`.

        Raises:
            OrchError: it cannot be written; `DiskFull` also when the announced bytes find no room.
        """
        self.again()
        room = os.fstatvfs(self._file)
        if (origin.total or 0) > room.f_bavail * room.f_frsize:
            raise DiskFull(
                f"the disk that holds {self.path.parent} has no room for {origin.total} bytes",
                hint="free some space, then try again",
            )
        write_json(self._note, asdict(origin), durable=False)
        self.origin = origin

    def go_on(self, over: threading.Event) -> None:
        """Read what we have, to know its hash; stops when `over` is set."""
        self._hash = hashlib.sha256()
        done = 0
        while done < self.size and not over.is_set():
            piece = os.pread(self._file, min(_PIECE, self.size - done), done)
            self._hash.update(piece)
            done += len(piece)

    def append(self, piece: bytes) -> None:
        """Add what came.

        Raises:
            OrchError: it cannot be written; the file is dropped, so that a full disk has room again.
        """
        view = memoryview(piece)
        try:
            while view:
                written = os.pwrite(self._file, view, self.size)
                self._hash.update(view[:written])
                self.size += written
                view = view[written:]
        except OSError as error:
            self.drop()
            raise unwritable(self.path, error) from error

    def publish(self) -> tuple[Path, str]:
        """Put the whole file in its place; return where it is, and its SHA-256.

        It is on the disk before it has the name. Who has the same content puts it in the same place.

        Raises:
            OrchError: it cannot be written; no file has the name then.
        """
        digest = self._hash.hexdigest()
        place = self._downloads / digest[:2] / digest[2:]
        try:
            os.fsync(self._file)
            place.parent.mkdir(exist_ok=True)
            self.path.replace(place)
        except OSError as error:
            self.drop()
            raise unwritable(place, error) from error
        os.close(self._file)  # from here on it is not ours to drop
        self._file = -1
        try:
            self._note.unlink(missing_ok=True)
            _sync(place.parent)
            _sync(self._downloads)
        except OSError as error:
            raise unwritable(place, error) from error
        return place, digest

    def drop(self) -> None:
        """Remove it; the next attempt begins from zero."""
        with suppress(OSError):
            self.again()
            self._note.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)

    def _known(self) -> Origin | None:
        try:
            found = Origin(**read_json(self._note))
        except TypeError:
            return None
        fits = found.boot == boot_id() and found.order == self._order and found.proof
        return found if fits else None


def tidy(downloads: Path) -> None:
    """Remove partial files that nobody has gone on with for a week."""
    before = SYSTEM.wall() - KEEP_S
    with suppress(OSError), os.scandir(downloads / FOLDER) as entries:
        for entry, _ in zip(entries, range(_MOST_TIDIED), strict=False):
            if entry.stat().st_mtime < before:
                file = _lock(Path(entry.path))
                if file >= 0:
                    Path(entry.path).unlink(missing_ok=True)
                    os.close(file)


def boot_id() -> str:
    """A name for this boot of the machine; where there is none, every boot has the same."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _hold(path: Path, over: threading.Event) -> int:
    """Open a file that nobody else holds, waiting for that a while; -1: somebody holds it still."""
    deadline = Deadline.after(LET_GO_S)
    while (file := _lock(path)) < 0 and not deadline.passed:
        over.wait(0.05)
        deadline = Deadline(0) if over.is_set() else deadline
    return file


def _lock(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it may have given it its final name, or removed it.
        if os.fstat(file).st_ino == path.stat().st_ino:
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(file)
        raise
    os.close(file)
    return -1


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
