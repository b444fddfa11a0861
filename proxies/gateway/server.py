"""The gateway as a whole: it listens, serves, and stops without cutting off what can still be finished."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from typing import TYPE_CHECKING

from orchestrator.core.errors import OrchError, PortTaken
from proxies.gateway.access import WRITE_S
from proxies.gateway.background import Background
from proxies.gateway.client import Client
from proxies.gateway.deadlines import sweep

if TYPE_CHECKING:
    from typing import Self

    from proxies.gateway.setup import Setup

log = logging.getLogger(__name__)

#: A stop lets what runs finish for so long, in seconds: less than the supervisor waits.
DRAIN_S = 5.0
_BACKLOG = 1024


class Server:
    """For one event loop; a context manager: inside it the gateway serves."""

    def __init__(self, setup: Setup, host: str, port: int) -> None:
        self._setup = setup
        self._host = host
        self._port = port
        #: Those that are being served.
        self.clients: set[Client] = set()
        self._server: asyncio.Server | None = None
        self._background = Background()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._server is not None  # noqa: S101  (it listens)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            PortTaken: somebody else does.
            OrchError: the address is none of this machine's, or not to be had.
        """
        setup = self._setup
        try:
            self._server = await setup.loop.create_server(
                lambda: Client(setup, self.clients), self._host, self._port, backlog=_BACKLOG
            )
        except OSError as error:
            raise _not_heard(error, self._host, self._port) from error
        self._background.begin(sweep(setup.loop, setup.streams))
        self._background.begin(self._write_log())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop at once, whatever still runs."""
        if self._server is not None:
            self._server.close()
        for client in list(self.clients):
            client.end()
        await self._background.__aexit__()
        self._setup.upstreams.close()
        for stream in list(self._setup.streams):
            stream.abort()
        self._setup.log.close()

    async def drain(self, seconds: float = DRAIN_S) -> None:
        """Take no more clients, and let what runs finish, for so long at most."""
        setup = self._setup
        setup.draining = True
        if self._server is not None:
            self._server.close()
        for client in [one for one in self.clients if one.waits]:
            client.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.clients:
                    await next(iter(self.clients)).ended()
        if self.clients:
            log.warning(
                "%d clients are cut off: they were not served within %g s",
                len(self.clients),
                seconds,
            )

    async def _write_log(self) -> None:
        while True:
            await asyncio.sleep(WRITE_S)
            with contextlib.suppress(OSError):
                self._setup.log.write()


def _not_heard(error: OSError, host: str, port: int) -> OrchError:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return PortTaken(
            f"{where} is taken by another program", hint="choose another with --listen"
        )
    if error.errno == errno.EACCES:
        return OrchError(f"{where}: ports below 1024 are the system's; choose a higher one")
    return OrchError(f"cannot listen on {where}: {error.strerror or error}")
