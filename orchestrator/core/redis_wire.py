"""One connection to Redis on an event loop: what is asked in one turn of the loop goes out in one write."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

#: A loop that was held up itself hears what has come meanwhile before it gives an answer up, in seconds.
_SECOND_LOOK_S = 0.05
_INCOMPLETE = object()


class _Asked(NamedTuple):
    """A command that is on its way."""

    answer: asyncio.Future[Any]
    at: float


class Wire(asyncio.Protocol):
    """One connection: answers come in the order of the commands."""

    def __init__(self, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._reader = hiredis.Reader(encoding="utf-8", errors="replace", notEnoughData=_INCOMPLETE)
        self._asked: deque[_Asked] = deque()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self.lost: RedisError | None = None

    def ask(self, command: bytes) -> asyncio.Future[Any]:
        """Send a command with all that is asked in this turn of the loop; return its answer to be."""
        answer = self._loop.create_future()
        if self.lost is not None:
            answer.set_exception(self.lost)
            return answer
        now = self._loop.time()
        self._asked.append(_Asked(answer, now))
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(command)
        if self._watch is None:
            self._watch = self._loop.call_at(now + self._patience, self._look)
        return answer

    def close(self) -> None:
        """Give it up at once."""
        self._lose(RedisConnectionError("Connection closed"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there (the event loop calls this)."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand each answer to whoever has waited for longest (the event loop calls this)."""
        reader, asked = self._reader, self._asked
        self._heard_at = self._loop.time()
        try:
            reader.feed(data)
            while (found := reader.gets()) is not _INCOMPLETE:
                answer = asked.popleft().answer
                if not answer.done():  # nobody waits any more
                    answer.set_result(found)
        except (hiredis.ProtocolError, IndexError):
            self._lose(InvalidResponse("what answered there is no Redis"))

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone (the event loop calls this)."""
        self._lose(RedisConnectionError(f"Connection closed by server{f': {error}' * bool(error)}"))

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and self.lost is None:
            self._transport.write(b"".join(unsent))

    def _look(self, *, again: bool = False) -> None:
        """Give the connection up when somebody waits and nothing has come for too long."""
        self._watch = None
        if not self._asked:
            return
        left = max(self._asked[0].at, self._heard_at) + self._patience - self._loop.time()
        if left > 0:
            self._watch = self._loop.call_later(left, self._look)
        elif not again:
            self._watch = self._loop.call_later(_SECOND_LOOK_S, lambda: self._look(again=True))
        else:
            self._lose(RedisTimeoutError("Timeout reading from socket"))

    def _lose(self, error: RedisError) -> None:
        if self.lost is not None:
            return
        self.lost = error
        if self._watch is not None:
            self._watch.cancel()
        if self._transport is not None:
            self._transport.abort()
        while self._asked:
            answer = self._asked.popleft().answer
            if not answer.done():
                answer.set_exception(error)


async def dial(url: str, patience: float) -> Wire:
    """Connect; a server that is asked and says nothing for `patience` seconds ends the connection.

    Raises:
        OSError: nobody is there.
    """
    parts, loop = urlsplit(url), asyncio.get_running_loop()
    if parts.scheme == "unix":
        _, wire = await loop.create_unix_connection(lambda: Wire(patience), unquote(parts.path))
        return wire
    secured = ssl.create_default_context() if parts.scheme == "rediss" else None
    host, port = parts.hostname or "localhost", parts.port or 6379
    _, wire = await loop.create_connection(lambda: Wire(patience), host, port, ssl=secured)
    return wire
