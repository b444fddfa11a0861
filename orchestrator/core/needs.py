"""Who needs whom: an order in which everything comes after what it needs, and circles."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def in_order(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names of `needs`, each after all it needs, else as they stand.

    Unknown needs are passed over; in a circle somebody comes first.

    >>> in_order({"web": ["api"], "redis": [], "api": ["redis"]})
    ['redis', 'api', 'web']
    """
    ordered: dict[str, None] = {}
    entered: set[str] = set()

    def visit(name: str) -> None:
        if name in entered or name not in needs:
            return
        entered.add(name)
        for need in needs[name]:
            visit(need)
        ordered[name] = None

    for name in needs:
        visit(name)
    return list(ordered)


def circles(needs: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return every circle that a walk along the needs runs into, its first name again at the end.

    >>> circles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["d", "a"]})
    [['a', 'b', 'c', 'a'], ['d', 'd']]
    """
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> None:
        if name in way:
            found.append([*way[way.index(name) :], name])
        elif name in needs and name not in done:
            for need in needs[name]:
                visit(need, [*way, name])
            done.add(name)

    for name in needs:
        visit(name, [])
    return found
