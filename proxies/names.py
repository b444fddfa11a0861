"""Names of hosts, looked up in threads that hold up nobody: a lookup may hang and cannot be stopped."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress


class UnknownName(OSError):
    """Nobody has that name."""


async def addresses(host: str, family: int = socket.AF_UNSPEC) -> list[str]:
    """Return the IP addresses of a host, one as it is; none of another family.

    Raises:
        UnknownName: the name is not known.
    """
    if literal := version_of(host):
        wanted = {4: socket.AF_INET, 6: socket.AF_INET6}[literal]
        return [host] if family in (socket.AF_UNSPEC, wanted) else []
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def look() -> None:
        try:
            infos = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            tell([])
        else:
            tell(list(dict.fromkeys(str(info[4][0]) for info in infos)))

    def tell(names: list[str]) -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(hear, names)

    def hear(names: list[str]) -> None:
        if not found.done():
            found.set_result(names)

    threading.Thread(target=look, name="lookup", daemon=True).start()
    if not (result := await found):
        raise UnknownName
    return result


def version_of(host: str) -> int:
    """Return 4 or 6 for an IP address, 0 for a name.

    >>> version_of("10.0.0.1"), version_of("::1"), version_of("host1")
    (4, 6, 0)
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except OSError:
        return 0
    return 6 if family == socket.AF_INET6 else 4
