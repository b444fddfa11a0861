"""The declared services of the last time, for as long as nothing has changed that they were made from.

Reading and checking a configuration costs a start some 100 ms, and nearly every start finds it as the
last one did. What was declared is kept in `data/run/declared.json` (private, like `state.json`) with a
stamp of all that it depends on; with any other stamp it is as if it were not there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core import source
from orchestrator.core.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestrator.core.home import Home

#: Variables that say where programs and folders are. `ORCH_…` are in the digest of the source.
VARIABLES = ("PATH", "HOME", "XDG_RUNTIME_DIR", "TMPDIR")


def recall(home: Home, overrides: Mapping[str, str]) -> list[dict[str, Any]] | None:
    """Return the specs that were kept, if all is as it was; None otherwise."""
    kept = read_json(_file(home))
    try:
        specs: list[dict[str, Any]] = kept["specs"]
        if kept["stamp"] != _stamp(home, overrides, specs):
            return None
    except (AttributeError, KeyError, TypeError):  # another orch wrote it, or nobody did
        return None
    home.make()
    return specs


def keep(
    home: Home, overrides: Mapping[str, str], specs: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Remember `specs`, which were made just now, and return them."""
    stamp = _stamp(home, overrides, specs)
    write_json(_file(home), {"stamp": stamp, "specs": specs}, durable=False)
    return specs


def _file(home: Home) -> Path:
    return home.run / "declared.json"


def _stamp(home: Home, overrides: Mapping[str, str], specs: list[dict[str, Any]]) -> dict[str, Any]:
    """All that `declare` looks at, as plain JSON."""
    return {
        "source": source.digest(str(home.path), overrides),
        "home": str(home.path),
        "python": sys.executable,
        "variables": {name: os.environ.get(name) for name in VARIABLES},
        "files": {path: _of_file(path) for path in sorted({*_files(home), *_programs(specs)})},
        # Files come and go in them all the time.
        "folders": {raw["cwd"]: Path(raw["cwd"]).is_dir() for raw in specs},
    }


def _files(home: Home) -> Iterator[str]:
    """What decides what is found: the folders of programs, the choice of a Redis, our own code."""
    yield from os.environ.get("PATH", os.defpath).split(os.pathsep)
    yield str(home.run / "sockets")
    yield str(home.redis_data / "server.json")
    yield str(home.redis_data / "password.conf")
    core = Path(source.__file__).parent
    for package in (core, core.with_name("supervise")):
        yield from (str(path) for path in package.glob("*.py"))


def _programs(specs: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The programs that are started, and the folders in which theirs are found."""
    for raw in specs:
        yield from raw["env"].get("PATH", "").split(os.pathsep)
        for command in (
            raw["command"],
            raw["probe"]["command"],
            (raw["alive"] or {}).get("command"),
        ):
            yield from (command or ())[:1]


def _of_file(path: str) -> list[int] | None:
    """What changes with the file, or with what is in the folder; None when it is not there."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return [found.st_mode, found.st_size, found.st_mtime_ns]
