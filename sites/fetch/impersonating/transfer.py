"""One request by libcurl, and what it calls back with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from curl_cffi.curl import CURL_WRITEFUNC_ERROR
from multidict import CIMultiDict

from sites.fetch.answer import Failed
from sites.fetch.body import Unreadable
from sites.fetch.exchange import NoAnswer
from sites.fetch.impersonating.meaning import BROKEN_PACKING, meaning
from sites.fetch.kind import Kind
from sites.fetch.lean.head import LARGEST_HEAD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from curl_cffi import Curl

    from proxies.model import Proxy

_FIRST_FINAL, _SWITCHING = 200, 101


class Transfer:
    """`Reply` of a handle that works; made before it begins."""

    #: libcurl has unpacked it already.
    packed = ""

    def __init__(self, curl: Curl, most: int, proxy: Proxy | None) -> None:
        self._curl = curl
        self._proxy = proxy
        self._room = most
        self._lines: list[str] = []
        self._head_size = 0
        self._bad_head = ""
        self._parts: list[bytes] = []
        self._too_much = False
        self._changed = asyncio.Event()
        self._work: asyncio.Future[None]
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()

    def begin(self, work: asyncio.Future[None]) -> None:
        """Work ends with this future."""
        self._work = work
        work.add_done_callback(self._ended)

    async def head(self) -> None:
        """Wait for the head of the answer.

        Raises:
            NoAnswer: there is none.
        """
        while not self.status:
            if self._work.done():
                raise NoAnswer(self._failed())
            await self._change()

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `Reply`."""
        while True:
            if self._parts:  # a chunk each, and there may be very many
                some = b"".join(self._parts)
                self._parts.clear()
                yield some
            elif self._too_much:
                return
            elif self._work.done():
                break
            else:
                await self._change()
        error = self._work.exception()
        if error is not None:
            if getattr(error, "code", 0) in BROKEN_PACKING:
                raise Unreadable("the packed body is broken")
            raise NoAnswer(self._failed())

    # What libcurl calls.

    def line(self, data: bytes) -> int:
        """Take a line of a head, or of trailers, which say nothing to us."""
        self._head_size += len(data)
        if self._head_size > LARGEST_HEAD:
            self._bad_head = f"a head of more than {LARGEST_HEAD // 1024} KiB"
            return int(CURL_WRITEFUNC_ERROR)
        text = data.decode("utf-8", "surrogateescape").rstrip("\r\n")
        if self.status:
            return len(data)
        if text:
            self._lines.append(text)
        else:
            self._end_of_head()
        return int(CURL_WRITEFUNC_ERROR) if self._bad_head else len(data)

    def part(self, data: bytes) -> int:
        """Take a part of the body, unpacked; the one that is too much is the last."""
        self._parts.append(data)
        self._room -= len(data)
        self._changed.set()
        if self._room >= 0:
            return len(data)
        self._too_much = True
        return int(CURL_WRITEFUNC_ERROR)

    def _end_of_head(self) -> None:
        first, *fields = self._lines
        self._lines.clear()
        status = int(first.split(" ", 2)[1])
        if status == _SWITCHING:
            self._bad_head = "a change of the protocol that nobody asked for"
        if status < _FIRST_FINAL:
            return
        pairs = (field.partition(":") for field in fields)
        self.headers.extend((name.strip(), value.strip()) for name, colon, value in pairs if colon)
        self.status = status
        self._changed.set()

    def _ended(self, work: asyncio.Future[None]) -> None:
        if not work.cancelled():
            work.exception()  # or one that nobody waited for would be told of
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _failed(self) -> Failed:
        if self._bad_head:
            return Failed(Kind.PROTOCOL, self._bad_head)
        error = self._work.exception()
        code = int(getattr(error, "code", 0))
        return meaning(code, self._curl, self._proxy, begun=bool(self.status))
