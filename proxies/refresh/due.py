"""Whether a refresh is due that nobody has typed: a pure decision."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.duration import show

#: A refresh that did not help is not repeated any sooner, in seconds.
PAUSE_S = 300.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How the pool stands: ages in seconds, None: never. `asked_by` is a site that has too few proxies."""

    refreshed: float | None
    tried: float | None
    asked_by: str = ""


def due(standing: Standing, every: float | None) -> str:
    """Return why a refresh is due, "" when none is.

    >>> due(Standing(refreshed=7300, tried=7300), every=7200)
    'the last one was 2 h 1 min ago'
    >>> due(Standing(refreshed=7300, tried=100), every=7200)
    ''
    """
    pause = PAUSE_S if every is None else min(PAUSE_S, every)
    if standing.tried is not None and standing.tried < pause:
        return ""
    if standing.asked_by:
        return f"{standing.asked_by} has too few usable proxies"
    if every is None:
        return ""
    if standing.refreshed is None:
        return "there was none yet"
    return f"the last one was {show(standing.refreshed)} ago" if standing.refreshed >= every else ""
