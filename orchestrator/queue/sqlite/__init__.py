"""A queue in one SQLite file: for one machine, without any server."""

from __future__ import annotations

from orchestrator.queue.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
