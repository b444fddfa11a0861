"""What the shell offers after Tab: names of services and sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer  # noqa: TC002  (it reads our annotations when it runs)

from orchestrator.cli import names
from orchestrator.core.errors import OrchError
from orchestrator.core.home import Home

if TYPE_CHECKING:
    from collections.abc import Callable


def _offering(of: Callable[[Home], list[str]]) -> Callable[[typer.Context, str], list[str]]:
    def offer(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            home = Home.find(ctx.find_root().params.get("home"))
        except OrchError:
            return []
        typed = ctx.params.values()
        already = {name for value in typed if isinstance(value, list | tuple) for name in value}
        return [name for name in of(home) if name.startswith(incomplete) and name not in already]

    return offer


services = _offering(names.services)
logs = _offering(names.logs)
sites = _offering(names.sites)
