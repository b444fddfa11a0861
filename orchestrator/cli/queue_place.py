"""The queue that a command works on: a file, or one in Redis."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.console import invocation
from orchestrator.core.errors import ConfigError, RedisNotReady, RedisUnavailable
from orchestrator.core.files import private_folder
from orchestrator.core.home import Home
from orchestrator.core.mask import mask_url
from orchestrator.queue.open import SCHEMES, open_queue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.queue.work import WorkQueue


@dataclass(frozen=True, slots=True)
class Place:
    """Where a queue is. `ours`: where nobody said anything, in the home."""

    target: str
    ours: bool = False

    @classmethod
    def of(cls, typed: str | None) -> Place:
        """The place that was `typed`, or that of the home.

        Raises:
            ValueError: there is no such kind of queue.
        """
        if typed is None:
            return cls(str(Home.find(invocation.get().home).data / "queue.sqlite"), ours=True)
        found = cls(typed)
        if not typed or (not found.is_file and typed.partition("://")[0] not in SCHEMES):
            urls = ", ".join(f"{scheme}://…" for scheme in SCHEMES)
            raise ValueError(f"{found!s:.200}: must be a file, or {urls}")
        if Path(typed).is_dir():
            raise ValueError(f"{typed} is a folder: name a file in it")
        return found

    @property
    def is_file(self) -> bool:
        """Whether it is a file."""
        return "://" not in self.target

    @property
    def gone(self) -> bool:
        """Whether its file is not there."""
        return self.is_file and not Path(self.target).exists()

    def __str__(self) -> str:
        """As people may see it."""
        return self.target if self.is_file else mask_url(self.target)


@contextmanager
def opened(place: Place, *, create: bool = False) -> Iterator[WorkQueue]:
    """The queue at `place`; only with `create` one that is not there is made.

    Raises:
        Unavailable: there is none.
        ConfigError: its URL cannot be understood, or lacks the password.
    """
    if create and place.ours:
        private_folder(Path(place.target).parent)
    try:
        with _open(place, create=create) as queue:
            yield queue
    except RedisNotReady:
        raise
    except RedisUnavailable as error:
        # It is none that `orch up` starts, as the usual hint says.
        raise RedisUnavailable(str(error), hint=f"is there a server at {place}?") from error


def _open(place: Place, *, create: bool) -> WorkQueue:
    try:
        return open_queue(place.target, create=create)
    except ValueError as error:
        raise ConfigError((f"--queue {place}: {error}",)) from None
