"""Hearing that it is somebody's turn: one thread and one connection for all who wait in this process."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.resp import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.core.resp import Reply

#: Connecting takes no longer, in seconds.
CONNECT_S = 0.2


class Calls:
    """Calls of waiters by their names, as messages of `channel`.

    Nothing hangs on a message: whoever waits also asks again by himself. So one that is lost while the
    server restarts costs that little time and nothing else.
    """

    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._waiting: dict[str, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._heard = threading.Event()

    def listen(self, holder: str, call: Callable[[], None]) -> Callable[[], None]:
        """Have `call` called when `holder` is called; return what ends that."""
        with self._lock:
            self._waiting[holder] = call
            if self._thread is None:
                self._heard.clear()
                self._thread = threading.Thread(target=self._hear, name="gate calls", daemon=True)
                self._thread.start()
        self._heard.wait(
            0.05
        )  # from now on no call is missed; without a server nothing comes anyway
        return lambda: self._forget(holder)

    def close(self) -> None:
        """Nobody waits any more: the thread ends."""
        with self._lock:
            self._waiting.clear()
            if self._connection is not None:
                self._connection.interrupt()

    def _forget(self, holder: str) -> None:
        with self._lock:
            self._waiting.pop(holder, None)

    def _hear(self) -> None:
        try:
            with contextlib.suppress(RedisUnavailable), self._connected() as connection:
                connection.call("SUBSCRIBE", self._channel)
                self._heard.set()
                for message in connection.listen():
                    self._tell(message)
        finally:
            self._heard.set()  # nothing comes any more, and nobody need wait for it
            with self._lock:
                self._thread = self._connection = None

    def _connected(self) -> Connection:
        connection = Connection(self._url, timeout=CONNECT_S)
        with self._lock:
            self._connection = connection
        return connection

    def _tell(self, message: Reply) -> None:
        """Call whom a `["message", channel, holder]` names."""
        with self._lock:
            call = self._waiting.get(str(message[2])) if isinstance(message, list) else None
        if call is not None:
            call()
