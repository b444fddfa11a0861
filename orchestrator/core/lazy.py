"""Packages that import what they offer at first use: who wants one part of it pays for no other."""

from __future__ import annotations

from importlib import import_module

from orchestrator.core.imports import uncollected

# Typing itself is not imported: this is on the way of `orch status --json`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def lazily(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package: each name is found in the module of it that is named."""

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with uncollected():
            return getattr(import_module(f"{package}.{places[name]}"), name)

    return find
