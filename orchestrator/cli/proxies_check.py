"""`orch proxies check`: a few proxies, now."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import chain
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.console import emit_json, err, fail, out, session
from orchestrator.cli.proxies_typed import Json, Proxies, parsed
from orchestrator.cli.proxy_tables import verdict
from proxies.check.examination import as_json as facts
from proxies.check.examination import examine
from proxies.pool.inventory import MASK, Inventory

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.core.context import Context
    from proxies.model import Proxy

_NONE, _SOME = 1, 6


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(check)


def check(proxies: Proxies, as_json: Json = False) -> None:
    """Check proxies now: what each is, or exactly why it is none.

    host:port is checked as http and as socks5. http://***@host:port, as `list` shows it, is looked up in
    the pool with its credentials. Nothing else need be running, and the pool is left as it is.

    Exit code: 0 all are usable, 6 some, 1 none; 3 no judge answers.
    """
    with session() as orch:
        context = orch.context
        wanted = parsed(proxies, context.settings.proxies.default_scheme)
        groups = [_all_in_full(context, meant) for meant in wanted]
        candidates = list({one.key: one for one in chain(*groups)}.values())
        told = f"checking, for {context.settings.proxies.check_timeout:g} s at most"
        with err.status(told) if err.is_terminal else nullcontext():
            found = examine(context, candidates)
    if as_json:
        emit_json([facts(each) for each in found])
    else:
        for each in found:
            out.print(verdict(facts(each)), markup=False)
    good = _good(groups, {each.candidate.key for each in found if each.usable})
    if good < len(groups):
        raise typer.Exit(_SOME if good else _NONE)


def _good(groups: Sequence[Sequence[Proxy]], usable: Collection[str]) -> int:
    """An address that is tried in several ways is usable if it is in one of them."""
    return sum(any(one.key in usable for one in group) for group in groups)


def _all_in_full(context: Context, meant: Sequence[Proxy]) -> list[Proxy]:
    return [each for one in meant for each in _in_full(context, one)]


def _in_full(context: Context, proxy: Proxy) -> list[Proxy]:
    if proxy.username != MASK:
        return [proxy]
    found = Inventory(context).in_full(proxy)
    if not found:
        fail(f"{proxy.masked} is not in the pool", 1, hint="`orch proxies list` shows it")
    return found
