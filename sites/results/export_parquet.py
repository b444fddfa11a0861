"""Items as a Parquet file; loaded only when one is wanted, because pyarrow is an extra."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet

from sites.results.columns import Kind, as_text, columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: Items of a row group: so many are kept in memory.
GROUP = 10_000

_TYPES = {
    Kind.BOOL: pa.bool_(),
    Kind.INT: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.LIST: pa.list_(pa.string()),
}


def write(items: Callable[[], Iterable[Mapping[str, Any]]], file: BinaryIO) -> int:
    """Write every item, a group after the other; return how many. Asks for `items` twice."""
    kinds = columns(items()) or {"_url": Kind.TEXT}
    schema = pa.schema([(name, _TYPES.get(kind, pa.string())) for name, kind in kinds.items()])
    count = 0
    rest = iter(items())
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(rest, GROUP)):
            values = [
                [_value(item.get(name), kind) for item in group] for name, kind in kinds.items()
            ]
            arrays = [
                pa.array(column, type=field.type)
                for column, field in zip(values, schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(group)
    return count


def _value(value: Any, kind: Kind) -> Any:
    if kind is Kind.FLOAT and value is not None:
        return float(value)
    return value if kind in _TYPES else as_text(value)
