"""The client of our own: heads of answers, bodies in crumbs, and connections that wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from sites.fetch.exchange import NoAnswer
from sites.fetch.lean import pool
from sites.fetch.lean.engine import LeanReply
from sites.fetch.lean.head import BadHead, Head, Silence, read_head
from sites.fetch.lean.pool import Pool
from sites.fetch.lean.wire import HIGH, Wire

START = b"HTTP/1.1 200 OK\r\n"


class Far(asyncio.Transport):
    """A connection with nobody behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = self.paused = False

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Loop:
    """As much of an event loop as a wire wants when it is made."""

    now = 0.0

    def time(self) -> float:
        return self.now


def wire_of(loop: Any, said: bytes = b"", *, end: bool = False) -> Wire:
    wire = Wire(loop)
    wire.connection_made(Far())
    wire.data_received(said)
    if end:
        wire.eof_received()
    return wire


def head_of(said: bytes) -> Head:
    async def run() -> Head:
        return await read_head(wire_of(asyncio.get_running_loop(), said, end=True))

    return asyncio.run(run())


@given(st.binary(max_size=300), st.booleans())
def test_whatever_comes_is_a_head_or_none(said: bytes, whole: bool) -> None:
    with suppress(BadHead, Silence):
        head_of(START + said + b"\r\n\r\n" if whole else said)


def test_odd_lines_of_a_head_are_read_as_browsers_do() -> None:
    head = head_of(
        START + b"A : 1\r\nno line at all\r\nB: 2\r\n folded\r\nLocation: /\xc3\xa9\xff\r\n\r\n"
    )

    assert dict(head.headers) == {"A": "1", "B": "2 folded", "Location": "/é\udcff"}


@pytest.mark.parametrize(
    ("lines", "length", "chunked", "keep"),
    [
        (b"Content-Length: 5\r\n", 5, False, True),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", 5, False, True),
        (b"Content-Length: 5, 5\r\n", 5, False, True),
        (b"Content-Length: 5\r\nConnection: Close\r\n", 5, False, False),
        (b"Transfer-Encoding: Chunked\r\n", None, True, True),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", None, True, False),
        (b"", None, False, False),
    ],
)
def test_where_an_answer_ends(
    lines: bytes, length: int | None, *, chunked: bool, keep: bool
) -> None:
    head = head_of(START + lines + b"\r\n")

    assert (head.length, head.chunked, head.keep) == (length, chunked, keep)


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 9999999999999999999999\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"X: y\r\n" * 257,
    ],
)
def test_what_could_be_read_in_two_ways_is_no_answer(lines: bytes) -> None:
    with pytest.raises(BadHead):
        head_of(START + lines + b"\r\n")


def test_a_body_in_crumbs_is_not_read_to_its_end() -> None:
    head = Head(200, CIMultiDict(), None, chunked=True, keep=True)

    async def run() -> int:
        wire = wire_of(asyncio.get_running_loop(), b"1\r\nx\r\n" * 200_000)
        return sum([len(chunk) async for chunk in LeanReply(wire, head).chunks()])

    with pytest.raises(NoAnswer, match="next to nothing"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("keep", "left", "end"), [(True, 0, True), (False, 0, False), (True, 9, False)]
)
def test_another_answer_may_follow_only_what_ends_and_says_so(
    *, keep: bool, left: int, end: bool
) -> None:
    reply = LeanReply(wire_of(Loop()), Head(200, CIMultiDict(), left, chunked=False, keep=keep))

    assert reply.at_its_end() is end


def test_nothing_is_read_far_ahead_of_whoever_reads() -> None:
    async def run() -> tuple[bool, bool]:
        wire = wire_of(asyncio.get_running_loop(), b"x" * (HIGH + 1))
        far = wire.transport
        assert isinstance(far, Far)
        before = far.paused
        wire.take(HIGH)
        more = asyncio.create_task(wire.more())
        await asyncio.sleep(0)
        after = far.paused
        more.cancel()
        return before, after

    assert asyncio.run(run()) == (True, False)


def test_the_connection_that_was_used_last_is_used_next_and_each_way_has_its_own() -> None:
    idle = Pool(Loop().time)
    one, two, other = (wire_of(Loop()) for _ in range(3))
    for way, wire in (("a", one), ("a", two), ("b", other)):
        idle.give(way, wire)

    assert [idle.take(way) for way in ("a", "a", "a", "b")] == [two, one, None, other]


def test_a_connection_that_said_something_or_has_ended_is_not_used() -> None:
    idle = Pool(Loop().time)
    spoke, ended, broken = (wire_of(Loop()) for _ in range(3))
    for wire in (spoke, ended, broken):
        idle.give("a", wire)
    spoke.data_received(b"HTTP/1.1 408 Request Timeout\r\n")
    ended.eof_received()
    broken.connection_lost(ConnectionResetError())

    assert idle.take("a") is None
    assert len(idle) == 0


def test_connections_are_few_not_old_and_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MOST_IDLE", 2)
    loop = Loop()
    idle = Pool(loop.time)
    wires = [wire_of(loop) for _ in range(3)]
    for wire in wires:
        idle.give(wire, wire)
    assert [wire.usable for wire in wires] == [False, True, True]

    loop.now = pool.IDLE_S
    assert idle.take(wires[1]) is None
    loop.now = pool.OLDEST_S
    idle.give("a", wires[2])
    used = wire_of(loop)
    used.uses = pool.MOST_USES
    idle.give("a", used)

    assert [wire.usable for wire in (wires[2], used)] == [False, False]
    assert idle.take("a") is None


def test_what_waits_is_closed_with_the_pool() -> None:
    idle = Pool(Loop().time)
    wires = [wire_of(Loop()) for _ in range(3)]
    for wire in wires:
        idle.give("a", wire)

    idle.close()

    assert not any(wire.usable for wire in wires)
