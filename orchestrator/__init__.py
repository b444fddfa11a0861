"""orch: a supervisor and job runner for scraping projects on Celery and Redis."""

from __future__ import annotations

from orchestrator.core.lazy import lazily

# Typing itself is not imported: this is on the way of `orch status --json`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.facade import Orchestrator

__all__ = ["Orchestrator"]

__getattr__ = lazily(__name__, {"Orchestrator": "facade"})
