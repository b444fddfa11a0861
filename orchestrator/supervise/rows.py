"""A service as `orch status --json` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.supervise.ownership import rss_bytes

if TYPE_CHECKING:
    from orchestrator.core.clock import Clock
    from orchestrator.supervise.keeper import Keeper


def service_row(keeper: Keeper, clock: Clock) -> dict[str, Any]:
    """One service: name, state, pid, since when, how often restarted, what its last probe said."""
    pid = keeper.process.pid if keeper.process else None
    return {
        "name": keeper.spec.name,
        "state": str(keeper.state),
        "pid": pid,
        "adopted": keeper.adopted or keeper.external,
        "external": keeper.external,
        "auto": keeper.spec.auto,
        "since": round(keeper.since, 3),
        "restarts": keeper.history.restarts,
        "last_exit": keeper.history.last_exit,
        "probe": _probe(keeper, clock),
        "rss_bytes": rss_bytes(pid) if pid else None,
        "memory_bytes": keeper.upkeep.used if pid else None,
        "done": keeper.done,
    }


def _probe(keeper: Keeper, clock: Clock) -> dict[str, Any]:
    last, failure = keeper.pulse.last, str(keeper.failure or "")
    if last is None:
        return {"ok": False, "latency_ms": None, "at": None, "error": failure}
    at = round(clock.wall() - (clock.monotonic() - keeper.pulse.asked_at), 3)
    error = failure or last.error
    return {"ok": last.ok, "latency_ms": last.latency_ms, "at": at, "error": error}
