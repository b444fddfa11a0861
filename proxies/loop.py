"""The event loop of whoever checks, forwards or crawls: uvloop if installed (`pip install orch[fast]`)."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


def run(main: Coroutine[object, object, T]) -> T:
    """Run `main` to its end as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=factory()) as runner:
        return runner.run(main)


def factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes loops; None means asyncio's own."""
    if find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 (it may not be there)

    return uvloop.new_event_loop
