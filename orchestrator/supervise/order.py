"""The order of services, and who comes along.

With those that start comes what they need; with those that stop, who needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core import needs
from orchestrator.core.built_in import BUILT_IN, kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.supervise.keeper import Keeper
    from orchestrator.supervise.service import ServiceSpec


def in_order(specs: Mapping[str, ServiceSpec]) -> list[ServiceSpec]:
    """Sort specs, ours first: each comes after what it needs; stopping is the other way round."""
    ours = [name for one in BUILT_IN for name in specs if kind(name) == one]
    names = dict.fromkeys([*ours, *specs])
    return [specs[name] for name in needs.in_order({name: specs[name].needs for name in names})]


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
