"""Many conversations at once: what they do to the event loop, and to each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from errno import ECONNREFUSED
from typing import Any, TypeVar

import pytest

from proxies import loop
from proxies.check.line import HungUp, Line, LineError, TooMuch, Unreached
from proxies.check.lines import Lines
from tests.support.zoo import closed_port

T = TypeVar("T")

#: What a conversation that is dear keeps the processor busy for, in seconds.
DEAR_S = 0.02
CROWD = 40
PATIENT_S = 20.0


@pytest.fixture(params=[asyncio.run, loop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    runner: Callable[[Coroutine[Any, Any, Any]], Any] = request.param
    return runner


Runner = Callable[[Coroutine[Any, Any, Any]], Any]


class Other:
    """The other side of all conversations: says what it is told to, when it is told to."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.all_here = asyncio.Event()

    async def open(self, crowd: int) -> tuple[str, int]:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.writers.append(writer)
            if len(self.writers) == crowd:
                self.all_here.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
        host, port = server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    def say(self, words: bytes) -> None:
        for writer in self.writers:
            writer.write(words)


@contextmanager
def turns() -> Iterator[list[float]]:
    """How long the event loop was away each time, in seconds."""
    seen: list[float] = []

    async def look() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0)
            now = time.monotonic()
            seen.append(now - last)
            last = now

    looking = asyncio.create_task(look())
    yield seen
    looking.cancel()


def busy() -> None:
    ends = time.monotonic() + DEAR_S
    while time.monotonic() < ends:
        pass


def test_however_many_answers_come_at_once_the_loop_gets_its_turn(run: Runner) -> None:
    async def dear(line: Line) -> bytes:
        heard = await line.exactly(5)
        busy()
        return heard

    async def crowd() -> tuple[list[bytes], int]:
        other = Other()
        address = await other.open(CROWD)
        with Lines() as lines:
            talks = [lines.talk(address, lines.time() + PATIENT_S, dear) for _ in range(CROWD)]
            tasks = [asyncio.create_task(talk) for talk in talks]
            await other.all_here.wait()
            other.say(b"hello")
            with turns() as seen:
                heard = await asyncio.gather(*tasks)
        return heard, len(seen)

    heard, turns_taken = run(crowd())

    assert heard == [b"hello"] * CROWD
    assert turns_taken >= CROWD / 2, "several dear answers in one turn"


def test_however_many_deadlines_pass_at_once_the_loop_gets_its_turn(run: Runner) -> None:
    async def silent(line: Line) -> None:
        try:
            await line.exactly(5)
        finally:
            busy()

    async def crowd() -> tuple[list[Any], int]:
        other = Other()
        address = await other.open(CROWD)
        with Lines() as lines:
            ends = lines.time() + 3.0  # all have been connected by then
            talks = [lines.talk(address, ends, silent) for _ in range(CROWD)]
            with turns() as seen:
                found = await asyncio.gather(*talks, return_exceptions=True)
                taken = len([away for away in seen if away >= DEAR_S])
        return found, taken

    found, turns_taken = run(crowd())

    assert all(isinstance(error, TimeoutError) for error in found)
    assert turns_taken >= CROWD / 2, "several dear ends in one turn"


def test_nobody_there_is_told_at_once_and_nobody_in_time_in_time(run: Runner) -> None:
    async def never(line: Line) -> None:
        raise AssertionError(line)

    async def both() -> list[Any]:
        with Lines() as lines:
            there = closed_port()
            refused = lines.talk((there.host, there.port), lines.time() + PATIENT_S, never)
            return await asyncio.gather(refused, return_exceptions=True)

    (refused,) = run(both())

    assert isinstance(refused, Unreached)
    assert refused.code == ECONNREFUSED


def test_what_is_cancelled_leaves_nothing_behind(run: Runner) -> None:
    closed: list[str] = []

    async def cancelled() -> bytes:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def waiting(line: Line) -> None:
            begun.set()
            try:
                await line.exactly(5)
            finally:
                closed.append("conversation")

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            ended.set()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()[:2]
        with Lines() as lines:
            one = asyncio.create_task(lines.talk(address, lines.time() + PATIENT_S, waiting))
            await asyncio.wait_for(begun.wait(), PATIENT_S)
            one.cancel()
            await asyncio.wait_for(ended.wait(), PATIENT_S)
        server.close()
        return b""

    run(cancelled())

    assert closed == ["conversation"]


def test_all_together_may_say_only_so_much_and_it_is_given_back(run: Runner) -> None:
    async def long(line: Line) -> None:
        await line.exactly(120_000)

    async def crowd() -> tuple[list[Any], int]:
        other = Other()
        address = await other.open(CROWD)
        with Lines() as lines:
            lines.budget = 1_000_000
            talks = [lines.talk(address, lines.time() + PATIENT_S, long) for _ in range(CROWD)]
            tasks = [asyncio.create_task(talk) for talk in talks]
            await other.all_here.wait()
            other.say(b"x" * 100_000)  # each waits for more, and holds what it has
            done, held = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            while len(held) * 100_000 > lines.budget + 1_000_000:
                more, held = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
                done |= more
            for task in held:
                task.cancel()
            await asyncio.wait(held)
            return [task.exception() for task in done], lines.budget

    errors, budget = run(crowd())

    assert all(isinstance(error, TooMuch) for error in errors)
    assert len(errors) >= CROWD - 11
    assert budget == 1_000_000


def test_who_speaks_first_gets_no_tls(run: Runner) -> None:
    async def early(line: Line) -> None:
        await line.exactly(1)
        await line.secure(None, "localhost")  # type: ignore[arg-type]  # it does not come to that

    async def one() -> list[Any]:
        other = Other()
        address = await other.open(1)
        with Lines() as lines:
            talk = asyncio.create_task(lines.talk(address, lines.time() + PATIENT_S, early))
            await other.all_here.wait()
            other.say(b"hello")
            return await asyncio.gather(talk, return_exceptions=True)

    (error,) = run(one())

    assert isinstance(error, LineError)
    assert not isinstance(error, HungUp)
