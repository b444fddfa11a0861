"""SQL by name, from the files in `sql/`."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = resources.files("orchestrator.queue.sqlite").joinpath("sql")
_QUERY = re.compile(r"^-- name: (\w+)\n-- (?:.+)\n((?:(?!-- ).*\n)+)", re.MULTILINE)
_MIGRATION = re.compile(r"(\d{3})_\w+\.sql")


@cache
def load(file: str) -> Mapping[str, str]:
    """Read `sql/<file>.sql`: queries that each have a name, one line of comment, and a statement."""
    text = _FOLDER.joinpath(f"{file}.sql").read_text("utf-8")
    return {name: body.strip().removesuffix(";") for name, body in _QUERY.findall(text)}


@cache
def migrations() -> tuple[str, ...]:
    """The scripts that bring an empty file to the newest version, `001_….sql` first."""
    numbered = sorted(
        (int(found[1]), entry)
        for entry in _FOLDER.iterdir()
        if (found := _MIGRATION.fullmatch(entry.name))
    )
    if [number for number, _ in numbered] != list(range(1, len(numbered) + 1)):
        raise LookupError(f"the migrations are not numbered from 1: {numbered}")
    return tuple(entry.read_text("utf-8") for _, entry in numbered)
