"""The deadlines of all connections, looked at together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxies.gateway.stream import Stream

#: How often, in seconds.
SWEEP_S = 0.1


async def sweep(loop: asyncio.AbstractEventLoop, streams: set[Stream]) -> None:
    """Tell every connection whose deadline has passed, for ever."""
    while True:
        await asyncio.sleep(SWEEP_S)
        now = loop.time()
        for stream in [one for one in streams if one.deadline <= now]:
            stream.expire()
