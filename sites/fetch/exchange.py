"""One request and its answer, as both engines have them: what the transport asks, and what it hears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from multidict import CIMultiDict

    from proxies.model import Proxy
    from sites.fetch.answer import Failed


class NoAnswer(Exception):
    """There is no answer, or no whole one; `failed` says what it looks like, and blames nobody yet."""

    def __init__(self, failed: Failed) -> None:
        self.failed = failed
        super().__init__(failed.reason)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: a canonical URL, the header lines beyond those that every request has.

    Nobody wants more than `most` bytes of the body, unpacked.
    """

    url: str
    lines: Sequence[tuple[str, str]]
    most: int


class Reply(Protocol):
    """An answer whose head is there."""

    @property
    def status(self) -> int:
        """Of HTTP; 200 and above."""

    @property
    def headers(self) -> CIMultiDict[str]:
        """Bytes that are no UTF-8 are surrogates."""

    @property
    def packed(self) -> str:
        """How the chunks are still packed, as Content-Encoding says it; "" when they are not."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the body as it comes.

        Raises:
            NoAnswer: it ends too early, or is no HTTP.
        """


class Engine(Protocol):
    """What speaks HTTP, direct and through every kind of proxy; it follows no redirect.

    It bounds the head; time and body are bounded by whoever asks, who may leave at any moment.
    """

    def exchange(self, asked: Asked, proxy: Proxy | None) -> AbstractAsyncContextManager[Reply]:
        """Make a request, and wait for the head of its answer.

        Raises:
            NoAnswer: none came, or no connection.
        """

    async def close(self) -> None:
        """Close all connections."""
