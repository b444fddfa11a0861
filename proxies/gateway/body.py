"""Where a body ends: fed with what comes, each says how much of it is the body's.

The bytes themselves go on as they are. A body knows nothing of connections.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from proxies.gateway.head import Answer, Request

#: A chunk's size line and the trailers may not be longer, in bytes.
LONGEST_LINE = 1024
LARGEST_TRAILERS = 8192
_MOST_DIGITS = 15
_HEX = frozenset(b"0123456789abcdefABCDEF")


class BadBody(Exception):
    """The framing is broken: nobody can say what follows."""


class Body(Protocol):
    """One body on its way."""

    done: bool

    def feed(self, data: bytes) -> int:
        """How many of these bytes are its own; the rest belongs to what follows.

        Raises:
            BadBody: the framing is broken.
        """
        ...


class Sized:
    """A body of `left` bytes."""

    __slots__ = ("done", "left")

    def __init__(self, left: int) -> None:
        self.left = left
        self.done = left == 0

    def feed(self, data: bytes) -> int:
        """As `Body`."""
        size = min(len(data), self.left)
        self.left -= size
        self.done = self.left == 0
        return size


class Endless:
    """A body that ends with its connection."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def feed(self, data: bytes) -> int:
        """As `Body`."""
        return len(data)


class _At(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()


class Chunked:
    """Chunks; with `plain` their contents are put there, for a client that knows no chunks."""

    __slots__ = ("_at", "_left", "_line", "_trailers", "done", "plain")

    def __init__(self, plain: bytearray | None = None) -> None:
        self.done = False
        self.plain = plain
        self._at = _At.SIZE
        self._left = 0
        self._line = bytearray()
        self._trailers = 0

    def feed(self, data: bytes) -> int:
        """As `Body`."""
        place, end = 0, len(data)
        while place < end and not self.done:
            take = self._content if self._at is _At.DATA else self._a_line
            place = take(data, place)
        return place

    def _content(self, data: bytes, place: int) -> int:
        size = min(len(data) - place, self._left)
        if self.plain is not None:
            self.plain += data[place : place + size]
        self._left -= size
        if not self._left:
            self._at = _At.DATA_END
        return place + size

    def _a_line(self, data: bytes, place: int) -> int:
        """Take what there is of a line, and act on it when it is whole."""
        end = data.find(b"\n", place)
        stop = len(data) if end < 0 else end + 1
        self._line += data[place:stop]
        if len(self._line) > LONGEST_LINE:
            raise BadBody("a line among chunks is too long")
        if end >= 0:
            line = bytes(self._line)
            self._line.clear()
            if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
                raise BadBody("a line among chunks that is none")
            self._whole(line[:-2])
        return stop

    def _whole(self, line: bytes) -> None:
        if self._at is _At.SIZE:
            self._left = _size(line)
            self._at = _At.DATA if self._left else _At.TRAILER
        elif self._at is _At.DATA_END:
            if line:
                raise BadBody("a chunk longer than its size")
            self._at = _At.SIZE
        else:
            self._trailers += len(line)
            if self._trailers > LARGEST_TRAILERS:
                raise BadBody("too many trailers")
            self.done = not line


def _size(line: bytes) -> int:
    """The size that a chunk's first line gives; what is behind a semicolon means nothing to us."""
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not 0 < len(digits) <= _MOST_DIGITS or not _HEX.issuperset(digits):
        raise BadBody("a chunk without a size")
    return int(digits, 16)


def of_request(request: Request) -> Body:
    """The body that follows a request."""
    return Chunked() if request.chunked else Sized(request.length or 0)


def of_answer(answer: Answer, method: bytes, *, plain: bytearray | None = None) -> Body:
    """The body that follows an answer to `method`; `plain` as in `Chunked`."""
    if method == b"HEAD" or answer.status in (204, 304):
        return Sized(0)
    if answer.chunked:
        return Chunked(plain)
    return Endless() if answer.length is None else Sized(answer.length)
