"""Commands that are loaded when they are called, so that `orch --help` costs next to nothing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Name -> the module whose `app` it is, and its line in the help.
LAZY = {
    "doctor": ("orchestrator.cli.doctor", "Say what is wrong, and how to mend it."),
    "config": ("orchestrator.cli.config", "Show, check or write the configuration."),
    "proxies": ("orchestrator.cli.proxies", "Refresh and look at the pool of proxies."),
    "sites": ("orchestrator.cli.sites", "Start, stop and look at scrape jobs."),
    "unit": ("orchestrator.cli.unit", "Print a hardened systemd unit file for this home."),
    "demo": ("orchestrator.cli.demo", "Watch the whole main job on this machine alone."),
}
WIDEST_HELP = 70


class LazyGroup(TyperGroup):
    """The commands that were added, then those of `LAZY`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name them all."""
        return [*super().list_commands(ctx), *LAZY]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load the command if it is a lazy one."""
        if cmd_name not in LAZY:
            return super().get_command(ctx, cmd_name)
        command = typer.main.get_command(importlib.import_module(LAZY[cmd_name][0]).app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands without loading the lazy ones."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines(ctx)))

    def _lines(self, ctx: Any) -> Iterable[tuple[str, str]]:
        for name in super().list_commands(ctx):
            command = super().get_command(ctx, name)
            yield name, command.get_short_help_str(WIDEST_HELP) if command else ""
        for name, (_, told) in LAZY.items():
            yield name, told
