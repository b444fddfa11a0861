"""`orch proxies`: the pool of proxies, and its refresh."""

from __future__ import annotations

import typer

from orchestrator.cli import (
    proxies_check,
    proxies_judge,
    proxies_pool,
    proxies_refresh,
    proxies_serve,
    proxies_sources,
)

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False)

#: Each adds its own commands.
PARTS = (
    proxies_refresh,
    proxies_pool,
    proxies_check,
    proxies_sources,
    proxies_judge,
    proxies_serve,
)
for _part in PARTS:
    _part.register(app)
