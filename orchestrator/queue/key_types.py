"""Whether the keys of a queue in Redis are those of a queue."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from orchestrator.core.errors import IncompatibleData
from orchestrator.core.redis_refusals import ELSEWHERE

if TYPE_CHECKING:
    from orchestrator.core.keys import JobQueueKeys
    from orchestrator.core.redis import Redis

_HASHES = {
    *("payload", "attempts", "token", "state", "error", "counts", "priority", "last_error"),
    *("about", "lanes", "tally", "limits", "run", "history", "result"),
}
_OTHERS = {"fence": "string", "free": "list", "wake": "none"}


def exists(client: Redis, keys: JobQueueKeys) -> bool:
    """Tell whether there is anything of the queue.

    Raises:
        IncompatibleData: somebody else uses its names.
    """
    names = [field.name for field in fields(keys)]
    with client.pipeline(transaction=False) as asked:
        for name in names:
            asked.type(getattr(keys, name))
        found = dict(zip(names, asked.execute(), strict=True))
    there = {name: kind for name, kind in found.items() if kind != "none"}
    foreign = [getattr(keys, name) for name, kind in there.items() if kind != _wanted(name)]
    if foreign:
        told = f"{', '.join(foreign)} in this Redis: of another program, and no part of a queue"
        raise IncompatibleData(told, hint=ELSEWHERE)
    return bool(there)


def _wanted(name: str) -> str:
    return "hash" if name in _HASHES else _OTHERS.get(name, "zset")
