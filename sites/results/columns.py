"""What each field of many items is, for formats that want to know it beforehand."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LARGEST = 2**63 - 1

#: These come behind the fields, in this order.
OURS = ("_change", "_before", "_url")


class Kind(StrEnum):
    """What all values of a field have in common."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TEXT = "text"
    LIST = "list"  #: of texts
    JSON = "json"  #: other lists and tables


_KINDS = {bool: Kind.BOOL, int: Kind.INT, float: Kind.FLOAT, str: Kind.TEXT}


def columns(items: Iterable[Mapping[str, Any]]) -> dict[str, Kind]:
    """Return every field of any item, in the order in which they come; ours last.

    >>> {name: str(kind) for name, kind in columns([{"_url": "u", "a": 1}, {"a": 1.5, "b": None}]).items()}
    {'a': 'float', 'b': 'text', '_url': 'text'}
    """
    found: dict[str, Kind | None] = {}
    for item in items:
        for name, value in item.items():
            found[name] = _joined(found.get(name), _kind(value))
    names = [
        *(name for name in found if name not in OURS),
        *(name for name in OURS if name in found),
    ]
    return {name: found[name] or Kind.TEXT for name in names}


def as_text(value: Any) -> str | None:
    """Return a value as text: texts as they are, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> Kind | None:
    if isinstance(value, list):
        return Kind.LIST if all(isinstance(each, str) for each in value) else Kind.JSON
    if type(value) is int and abs(value) > _LARGEST:
        return Kind.TEXT
    return None if value is None else _KINDS.get(type(value), Kind.JSON)


def _joined(one: Kind | None, other: Kind | None) -> Kind | None:
    if one is None or other is None or one == other:
        return one or other
    if {one, other} == {Kind.INT, Kind.FLOAT}:
        return Kind.FLOAT
    return Kind.JSON if {one, other} == {Kind.LIST, Kind.JSON} else Kind.TEXT
