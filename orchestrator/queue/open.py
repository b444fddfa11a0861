"""From what people write to a queue: a file's path, or the URL of a Redis."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import ConfigError, Unavailable
from orchestrator.queue.retry import RetryPolicy
from orchestrator.queue.work import LEASE_TTL_S, WorkQueue

if TYPE_CHECKING:
    from orchestrator.queue.store import Store

SCHEMES = ("redis", "rediss", "unix")


def open_queue(
    target: str | Path,
    *,
    create: bool = True,
    policy: RetryPolicy | None = None,
    lease_ttl_s: float = LEASE_TTL_S,
) -> WorkQueue:
    """Open the queue in a SQLite file, or in Redis (`redis://…`, `unix://…`; `#name` is the queue's name).

    Raises:
        ConfigError: it is a URL of something else.
        Unavailable: there is none, and `create` forbids to make one; or Redis does not answer.
        IncompatibleData: a newer orch, or something else, wrote the file.
    """
    return WorkQueue(_store(str(target), create=create), policy or RetryPolicy(), lease_ttl_s)


def _store(target: str, *, create: bool) -> Store:
    # Only now: nobody needs both stores.
    scheme, mark, _ = target.partition("://")
    if mark and scheme not in SCHEMES:
        allowed = ", ".join(f"{name}://…" for name in SCHEMES)
        raise ConfigError((f"no queue can be at {scheme}://…; it is a file, or {allowed}",))
    if mark:
        redis: Store = importlib.import_module("orchestrator.queue.redis_store").open_store(
            target, create=create
        )
        return redis
    if not create and not Path(target).exists():
        raise Unavailable(
            f"no queue in {target}",
            hint="`orch queue enqueue ID` or `orch queue import FILE` makes it",
        )
    sqlite: Store = importlib.import_module("orchestrator.queue.sqlite").SqliteStore(target)
    return sqlite
