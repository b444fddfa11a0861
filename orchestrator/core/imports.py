"""Importing without looking for garbage."""

from __future__ import annotations

import gc
from contextlib import contextmanager

# Typing itself is not imported: this is on the way of `orch status --json`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def uncollected() -> Iterator[None]:
    """Import modules without the garbage collector, and keep them out of its sight for good.

    Modules are next to no garbage: to look for it over and over is a sixth of the time that the
    imports of a command take.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
