"""What every connection of one gateway shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from proxies.gateway.access import AccessLog
    from proxies.gateway.api import Reply
    from proxies.gateway.head import Request
    from proxies.gateway.stream import Stream
    from proxies.gateway.tries import Supply
    from proxies.gateway.upstreams import Upstreams


@dataclass(slots=True)
class Setup:
    """Made once by the server."""

    loop: asyncio.AbstractEventLoop
    streams: set[Stream]
    upstreams: Upstreams
    supply: Supply
    log: AccessLog
    api: Callable[[Request], Awaitable[Reply]]
    #: Empty: anybody who can reach the address may use it.
    password: str = field(default="", repr=False)
    most_tries: int = 4
    answer_timeout: float = 30.0
    most_clients: int = 4096
    #: Statuses by which a site says that it has had enough of an upstream.
    banned: frozenset[int] = frozenset({429})
    #: Clients are served to the end of what runs, and no further.
    draining: bool = False
