"""What an answer is: a page, bounded and unpacked, or what kept us from one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sites.fetch import body
from sites.fetch.answer import Answer, Failed, Page
from sites.fetch.block import MOST_BYTES, blocks_of, may_hide_a_block
from sites.fetch.block_evidence import Seen
from sites.fetch.exchange import NoAnswer
from sites.fetch.kind import Kind
from sites.fetch.media import charset_of, readable
from sites.fetch.status import judge_status

if TYPE_CHECKING:
    from orchestrator.core.clock import Clock
    from sites.definition.definition import Definition
    from sites.fetch.exchange import Reply

#: What a failure comes with is waited for so long, in seconds: it changes no more than its class.
TOLD_S = 2.0
#: Whatever has more digits is too big for anybody.
LONGEST_LENGTH = 20


class Judge:
    """Reads and judges the answers of one site."""

    def __init__(self, definition: Definition, clock: Clock) -> None:
        self._clock = clock
        self._blocks = blocks_of(definition.block)
        self.most_bytes = int(definition.limits.body_mb * 1_000_000)

    async def judge(self, reply: Reply, url: str, head: int, *, proxied: bool) -> Answer:
        """Return what came from `url`; with `head`, so many bytes of it, of whatever media type.

        `proxied`: a proxy has read the request, and may have answered it by itself.

        Raises:
            NoAnswer: the body ends too early.
        """
        status, headers = reply.status, reply.headers
        now = self._clock.wall()
        failed = judge_status(status, headers, now=now, proxied=proxied)
        if failed is None:
            page = await self._page(reply, urlsplit(url).path, head)
            return page if head or not isinstance(page, Page) else self._suspected(reply, page)
        if head or not isinstance(failed, Failed) or not may_hide_a_block(status):
            return failed
        found = self._blocks.judge(_seen(reply, await _told(reply)))
        if not found.blocked:
            return failed
        return Failed(Kind.SOFT_BLOCK, found.detail, failed.retry_after, status)

    async def _page(self, reply: Reply, path: str, head: int) -> Page | Failed:
        headers, status, most = reply.headers, reply.status, head or self.most_bytes
        kind = headers.get("Content-Type", "text/html").strip()
        if not head and not readable(kind, path):
            told = kind.lower().encode("utf-8", "replace").decode()  # odd bytes are surrogates
            return Failed(Kind.NOT_TEXT, told[:80], status=status)
        announced = headers.get("Content-Length", "")[:LONGEST_LENGTH]
        if not head and announced.isdecimal() and int(announced) > most:
            return Failed(Kind.TOO_BIG, f"{announced} bytes", status=status)
        try:
            received = await body.read(reply.chunks(), reply.packed, most, cut=bool(head))
        except body.TooBig as error:
            return Failed(Kind.TOO_BIG, str(error), status=status)
        except body.Unreadable as error:
            return Failed(Kind.PARSE, str(error), status=status)
        return Page(
            status,
            received.data,
            media=kind.partition(";")[0].rstrip().lower(),
            charset=charset_of(kind),
            size=received.sent,
            etag=headers.get("ETag", ""),
            last_modified=headers.get("Last-Modified", ""),
        )

    def _suspected(self, reply: Reply, page: Page) -> Page | Failed:
        """Return the page, or what it is if it is a challenge or a block that pretends to be one."""
        found = self._blocks.judge(_seen(reply, page.body))
        if not found.blocked:
            return page
        if not found.certain:
            return replace(page, suspicion=found.detail)
        return Failed(Kind.SOFT_BLOCK, found.detail, status=page.status)


def _seen(reply: Reply, told: bytes) -> Seen:
    named = (text.partition("=")[0] for text in reply.headers.getall("Set-Cookie", ()))
    return Seen(reply.status, reply.headers, told, tuple(name.strip() for name in named))


async def _told(reply: Reply) -> bytes:
    """Return what a failure comes with, as far as that comes soon."""
    try:
        async with asyncio.timeout(TOLD_S):
            return (await body.read(reply.chunks(), reply.packed, MOST_BYTES, cut=True)).data
    except (TimeoutError, NoAnswer, body.Unreadable):
        return b""
