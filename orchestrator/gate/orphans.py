"""Slots of a process that has certainly ended: free at once, not only when their leases have run out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis


def give_back(client: Redis, keys: Keys, site: str, who: str) -> int:
    """Free the slots of the process that goes by `who` at the gate of `site`; return how many.

    Whoever waits for one finds it at its next look.
    """
    slots = keys.gate(site, "slots")
    held = [str(holder).split(" ") for holder in client.zrange(slots, 0, -1)]
    orphans = [words for words in held if words[1] == who]
    with client.pipeline() as pipe:
        for words in orphans:
            pipe.zrem(slots, " ".join(words))
            pipe.zrem(keys.gate(site, f"slots:{words[2]}"), " ".join(words))
        pipe.execute()
    return len(orphans)
