"""What a supervisor is told when it starts, or takes over."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import ConfigError
from orchestrator.core.source import digest
from orchestrator.operate import remembered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.core.home import Home

#: All services together have at least this long to become ready, in seconds.
UP_S = 120.0


def make_order(
    home: Home, overrides: Mapping[str, str], services: list[str] | None, *, detach: bool
) -> dict[str, Any]:
    """What the supervisor of `home` is told: the services of today's configuration, and which to start.

    Raises:
        ConfigError: with every problem of the configuration.
        Unavailable: something that is needed is not there.
    """
    specs = remembered.recall(home, overrides)
    if specs is None:
        # Only now: what reads and checks a configuration takes longer to load than all the rest.
        declaration = importlib.import_module("orchestrator.operate.declaration")
        specs = remembered.keep(home, overrides, declaration.declare(home, overrides))
    names = [raw["name"] for raw in specs]
    there = f"there are: {', '.join(names)}"
    wrong = [f"no such service: {name}; {there}" for name in services or () if name not in names]
    if wrong:
        raise ConfigError(tuple(wrong))
    return {
        "home": str(home.path),
        "specs": specs,
        "wanted": services or None,
        "foreground": not detach,
        "source": digest(str(home.path), overrides),
    }


def time_for(order: dict[str, Any]) -> float:
    """How long a start may take, in seconds, if each service uses the time that it is given."""
    return max(UP_S, sum(float(raw["start_timeout_s"]) for raw in order["specs"]))
