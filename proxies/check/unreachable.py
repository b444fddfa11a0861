"""What is known of addresses that several candidates share: nobody tries again what is not there."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxies.model import Proxy


class Unreachable:
    """The memory of one sweep. Who comes first to an address looks; the others wait for what it finds."""

    def __init__(self, candidates: Iterable[Proxy] = ()) -> None:
        counted = Counter((proxy.host, proxy.port) for proxy in candidates)
        self._shared = {address for address, count in counted.items() if count > 1}
        self._found: dict[tuple[str, int], asyncio.Future[str | None]] = {}

    async def wait(self, proxy: Proxy) -> str:
        """Return why nobody can be reached there; empty when somebody can, or we are to look ourselves."""
        address = (proxy.host, proxy.port)
        if address not in self._shared:
            return ""
        while known := self._found.get(address):
            found = await asyncio.shield(known)  # what one of us waits for, others wait for too
            if found is not None:
                return found
        self._found[address] = asyncio.get_running_loop().create_future()
        return ""

    def tell(self, proxy: Proxy, reason: str) -> None:
        """Say what was found: why there is no connection, or nothing when there is one."""
        known = self._found.get((proxy.host, proxy.port))
        if known and not known.done():
            known.set_result(reason)

    def give_up(self, proxy: Proxy) -> None:
        """Whoever looked is gone; if nothing was told, somebody else is to look."""
        known = self._found.get((proxy.host, proxy.port))
        if known and not known.done():
            del self._found[proxy.host, proxy.port]
            known.set_result(None)
