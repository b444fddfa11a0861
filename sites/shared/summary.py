"""What `orch status` shows of proxies and sites: a file, so that it needs no connection to Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.core.files import write_json
from proxies.pool.pool import Pool
from proxies.refresh import progress
from sites.shared.status import StatusReader

if TYPE_CHECKING:
    from orchestrator.core.context import Context


def read(context: Context) -> dict[str, Any]:
    """Return the parts `proxies` and `sites` of `orch status --json`."""
    redis, keys = context.redis, context.keys
    counts = Pool(redis, keys).counts(context.settings.proxies.fresh_for)
    newest = progress.last(redis, keys)
    refresh = progress.RefreshRecord(redis, keys, newest).read() if newest else None
    running = refresh is not None and refresh.status is not None and not refresh.final
    return {
        "proxies": {
            **{name: counts[name] for name in ("live", "usable", "refreshed_at")},
            "refresh": refresh.as_json() if refresh and running else None,
        },
        "sites": StatusReader(redis, keys, context.home).rows(),
    }


def write(context: Context) -> None:
    """Write `data/run/summary.json`."""
    write_json(context.home.run / "summary.json", read(context), durable=False)
