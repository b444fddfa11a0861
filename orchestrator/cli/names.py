"""The names of services and sites, cheaply: for completion, and to know a wrong one."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.core.home import Home

BUILT_IN = ("redis", "results", "worker", "beat")


def services(home: Home) -> list[str]:
    """Those that orch.toml declares and those that run; nothing is validated."""
    raw = _toml(home)
    workers = [
        f"worker-{name}" for name, value in _table(raw, "worker").items() if _is_table(value)
    ]
    own = [name for name in _table(raw, "service") if name not in BUILT_IN]
    return list(dict.fromkeys([*BUILT_IN, *workers, *own, *_running(home)]))


def logs(home: Home) -> list[str]:
    """The services that have written a log."""
    return sorted(path.stem for path in home.logs.glob("*.log"))


def sites(home: Home) -> list[str]:
    """The sites of the home and those that are shipped, by their files; nothing is validated."""
    shipped = Path(__file__).parents[2] / "sites" / "definitions"
    files = [*(home.path / "sites").glob("*.toml"), *shipped.glob("*.toml")]
    return sorted({file.stem for file in files})


def _running(home: Home) -> list[str]:
    try:
        raw = json.loads((home.run / "state.json").read_bytes())
    except (OSError, ValueError):
        return []
    return list(_table(raw, "services"))


def _toml(home: Home) -> dict[str, Any]:
    try:
        return tomllib.loads(home.config_file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _table(raw: object, name: str) -> dict[str, Any]:
    value = raw.get(name) if isinstance(raw, dict) else None
    return value if isinstance(value, dict) else {}


def _is_table(value: object) -> bool:
    return isinstance(value, dict)
