"""One line of the user's crontab that is this home's: known by its mark, all others stay as they are."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core import child
from orchestrator.core.child import Bounds, Command
from orchestrator.core.errors import BinaryMissing, ConfigError, OrchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.core.home import Home

#: What stands at the end of our line, before the home: a comment for the shell that cron calls.
MARK = "# orch-cron"
#: Longer commands are refused, or cut off, by cron (its MAX_COMMAND, and MAX_TEMPSTR of some).
LONGEST = 990
#: The program only copies a file; a user's crontab has some hundred lines.
PROGRAM_S = 20.0
LARGEST = 4 * 1024 * 1024
#: What the usual crons say, in English, of a user who has no crontab.
_NONE = re.compile(rb"no crontab for|can't open .*no such file", re.IGNORECASE)

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WORD = re.compile(r"@(hourly|daily|midnight|weekly|monthly|yearly|annually|reboot)", re.IGNORECASE)
_FIELD = re.compile(r"[0-9A-Za-z*/,~-]+")
_FIELDS = 5


def every(seconds: float, spread: int) -> str:
    """Write a length of time as cron does; by `spread` not all homes of a machine begin at once.

    >>> every(1800, spread=7), every(6 * 3600, spread=67), every(86_400, spread=67)
    ('7-59/30 * * * *', '7 1-23/6 * * *', '7 1 * * *')

    Raises:
        ValueError: cron does not know it.
    """
    whole = round(seconds)
    minute, hour = spread % 60, spread // 60 % 24
    if whole == _DAY:
        return f"{minute} {hour} * * *"
    if whole and whole % _HOUR == 0 and _DAY % whole == 0:
        step = whole // _HOUR
        return f"{minute} * * * *" if step == 1 else f"{minute} {hour % step}-23/{step} * * *"
    if whole and whole % _MINUTE == 0 and _HOUR % whole == 0:
        step = whole // _MINUTE
        return "* * * * *" if step == 1 else f"{spread % step}-59/{step} * * * *"
    raise ValueError(
        "cron knows what divides an hour (1m, 5m, 10m, 15m, 20m, 30m, …) or a day "
        "(1h, 2h, 3h, 4h, 6h, 8h, 12h, 1d); all else is for --schedule"
    )


def schedule(text: str) -> str:
    """See that it looks like the times of a crontab line; the program itself knows better.

    Raises:
        ValueError: it does not.
    """
    fields = text.split()
    if len(fields) == 1 and _WORD.fullmatch(fields[0]):
        return fields[0]
    if len(fields) == _FIELDS and all(_FIELD.fullmatch(field) for field in fields):
        return " ".join(fields)
    raise ValueError('must be five fields like "*/30 * * * *", or a word like @hourly')


def spread_of(home: Home) -> int:
    """A number of this home's own."""
    return int(hashlib.sha256(os.fsencode(home.path)).hexdigest()[:8], 16)


@dataclass(frozen=True, slots=True)
class Entry:
    """What cron shall do for a home: `words` behind `orch --home HOME`."""

    home: Home
    schedule: str
    words: Sequence[str]
    overrides: Mapping[str, str]

    @property
    def line(self) -> str:
        """The line.

        Raises:
            ConfigError: cron could not be told so.
        """
        command = f"PATH={shlex.quote(_path())} {shlex.join(self._words())} {_mark(self.home)}"
        problem = ""
        if re.search(r"[\\\r\n\0]", command):
            problem = (
                "cron takes no backslashes and no line breaks, neither in the home nor in words"
            )
        escaped = command.replace("%", "\\%")
        if len(os.fsencode(escaped)) > LONGEST:
            problem = f"{len(os.fsencode(escaped))} bytes are more than cron takes ({LONGEST})"
        if problem:
            told = f"the command for cron cannot be written: {problem}"
            raise ConfigError((told,), hint=command)
        return f"{self.schedule} {escaped}"

    def _words(self) -> list[str]:
        script = Path(sys.executable).with_name("orch")
        start = [str(script)] if script.exists() else [sys.executable, "-P", "-m", "orchestrator"]
        given = [f"--set={key}={value}" for key, value in self.overrides.items()]
        return [*start, "--home", str(self.home.path), *given, *self.words]


