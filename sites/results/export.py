"""Items for other programs, in an order that two runs share: lines, tables, and what they are read by."""

from __future__ import annotations

import csv
import importlib
import io
import json
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from orchestrator.core.errors import Unavailable
from sites.results.columns import columns
from sites.results.export_sqlite import write_sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Items = Callable[[], Iterable[dict[str, Any]]]

Format = Literal["jsonl", "csv", "sqlite", "parquet"]
#: What can be written to a pipe.
LINES = ("jsonl", "csv")

#: A cell that begins so is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|")


def write_jsonl(items: Items, file: BinaryIO) -> int:
    """Write an item a line; return how many."""
    count = 0
    for count, item in enumerate(items(), 1):  # noqa: B007 (counted while streaming)
        file.write((json.dumps(item, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
    return count


def write_csv(items: Items, file: BinaryIO, *, safe: bool = False) -> int:
    """Write a header of all fields and an item a line; return how many. Asks for `items` twice.

    With `safe`, no text is a formula to a spreadsheet: a `'` stands before it, which that hides.
    """
    names = list(columns(items())) or ["_url"]
    cell = _safe_cell if safe else _cell
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    count = -1  # the header is no item
    rows = ([item.get(name) for name in names] for item in items())
    for values in chain([list[Any](names)], rows):
        writer.writerow([cell(value) for value in values])
        file.write(line.getvalue().encode("utf-8", "replace"))
        line.seek(0)
        line.truncate()
        count += 1
    return count


def write_parquet(items: Items, file: BinaryIO) -> int:
    """Write a Parquet file; return how many items. Asks for `items` twice.

    Raises:
        Unavailable: pyarrow is not installed.
    """
    try:
        module = importlib.import_module("sites.results.export_parquet")
    except ModuleNotFoundError as error:
        raise Unavailable(
            "Parquet needs pyarrow, which is not installed", hint="pip install 'orch[parquet]'"
        ) from error
    count: int = module.write(items, file)
    return count


def export(
    items: Items, form: Format, file: BinaryIO, *, safe: bool = False, name: str = "items"
) -> int:
    """Write every item to `file`; return how many. `name` is that of a table, `safe` as in `write_csv`."""
    match form:
        case "jsonl":
            return write_jsonl(items, file)
        case "csv":
            return write_csv(items, file, safe=safe)
        case "sqlite":
            return write_sqlite(items, file, name)
        case "parquet":
            return write_parquet(items, file)


def _cell(value: Any) -> Any:
    """Lists and tables have no form of their own in CSV."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _safe_cell(value: Any) -> Any:
    """Numbers are no texts: -5 stays as it is."""
    found = _cell(value)
    return f"'{found}" if isinstance(found, str) and found.startswith(_FORMULA) else found
