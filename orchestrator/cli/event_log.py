"""`orch events`: what happened to the services, from `data/logs/events.jsonl`."""

from __future__ import annotations

import itertools
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from orchestrator.cli import moment, outlet
from orchestrator.cli.console import emit_json, out
from orchestrator.cli.event_words import told
from orchestrator.core.follower import Follower

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestrator.core.home import Home

LOOK_EVERY_S = 0.2
#: More lines than the two files can have.
ALL = 10**9


def show(
    home: Home, *, lines: int, services: frozenset[str], following: bool, as_json: bool
) -> None:
    """Print the last `lines` events, all or those about `services`; with `following`, go on."""
    path = home.logs / "events.jsonl"
    follower = Follower(path, path.with_suffix(".1"))
    last = _last(follower, lines, services)
    if as_json and not following:
        emit_json(list(last))
        return
    for event in itertools.chain(last, _coming(follower, services) if following else ()):
        _print(event, as_json=as_json)


def mentioned(home: Home) -> set[str]:
    """Everybody about whom there is an event, the supervisor as that."""
    path = home.logs / "events.jsonl"
    read = Follower(path, path.with_suffix(".1")).last(ALL)
    return {_about(event) for event in _events(read, frozenset())}


def _last(follower: Follower, lines: int, services: frozenset[str]) -> Iterable[dict[str, Any]]:
    """Those about other services do not count, so that all are read to find the last."""
    read = follower.last(ALL if services and lines else lines)
    return deque(_events(read, services), maxlen=lines)


def _coming(follower: Follower, services: frozenset[str]) -> Iterator[dict[str, Any]]:
    while True:
        outlet.pause(LOOK_EVERY_S)
        yield from _events(follower.added(), services)


def _events(lines: Iterable[str], services: frozenset[str]) -> Iterator[dict[str, Any]]:
    """What can be read; a line that a full disk cut short is no event."""
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and (not services or _about(event) in services):
            yield event


def _about(event: Mapping[str, Any]) -> str:
    return str(event.get("service") or event.get("site") or "supervisor")


def _print(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        out.file.write(json.dumps(event) + "\n")
    else:
        who, what, colour = told(event)
        at = event.get("at")
        when = moment.local(float(at)) if isinstance(at, int | float) else ""
        out.print(f"{when}  {who:<10} ", style=None, markup=False, end="", soft_wrap=True)
        out.print(what, style=colour or None, markup=False, soft_wrap=True)
    out.file.flush()
