"""`orch proxies judge`: a judge of one's own, in the foreground."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator.cli.console import emit_json, err
from orchestrator.cli.later import later

serve = later("proxies.check.judge", "run")
place = later("proxies.check.judge", "Place")


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(judge)


def judge(
    port: Annotated[int, typer.Option(help="For HTTP; 0: any that is free.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Which address to listen on; 0.0.0.0 for all of them.")
    ] = "127.0.0.1",
    https_port: Annotated[
        int | None, typer.Option(help="For HTTPS, with --cert; 0: any that is free.")
    ] = None,
    cert: Annotated[
        str, typer.Option(metavar="FILE", help="The certificate and its chain, in PEM.")
    ] = "",
    key: Annotated[
        str, typer.Option(metavar="FILE", help="Its private key, unless it is in the same file.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Say in JSON where it listens.")] = False,
) -> None:
    """Be a judge: tell whoever asks how the request arrived.

    That is what proxies are checked with; for people who have a server, and for tests. It keeps no
    log. Ctrl+C stops.
    """

    def told(facts: dict[str, str | int]) -> None:
        if as_json:
            emit_json(facts)
            sys.stdout.flush()
            return
        urls = [facts[name] for name in ("url", "https_url") if name in facts]
        err.print(f"listening on {' and '.join(map(str, urls))}; Ctrl+C stops", markup=False)
        err.print("  orch.toml, with an address that proxies can reach:", markup=False)
        err.print(f"  [proxies]\n  judges = {urls}".replace("'", '"'), markup=False)

    serve(place(host, port, https_port, cert, key), told)
