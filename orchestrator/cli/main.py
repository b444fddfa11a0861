"""`orch`: the commands, and what stands before them."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import errand, look, services
from orchestrator.cli.console import Invocation, invocation
from orchestrator.cli.groups import LazyGroup
from orchestrator.core.errors import ConfigError
from orchestrator.core.version import VERSION

app = typer.Typer(
    name="orch",
    cls=LazyGroup,
    help="Keeps Redis and Celery up, proxies fresh, and runs one scrape job per site.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
services.add_to(app)
look.add_to(app)
errand.add_to(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"orch {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    home: Annotated[
        str | None, typer.Option(help="The folder of the project (default: orch.toml upwards).")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting, e.g. worker.concurrency=4."),
    ] = None,
    version: Annotated[  # noqa: ARG001  (its callback does the work)
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that hold for every command."""
    wrong = [text for text in assignments or () if "=" not in text]
    if wrong:
        raise ConfigError(tuple(f"--set {text}: write it as section.key=value" for text in wrong))
    pairs = (text.partition("=") for text in assignments or ())
    invocation.set(Invocation(home, {key: value for key, _, value in pairs}))
