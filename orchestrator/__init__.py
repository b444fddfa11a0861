"""orch: a supervisor and job runner for scraping projects on Celery and Redis."""

from __future__ import annotations

import importlib

# Typing itself is not imported: this is on the way of `orch status --json`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from orchestrator.facade import Orchestrator

__all__ = ["Orchestrator"]

#: Loaded at first use, so that `orch status` pays for neither Redis nor Celery.
_LAZY = {"Orchestrator": "orchestrator.facade"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
