"""Items as lines for other programs: JSON lines or CSV, in an order that two runs share."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Literal

from orchestrator.core.files import unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


Format = Literal["jsonl", "csv"]


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Open a file that takes the place of `path` when all is written, and not before.

    Raises:
        DiskFull: what was there before is still there.
        OrchError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def export(items: Callable[[], Iterable[dict[str, Any]]], form: Format, file: IO[str]) -> int:
    """Write every item to `file`; return how many. CSV asks for `items` twice."""
    return _csv(items, file) if form == "csv" else _jsonl(items(), file)


def _jsonl(items: Iterable[dict[str, Any]], file: IO[str]) -> int:
    count = 0
    for count, item in enumerate(items, 1):  # noqa: B007 (counted while streaming)
        file.write(json.dumps(item, ensure_ascii=False) + "\n")
    return count


def _csv(items: Callable[[], Iterable[dict[str, Any]]], file: IO[str]) -> int:
    names: dict[str, None] = {}
    for item in items():
        names.update(dict.fromkeys(item))
    names.pop("_url", None)
    writer = csv.DictWriter(file, [*names, "_url"], restval="", lineterminator="\n")
    writer.writeheader()
    count = 0
    for count, item in enumerate(items(), 1):  # noqa: B007 (counted while streaming)
        writer.writerow({name: _cell(value) for name, value in item.items()})
    return count


def _cell(value: Any) -> Any:
    """Lists have no form of their own in CSV."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
