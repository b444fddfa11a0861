"""Where a job that is crawled without Redis has its files, and who works on it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import Busy
from orchestrator.core.files import private_folder, read_json, unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.core.home import Home

#: Whoever only looks whether there is a runner holds the lock for a moment: so long it is tried again.
LOCK_S = 0.5
_TRY_EVERY_S = 0.02
#: Less than the smallest piece of a disk that a file has for itself.
TROUBLE_CHARS = 300


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """The files of one site.

    `record` and the frontier lie with the results: they are work. The lock of the `Runner`, and the word
    that it shall stop, lie in `data/run`: they are about processes.
    """

    home: Home
    site: str

    @property
    def record(self) -> Path:
        """What is known of the newest job."""
        return self.results.with_name("job.json")

    @property
    def results(self) -> Path:
        """What was scraped."""
        return self.home.site_results(self.site)

    @property
    def lock(self) -> Path:
        """Locked by whoever works on the site; says who it is."""
        return self.home.run / "sites" / f"{self.site}.lock"

    @property
    def stop(self) -> Path:
        """Names the job that shall stop."""
        return self.home.run / "sites" / f"{self.site}.stop"

    @property
    def robots(self) -> Path:
        """What the robots.txt of all hosts say."""
        return self.home.data / "sites" / "robots.sqlite"

    def frontier(self, job_id: str) -> Path:
        """The queue of a job's pages."""
        return self.results.with_name(f"{job_id}.frontier")

    def forget_frontiers(self, but: str) -> None:
        """Delete those of all jobs but one: their ends are in the results."""
        for path in self.results.parent.glob("*.frontier*"):
            if not path.name.startswith(f"{but}."):
                path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete what a writer left who was killed within; only while nobody else may write."""
        for path in (self.record, self.stop):
            for left in path.parent.glob(f".{path.name}.*"):
                left.unlink(missing_ok=True)


def places(home: Home) -> Iterator[LocalPlace]:
    """Every site that was crawled here without Redis, by name."""
    for path in sorted((home.data / "sites").glob("*/job.json")):
        yield LocalPlace(home, path.parent.name)


class Runner:
    """Whoever works on a site without Redis: one process, proved by a lock that the kernel frees.

    Raises:
        Busy: (on entering) another process does.
    """

    def __init__(self, place: LocalPlace) -> None:
        self.place = place
        self._file = -1

    def __enter__(self) -> Self:
        private_folder(self.place.lock.parent)
        try:
            self._file = os.open(self.place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unwritable(self.place.lock, error) from error
        if not self._locked():
            self.let_go()
            raise Busy(
                f"{self.place.site}: {who(self.place)} is crawling it",
                hint=f"`orch sites stop {self.place.site}` stops that",
            )
        self.sign()
        self.place.stop.unlink(missing_ok=True)
        self.place.sweep()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def sign(self, trouble: str = "") -> None:
        """Say that it is this process; also in one that was forked off, and takes over.

        `trouble` is why it does not get on. That has room here also on a disk that is full.
        """
        raw = json.dumps({"pid": os.getpid(), "trouble": trouble[:TROUBLE_CHARS]}).encode()
        os.pwrite(self._file, raw, 0)
        os.ftruncate(self._file, len(raw))

    def release(self) -> None:
        """Let others work on the site, if it is ours yet."""
        if self._file >= 0:
            self.place.stop.unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        """Leave the lock to the process that was forked off: it is free when that one ends."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _locked(self) -> bool:
        deadline = Deadline.after(LOCK_S)
        while not _taken(self._file, fcntl.LOCK_EX):
            if deadline.passed:
                return False
            deadline.clock.sleep(_TRY_EVERY_S)
        return True


def is_run(place: LocalPlace) -> bool:
    """Tell whether a process works on the site; whoever was killed does not."""
    try:
        file = os.open(place.lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _taken(file, fcntl.LOCK_SH)
    finally:
        os.close(file)


def end(place: LocalPlace, job_id: str) -> None:
    """Kill the process that was told to stop this job, if that is still the one that works on the site."""
    pid = _signed(place).get("pid")
    with contextlib.suppress(OSError):
        if isinstance(pid, int) and told_to_stop(place, job_id) and is_run(place):
            os.kill(pid, signal.SIGKILL)


def told_to_stop(place: LocalPlace, job_id: str) -> bool:
    """Tell whether somebody has asked for an end of this job."""
    try:
        return place.stop.read_text("utf-8") == job_id
    except OSError:
        return False


def who(place: LocalPlace) -> str:
    """Name the process that works on the site, or did so last."""
    pid = _signed(place).get("pid")
    return f"process {pid}" if pid else "another process"


def trouble(place: LocalPlace) -> str:
    """Say what keeps it from writing, where it could write nothing else."""
    return str(_signed(place).get("trouble", ""))


def _signed(place: LocalPlace) -> dict[str, Any]:
    facts = read_json(place.lock)
    return facts if isinstance(facts, dict) else {}


def _taken(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
