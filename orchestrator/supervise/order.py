"""Who comes along: with those that start, what they need; with those that stop, who needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.supervise.keeper import Keeper


def start_order(keepers: dict[str, Keeper], names: frozenset[str], *, again: bool) -> list[Keeper]:
    """`names` and what they need, but nothing that is done already; `again`: those of `names` are."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found and (not keepers[name].done or (again and name in names)):
            found.add(name)
            todo += keepers[name].spec.needs
    return [keeper for name, keeper in keepers.items() if name in found]


def stop_order(keepers: dict[str, Keeper], names: frozenset[str]) -> list[Keeper]:
    """`names` and whoever needs them, in the reverse order of starting."""
    doomed = set(names)
    for keeper in keepers.values():  # declared after what it needs
        if doomed & set(keeper.spec.needs):
            doomed.add(keeper.spec.name)
    return [keeper for name, keeper in reversed(keepers.items()) if name in doomed]
