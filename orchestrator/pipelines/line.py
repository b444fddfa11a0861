"""HTTP for the threads of a runner: one session, in one loop of its own, asked piece by piece.

What comes is written by the thread that asked, so that a slow disk holds up only its own job.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import selectors
import threading
from concurrent import futures
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import aiohttp

from orchestrator.pipelines.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from yarl import URL

    from orchestrator.core.clock import Deadline

#: Looking up a name and connecting may take so long, and so may each wait for more to come.
CONNECT_S = 15.0
READ_S = 30.0
#: How often a thread that waits looks whether its job is called off.
LOOK_EVERY_S = 0.1
#: So much may come in before it is fetched from the loop, in bytes; aiohttp reads up to twice that.
BUFFER = 512 * 1024
_CLOSE_S = 2.0

_T = TypeVar("_T")


class Trouble(Exception):
    """There was no whole answer; the text, for people, has no URL in it."""


class CalledOff(Exception):
    """The job is over."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for the network: to the deadline, and not when `over` is set."""

    deadline: Deadline
    over: threading.Event

    def wait(self, future: futures.Future[Any]) -> None:
        """Wait for its end.

        Raises:
            Trouble: the deadline came first.
            CalledOff: `over` was set first.
        """
        while not future.done():
            if self.over.is_set():
                raise CalledOff
            if self.deadline.passed:
                raise Trouble("it took too long")
            futures.wait([future], self.deadline.cap(LOOK_EVERY_S))


class Line:
    """The loop and its session; threads share one."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="orch-fetch", daemon=True
        )
        self._thread.start()
        self._session = asyncio.run_coroutine_threadsafe(_session(), self._loop).result()

    def ask(self, url: URL, headers: Mapping[str, str], patience: Patience) -> Reply:
        """Ask for `url`, following no redirect.

        Raises:
            Trouble: no answer came.
            CalledOff: `patience.over` was set.
            ValueError: a header cannot be sent.
        """
        return Reply(self, self.wait(self._get(url, headers), patience), patience)

    def wait(self, coroutine: Coroutine[Any, Any, _T], patience: Patience) -> _T:
        """Wait for what happens in the loop; when patience ends, it is cancelled there."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            patience.wait(future)
        except BaseException:
            future.cancel()
            raise
        try:
            return future.result()
        except (aiohttp.ClientError, OSError, EOFError) as error:
            raise Trouble(words(error)) from None

    async def _get(self, url: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        return await self._session.get(url, headers=headers, allow_redirects=False)

    def release(self, response: aiohttp.ClientResponse) -> None:
        """Give its connection back, or close it when there is more to come on it."""
        self._loop.call_soon_threadsafe(response.release)

    def disown(self) -> None:
        """We are a fork: whatever closes a connection here must not unregister it over there."""
        self._selector.close()

    def close(self) -> None:
        """Close the session and end the loop."""
        if self._thread.is_alive():
            closing = asyncio.run_coroutine_threadsafe(self._session.close(), self._loop)
            futures.wait([closing], _CLOSE_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()


class Reply:
    """The head of an answer, and its body piece by piece; a context manager."""

    def __init__(self, line: Line, response: aiohttp.ClientResponse, patience: Patience) -> None:
        self.status = response.status
        self.headers = response.headers
        self._line = line
        self._response = response
        self._patience = patience

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.release(self._response)

    def read(self) -> bytes:
        """Return what came since; nothing at the end.

        Raises:
            Trouble: it ended before its end, or nothing came for long.
            CalledOff: the job is over.
        """
        return self._line.wait(_any(self._response.content), self._patience)


def words(error: BaseException) -> str:
    """What went wrong, for people; what libraries say may have a URL with a password in it."""
    for kinds, text in _CLASSES:
        if isinstance(error, kinds):
            return text
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno:  # what asyncio writes has the address in it
        return os.strerror(cause.errno)
    return type(cause).__name__


_CLASSES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((aiohttp.ClientConnectorDNSError,), "the name of the host is not known"),
    ((aiohttp.ClientConnectorCertificateError,), "its certificate is not trusted"),
    ((aiohttp.ClientSSLError,), "no TLS connection came about"),
    ((aiohttp.ConnectionTimeoutError,), f"no connection within {CONNECT_S:g} s"),
    ((aiohttp.ServerTimeoutError, TimeoutError), f"nothing came for {READ_S:g} s"),
    ((aiohttp.ServerDisconnectedError,), "closed without an answer"),
    ((aiohttp.ClientPayloadError,), "the body is shorter than announced"),
    ((aiohttp.ClientResponseError,), "the answer is no HTTP"),
)


async def _any(content: aiohttp.StreamReader) -> bytes:
    """What came since, also what came just before it broke off: a short answer may be all of that."""
    try:
        return await content.readany()
    except aiohttp.ClientError:
        rest = content._read_nowait(-1)  # noqa: SLF001  (the public ones raise first)
        if rest:
            return rest  # the next call raises
        raise


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, resolver=Resolver()),
        # Jobs have nothing to do with each other, so neither have their cookies.
        cookie_jar=aiohttp.DummyCookieJar(),
        # Bytes are kept as they are sent: ranges count those.
        auto_decompress=False,
        read_bufsize=BUFFER,
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=READ_S),
    )


class _Shared:
    """The line of this process, made when it is first asked for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.line: Line | None = None
        self._of_others: list[Line] = []

    def get(self) -> Line:
        with self.lock:
            if self.line is None:
                self.line = Line()
            return self.line

    def close(self) -> None:
        with self.lock:
            line, self.line = self.line, None
        if line is not None:
            line.close()

    def forget(self) -> None:
        """We are a fork: the loop's thread is not in us, its connections are not ours to close."""
        if self.line is not None:
            self.line.disown()
            self._of_others.append(self.line)
        self.lock, self.line = threading.Lock(), None


SHARED = _Shared()
atexit.register(SHARED.close)
os.register_at_fork(after_in_child=SHARED.forget)
