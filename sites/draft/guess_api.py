"""What an answer of an API looks like it is: where its items are, and how it goes on."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sites.extract.dates import Ambiguous, to_date

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sites.draft.guess import Rule

#: Lists are looked for so deep.
_DEEPEST = 3
MOST_FIELDS = 20

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ONWARD = re.compile(r"next(?:_?(?:page|url|link|cursor|token|page_?token))?|cursor", re.IGNORECASE)


def items(data: Any) -> tuple[str, dict[str, Any]] | None:
    """Return the path of the longest list of objects, and its first one."""
    found = [(path, value) for path, value in _walk(data) if _is_list(value)]
    if not found:
        return None
    path, value = max(found, key=lambda pair: len(pair[1]))
    return path or "@", value[0]


def fields(item: dict[str, Any]) -> dict[str, Rule]:
    """Return rules for the values of an object."""
    found: dict[str, Rule] = {}
    for key, value in item.items():
        name = re.sub(r"\W", "_", key, flags=re.ASCII).strip("_")
        if not isinstance(value, dict) and name[:1].isalpha() and len(found) < MOST_FIELDS:
            kind = _kind(value)
            found.setdefault(name, {"json": _step(key)} | ({"type": kind} if kind else {}))
    return found


def onward(data: Any) -> Rule | None:
    """Return a rule for what says how to go on."""
    for path, value in _walk(data):
        if not _ONWARD.fullmatch(path.rpartition(".")[2]) or isinstance(value, dict | list):
            continue
        if isinstance(value, str) and (value.startswith("/") or "://" in value):
            return {"json": path, "next": True}
        if value is not None and value is not False and value != "":
            return {"cursor": {"json": path, "param": path.rpartition(".")[2]}}
    return None


def _walk(data: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every value in objects, with its path."""
    yield path, data
    if isinstance(data, dict) and depth < _DEEPEST:
        for key, value in data.items():
            step = _step(key)
            yield from _walk(value, f"{path}.{step}" if path else step, depth + 1)


def _step(key: str) -> str:
    return key if _WORD.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _kind(value: Any) -> str:
    """The type of a field; nothing for text."""
    if isinstance(value, list):
        return "list"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "int" if isinstance(value, int) else "float"
    if not isinstance(value, str):
        return ""
    if re.match(r"https?://", value):
        return "url"
    try:
        return "date" if not value.isdigit() and to_date(value) else ""
    except Ambiguous:
        return ""
