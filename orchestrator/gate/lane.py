"""A connection on which answers may still be to come."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, cast

from orchestrator.core.resp import Connection, ReplyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.gate.encoding import Command

    Instead = Callable[[], Command]


class Lane:
    """Asks, and posts: what is posted is carried out before what is asked next, but not waited for.

    Each step, connecting or waiting for an answer, takes `timeout` seconds at most.

    What was posted and turns out not to have been carried out is added to `owed`; where that is not known,
    what was given with it, and makes up for that in any case.
    """

    def __init__(self, url: str, timeout: float, owed: deque[Instead]) -> None:
        self._connection = Connection(url, timeout=timeout)
        self._owed = owed
        self._posted: deque[tuple[Command, Instead]] = deque()
        self._unsent: list[bytes] = []

    def ask(self, raw: bytes) -> bytes:
        """Send a command and return its answer, a string.

        Raises:
            ReplyError: the server refused it.
            RedisUnavailable: no answer; the lane is to be closed.
        """
        self._send(raw)
        self._hear()
        return cast("bytes", self._connection.receive())

    def post(self, raw: bytes, command: Command, instead: Instead) -> None:
        """Send `raw`, which is `command`, and leave its answer for later.

        Raises:
            RedisUnavailable: it could not be sent; the lane is to be closed.
        """
        self._hear()
        self.keep(raw, command, instead)
        self.flush()

    def keep(self, raw: bytes, command: Command, instead: Instead) -> None:
        """The same, but send it no sooner than what is asked next, or `flush`."""
        self._posted.append((command, instead))
        self._unsent.append(raw)

    def flush(self) -> None:
        """Send what was kept.

        Raises:
            RedisUnavailable: it could not be sent; the lane is to be closed.
        """
        if self._unsent:
            self._send()

    def settle(self) -> None:
        """Send what was kept, and wait for the answers that are still to come.

        Raises:
            RedisUnavailable: there was none; the lane is to be closed.
        """
        self.flush()
        self._hear()

    def close(self) -> None:
        """Give the connection up."""
        self._connection.close()
        self._owed.extend(instead for _, instead in self._posted)
        self._posted.clear()

    def _send(self, *raw: bytes) -> None:
        """What was kept goes out before anything else, in the same write."""
        unsent, self._unsent = self._unsent, []
        self._connection.send(b"".join((*unsent, *raw)))

    def _hear(self) -> None:
        while self._posted:
            command, instead = self._posted[0]
            try:
                self._connection.receive()
            except ReplyError as error:
                lost = error.code == "NOSCRIPT"
                self._owed.append(partial(_same, command) if lost else instead)
            self._posted.popleft()


def _same(command: Command) -> Command:
    return command
