"""Commands that are loaded when they are called, so that `orch --help` costs next to nothing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperGroup

from orchestrator.core.imports import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Name -> the module whose `app` it is, or whose `add_to` adds it to one, and its line in the help.
COMMANDS = {
    "doctor": ("orchestrator.cli.doctor", "Say what is wrong, and how to mend it."),
    "config": ("orchestrator.cli.config", "Show, check or write the configuration."),
    "proxies": ("orchestrator.cli.proxies", "Refresh and look at the pool of proxies."),
    "sites": ("orchestrator.cli.sites", "Start, stop and look at scrape jobs."),
    "queue": ("orchestrator.cli.queue", "Fill, run and look at a queue of your own jobs."),
    "cron": ("orchestrator.cli.cron", "Have cron refresh the proxies."),
    "unit": ("orchestrator.cli.unit", "Print a hardened systemd unit file for this home."),
    "demo": ("orchestrator.cli.demo", "Watch the whole main job on this machine alone."),
}
SITES = {
    "status": ("orchestrator.cli.sites_status", "Show how the newest job of each site stands."),
    "failures": (
        "orchestrator.cli.sites_failures",
        "List the pages that failed, with the reasons.",
    ),
    "retry-failed": (
        "orchestrator.cli.sites_failures",
        "Fetch the failed pages of the newest job again.",
    ),
    "export": (
        "orchestrator.cli.sites_export",
        "Write the items of a job, always in the same order.",
    ),
    "prune": ("orchestrator.cli.sites_prune", "Delete the results of old runs."),
    "gate": ("orchestrator.cli.sites_gate", "Show the gates of the sites, or act on them."),
    "check": (
        "orchestrator.cli.sites_check",
        "Say whether a site file is right; with a page, what it gives.",
    ),
    "new": ("orchestrator.cli.sites_new", "Write the first draft of a site file."),
}
WIDEST_HELP = 70


class LazyGroup(TyperGroup):
    """The commands that were added, then those of `lazy`."""

    lazy: ClassVar[dict[str, tuple[str, str]]] = COMMANDS

    def list_commands(self, ctx: Any) -> list[str]:
        """Name them all."""
        return [*super().list_commands(ctx), *self.lazy]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load the command if it is a lazy one."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        with uncollected():
            module = importlib.import_module(self.lazy[cmd_name][0])
        if hasattr(module, "app"):
            command = typer.main.get_command(module.app)
            command.name = cmd_name
            return command
        app = typer.Typer(rich_markup_mode=None, add_completion=False)
        module.add_to(app)
        return typer.main.get_group(app).commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands without loading the lazy ones."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines(ctx)))

    def _lines(self, ctx: Any) -> Iterable[tuple[str, str]]:
        for name in super().list_commands(ctx):
            command = super().get_command(ctx, name)
            yield name, command.get_short_help_str(WIDEST_HELP) if command else ""
        for name, (_, told) in self.lazy.items():
            yield name, told


class SitesGroup(LazyGroup):
    """Those of `orch sites`."""

    lazy = SITES
