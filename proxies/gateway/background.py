"""Work that goes on beside all clients, and ends with the block."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any, Self

#: One that was cancelled and goes on is cancelled again after so long, in seconds.
AGAIN_S = 0.1


class Background:
    """A context manager: what is begun inside is cancelled at its end, and its end awaited."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it from now on."""
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def __aenter__(self) -> Self:
        """Nothing runs yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all of it."""
        while running := {task for task in self._tasks if not task.done()}:
            for task in running:
                task.cancel()
            # Before Python 3.12 `asyncio.wait_for`, by which redis-py waits, may swallow one.
            await asyncio.wait(running, timeout=AGAIN_S)
