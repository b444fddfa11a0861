"""The same gate for an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from orchestrator.gate.passage import Permit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from orchestrator.core.clock import Deadline
    from orchestrator.gate.gate import Gate
    from orchestrator.gate.permit import Refused

T = TypeVar("T")


class AsyncGate:
    """`Gate` for coroutines of one event loop or several.

    A store on this machine answers sooner than a thread could be woken, so it is asked on the loop
    itself if `inline`; one that is farther away is asked by a thread.
    """

    def __init__(self, gate: Gate, *, inline: bool = False) -> None:
        self._gate = gate
        self._inline = inline

    def enter(self, site: str, host: str, deadline: Deadline | float) -> Entering:
        """Wait as `Gate.enter` does: `async with gate.enter(…) as permit`, or await it.

        A permit that was awaited is given back by `leave`.
        """
        return Entering(self, site, host, deadline)

    async def try_enter(self, site: str, host: str, max_wait: float = 0.0) -> Permit | Refused:
        """See `Gate.try_enter`."""
        return await self.do(lambda: self._gate.try_enter(site, host, max_wait), _forgo)

    async def leave(self, permit: Permit) -> None:
        """Give a permit back, with what was reported."""
        await self.do(permit.close)

    async def pass_through(self, site: str, host: str, deadline: Deadline | float) -> Permit:
        """Wait until a request may be made; `enter` is the name for callers."""
        loop, called = asyncio.get_running_loop(), asyncio.Event()
        steps = self._gate.steps(site, host, deadline, lambda: _threadsafe(loop, called.set))
        try:
            while True:
                found = await self.do(lambda: _step(steps), _forgo)
                if not isinstance(found, float):
                    return found
                await _wait(called, found)
                called.clear()
        except GeneratorExit:  # nobody can wait any more
            raise
        except BaseException:
            await self.do(steps.close)
            raise

    async def do(self, work: Callable[[], T], undo: Callable[[T], None] | None = None) -> T:
        """Have the store asked. A thread that is at it is waited for, and what it got is undone then."""
        if self._inline:
            return work()
        loop = asyncio.get_running_loop()
        # No task: the end of a loop cancels all of them, also one that waits for a thread.
        asked = loop.run_in_executor(None, work)
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            await _end_of(asked)
            if undo is not None and asked.exception() is None:
                await _end_of(loop.run_in_executor(None, undo, asked.result()))
            raise


class Entering:
    """A permit that is waited for."""

    def __init__(self, gate: AsyncGate, site: str, host: str, deadline: Deadline | float) -> None:
        self._gate = gate
        self._wanted = (site, host, deadline)
        self._permit: Permit | None = None

    def __await__(self) -> Generator[object, None, Permit]:
        return self._gate.pass_through(*self._wanted).__await__()

    async def __aenter__(self) -> Permit:
        self._permit = await self
        return self._permit

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._permit is None:
            return
        end = partial(self._permit.__exit__, kind, error, trace)
        if kind is GeneratorExit:  # nobody can wait any more
            end()
        else:
            await self._gate.do(end)


def _step(steps: Generator[float, None, Permit]) -> float | Permit:
    """Go on until there is something to wait for, or the permit: a thread cannot raise StopIteration."""
    try:
        return float(next(steps))
    except StopIteration as found:
        permit: Permit = found.value
        return permit


def _forgo(found: object) -> None:
    """Give back what nobody is there to take."""
    if isinstance(found, Permit):
        found.unused()
        found.close()


async def _end_of(asked: asyncio.Future[T]) -> None:
    """Wait until it is over, however often that is cancelled: a thread cannot be."""
    while not asked.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([asked])
    asked.exception()  # heard: nobody else asks for it


async def _wait(called: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await called.wait()


def _threadsafe(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and whoever waited in it
        loop.call_soon_threadsafe(call)