@dataclass(frozen=True, slots=True)
class Crontab:
    """The crontab of the user, by the `program` that manages it."""

    program: str

    @classmethod
    def of_user(cls) -> Crontab:
        """Find the program.

        Raises:
            BinaryMissing: there is none.
        """
        program = shutil.which("crontab")
        if program is None:
            raise BinaryMissing(
                "there is no program `crontab` on the PATH",
                hint='install cron, or let beat do it while orch is up: [proxies] refresh_every = "6h"',
            )
        return cls(program)

    def lines_of(self, home: Home) -> list[str]:
        """Return our lines that cron follows: one, unless somebody has copied it or commented it out."""
        ours = [line for line in self._read().splitlines() if _is_ours(line, home)]
        return [os.fsdecode(line) for line in ours if not line.lstrip().startswith(b"#")]

    def install(self, entry: Entry) -> bool:
        """Have exactly this line for its home; tell whether anything had to be changed."""
        return self._change(entry.home, [os.fsencode(entry.line) + b"\n"])

    def remove(self, home: Home) -> bool:
        """Take the lines of a home out; tell whether there were any."""
        return self._change(home, [])

    def _change(self, home: Home, ours: list[bytes]) -> bool:
        with self._alone():
            before = self._read()
            after = changed(before, home, ours)
            if after == before:
                return False
            self._run(["-"], after)
            if self._read() != after:
                told = f"{self.program} did not keep what it was given"
                raise OrchError(told, hint="`crontab -l` shows what is there now")
            return True

    def _read(self) -> bytes:
        done = self._call(["-l"], b"")
        if done.code and _NONE.search(done.err + done.out):
            return b""
        return self._checked(done, "-l").out

    def _run(self, words: list[str], feed: bytes) -> None:
        self._checked(self._call(words, feed), *words)

    def _call(self, words: list[str], feed: bytes) -> child.Ended:
        command = Command(self.program, ["crontab", *words], cwd="/", env={"LC_ALL": "C"})
        try:
            return child.run(command, Bounds(PROGRAM_S, out=LARGEST), feed=feed)
        except OSError as error:
            raise OrchError(f"{self.program} cannot be run: {error.strerror}") from error

    def _checked(self, done: child.Ended, *words: str) -> child.Ended:
        if done.why is not child.Why.ITSELF:
            raise OrchError(f"{self.program} {' '.join(words)} did not end within {PROGRAM_S:g} s")
        if done.code or done.said > LARGEST:
            said = " ".join(os.fsdecode(done.err).split()) or f"exit code {done.code}"
            raise OrchError(f"{self.program} {' '.join(words)}: {said}")
        return done

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Of two homes that change it at once, one waits: reading and writing are two calls."""
        try:
            handle = os.open(self.program, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # we may run it and not read it
            yield
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def changed(text: bytes, home: Home, ours: Sequence[bytes]) -> bytes:
    """Put `ours` where the first line of the home was, else at the end; no other byte changes."""
    lines = text.splitlines(keepends=True)
    places = [place for place, line in enumerate(lines) if _is_ours(line, home)]
    if not places and not ours:
        return text
    at = places[0] if places else len(lines)
    if ours and at and not lines[at - 1].endswith(b"\n"):
        lines[at - 1] += b"\n"
    others = [b"" if place in places else line for place, line in enumerate(lines)]
    return b"".join([*others[:at], *ours, *others[at:]])


def _is_ours(line: bytes, home: Home) -> bool:
    return line.rstrip(b"\r\n").endswith(os.fsencode(_mark(home).replace("%", "\\%")))


def _mark(home: Home) -> str:
    return f"{MARK} {home.path}"


def _path() -> str:
    """Our own PATH: cron has another one, and sources and services may be commands."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    there = (name for name in folders if name.startswith(os.sep) and Path(name).is_dir())
    return os.pathsep.join(dict.fromkeys(there))
