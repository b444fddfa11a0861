"""Bodies: bounded and unpacked."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.fetch.body import Received, TooBig, Unreadable, read


def receive(raw: bytes, encoding: str = "", limit: int = 10_000, piece: int = 7) -> Received:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(raw), piece):
            yield raw[start : start + piece]

    return asyncio.run(read(chunks(), encoding, limit))


def read_all(raw: bytes, encoding: str = "", limit: int = 10_000, piece: int = 7) -> bytes:
    return receive(raw, encoding, limit, piece).data


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


@given(st.binary(max_size=2000), st.integers(1, 500))
def test_what_was_packed_comes_out(data: bytes, piece: int) -> None:
    assert read_all(data, piece=piece) == data
    assert read_all(gzip.compress(data), "gzip", piece=piece) == data
    assert read_all(zlib.compress(data), "deflate", piece=piece) == data
    assert read_all(gzip.compress(data) + gzip.compress(b"x"), "gzip", piece=5000) == data + b"x"


def test_the_size_of_a_body_is_that_of_what_was_sent() -> None:
    packed = gzip.compress(b"x" * 1000)

    assert receive(packed, "gzip").sent == len(packed)
    assert receive(b"x" * 70).sent == 70


def test_raw_deflate_is_understood_as_browsers_do() -> None:
    assert read_all(raw_deflate(b"hello" * 50), "deflate") == b"hello" * 50


def test_a_body_over_the_limit_is_not_kept() -> None:
    with pytest.raises(TooBig):
        read_all(b"x" * 101, limit=100)
    assert len(read_all(b"x" * 100, limit=100)) == 100


def test_a_bomb_is_not_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)

    with pytest.raises(TooBig):
        read_all(bomb, "gzip", limit=60_000, piece=len(bomb))


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (gzip.compress(b"hello" * 100, mtime=0)[:-9], "gzip"),
        (b"no gzip at all", "gzip"),
        (gzip.compress(b"hello" * 100, mtime=0)[:20] + b"\xff" * 40, "gzip"),
        (b"hello", "br"),
    ],
)
def test_what_is_not_packed_as_announced_is_unreadable(raw: bytes, encoding: str) -> None:
    with pytest.raises(Unreadable):
        read_all(raw, encoding)
