"""The lines of an import: where they come from, how far it is, and how it is called off."""

from __future__ import annotations

import io
import os
import select
import shutil
import signal
import stat
import sys
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from orchestrator.cli.console import err
from orchestrator.cli.queue_drive import LOOK_S
from orchestrator.cli.signals import BY_SIGNAL, ECHO_S, SIGNALS
from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import ConfigError
from orchestrator.queue.bulk import Batch, Form, form_of, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

    from _typeshed import WriteableBuffer

    from orchestrator.queue.bulk import Piece
    from orchestrator.queue.given import Defaults

_BUFFER = 1 << 16


class Stopped(KeyboardInterrupt):
    """A signal called the import off."""


class Stop:
    """Notes the first signal; the import ends where nothing is half done. A second one ends it at once."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._at = 0.0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal; the same one twice at once is one."""
        now = SYSTEM.monotonic()
        if self.number is None:
            self.number, self._at = number, now
        elif now - self._at >= ECHO_S:
            raise Stopped

    def check(self) -> None:
        """Raise `Stopped` once a signal came."""
        if self.number is not None:
            raise Stopped


class Arrivals(io.RawIOBase):
    """What comes through a pipe or is typed; `idle` is called before a wait, and all through it."""

    def __init__(self, file: int, stop: Stop) -> None:
        self._file = file
        self._stop = stop
        self.idle: Callable[[], None] = lambda: None

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Wait for the next bytes.

        Raises:
            Stopped: a signal came first.
        """
        while True:
            self._stop.check()
            self.idle()
            if select.select([self._file], [], [], LOOK_S)[0]:
                return os.readv(self._file, [buffer])


@dataclass(frozen=True, slots=True)
class Source:
    """Lines that are read, `size` bytes of them when that is known; `arrivals` if they come bit by bit."""

    name: str
    file: BinaryIO
    form: Form
    size: int | None
    stop: Stop
    arrivals: Arrivals | None

    def read(self, what: str, defaults: Defaults, take: Callable[[Piece], None]) -> None:
        """Hand it to `take`, piece by piece, and show how far that is; what comes slowly does not wait.

        Raises:
            Stopped: a signal came; what was read until then was handed on.
        """
        with _shown(what, self.size) as show:
            count = 0

            def taken(piece: Piece) -> None:
                nonlocal count
                take(piece)
                count += len(piece.jobs) + len(piece.bad)
                show(self.file.tell() if self.size else 0, count)
                self.stop.check()

            batch = Batch(taken)
            if self.arrivals:
                self.arrivals.idle = batch.flush_late
            try:
                for found in read(self.file, self.form, defaults):
                    batch.add(found)
            finally:
                batch.flush()


@contextmanager
def source(name: str, *, twice: bool) -> Iterator[Source]:
    """Open a file, or standard input for `-`; one that can be read `twice` if need be.

    Raises:
        ConfigError: it cannot be read.
        Exit: a signal called it off.
    """
    # Opening may wait for whoever writes to it.
    with _file(name) as given, _signals() as stop:
        arrivals = None if _regular(given) else Arrivals(given.fileno(), stop)
        steady = cast("BinaryIO", io.BufferedReader(arrivals, _BUFFER)) if arrivals else given
        with _spool(steady) if arrivals and twice else nullcontext(steady) as file:
            size = os.fstat(file.fileno()).st_size if twice or not arrivals else None
            start = cast("io.BufferedReader", file).peek(64)[:64]
            yield Source(name, file, form_of(name, start), size, stop, arrivals)


@contextmanager
def _signals() -> Iterator[Stop]:
    """Have the signals that ask for a stop noted; whoever started us may have them ignored."""
    stop = Stop()
    caught = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in caught}
    try:
        yield stop
    except Stopped:
        raise typer.Exit(BY_SIGNAL + (stop.number or 0)) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _file(name: str) -> AbstractContextManager[BinaryIO]:
    if name == "-":
        if sys.stdin is None:  # whoever started us has closed it
            raise ConfigError(("standard input is closed",))
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise ConfigError((f"{name}: cannot be read: {error.strerror}",)) from error


def _regular(file: BinaryIO) -> bool:
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


@contextmanager
def _spool(file: BinaryIO) -> Iterator[BinaryIO]:
    """What comes from a pipe can only be read once: what must be read twice is put into a file."""
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(file, kept, 1 << 20)
        kept.seek(0)
        yield cast("BinaryIO", kept)


@contextmanager
def _shown(what: str, size: int | None) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time that is left, on a terminal only."""
    if not err.is_terminal:
        yield lambda _at, _count: None
        return
    columns = (
        TextColumn(what),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %" if size else ""),
        TextColumn("{task.fields[count]:,} lines"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("", total=size, count=0)
        yield lambda at, count: progress.update(task, completed=at, count=count)
