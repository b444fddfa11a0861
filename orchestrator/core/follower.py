"""Reading a log that grows, line by line, whatever rotation does to the file meanwhile."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = 65_536
#: A longer line is handed on in pieces of this size, in bytes.
LONGEST_LINE = 65_536
#: So many bytes before our place tell whether the file is still the one that we read.
REMEMBERED = 64
#: A renamed file is read for so many more looks: its writer may not have opened the new one yet.
LOOKS_AFTER_RENAMING = 20
#: The first byte of a letter in UTF-8 is below the one or not below the other.
ASCII_END, LETTER_START = 0x80, 0xC0


class Reader:
    """One open file, and how far it has been read."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._before = b""  #: the last bytes that were read
        self._rest = b""  #: the beginning of a line whose end is not there yet

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def lines(self) -> Iterator[str]:
        """The whole lines from our place to where the file ends now."""
        end = os.fstat(self._file.fileno()).st_size
        while self._file.tell() < end:
            data = self._file.read(min(BLOCK, end - self._file.tell()))
            if not data:
                return
            self._before = (self._before + data)[-REMEMBERED:]
            *whole, self._rest = (self._rest + data).split(b"\n")
            yield from map(_text, whole)
            while len(self._rest) >= LONGEST_LINE:
                cut = _between_letters(self._rest, LONGEST_LINE)
                piece, self._rest = self._rest[:cut], self._rest[cut:]
                yield _text(piece)

    def rest(self) -> Iterator[str]:
        """What is there of a line that has no end yet; it counts as read."""
        if self._rest:
            yield _text(self._rest)
        self._rest = b""

    def is_at(self, path: Path) -> bool:
        """Whether `path` is this file; also when nothing is there, so that it is read on."""
        try:
            return os.path.samestat(path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return True

    @property
    def emptied(self) -> bool:
        """Whether what is before our place is no longer what was read there."""
        start = self._file.tell() - len(self._before)
        return os.pread(self._file.fileno(), len(self._before), start) != self._before

    def again(self) -> None:
        """Read from the beginning."""
        self._file.seek(0)
        self._before = b""

    def go_on(self, other: Reader) -> bool:
        """Take the place of `other`, if this is a copy of what it read; tell whether it is."""
        self._file.seek(other._file.tell())
        self._before, self._rest = other._before, other._rest
        return not self.emptied

    def seek_last(self, lines: int) -> int:
        """Go to where the last `lines` whole lines begin; return how many there are, if fewer."""
        place = os.fstat(self._file.fileno()).st_size
        found = -1  # the line break that ends the last line begins none
        while place > 0:
            size = min(BLOCK, place)
            place -= size
            block = os.pread(self._file.fileno(), size, place)
            at = len(block)
            while (at := block.rfind(b"\n", 0, at)) >= 0:
                found += 1
                if found == lines:
                    self._file.seek(place + at + 1)
                    return lines
        self._file.seek(0)
        return max(0, found + 1)


class Follower:
    """Reads `path`, which need not be there yet.

    It may be renamed to `older` and begun anew, or copied there and emptied: what was written before is
    read first, then what comes after.
    """

    def __init__(self, path: Path, older: Path) -> None:
        self._path = path
        self._older = older
        self._now: Reader | None = None
        self._renamed: Reader | None = None
        self._looks_left = 0

    def last(self, lines: int) -> Iterator[str]:
        """The last `lines` whole lines that are there now, also of `older`; to be called first."""
        self._now = _opened(self._path)
        missing = lines - (self._now.seek_last(lines) if self._now else 0)
        older = _opened(self._older) if missing else None
        if older:
            older.seek_last(missing)
            yield from older.lines()
            yield from older.rest()
            older.close()
        yield from self.added()

    def added(self) -> Iterator[str]:
        """The whole lines that have come since the last look."""
        if self._renamed:
            yield from self._renamed.lines()
            self._looks_left -= 1
            if not self._looks_left:
                yield from self._renamed.rest()
                self._renamed.close()
                self._renamed = None
        if self._now and not self._now.is_at(self._path):
            yield from self._now.lines()
            self._renamed, self._looks_left = self._now, LOOKS_AFTER_RENAMING
            self._now = None
        self._now = self._now or _opened(self._path)
        if self._now:
            if self._now.emptied:
                yield from self._left_in_copy(self._now)
                yield from self._now.rest()
                self._now.again()
            yield from self._now.lines()

    def rest(self) -> Iterator[str]:
        """What is there of a line that has no end yet; it counts as read."""
        if self._now:
            yield from self._now.rest()

    def _left_in_copy(self, emptied: Reader) -> Iterator[str]:
        copy = _opened(self._older)
        if copy:
            if copy.go_on(emptied):
                list(emptied.rest())  # the copy has it, with its end
                yield from copy.lines()
                yield from copy.rest()
            copy.close()


def _opened(path: Path) -> Reader | None:
    with contextlib.suppress(OSError):
        return Reader(path)
    return None


def _between_letters(data: bytes, place: int) -> int:
    """A place at or just before `place` that cuts no letter in two."""
    for back in range(4):
        first = data[place - back : place - back + 1]
        if not first or first[0] < ASCII_END or first[0] >= LETTER_START:
            return place - back
    return place


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")
