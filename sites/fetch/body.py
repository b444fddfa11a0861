"""Bodies: bounded while they come in, and bounded while they are unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.unpack import ACCEPTED_ENCODINGS, TooBig, Unreadable, unpacker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["ACCEPTED_ENCODINGS", "Received", "TooBig", "Unreadable", "read"]


@dataclass(frozen=True, slots=True)
class Received:
    """An unpacked body, and how many bytes it was as it came."""

    data: bytes
    sent: int


async def read(
    chunks: AsyncIterator[bytes], encoding: str, limit: int, *, cut: bool = False
) -> Received:
    """Return the unpacked body; at most `limit` bytes as sent, and as unpacked.

    Raises:
        TooBig: there is more, and it is not to be `cut` there.
        Unreadable: it cannot be unpacked, or is packed in a way nobody asked for.
    """
    unpack = unpacker(encoding)
    parts: list[bytes] = []
    sent = size = 0
    async for chunk in chunks:
        sent += len(chunk)
        part = unpack(chunk, limit + 1 - size)
        size += len(part)
        parts.append(part)
        if sent > limit or size > limit:
            if cut:
                return Received(b"".join(parts)[:limit], sent)
            raise TooBig(f"more than {limit} bytes")
    unpack.finish()
    return Received(b"".join(parts), sent)
