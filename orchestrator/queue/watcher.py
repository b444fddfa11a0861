"""Waits for new work while there is room for it, beside a dispatcher that has more to wait for."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self

from orchestrator.core.errors import OrchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.queue.store import Store

log = logging.getLogger(__name__)

#: One wait of the store; the end of the thread takes as long at most, in seconds.
WAIT_S = 0.2
#: The pause after the store could not be asked, in seconds.
AGAIN_S = 0.5


class Watcher:
    """A thread, for as long as the `with` block lasts; it calls `ring` once for each `want`."""

    def __init__(self, store: Store, ring: Callable[[], object]) -> None:
        self._store = store
        self._ring = ring
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="queue-watcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._thread.join(2 * WAIT_S)

    def end(self) -> None:
        """Wait for no more; the thread takes its time."""
        self._ended.set()
        self._wanted.set()

    def want(self) -> None:
        """Have new work told, once: a store that is busy would tell of it all the time."""
        self._wanted.set()

    def _run(self) -> None:
        while self._wanted.wait() and not self._ended.is_set():
            if self._comes():
                self._wanted.clear()
                self._ring()

    def _comes(self) -> bool:
        try:
            return self._store.wakes(WAIT_S)
        except OrchError as error:
            log.debug("watcher: %s", error)  # the dispatcher says it aloud
        except Exception:  # a loop's outer edge: the dispatcher goes on without it, by looking
            log.exception("watcher")
        self._ended.wait(AGAIN_S)
        return False
