"""Ctrl+C in the demo: the first is noticed where we wait, the second ends us at once."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """Somebody wants us to stop; `exit_code` tells by which signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Interrupts:
    """While this context lasts, signals are kept until `check` is called.

    So nothing is broken off between the start of a process and the note that it was started.
    """

    def __init__(self) -> None:
        self._number = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in NUMBERS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Break off here if a signal came.

        Raises:
            Interrupted: one came.
        """
        if self._number:
            raise Interrupted(self._number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._number:
            os._exit(
                128 + number
            )  # every process of ours is tied to us, and the janitor does the rest
        self._number = number
