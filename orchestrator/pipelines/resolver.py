"""Names are looked up in threads that hold up nobody: neither each other nor the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

from aiohttp.abc import AbstractResolver

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult


class Resolver(AbstractResolver):
    """Each look-up has a daemon thread of its own.

    Of a pool's few threads, those that wait for a dead name server would keep all others from being
    looked up, and the process from ending.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises:
            OSError: it has none, or cannot be looked up.
        """
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def answer(found: list[ResolveResult] | OSError) -> None:
            if answered.done():  # nobody waits any more
                return
            if isinstance(found, OSError):
                answered.set_exception(found)
            else:
                answered.set_result(found)

        def look_up() -> None:
            found = _found(host, port, family)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(answer, found)

        try:
            threading.Thread(target=look_up, name=f"looks up {host}", daemon=True).start()
        except RuntimeError as error:
            raise OSError(str(error)) from error
        return await answered

    async def close(self) -> None:
        """Nothing is held."""


def _found(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult] | OSError:
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
    except OSError as error:
        return error
    except UnicodeError:  # what can be no name at all
        return socket.gaierror(socket.EAI_NONAME, "no such name")
    return [_result(host, family, proto, address) for family, _, proto, _, address in found]


def _result(host: str, family: int, proto: int, address: tuple[Any, ...]) -> ResolveResult:
    scope = f"%{address[3]}" if family == socket.AF_INET6 and address[3] else ""
    return {
        "hostname": host,
        "host": f"{address[0]}{scope}",
        "port": int(address[1]),
        "family": family,
        "proto": proto,
        "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    }
