"""What is wrong with the tables `[proxies.source.NAME]`, each taken as a whole.

It looks at the tables as they were written, as `declared` does and for the same reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from orchestrator.core.declared import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
#: Where a list may be; a table names one.
PLACES = ("file", "url", "command", "shell")
#: What goes with a URL alone.
_OF_URLS = frozenset({"headers", "user", "password"})
#: What goes with some formats alone.
_OF_FORMATS = {
    "pattern": ("text",),
    "path": ("json",),
    "fields": ("json", "csv"),
    "delimiter": ("csv",),
}
#: A password is worth nothing without its user.
_PAIRS = (("user", "password"), ("proxy_user", "proxy_password"))


def problems(raw: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong in the tables of sources, whatever else is."""
    section = raw.get("proxies")
    tables = section.get("source") if isinstance(section, dict) else None
    found: list[Problem] = []
    for name, table in tables.items() if isinstance(tables, dict) else ():
        key = f"proxies.source.{name}"
        if not NAME.fullmatch(name):
            found.append(Problem(key, f"a source's name must match {NAME.pattern}"))
        if isinstance(table, dict):
            found += [Problem(f"{key}{where}", text) for where, text in _table(table)]
    return found


def _table(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    places = [place for place in PLACES if place in table]
    if len(places) > 1:
        yield "", f"names {' and '.join(places)}; only one can be read"
    if not places:
        yield "", f"needs a place to read: one of {', '.join(PLACES)}"
    yield from _format(table)
    yield from _secrets(table, fetched="url" in table or not places)


def _secrets(table: Mapping[str, Any], *, fetched: bool) -> Iterator[tuple[str, str]]:
    for word in () if fetched else sorted(_OF_URLS & table.keys()):
        more = "" if word == "headers" else f"; what its proxies get is proxy_{word}"
        yield f".{word}", f"goes with url only{more}"
    for user, password in _PAIRS:
        if password in table and user not in table:
            yield f".{password}", f"needs {user} beside it"


def _format(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    form = table.get("format", "text")
    for word, forms in _OF_FORMATS.items():
        if word in table and form not in forms:
            yield f".{word}", f"goes with format = {' or '.join(map(repr, forms))} only"
