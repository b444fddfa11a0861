"""orch: a supervisor and job runner for scraping projects on Celery and Redis."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.facade import Orchestrator

__all__ = ["Orchestrator"]

#: Loaded at first use, so that `orch status` pays for neither Redis nor Celery.
_LAZY = {"Orchestrator": "orchestrator.facade"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
