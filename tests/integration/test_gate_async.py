"""The gate on an event loop, asked there or by threads: who is cancelled, whenever, leaves nothing."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from orchestrator.core.errors import NoSlot, RateLimited
from orchestrator.gate.async_gate import AsyncGate
from orchestrator.gate.limits import Limits
from orchestrator.gate.passage import Permit
from orchestrator.gate.permit import Reason, Refused, Verdict
from tests.support.gate_place import HOST, QUICK, SITE, Place, Told, ends, permitted

ONE_SLOT = replace(QUICK, slots=1, lease_s=600)
#: Nobody gets a second turn while a test runs.
ONE_TURN = Limits(rate=0.01, slots=2, lease_s=600)

pytestmark = pytest.mark.usefixtures("patient")


@dataclass
class Seat:
    """An `AsyncGate` on a place; what the store is asked can be held up."""

    place: Place
    inline: bool
    held_up: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def gate(self, limits: Limits) -> AsyncGate:
        return AsyncGate(self.place.gate(limits), inline=self.inline)

    def hold_up(self, gate: AsyncGate, verb: str) -> None:
        """Whoever calls `verb` is answered when `held_up` is set; the store has done it by then."""
        store = gate._gate._store
        true = getattr(store, verb)

        def slow(*arguments: Any) -> Any:
            found = true(*arguments)
            self.asked.set()
            assert self.held_up.wait(20)
            return found

        setattr(store, verb, slow)

    async def is_asked(self) -> None:
        assert await asyncio.get_running_loop().run_in_executor(None, self.asked.wait, 20)


@pytest.fixture(params=[True, False], ids=["inline", "thread"])
def seat(request: pytest.FixtureRequest, place: Place) -> Seat:
    return Seat(place, request.param)


@pytest.fixture
def by_threads(place: Place) -> Seat:
    return Seat(place, inline=False)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - it is another thread's
            await asyncio.sleep(0.01)


@asynccontextmanager
async def cancelled(work: Awaitable[object]) -> AsyncIterator[asyncio.Task[object]]:
    """A task that is cancelled at the end of the block, and must say so."""
    task: asyncio.Task[object] = asyncio.ensure_future(work)  # type: ignore[assignment, arg-type]
    yield task
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def passes(gate: AsyncGate, inside: asyncio.Event | None = None) -> None:
    async with gate.enter(SITE, HOST, 60):
        if inside is not None:
            inside.set()
            await asyncio.sleep(60)


# as Gate


def test_a_block_waits_and_reports(seat: Seat) -> None:
    async def run() -> None:
        gate = seat.gate(Limits(rate=20))
        told = Told(gate._gate)
        for _ in range(3):
            async with gate.enter(SITE, HOST, 20) as permit:
                assert isinstance(permit, Permit)
        with pytest.raises(ZeroDivisionError):
            async with gate.enter(SITE, HOST, 20):
                raise ZeroDivisionError
        verdicts = [report.verdict for report in told.reports]
        assert verdicts == [Verdict.OK] * 3 + [Verdict.FAILURE]

    asyncio.run(run())


def test_a_permit_that_was_awaited_is_given_back_by_leave(seat: Seat) -> None:
    async def run() -> None:
        gate = seat.gate(ONE_SLOT)
        permit = await gate.enter(SITE, HOST, 5)
        assert await gate.try_enter(SITE, HOST) == Refused(
            Reason.SLOT, pytest.approx(0.05, abs=0.05)
        )
        permit.failed()
        await gate.leave(permit)
        await eventually(seat.place.free)

    asyncio.run(run())


def test_it_refuses_as_the_other_does(seat: Seat) -> None:
    async def run() -> None:
        gate = seat.gate(ONE_TURN)
        held = await gate.enter(SITE, HOST, 5)
        with pytest.raises(RateLimited):
            await gate.enter(SITE, HOST, 5)
        seat.place.limits = ONE_SLOT
        with pytest.raises(NoSlot):
            async with gate.enter(SITE, HOST, 0.3):
                pytest.fail("nobody may pass")
        await gate.leave(held)

    asyncio.run(run())


def test_many_tasks_share_the_slots_and_go_as_soon_as_there_is_one(seat: Seat) -> None:
    async def run() -> None:
        gate = seat.gate(replace(QUICK, slots=3))
        now, most = 0, 0

        async def one() -> None:
            nonlocal now, most
            for _ in range(5):
                async with gate.enter(SITE, HOST, 60):
                    now += 1
                    most = max(most, now)
                    await asyncio.sleep(0.002)
                    now -= 1

        await asyncio.gather(*[one() for _ in range(20)])
        assert most == 3

    asyncio.run(run())


# cancelled


def test_who_is_cancelled_inside_the_block_gives_turn_and_slot_back(seat: Seat) -> None:
    async def run() -> None:
        gate = seat.gate(ONE_TURN)
        inside = asyncio.Event()
        async with cancelled(passes(gate, inside)):
            await inside.wait()
        assert permitted(seat.place.gate()).wait_s == 0

    asyncio.run(run())


def test_who_is_cancelled_in_line_leaves_it(seat: Seat) -> None:
    async def run() -> None:
        gate = seat.gate(ONE_SLOT)
        held = permitted(gate._gate)
        quits = []
        true = gate._gate._store.quit
        gate._gate._store.quit = lambda *ask: quits.append(true(*ask))  # type: ignore[method-assign]
        async with cancelled(passes(gate)) as task:
            await asyncio.sleep(0.4)
            assert not task.done()
        assert len(quits) == 1
        ends(held)
        await eventually(seat.place.free)

    asyncio.run(run())


def test_who_is_cancelled_before_his_turn_gives_it_back(seat: Seat) -> None:
    async def run() -> None:
        gate = seat.gate(Limits(rate=0.1, slots=2, lease_s=600))
        ends(permitted(gate._gate))
        waits = permitted_wait(gate)
        async with cancelled(passes(gate)):
            await eventually(lambda: permitted_wait(gate) > waits + 1)
        assert permitted_wait(gate) <= 10

    asyncio.run(run())


def permitted_wait(gate: AsyncGate) -> float:
    answer = gate._gate.try_enter(SITE, HOST)
    assert isinstance(answer, Refused)
    return answer.wait_s


def test_who_is_cancelled_while_a_thread_asks_for_him_gives_all_back(by_threads: Seat) -> None:
    """The yes is on its way when nobody wants it any more."""

    async def run() -> None:
        gate = by_threads.gate(ONE_TURN)
        by_threads.hold_up(gate, "enter")
        task = asyncio.create_task(passes(gate))
        await by_threads.is_asked()
        task.cancel()
        await asyncio.sleep(0.02)
        task.cancel()  # as often as they like
        await asyncio.sleep(0.02)
        assert not task.done()
        by_threads.held_up.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert permitted(by_threads.place.gate()).wait_s == 0

    asyncio.run(run())


def test_a_try_that_is_cancelled_gives_all_back(by_threads: Seat) -> None:
    async def run() -> None:
        gate = by_threads.gate(ONE_TURN)
        by_threads.hold_up(gate, "enter")
        async with cancelled(gate.try_enter(SITE, HOST)):
            await by_threads.is_asked()
            asyncio.get_running_loop().call_later(0.05, by_threads.held_up.set)
        assert permitted(by_threads.place.gate()).wait_s == 0

    asyncio.run(run())


def test_who_is_cancelled_while_a_thread_gives_his_permit_back_has_given_it_back(
    by_threads: Seat,
) -> None:
    async def run() -> None:
        gate = by_threads.gate(ONE_SLOT)
        by_threads.hold_up(gate, "post")
        async with cancelled(passes(gate)):
            await by_threads.is_asked()
            asyncio.get_running_loop().call_later(0.05, by_threads.held_up.set)
        await eventually(by_threads.place.free)

    asyncio.run(run())


def test_the_end_of_the_loop_gives_back_what_threads_ask_for(by_threads: Seat) -> None:
    gate = by_threads.gate(ONE_TURN)
    by_threads.hold_up(gate, "enter")

    async def run() -> None:
        task = asyncio.create_task(passes(gate))
        await by_threads.is_asked()
        threading.Timer(0.05, by_threads.held_up.set).start()
        del task

    asyncio.run(run())
    assert permitted(by_threads.place.gate()).wait_s == 0


def test_who_is_cancelled_at_any_moment_holds_nothing(seat: Seat) -> None:
    rng = random.Random(5)

    async def run() -> None:
        gate = seat.gate(replace(QUICK, slots=2, lease_s=600))

        async def one() -> None:
            while True:
                async with gate.enter(SITE, HOST, 60):
                    await asyncio.sleep(rng.random() * 0.002)

        for _ in range(25):
            tasks = [asyncio.create_task(one()) for _ in range(6)]
            for task in tasks:
                await asyncio.sleep(rng.random() * 0.004)
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            # What was given back was not waited for, and who asks by another connection may be sooner.
            held = [await gate.enter(SITE, HOST, 60) for _ in range(2)]
            for permit in held:
                ends(permit)

    asyncio.run(run())
