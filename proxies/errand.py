"""A call that may hang, in a thread of its own, so that whoever wants its result need not."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.core.clock import Deadline

T = TypeVar("T")


class Errand(Generic[T]):
    """`work` begins at once. It cannot be stopped, only left behind: it holds up nobody's exit."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._ended = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="errand", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most `seconds`; tell whether it has ended."""
        return self._ended.wait(seconds)

    @property
    def ended(self) -> bool:
        """Whether it has ended, well or badly."""
        return self._ended.is_set()

    def result(self, deadline: Deadline, what: str) -> T:
        """Wait for what it returns, or raise what it raised.

        Raises:
            DeadlinePassed: naming `what`; the work may still go on.
        """
        if not self.wait(deadline.cap(threading.TIMEOUT_MAX)):
            deadline.require(what)
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # it ended without an error

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 (handed to whoever asks for the result)
            self._error = error
        finally:
            self._ended.set()
