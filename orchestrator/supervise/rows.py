"""A service as `orch status --json` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.supervise.ownership import rss_bytes

if TYPE_CHECKING:
    from orchestrator.core.clock import Clock
    from orchestrator.supervise.keeper import Keeper


def service_row(keeper: Keeper, clock: Clock) -> dict[str, Any]:
    """One service: name, state, pid, since when, how often restarted, what its last probe said."""
    last, pid = keeper.pulse.last, keeper.process.pid if keeper.process else None
    asked = clock.wall() - (clock.monotonic() - keeper.pulse.asked_at) if last else None
    return {
        "name": keeper.spec.name,
        "state": str(keeper.state),
        "pid": pid,
        "adopted": keeper.adopted or keeper.external,
        "external": keeper.external,
        "since": round(keeper.since, 3),
        "restarts": keeper.restarts,
        "last_exit": keeper.last_exit,
        "probe": {
            "ok": bool(last and last.ok),
            "latency_ms": last.latency_ms if last else None,
            "at": round(asked, 3) if asked else None,
            "error": (last.error if last else "") or str(keeper.failure or ""),
        },
        "rss_bytes": rss_bytes(pid) if pid else None,
    }
