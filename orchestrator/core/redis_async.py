"""Redis for an event loop: coroutines share one connection, and what they ask in one turn goes out at once.

A fraction of what redis-py's own asynchronous client costs for each command, which has a pool and a
timeout of its own around every one. The errors are redis-py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any, TypeAlias, cast
from urllib.parse import unquote, urlsplit

import hiredis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    DataError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from orchestrator.core.backoff import Backoff
from orchestrator.core.redis_wire import Wire, dial

Word: TypeAlias = str | bytes | int | float

#: A server that is being restarted is away for a moment: so often a connection is tried, after pauses.
_TRIES = 4
_BACKOFF = Backoff(base=0.01, cap=0.2)
#: Those of redis-py's errors that somebody tells apart, by the first word of the server's.
_KINDS: dict[str, type[RedisError]] = {
    "LOADING": BusyLoadingError,
    "MASTERDOWN": MasterDownError,
    "NOAUTH": AuthenticationError,
    "NOPERM": NoPermissionError,
    "NOSCRIPT": NoScriptError,
    "OOM": OutOfMemoryError,
    "READONLY": ReadOnlyError,
    "WRONGPASS": AuthenticationError,
}


class AsyncRedis:
    """A client for the running loop; it connects at first use, and again when the connection is lost.

    A command whose answer is lost is not sent again: it may have been carried out. `epoch` counts the
    connections: whatever a server that was killed has forgotten, it forgot between two of them.
    """

    def __init__(self, url: str, *, timeout: float = 2.0) -> None:
        self._url = url
        self._timeout = timeout
        self._wire: Wire | None = None
        self._connecting = asyncio.Lock()
        self.epoch = 0

    async def call(self, *words: Word) -> Any:
        """Send one command and return its answer, strings as text.

        Raises:
            ConnectionError, TimeoutError: of redis-py; there was no answer.
            ResponseError: the server refused it.
            DataError: it cannot be sent.
        """
        try:
            command = _packed(words)
        except TypeError as error:
            raise DataError(str(error)) from error
        wire = self._wire
        if wire is None or wire.lost:
            wire = await self._connect()
        return _heard(await wire.ask(command))

    async def hgetall(self, key: str) -> dict[str, str]:
        """Return a hash."""
        flat = await self.call("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2], strict=True))

    async def time(self) -> tuple[int, int]:
        """Return the server's clock: seconds since 1970, and microseconds."""
        seconds, micros = await self.call("TIME")
        return int(seconds), int(micros)

    async def evalsha(self, sha: str, keys: int, *words: Word) -> Any:
        """Run a script that the server knows."""
        return await self.call("EVALSHA", sha, keys, *words)

    async def eval(self, text: str, keys: int, *words: Word) -> Any:
        """Run a script."""
        return await self.call("EVAL", text, keys, *words)

    async def aclose(self) -> None:
        """Give the connection up; those who wait for an answer get none."""
        if self._wire is not None:
            self._wire.close()

    async def _connect(self) -> Wire:
        async with self._connecting:  # whoever comes meanwhile takes the same one
            if self._wire is None or self._wire.lost:
                self._wire = await self._opened()
                self.epoch += 1
            return self._wire

    async def _opened(self) -> Wire:
        for attempt in range(1, _TRIES):
            with contextlib.suppress(RedisConnectionError):
                return await self._open()
            await asyncio.sleep(_BACKOFF.delay(attempt))
        return await self._open()

    async def _open(self) -> Wire:
        try:
            async with asyncio.timeout(self._timeout):
                wire = await dial(self._url, self._timeout)
        except TimeoutError as error:
            raise RedisTimeoutError("Timeout connecting to server") from error
        except OSError as error:
            told = os.strerror(error.errno) if error.errno else error
            raise RedisConnectionError(f"Error connecting: {told}") from error
        try:
            for words in _greetings(self._url):
                _heard(await wire.ask(_packed(words)))
        except BaseException:
            wire.close()
            raise
        return wire


def _greetings(url: str) -> list[tuple[str, ...]]:
    """What is said first: who we are, and which database is meant."""
    parts = urlsplit(url)
    found: list[tuple[str, ...]] = []
    if parts.password:
        user = (unquote(parts.username),) if parts.username else ()
        found.append(("AUTH", *user, unquote(parts.password)))
    path = "" if parts.scheme == "unix" else parts.path.strip("/")
    database = parts.query.removeprefix("db=") or path
    if database:
        found.append(("SELECT", database))
    return found


def _packed(words: tuple[Word, ...]) -> bytes:
    packed: bytes = hiredis.pack_command(cast("Any", words))  # its types know of one word only
    return packed


def _heard(answer: Any) -> Any:
    """Return the answer; of an error, redis-py's words, whose class says what the first word did."""
    if not isinstance(answer, hiredis.ReplyError):
        return answer
    code, _, rest = str(answer).partition(" ")
    raise _KINDS[code](rest) if code in _KINDS else ResponseError(str(answer))
