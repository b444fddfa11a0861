"""One command, bounded: in time, in what it may say, and in what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, TYPE_CHECKING

from orchestrator.core.clock import Deadline
from orchestrator.core.leash import LEASH, Tie
from orchestrator.core.warden import pidfd

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

#: How often we look whether the command is called off, and without pidfd whether it has ended.
LOOK_EVERY_S = 0.1
#: What a command says through processes that outlive it is listened to for so long.
LINGER_S = 0.5
#: A command that is called off has at most so long for its own ending: with the look before, it is
#: gone before a runner that waits no longer (`queue.dispatcher.LEAVE_S`) gives the job back.
HASTE_S = 0.2
#: What cannot even be killed (it waits for a broken disk) is not waited for longer.
KILL_S = 5.0
#: Bytes in one read or write.
_PIECE = 65_536


class Why(StrEnum):
    """What ended a command."""

    ITSELF = "itself"
    TIMEOUT = "timeout"
    TOO_MUCH = "too much"
    CALLED_OFF = "called off"


@dataclass(frozen=True, slots=True)
class Command:
    """What is run: `program` is its file, `words[0]` the name it gets; `env` goes over ours."""

    program: str
    words: Sequence[str]
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds that it may take, then seconds for its own ending; bytes that are kept.

    Of stdout the first `out` are kept, of stderr the last `err`; all else is read and dropped. When it
    is `strict`, more on stdout ends the command, and nothing that it started outlives it.
    """

    timeout: float
    grace: float = 2.0
    out: int = 1024 * 1024
    err: int = 2048
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: `code` is negative after a signal; `said` counts all bytes of stdout."""

    why: Why
    code: int
    out: bytes
    said: int
    err: bytes


def run(
    command: Command, bounds: Bounds, *, feed: bytes = b"", over: threading.Event | None = None
) -> Ended:
    """Run it with `feed` on stdin, in a session of its own, to its end, the timeout, or `over`.

    Any thread may call this. TERM comes first, KILL after the grace, which `over` makes short. When
    the command has ended, what it left in its group is killed; what left its session is killed too,
    unless the command ended by itself: a daemon that it started may be meant, where the bounds are not
    strict. All of it ends when this process is killed.

    Raises:
        OSError: it cannot be started.
        ValueError: a word has a NUL in it, or cannot be encoded.
        RuntimeError: this process ignores SIGCHLD: how a command ends would never be known.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        raise RuntimeError("no command can be run while SIGCHLD is ignored; set it to SIG_DFL")
    with LEASH.tie() as tie:
        process = subprocess.Popen(
            command.words,
            executable=command.program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=command.cwd,
            env={**os.environ, **command.env, **tie.environment},
            start_new_session=True,
        )
        running = _Running(process, tie, bounds, feed)
        try:
            why = running.until_over(over)
        finally:
            running.close()
        return Ended(
            why, running.code, bytes(running.out), running.said, bytes(running.err[-bounds.err :])
        )


class _Running:
    """A command and the talk with it. It is reaped last: until then its number is its own."""

    def __init__(
        self, process: subprocess.Popen[bytes], tie: Tie, bounds: Bounds, feed: bytes
    ) -> None:
        self.out, self.err = bytearray(), bytearray()
        self.said = 0
        self.code = -int(signal.SIGKILL)
        self._process = process
        self._tie = tie
        self._bounds = bounds
        self._feed = memoryview(feed)
        self._clean = False
        self._talking = 0
        self._selector = selectors.DefaultSelector()
        self._pidfd = pidfd(process.pid)

    def until_over(self, over: threading.Event | None) -> Why:
        """Talk with it until it has ended, by itself or by us."""
        self._tie.to(self._process.pid)
        self._listen()
        deadline = Deadline.after(self._bounds.timeout)
        while not self._turn(deadline.cap(LOOK_EVERY_S)):
            if over is not None and over.is_set():
                self._ask_to_end(over)
                return Why.CALLED_OFF
            if self._bounds.strict and self.said > self._bounds.out:
                self._ask_to_end(over)
                return Why.TOO_MUCH
            if deadline.passed:
                self._ask_to_end(over)
                return Why.TIMEOUT
        self._hear_out()
        self._clean = not self._bounds.strict
        return Why.ITSELF

    def close(self) -> None:
        """Kill what is left of it, reap it, and close all that was open."""
        self._signal(signal.SIGKILL)
        if not self._clean:
            self._tie.cut()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.code = self._process.wait(KILL_S)
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)

    def _listen(self) -> None:
        process = self._process
        assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018  (pipes)
        os.set_blocking(process.stdin.fileno(), False)
        self._register(process.stdin, selectors.EVENT_WRITE, self._write)
        self._register(process.stdout, selectors.EVENT_READ, self._read_out)
        self._register(process.stderr, selectors.EVENT_READ, self._read_err)
        self._talking = 2
        if self._pidfd >= 0:
            self._selector.register(self._pidfd, selectors.EVENT_READ, None)

    def _register(self, stream: IO[bytes], event: int, answer: Callable[[IO[bytes]], None]) -> None:
        self._selector.register(stream, event, answer)

    def _turn(self, seconds: float) -> bool:
        """Say and hear what can be, waiting at most so long; tell whether it has ended."""
        for key, _ in self._selector.select(seconds):
            if key.data is not None:
                key.data(key.fileobj)
        return self._has_ended()

    def _has_ended(self) -> bool:
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, flags) is not None

    def _ask_to_end(self, over: threading.Event | None) -> None:
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        grace = Deadline.after(self._bounds.grace)
        while not (grace.passed or self._turn(grace.cap(LOOK_EVERY_S))):
            if over is not None and over.is_set():
                grace = Deadline(min(grace.at, Deadline.after(HASTE_S).at))
                over = None

    def _hear_out(self) -> None:
        """Hear what is in the pipes, and what others that hold them still say."""
        if self._pidfd >= 0:  # from here on it would wake us all the time
            self._selector.unregister(self._pidfd)
        deadline = Deadline.after(LINGER_S)
        while self._talking and not deadline.passed:
            self._turn(deadline.cap(LOOK_EVERY_S))

    def _write(self, stream: IO[bytes]) -> None:
        try:
            written = os.write(stream.fileno(), self._feed[:_PIECE])
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not care
            written = len(self._feed)
        self._feed = self._feed[written:]
        if not self._feed:
            self._done_with(stream)

    def _read_out(self, stream: IO[bytes]) -> None:
        part = self._read(stream)
        self.said += len(part)
        self.out += part[: self._bounds.out - len(self.out)]

    def _read_err(self, stream: IO[bytes]) -> None:
        self.err += self._read(stream)
        if len(self.err) > _PIECE:
            del self.err[: -self._bounds.err]

    def _read(self, stream: IO[bytes]) -> bytes:
        part = os.read(stream.fileno(), _PIECE)
        if not part:
            self._done_with(stream)
            self._talking -= 1
        return part

    def _done_with(self, stream: IO[bytes]) -> None:
        self._selector.unregister(stream)
        stream.close()

    def _signal(self, number: signal.Signals) -> None:
        """Signal the group; its leader is not reaped, so the number is its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for zombies
            os.killpg(self._process.pid, number)
