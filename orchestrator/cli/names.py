"""The names of services and sites, cheaply: for completion, and to know a wrong one."""

from __future__ import annotations

import json
import os
import tomllib

from orchestrator.core import places
from orchestrator.core.built_in import BUILT_IN, GATEWAY

# Typing itself is not imported: the shell waits for the names.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Words that are the same in every home. A test compares them with what the commands know.
FIXED = {
    "states": ["queued", "in_progress", "done", "skipped", "error"],
    "ended": ["done", "skipped", "error"],
    "conflicts": ["ignore", "update", "requeue"],
    "pipelines": ["fetch", "exec"],
    "exports": ["jsonl", "csv", "sqlite", "parquet"],
    "gate_verbs": ["reset", "trip", "set"],
}


def services(home: str) -> list[str]:
    """Those that orch.toml declares and those that run; nothing is validated."""
    raw = _toml(f"{home}/{places.CONFIG_NAME}")
    tables = [name for name, value in _table(raw, "worker").items() if isinstance(value, dict)]
    own = [name for name in _table(raw, "service") if name not in BUILT_IN]
    if _table(raw, GATEWAY).get("listen"):
        own.append(GATEWAY)
    running = _running(f"{places.run_folder(home)}/state.json")
    return list(dict.fromkeys([*BUILT_IN, *(f"worker-{name}" for name in tables), *own, *running]))


def logs(home: str) -> list[str]:
    """The services that have written a log."""
    return _stems(f"{home}/data/logs", ".log")


def sites(home: str) -> list[str]:
    """The sites of the home and those that are shipped, by their files; nothing is validated."""
    package = __file__.rpartition("/orchestrator/")[0]
    shipped = _stems(f"{package}/sites/definitions", ".toml")
    return sorted({*_stems(f"{home}/sites", ".toml"), *shipped})


def fixed(kind: str) -> Callable[[str], list[str]]:
    """What `FIXED` has, for any home."""
    return lambda _home: FIXED[kind]


def _stems(folder: str, ending: str) -> list[str]:
    try:
        files = os.listdir(folder)  # noqa: PTH208  (without pathlib)
    except OSError:
        return []
    return sorted(name.removesuffix(ending) for name in files if name.endswith(ending))


def _running(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (without pathlib)
            raw = json.load(file)
    except (OSError, ValueError):
        return []
    return list(_table(raw, "services"))


def _toml(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (without pathlib)
            return tomllib.load(file)
    except (OSError, ValueError):
        return {}


def _table(raw: object, name: str) -> dict[str, Any]:
    value = raw.get(name) if isinstance(raw, dict) else None
    return value if isinstance(value, dict) else {}
