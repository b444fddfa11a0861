"""A few proxies checked now, beside every refresh: what `orch proxies check` tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import Unavailable
from proxies import loop
from proxies.check.sweep import Sweep
from proxies.refresh.findings import JUDGE_UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.core.context import Context
    from proxies.model import Proxy, Verdict


def examine(context: Context, proxies: Sequence[Proxy]) -> list[Verdict]:
    """Check them as a refresh does, without Redis; the pool is left as it is.

    Raises:
        Unavailable: no judge answers, so nothing can be said about any of them.
    """
    sweep = Sweep(context.settings.proxies, SYSTEM.wall, _go_on, context.home.path)
    report = loop.run(sweep.run(proxies))
    if report.problem.startswith(JUDGE_UNAVAILABLE):
        hint = "[proxies] judges of orch.toml names others; `orch proxies judge` is one of your own"
        raise Unavailable(report.problem, hint=hint)
    found = {verdict.candidate.key: verdict for verdict in sweep.verdicts}
    return [found[proxy.key] for proxy in proxies]


def as_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict for programs; what nobody knows of a proxy that is not live is null."""
    live = verdict.live
    return {
        "proxy": verdict.proxy.masked,
        "live": live,
        "usable": verdict.usable,
        "reason": verdict.reason or ("" if verdict.usable else "transparent: it tells who we are"),
        "protocol": verdict.proxy.scheme,
        "listed_as": verdict.candidate.scheme,
        "anonymity": str(verdict.anonymity) if live else None,
        "exit_ip": verdict.exit_ip if live else None,
        "latency_ms": verdict.latency_ms if live else None,
        "tls": verdict.tls if live else None,
        "checked_at": verdict.checked_at,
    }


async def _go_on(_: int) -> bool:
    return True
