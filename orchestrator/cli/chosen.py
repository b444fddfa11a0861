"""Services that were named: their rows alone, and what is wrong with an unknown name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.cli.console import invocation
from orchestrator.cli.later import later
from orchestrator.cli.quick import supervisor
from orchestrator.core.clock import Deadline
from orchestrator.core.errors import ConfigError, DeadlinePassed, NotRunning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.core.home import Home

differences = later("orchestrator.operate.launch", "differences")

ASK_S = 5.0


def only(home: Home, status: dict[str, Any], services: Iterable[str]) -> dict[str, Any]:
    """Return `status` with the rows of `services` alone; with all of them if none are named.

    Raises:
        ConfigError: the supervisor does not know one of them.
    """
    names = list(services)
    if not names:
        return status
    rows = status["services"]
    if status["supervisor"]["state"] != "stopped":
        unknown = wrong(home, names, [row["name"] for row in rows])
        if unknown:
            raise unknown
    return {**status, "services": [row for row in rows if row["name"] in names]}


def better(error: ConfigError, home: Home, services: Iterable[str] | None) -> ConfigError:
    """`error`, or what is to be said when it is about names that a running supervisor does not know."""
    try:
        known = [row["name"] for row in supervisor(str(home.path))["services"]]
    except (NotRunning, DeadlinePassed):
        return error
    return wrong(home, list(services or ()), known) or error


def wrong(home: Home, services: list[str], known: list[str]) -> ConfigError | None:
    """What is wrong with `services` when a supervisor knows only `known`."""
    unknown = [name for name in dict.fromkeys(services) if name not in known]
    if not unknown:
        return None
    new = _declared_since(home)
    told = [
        f"{name} is declared, and not yet known to the supervisor"
        if name in new
        else f"no such service: {name}; there are: {', '.join([*known, *new])}"
        for name in unknown
    ]
    hint = "`orch restart --changed` applies this" if new & set(unknown) else ""
    return ConfigError(tuple(told), hint=hint)


def _declared_since(home: Home) -> set[str]:
    try:
        differs = differences(home, invocation.get().overrides, Deadline.after(ASK_S))
    except (ConfigError, NotRunning, DeadlinePassed):
        return set()
    return {name for name, what in differs.items() if what == "new"}
