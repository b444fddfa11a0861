"""Asyncio objects, called like blocking ones: the same tests then prove both."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any


class Blocking:
    """Runs each coroutine method of `inner` on `loop` to its end; all else is handed through."""

    def __init__(self, inner: object, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *args, **options: self._loop.run_until_complete(found(*args, **options))
