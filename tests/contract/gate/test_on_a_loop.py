"""Waiting at a gate on an event loop: whoever is cancelled, at any moment, holds nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from orchestrator.core.errors import NoSlot
from orchestrator.core.keys import Keys
from orchestrator.gate.async_gate import AsyncGate
from orchestrator.gate.gate import Gate
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.passage import Permit
from orchestrator.gate.shared import RedisStore
from tests.contract.gate.place import QUICK, SLOW
from tests.support.redis_server import RedisServer

HOST = "https://books.example/a"
ONE = replace(QUICK, slots=1)


@dataclass
class Entry:
    """A gate whose limits a test may change."""

    store: LocalStore | RedisStore
    limits: Limits = QUICK

    def __post_init__(self) -> None:
        self.gate = Gate(self.store, lambda _: self.limits)

    def now(self) -> Permit:
        """A permit that is there at once."""
        found = self.gate.try_enter("books", HOST, 1.0)
        assert isinstance(found, Permit), found
        return found

    def all_slots_are_free(self) -> bool:
        """Whether as many may enter as there are slots; they leave again."""
        self.limits = replace(self.limits, rate=0.0)
        found = [self.gate.try_enter("books", HOST) for _ in range(self.limits.slots)]
        for permit in found:
            if isinstance(permit, Permit):
                permit.close()
        return all(isinstance(permit, Permit) for permit in found)


@pytest.fixture(params=["local", "redis"])
def entry(request: pytest.FixtureRequest) -> Iterator[Entry]:
    store: LocalStore | RedisStore = LocalStore()
    if request.param == "redis":
        request.getfixturevalue("real_redis")  # the server is empty
        server: RedisServer = request.getfixturevalue("redis_server")
        store = RedisStore(server.url, Keys(), "test")
    made = Entry(store)
    with made.gate:
        yield made


@pytest.fixture(params=["inline", "thread"])
def loop_gate(request: pytest.FixtureRequest, entry: Entry) -> AsyncGate:
    return AsyncGate(entry.gate, inline=request.param == "inline")


def test_on_a_loop_it_is_the_same_gate(entry: Entry, loop_gate: AsyncGate) -> None:
    entry.limits = ONE

    async def two() -> None:
        async with loop_gate.enter("books", HOST, 5) as permit:
            with pytest.raises(NoSlot):
                await loop_gate.enter("books", HOST, 0.1)
            permit.ok()
        await loop_gate.leave(await loop_gate.enter("books", HOST, 5))

    asyncio.run(two())
    assert entry.all_slots_are_free()


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("limits", [QUICK, replace(SLOW, slots=3), ONE])
def test_whoever_is_cancelled_at_any_moment_holds_nothing(
    entry: Entry, loop_gate: AsyncGate, limits: Limits, turns: int
) -> None:
    entry.limits = limits
    first = entry.now()
    if limits is not ONE:  # else it waits for that slot
        first.close()

    async def cancel_after_some_turns_of_the_loop() -> None:
        async def enter() -> Permit:
            return await loop_gate.enter("books", HOST, 60)

        waiting = asyncio.ensure_future(enter())
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop_gate.leave(await waiting)

    asyncio.run(cancel_after_some_turns_of_the_loop())
    first.close()
    assert entry.all_slots_are_free()


def test_who_gives_up_waiting_stands_in_nobodys_way(entry: Entry, loop_gate: AsyncGate) -> None:
    entry.limits = ONE
    held = entry.now()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await loop_gate.enter("books", HOST, 60)

    asyncio.run(give_up())
    held.close()

    entry.now().close()
