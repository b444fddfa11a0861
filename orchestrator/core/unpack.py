"""Bodies that are unpacked piece by piece, never beyond a bound: a small one may hold gigabytes."""

from __future__ import annotations

import zlib

#: What we ask for; each can be unpacked piece by piece, with a bound.
ACCEPTED_ENCODINGS = "gzip, deflate"


class TooBig(Exception):
    """More came than is allowed."""


class Unreadable(Exception):
    """What came is not what was announced."""


def unpacker(encoding: str) -> Plain | Zlib:
    """Return what unpacks a body of this Content-Encoding, called with each piece and a bound.

    Raises:
        Unreadable: it is packed in a way nobody asked for.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return Plain()
    if name in ("gzip", "x-gzip", "deflate"):
        return Zlib()
    raise Unreadable(f"packed as {name[:40]}, which nobody asked for")


class Plain:
    """As it is."""

    def __call__(self, chunk: bytes, most: int) -> bytes:
        """Return it."""
        del most
        return chunk

    def finish(self) -> None:
        """Nothing can be missing."""


class Zlib:
    """gzip (also several members in a row), zlib, or the raw deflate that some servers send."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        self._first = True

    def __call__(self, chunk: bytes, most: int) -> bytes:
        """Return what comes out, at most `most` bytes: with that much it may not be all."""
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
