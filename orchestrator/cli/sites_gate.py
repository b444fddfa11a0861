"""`orch sites gate`: how the gates stand, what people may do to one, and what one would let pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import gate_tables as tables
from orchestrator.cli import gate_trial, gate_watch
from orchestrator.cli.console import emit_json, err, out, session
from orchestrator.cli.gate_typed import Typed
from orchestrator.cli.options import sharing
from orchestrator.cli.queue_tables import print_rows
from sites.politeness.gates import limits_of

if TYPE_CHECKING:
    from orchestrator.facade import Orchestrator
    from orchestrator.gate.picture import GateView

For = Annotated[str | None, typer.Option("--for", metavar="5m", help="trip: how long (5m).")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="trip: why.")]
Simulate = Annotated[
    int | None,
    typer.Option("--simulate", metavar="N", help="Try N requests on a clock of its own."),
]
Workers = Annotated[
    int | None, typer.Option("--workers", metavar="W", help="simulate: so many at once (4).")
]
Latency = Annotated[
    str | None,
    typer.Option("--latency", metavar="300ms", help="simulate: an answer takes so long (100ms)."),
]
LimitedEvery = Annotated[
    str | None,
    typer.Option(
        "--limited-every",
        metavar="N[:10s]",
        help="simulate: every Nth answer is a 429, with this Retry-After.",
    ),
]
FailedEvery = Annotated[
    int | None,
    typer.Option("--failed-every", metavar="N", help="simulate: every Nth request fails."),
]


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("gate")(gate)


@sharing(
    length=For,
    reason=Reason,
    simulate=Simulate,
    workers=Workers,
    latency=Latency,
    limited_every=LimitedEvery,
    failed_every=FailedEvery,
)
def gate(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SITE [reset|trip|set rate RATE]",
            help="One of all gates, and what to do to it.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")] = (
        False
    ),
    watching: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Go on until Ctrl+C; with --json, a line a change."),
    ] = False,
) -> None:
    """Show how the gates of sites stand: rate, breaker, and who has a slot. Exit code 3: no Redis.

    reset: close the breaker, end a pause, full speed. trip: open the breaker. set rate 2/s (or
    default): for all processes, from the next request on. --simulate needs neither Redis nor network.
    """
    typed = Typed.of(words or [], watching=watching)
    with session() as orch:
        if typed.trial:
            entry = orch.sites.registry.get(typed.site)
            limits, hosts = limits_of(entry.definition), entry.definition.allowed_hosts
            gate_trial.show(typed.site, limits, hosts, typed.trial, as_json=json)
        elif typed.act:
            found = orch.sites.gates.steer(typed.site, typed.act)
            emit_json(found) if json else out.print(tables.line(found), markup=False)
        else:
            _look(orch, typed.site, as_json=json, watching=watching)


def _look(orch: Orchestrator, site: str, *, as_json: bool, watching: bool) -> None:
    def look() -> list[GateView]:
        return [orch.sites.gates.of(site)] if site else orch.sites.gates.all()[0]

    if watching:
        gate_watch.watch(look, whole=bool(site), as_json=as_json)
    elif site:
        view = orch.sites.gates.of(site)
        emit_json(view) if as_json else out.print(tables.facts(view), markup=False)
    else:
        views, problems = orch.sites.gates.all()
        if as_json:
            emit_json(views)
        elif out.is_terminal:
            out.print(gate_watch.table(views))
        else:
            print_rows(tables.rows(views))
        for problem in problems:
            err.print(problem, markup=False)
