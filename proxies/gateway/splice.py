"""Two connections as one: what comes from one goes to the other, both ways, until both have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxies.gateway.pouring import pour, stop_pouring

if TYPE_CHECKING:
    import asyncio

    from proxies.gateway.stream import Stream

#: A tunnel on which nothing moves for so long is ended, in seconds; one that is half closed sooner.
IDLE_S = 900.0
HALF_CLOSED_S = 60.0


class _Splice:
    __slots__ = ("_client", "_loop", "_upstream", "received", "sent")

    def __init__(self, loop: asyncio.AbstractEventLoop, client: Stream, upstream: Stream) -> None:
        self._loop = loop
        self._client = client
        self._upstream = upstream
        self.received = self.sent = 0

    def up(self, data: bytes) -> None:
        self.sent += len(data)
        self._upstream.write(data)
        self._moved()

    def down(self, data: bytes) -> None:
        self.received += len(data)
        self._client.write(data)
        self._moved()

    def _moved(self) -> None:
        half = self._client.eof or self._upstream.eof
        self._upstream.deadline = self._loop.time() + (HALF_CLOSED_S if half else IDLE_S)

    def client_ended(self) -> None:
        self._upstream.finish()
        self._moved()
        self._upstream.wake()

    def upstream_ended(self) -> None:
        self._client.finish()
        self._moved()

    async def run(self) -> None:
        client, upstream = self._client, self._upstream
        self._moved()
        client.on_eof, upstream.on_eof = self.client_ended, self.upstream_ended
        pour(client, upstream, self.up)
        pour(upstream, client, self.down)
        if client.eof:
            self.client_ended()
        if upstream.eof:
            self.upstream_ended()
        while not (client.eof and upstream.eof):
            await upstream.wait()


async def splice(
    loop: asyncio.AbstractEventLoop, client: Stream, upstream: Stream
) -> tuple[int, int]:
    """Pass bytes both ways, also what is in the buffers already; return how many came back, and went out.

    The end of one direction is passed on, and the other one goes on. What a side cannot take is left with
    the sender. A client that has gone cancels the task that runs this.
    """
    both = _Splice(loop, client, upstream)
    try:
        await both.run()
    except TimeoutError:
        pass  # nothing moves any more
    except ConnectionError:
        # What has come before that is still sent; a client with nothing to wait for sees it as it was.
        if client.unsent:
            client.close()
        else:
            client.abort(reset=True)
    else:
        upstream.close()  # what it has not taken yet is still sent
    finally:
        client.on_eof = upstream.on_eof = None
        stop_pouring(client, upstream)
        stop_pouring(upstream, client)
        if not upstream.closing:
            upstream.abort()
    return both.received, both.sent
