"""Many new jobs from lines of JSON or CSV: each checked, with its line number, in bounded memory."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, BinaryIO

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import ConfigError
from orchestrator.queue.given import FIELDS, PLAIN, BadJob, Defaults, new_job, parsed, unknown
from orchestrator.queue.model import LONGEST_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.core.clock import Clock
    from orchestrator.queue.model import NewJob

#: Bytes. A payload may be written with an escape for each letter.
LONGEST_LINE = 4 * LONGEST_TEXT
#: A piece has at most so many jobs, or bad lines, and about so many characters of payloads.
PIECE = 1000
PIECE_TEXT = 2 * LONGEST_TEXT
#: Seconds: what has waited so long goes on without more, where lines come slowly.
LATE_S = 0.5

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_HINT = "the first line names the columns; beside a column `payload` only these can be: "


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no job, and why; of a record over several lines the first."""

    number: int
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return f"line {self.number}: {'; '.join(self.problems)}"


class Form(StrEnum):
    """How jobs are written in a file."""

    JSONL = "jsonl"
    CSV = "csv"


@dataclass(slots=True)
class Piece:
    """What one step of an import takes."""

    jobs: list[NewJob] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)


def form_of(name: str, start: bytes) -> Form:
    """The form of a file: by the ending of its name, else by the letter that it starts with.

    >>> form_of("jobs.csv", b""), form_of("-", b' {"id": "a"}')
    (<Form.CSV: 'csv'>, <Form.JSONL: 'jsonl'>)

    Raises:
        ConfigError: it is one JSON array.
    """
    first = start.removeprefix(_BOM).lstrip(_SPACE)[:1]
    if name.lower().endswith((".csv", ".tsv")):
        return Form.CSV
    if first == b"[":
        hint = "write one object a line: jq -c '.[]' does that"
        raise ConfigError((f"{name} is one JSON array",), hint=hint)
    if first == b"{" or name.lower().endswith((".jsonl", ".ndjson", ".json")):
        return Form.JSONL
    return Form.CSV


class Batch:
    """Puts what is read together into pieces, and hands each to `take`: a full one, or at a `flush`."""

    def __init__(self, take: Callable[[Piece], None], clock: Clock = SYSTEM) -> None:
        self._take = take
        self._clock = clock
        self._piece, self._text = Piece(), 0
        self._since: float | None = None

    def add(self, found: NewJob | BadLine) -> None:
        """Put it to the others that wait."""
        piece = self._piece
        if self._since is None:
            self._since = self._clock.monotonic()
        if isinstance(found, BadLine):
            piece.bad.append(found)
        else:
            piece.jobs.append(found)
            self._text += len(found.payload)
        if len(piece.jobs) >= PIECE or len(piece.bad) >= PIECE or self._text >= PIECE_TEXT:
            self.flush()

    def flush(self) -> None:
        """Hand on what waits, if anything does."""
        piece, self._piece = self._piece, Piece()
        self._text, self._since = 0, None
        if piece.jobs or piece.bad:
            self._take(piece)

    def flush_late(self) -> None:
        """Hand it on if the first of it has waited for long."""
        if self._since is not None and self._clock.monotonic() - self._since >= LATE_S:
            self.flush()


def read(file: BinaryIO, form: Form, defaults: Defaults = PLAIN) -> Iterator[NewJob | BadLine]:
    """The jobs of a file and its bad lines, in their order; blank lines are nothing.

    Raises:
        ConfigError: the header of a CSV file is wrong.
    """
    return _jsonl(file, defaults) if form is Form.JSONL else _csv(file, defaults)


def _jsonl(file: BinaryIO, defaults: Defaults) -> Iterator[NewJob | BadLine]:
    for number, line in _lines(file):
        if not line.strip(_SPACE):
            continue
        try:
            yield new_job(_record(line), defaults)
        except BadJob as bad:
            yield BadLine(number, bad.problems)


def _record(line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST_LINE:
        raise BadJob([f"longer than {LONGEST_LINE >> 20} MB"])
    try:
        found = parsed(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadJob([f"this is not UTF-8 text (byte {error.start + 1})"]) from None
    except ValueError as error:
        raise BadJob([str(error)]) from None
    if not isinstance(found, dict):
        raise BadJob(['must be an object, like {"id": "a", "payload": {}}'])
    return found


def _csv(file: BinaryIO, defaults: Defaults) -> Iterator[NewJob | BadLine]:
    csv.field_size_limit(LONGEST_TEXT)
    # Bytes that are no text become what `_checked` knows again: the reader must go on behind them.
    lines = ((at, line.decode("utf-8", "surrogateescape")) for at, line in _lines(file))
    top, first = next(((at, line) for at, line in lines if line.strip()), (0, ""))
    if not first:
        return
    delimiter = max(",;\t", key=first.count)
    header = _header(first, delimiter)
    reader = csv.reader((line for _, line in lines), delimiter=delimiter, strict=True)
    while True:
        number = top + reader.line_num + 1
        try:
            row = next(reader)
            if "".join(row).strip():
                yield new_job(_cells(header, row), defaults, text=True)
        except StopIteration:
            return
        except csv.Error as error:
            yield _no_csv(error, number, top + reader.line_num)
        except BadJob as bad:
            yield BadLine(number, bad.problems)


def _no_csv(error: csv.Error, number: int, last: int) -> BadLine:
    upto = f", and all up to line {last} with it" if last > number else ""
    return BadLine(number, (f"this is not CSV: {error}; is a quotation not closed?{upto}",))


def _header(line: str, delimiter: str) -> list[str]:
    try:
        names = [name.strip() for name in _checked(next(csv.reader([line], delimiter=delimiter)))]
    except (BadJob, csv.Error) as error:
        raise ConfigError((f"line 1: {error}",), hint=_HINT + ", ".join(FIELDS)) from None
    problems = [f"two columns {name!r}" for name in sorted(set(names)) if names.count(name) > 1]
    if "id" not in names:
        problems.append(f"no column `id`; there are: {', '.join(names)[:200]}")
    if "payload" in names:
        problems += [unknown(name) for name in names if name not in FIELDS]
    if problems:
        told = tuple(f"line 1: {problem}" for problem in problems)
        raise ConfigError(told, hint=_HINT + ", ".join(FIELDS))
    return names


def _cells(header: list[str], row: list[str]) -> dict[str, str]:
    if len(row) != len(header):
        raise BadJob([f"{len(row)} values for {len(header)} columns"])
    return dict(zip(header, _checked(row), strict=True))


def _checked(row: list[str]) -> list[str]:
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        raise BadJob(["this is not UTF-8 text"]) from None
    return row


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line with its number; of one that is too long a part that is too long as well."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        yield number, line.removeprefix(_BOM) if number == 1 else line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE + 1)
