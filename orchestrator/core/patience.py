"""Waiting for Redis: a server that is killed, restarted or full pauses a crawl and ends nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from orchestrator.core.backoff import Backoff
from orchestrator.core.redis import GONE, RedisError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

T = TypeVar("T")

_BACKOFF = Backoff(base=0.05, cap=1.0)
#: Errors that a server answers with while it cannot write for the moment: full, or starting. Out of
#: a script they come in the middle of the text.
_FOR_NOW = ("OOM", "MISCONF", "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN")


def passes(error: RedisError) -> bool:
    """Tell whether the same command may succeed later."""
    if isinstance(error, ResponseError):
        return any(word in str(error) for word in (*_FOR_NOW, "command not allowed"))
    return isinstance(error, GONE)


async def patiently(action: Callable[[], Awaitable[T]]) -> T:
    """Do it, again and again while Redis is away or full; only cancelling ends the wait.

    A reply that was lost may mean that it was done: `action` must bear to be done twice.
    """
    attempt = 0
    while True:
        try:
            return await action()
        except RedisError as error:
            if not passes(error):
                raise
            attempt += 1
            if attempt == 1:
                log.warning("waiting for Redis: %s", error)
        await asyncio.sleep(_BACKOFF.delay(attempt))
