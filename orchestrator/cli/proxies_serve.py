"""`orch proxies serve`: the gateway in the foreground."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.console import err, invocation
from orchestrator.cli.later import later
from orchestrator.core.context import Context
from orchestrator.core.gateway_section import LISTEN, an_address

if TYPE_CHECKING:
    from collections.abc import Callable

run = later("proxies.gateway.serve", "run")


def _address(text: str) -> str:
    try:
        return an_address(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(serve)


def serve(
    address: Annotated[
        str | None,
        typer.Option(
            "--listen",
            parser=_address,
            metavar="ADDRESS:PORT",
            help=f"Default: gateway.listen of orch.toml, or {LISTEN}. Port 0: any that is free.",
        ),
    ] = None,
) -> None:
    """Be a proxy for other programs, over the pool.

    One address speaks HTTP, CONNECT and SOCKS5. The user name says more: site-NAME-session-ID-country-CC,
    each part left out at will. It never goes out but through the pool. Ctrl+C lets what runs finish for a
    few seconds, once more ends at once.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    # Not the facade: what it brings along would stay in memory for as long as this serves.
    current = invocation.get()
    context = Context.load(current.home, current.overrides)
    run(context, address, _told(lambda text: err.print(text, markup=False)))


def _told(say: Callable[[str], None]) -> Callable[[str], None]:
    def told(address: str) -> None:
        say(f"listening on {address} (HTTP, CONNECT, SOCKS5); Ctrl+C stops")
        say(f"  curl -x http://site-NAME:PASSWORD@{address} URL")

    return told
