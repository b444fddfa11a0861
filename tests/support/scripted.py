"""A connection of which the other side's words are there already: for what reads and writes over one."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from proxies.check.line import Line
from proxies.check.lines import BUDGET, DESK, Lines

T = TypeVar("T")


@dataclass
class Purse:
    """The part of `Lines` that a line without an event loop needs."""

    budget: int = BUDGET
    desk: memoryview = field(default_factory=lambda: memoryview(bytearray(DESK)))


def told(
    words: bytes, conversation: Callable[[Line], Coroutine[Any, Any, T]], purse: Purse | None = None
) -> tuple[T, bytes]:
    """Talk to somebody who says `words` and ends the connection; what comes of it, and what was said."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 400_000)
        theirs.settimeout(5)
        theirs.sendall(words)
        theirs.shutdown(socket.SHUT_WR)
        ours.setblocking(False)
        line = Line(ours, cast(Lines, purse or Purse()), 0)
        course = conversation(line)
        try:
            while True:
                course.send(None)
                assert select.select([line.sock], [line.sock], [], 0)[0], "it waits for ever"
        except StopIteration as over:
            line.sock.shutdown(socket.SHUT_WR)
            return cast(T, over.value), theirs.recv(65_536)
        finally:
            course.close()
            line.close()
