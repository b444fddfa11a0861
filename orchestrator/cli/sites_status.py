"""`orch sites status`: how all jobs stand, once or as they go on."""

from __future__ import annotations

import json as _json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live

from orchestrator.cli import moment
from orchestrator.cli import site_tables as tables
from orchestrator.cli.console import emit_json, err, out, session
from orchestrator.cli.gate_watch import follow
from orchestrator.core.clock import SYSTEM
from sites.jobs.totals import totals
from sites.results.retention import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Group

    from orchestrator.facade import Orchestrator

#: Without a terminal a job that goes on has a line so often, in seconds.
LINE_EVERY_S = 3.0

Rows = list[dict[str, Any]]

Watch = Annotated[bool, typer.Option("--watch", help="Go on until Ctrl+C.")]


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("status")(status)


def status(
    sites: Annotated[list[str] | None, typer.Argument(help="Names of sites.")] = None,
    watch: Watch = False,
    json: Annotated[
        bool,
        typer.Option("--json", help="One JSON value on standard output; with --watch many lines."),
    ] = False,
) -> None:
    """Show how the newest job of each site stands; of several also all together.

    --watch: as they change. Without a terminal a line for each change, and some for the numbers.
    """
    with session() as orch:
        _need_known(orch, sites or ())

        def look() -> Rows:
            return orch.sites.status(sites or None)

        if watch:
            _watch(look, as_json=json)
            return
        rows = look()
        without = _without(orch, rows, sites)
    if json:
        emit_json(rows)
        return
    if rows:
        out.print(tables.jobs(rows))
    elif not sites:
        out.print("no site has had a job yet; `orch sites list` shows which sites there are")
    for told in without:
        err.print(told, markup=False)


def _need_known(orch: Orchestrator, names: Iterable[str]) -> None:
    """Refuse a name that is no site, and never was one."""
    for name in names:
        if not orch.context.home.site_results(name).exists():
            orch.sites.registry.get(name)


def _without(orch: Orchestrator, rows: Rows, sites: list[str] | None) -> list[str]:
    """Say of which sites there is no row: they have no job, or only Redis knows it, which is away."""
    known = {row["site"] for row in rows}
    crawled = [site for site, _ in files(orch.context.home)]
    local = bool(rows) and all(row["engine"] == "local" for row in rows)
    told = []
    for name in dict.fromkeys(sites or (crawled if local else ())):
        if name not in known:
            way = f"`orch sites start {name}` makes one"
            away = "how it stands is not known while nothing is up"
            told.append(f"{name}: {away if name in crawled else f'no job yet; {way}'}")
    return told


def _watch(look: Callable[[], Rows], *, as_json: bool) -> None:
    """Look again and again, also while Redis is away.

    Raises:
        RedisUnavailable: it does not answer the first time.
    """
    looks = follow(look)
    if out.is_terminal and not as_json:
        first, _ = next(looks)
        with Live(_drawn(first, ""), console=out, refresh_per_second=4) as live:
            for rows, trouble in looks:
                live.update(_drawn(rows, trouble))
        return
    lines = _Objects() if as_json else _Lines()
    said = ""
    for rows, trouble in looks:
        if trouble != said:
            err.print(trouble or "Redis answers again", markup=False)
        said = trouble
        for text in lines.new(rows):
            out.file.write(text + "\n")
        out.file.flush()


def _drawn(rows: Rows, trouble: str) -> Group:
    return tables.jobs(rows, trouble or ("" if rows else "no site has had a job yet"))


class _Objects:
    """All sites as one JSON object, when anything has changed."""

    def __init__(self) -> None:
        self._seen: Rows | None = None

    def new(self, rows: Rows) -> Iterable[str]:
        if rows == self._seen:
            return
        self._seen = rows
        yield _json.dumps({"at": round(SYSTEM.wall(), 3), "sites": rows, "totals": totals(rows)})


class _Lines:
    """A line for each site whose state changes, now and then one for its numbers, and their sum."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, str]] = {}
        self._told_at = float("-inf")

    def new(self, rows: Rows) -> Iterable[str]:
        now, when = SYSTEM.monotonic(), moment.local(SYSTEM.wall())
        due = now - self._told_at >= LINE_EVERY_S
        found = [
            text for row in rows if (text := tables.line(row)) and self._is_new(row, text, due=due)
        ]
        if due or found:
            self._told_at = now
        yield from (f"{when}  {text}" for text in found)
        if found and len(rows) > 1:
            yield f"{when}  {tables.whole(rows)}"

    def _is_new(self, row: dict[str, Any], text: str, *, due: bool) -> bool:
        """Tell whether a line is to be told: its numbers may wait for their turn."""
        mark = f"{row['job_id']} {tables.without_numbers(row)}"
        before, said = self._told.get(row["site"], ("", ""))
        if mark == before and (text == said or not due):
            return False
        self._told[row["site"]] = mark, text
        return True
