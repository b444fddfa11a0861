"""Sites that need one another: what is wrong with that, told for the file of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.needs import circles
from sites.definition.runs import PROXIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sites.definition.definition import Definition


def problems(needs: Mapping[str, Sequence[str]], site: str) -> list[str]:
    """Return what is wrong with what `site` needs; `needs` has every site there is.

    >>> problems({"a": ["b"], "b": ["a", "c"]}, "a")
    ['needs: they go round in a circle: a -> b -> a']
    >>> problems({"a": ["b"], "b": ["a", "c"]}, "b")[0]
    'needs: "c" is no site; there are: a, b, and proxies'
    """
    there = ", ".join(sorted(needs))
    found = [
        f'needs: "{name}" is no site; there are: {there}, and {PROXIES}'
        for name in needs[site]
        if name not in needs and name != PROXIES
    ]
    round_and_round = map(" -> ".join, circles(_reached(needs, site)))
    return found + [f"needs: they go round in a circle: {circle}" for circle in round_and_round]


def wants_proxies(definition: Definition, *, sources: bool) -> bool:
    """Tell whether a start by hand is to see to proxies; without `sources` only if there must be some."""
    wish = definition.proxies
    return wish == "require" or (sources and (wish == "prefer" or PROXIES in definition.needs))


def _reached(needs: Mapping[str, Sequence[str]], site: str) -> dict[str, Sequence[str]]:
    """What `site` needs, and what that needs, and so on; `site` first."""
    found: dict[str, Sequence[str]] = {}
    left = [site]
    while left:
        name = left.pop()
        if name in needs and name not in found:
            found[name] = needs[name]
            left += needs[name]
    return found
