"""Bodies: bounded while they come in, bounded while they are unpacked, and turned into text."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: What we ask for; each can be unpacked piece by piece, with a bound.
ACCEPTED_ENCODINGS = "gzip, deflate"

_META = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE
)
_XML = re.compile(rb"""^<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_.:-]{1,40})""")
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
#: Where a declaration of the character set must stand, in bytes.
_HEAD = 1024


class TooBig(Exception):
    """More came than is allowed."""


class Unreadable(Exception):
    """What came is not what was announced."""


async def read(chunks: AsyncIterator[bytes], encoding: str, limit: int) -> bytes:
    """Return the unpacked body; at most `limit` bytes as sent, and as unpacked.

    Raises:
        TooBig: there is more.
        Unreadable: it cannot be unpacked, or is packed in a way nobody asked for.
    """
    unpack = _unpacker(encoding)
    parts: list[bytes] = []
    sent = size = 0
    async for chunk in chunks:
        sent += len(chunk)
        part = unpack(chunk, limit + 1 - size)
        size += len(part)
        if sent > limit or size > limit:
            raise TooBig(f"more than {limit} bytes")
        parts.append(part)
    unpack.finish()
    return b"".join(parts)


def text_of(body: bytes, declared: str | None) -> str:
    r"""Decode a body by its byte order mark, else the header, its own declaration, or UTF-8.

    >>> text_of(b'<meta charset="latin-1">\xe9', None)[-1]
    'é'
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    found = _XML.match(body) or _META.search(body[:_HEAD])
    for charset in (declared, found[1].decode("ascii") if found else None, "utf-8"):
        try:
            if charset:
                return body.decode(_as_browsers(charset), "replace")
        except LookupError:
            continue
    return body.decode("utf-8", "replace")


def _as_browsers(name: str) -> str:
    """Latin-1 and ASCII mean Windows-1252 on the Web (WHATWG Encoding Standard)."""
    plain = name.strip().lower().replace("_", "-")
    return "cp1252" if plain in {"latin-1", "latin1", "iso-8859-1", "ascii", "us-ascii"} else plain


class _Plain:
    """As it is."""

    def __call__(self, chunk: bytes, most: int) -> bytes:
        del most
        return chunk

    def finish(self) -> None:
        """Nothing can be missing."""


class _Zlib:
    """gzip (also several members in a row), zlib, or the raw deflate that some servers send."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        self._first = True

    def __call__(self, chunk: bytes, most: int) -> bytes:
        parts: list[bytes] = []
        while chunk and most > 0:
            part = self._unpack(chunk, most)
            parts.append(part)
            most -= len(part)
            chunk = self._engine.unconsumed_tail or self._engine.unused_data
            if self._engine.eof:
                if not chunk.startswith(b"\x1f\x8b"):
                    break
                self._engine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        return b"".join(parts)

    def finish(self) -> None:
        """Raise when the end never came."""
        if not self._first and not self._engine.eof and not self._engine.unconsumed_tail:
            raise Unreadable("the packed body is cut off")

    def _unpack(self, chunk: bytes, most: int) -> bytes:
        first, self._first = self._first, False
        try:
            return self._engine.decompress(chunk, most)
        except zlib.error as error:
            if not first:
                raise Unreadable(f"the packed body is broken: {error}") from None
        self._engine = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        try:
            return self._engine.decompress(chunk, most)
        except zlib.error as error:
            raise Unreadable(f"the packed body is broken: {error}") from None


def _unpacker(encoding: str) -> _Plain | _Zlib:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _Plain()
    if name in ("gzip", "x-gzip", "deflate"):
        return _Zlib()
    raise Unreadable(f"packed as {name[:40]}, which nobody asked for")
