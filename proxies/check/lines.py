"""Many short conversations over sockets at once: a selector of our own inside the event loop.

A check connects, says a little, hears a little and hangs up, thousands of times. Over asyncio's protocols
and streams that costs twice the processor time where there is no uvloop, and never less (`make
bench-proxies`). And here no turn of the event loop takes long, however much comes, or is due, at once.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections import defaultdict, deque
from errno import EINPROGRESS, EMFILE, ENFILE, ENOBUFS, ENOMEM
from typing import TYPE_CHECKING, Any, Self, TypeVar

from proxies.check.line import Line, LineError, NoSocket, Unreached

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

T = TypeVar("T")

_NONE_LEFT = (EMFILE, ENFILE, ENOBUFS, ENOMEM)
#: The event loop gets its turn after so long, in seconds.
SLICE_S = 0.01
#: How exactly deadlines are kept, in seconds.
TICK_S = 0.025
#: A turn that comes later than this was not ours to have, in seconds.
STALL_S = 0.25
#: What all answers together may hold beyond what each may have for nothing, in bytes.
BUDGET = 4 * 1024 * 1024
#: Everything is read to one place, of so many bytes, and taken from there at once.
DESK = 16_384


class Lines:
    """All connections of a sweep; a context manager within a running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._selector = selectors.DefaultSelector()
        self._waiting: deque[Line] = deque()
        self._due: defaultdict[int, set[Line]] = defaultdict(set)
        self._ticker: asyncio.TimerHandle | None = None
        self._next_tick = 0.0
        self._lost = 0.0
        self.budget = BUDGET
        self.desk = memoryview(bytearray(DESK))

    def __enter__(self) -> Self:
        self._loop.add_reader(self._selector.fileno(), self._turn)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.remove_reader(self._selector.fileno())
        if self._ticker:
            self._ticker.cancel()
        for line in [line for lines in self._due.values() for line in lines]:
            self._drop(line)
        self._selector.close()

    def time(self) -> float:
        """Seconds on a clock that stands still while this process does not get its turn.

        Nobody can be blamed for an answer that we were not there to hear.
        """
        return self._loop.time() - self._lost

    async def talk(
        self,
        address: tuple[str, int],
        deadline: float,
        conversation: Callable[..., Coroutine[Any, Any, T]],
        *about: Any,
    ) -> T:
        """Connect to an IP address and have a conversation, until `deadline` on our own clock.

        It is given its line, and what it is about; it may only wait for its line.

        Raises:
            NoSocket: we have none left, for now.
            Unreached: there is no connection.
            TimeoutError: it is not over in time.
            Exception: whatever the conversation raises.
        """
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            if error.errno in _NONE_LEFT:
                raise NoSocket from error
            raise
        sock.setblocking(False)  # noqa: FBT003 (what sockets are told is a bare boolean)
        line = Line(sock, self, int(deadline / TICK_S) + 1)
        line.ended = self._loop.create_future()
        line.course = _course(line, address, conversation, about)
        self._due[line.tick].add(line)
        if not self._ticker:
            self._tick_after(TICK_S)
        self._step(line)
        try:
            result: T = await line.ended
        finally:
            self._drop(line)
        return result

    def _turn(self) -> None:
        """Go on with whoever can; the rest is still ready, so that we are called again."""
        waiting = self._waiting
        if not waiting:
            waiting.extend(key.data for key, _ in self._selector.select(0))
        ends = self._loop.time() + SLICE_S
        while waiting:
            self._step(waiting.popleft())
            if self._loop.time() > ends:
                break

    def _expire(self) -> None:
        """End what is due; of what is due at once, as much as one turn may take."""
        late = self._loop.time() - self._next_tick
        if late > STALL_S:
            self._lost += late
        now = self.time()
        ends = now + SLICE_S
        for tick in sorted(tick for tick in self._due if tick * TICK_S <= now):
            for line in list(self._due[tick]):
                self._step(line, TimeoutError())
                self._due[tick].discard(line)
                if self.time() > ends:
                    self._tick_after(0)
                    return
            del self._due[tick]
        if self._due:
            self._tick_after(TICK_S)
        else:
            self._ticker = None

    def _tick_after(self, seconds: float) -> None:
        self._next_tick = self._loop.time() + seconds
        self._ticker = self._loop.call_later(seconds, self._expire)

    def _step(self, line: Line, error: Exception | None = None) -> None:
        """Let a conversation go on to where it waits again."""
        if not line.open:
            return
        try:
            wanted = line.course.throw(error) if error else line.course.send(None)
        except StopIteration as over:
            self._close(line)
            if not line.ended.done():
                line.ended.set_result(over.value)
        except Exception as failure:  # noqa: BLE001 (handed to whoever wants the result)
            self._close(line)
            if isinstance(failure, LineError | OSError):  # its traceback keeps all that was heard
                failure.__traceback__ = None
            if not line.ended.done():
                line.ended.set_exception(failure)
        else:
            self._wait(line, wanted)

    def _wait(self, line: Line, wanted: int) -> None:
        if not line.wanted:
            self._selector.register(line.number, wanted, line)
        elif line.wanted != wanted:
            self._selector.modify(line.number, wanted, line)
        line.wanted = wanted

    def _drop(self, line: Line) -> None:
        """Forget a line, in the middle of its conversation too."""
        if line.open:
            line.course.close()
            self._close(line)
            line.ended.cancel()
        if lines := self._due.get(line.tick):
            lines.discard(line)

    def _close(self, line: Line) -> None:
        if line.wanted:
            self._selector.unregister(line.number)
        line.close()


async def _course(
    line: Line,
    address: tuple[str, int],
    conversation: Callable[..., Coroutine[Any, Any, T]],
    about: tuple[Any, ...],
) -> T:
    try:
        if (code := line.sock.connect_ex(address)) == EINPROGRESS:
            await line.writable()
            code = line.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise Unreached(code)
    except TimeoutError:
        raise Unreached(0) from None
    return await conversation(line, *about)
