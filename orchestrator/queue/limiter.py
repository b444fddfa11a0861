"""How many of each key may run at once, within one process."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM, Clock, Deadline
from orchestrator.core.errors import NoSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Who would not wait for a slot is told to look again after so long, in seconds.
_LOOK_AGAIN_S = 0.1


@dataclass(eq=False, slots=True)
class _Waiter:
    """A thread that stands in line; it has its slot as soon as `granted` is set."""

    bell: threading.Condition
    granted: bool = False


@dataclass(slots=True)
class _Slots:
    """Those of one key, there only while somebody holds one or waits."""

    held: int = 0
    line: deque[_Waiter] = field(default_factory=deque)


class KeyedLimiter:
    """At most so many holders of each key at once; who waits for one is served in order of arrival.

    A limit of None is no limit, 0 holds back all. `default_limit` is for keys without one of their own,
    but not for the empty key: what has no host is not limited with all else that has none.
    `normalise` finds the key of what is handed in: with `host_key`, each spelling of a URL's host.

    >>> limiter = KeyedLimiter(1, {"slow.example": 0})
    >>> with limiter.hold("x.example"):
    ...     limiter.acquire("x.example", timeout=0), limiter.acquire("y.example", timeout=0)
    (False, True)
    >>> limiter.acquire("slow.example", timeout=0)
    False

    Raises:
        ValueError: a limit is no whole number from 0.
    """

    def __init__(
        self,
        default_limit: int | None,
        per_key: Mapping[str, int | None] | None = None,
        *,
        normalise: Callable[[str], str] = str,
        clock: Clock = SYSTEM,
    ) -> None:
        self._key = normalise
        self._clock = clock
        self._lock = threading.Lock()
        self._default = _checked("the default limit", default_limit)
        self._limits = {
            normalise(key): _checked(f"the limit of {key!r}", limit)
            for key, limit in (per_key or {}).items()
        }
        self._slots: dict[str, _Slots] = {}

    def acquire(self, key: str, timeout: float | None = None) -> bool:
        """Take a slot; False when there was none within `timeout` seconds (None: wait for ever)."""
        key = self._key(key)
        deadline = None if timeout is None else Deadline.after(timeout, self._clock)
        with self._lock:
            slots = self._slots.setdefault(key, _Slots())
            if self._room(key, slots):
                slots.held += 1
                return True
            return self._wait(key, slots, deadline)

    def release(self, key: str) -> None:
        """Give a slot back; whoever has waited longest has it at once.

        Raises:
            ValueError: nobody holds one; nothing is changed.
        """
        key = self._key(key)
        with self._lock:
            slots = self._slots.get(key)
            if not slots or not slots.held:
                raise ValueError(
                    f"no slot of {key!r} is held: it was released more often than acquired"
                )
            slots.held -= 1
            self._grant(key, slots)

    @contextmanager
    def hold(self, key: str, timeout: float | None = None) -> Iterator[None]:
        """Have a slot within the block.

        Raises:
            NoSlot: there was none within `timeout` seconds.
        """
        if not self.acquire(key, timeout):
            limit = self.limit_of(key)
            raise NoSlot(
                f"{self._key(key)}: all of its slots ({limit}) are held", timeout or _LOOK_AGAIN_S
            )
        try:
            yield
        finally:
            self.release(key)

    def limit_of(self, key: str) -> int | None:
        """The limit that holds for a key."""
        key = self._key(key)
        with self._lock:
            return self._limit(key)

    def in_use(self, key: str) -> int:
        """How many slots of a key are held; more than its limit after that was lowered."""
        with self._lock:
            slots = self._slots.get(self._key(key))
            return slots.held if slots else 0

    def waiting(self, key: str) -> int:
        """How many threads wait for a slot of a key."""
        with self._lock:
            slots = self._slots.get(self._key(key))
            return len(slots.line) if slots else 0

    def __len__(self) -> int:
        """How many keys are held or waited for: nothing is kept of the others."""
        with self._lock:
            return len(self._slots)

    def set_limit(self, key: str, limit: int | None) -> None:
        """Have a key's own limit hold from now on; who holds a slot keeps it.

        Raises:
            ValueError: it is no whole number from 0.
        """
        key = self._key(key)
        with self._lock:
            self._limits[key] = _checked(f"the limit of {key!r}", limit)
            self._changed(key)

    def unset_limit(self, key: str) -> None:
        """Have the default hold for a key again."""
        key = self._key(key)
        with self._lock:
            self._limits.pop(key, None)
            self._changed(key)

    def set_default(self, limit: int | None) -> None:
        """Have another limit hold for the keys that have none of their own.

        Raises:
            ValueError: it is no whole number from 0.
        """
        with self._lock:
            self._default = _checked("the default limit", limit)
            for key in list(self._slots):
                self._changed(key)

    def _limit(self, key: str) -> int | None:
        return self._limits.get(key, self._default if key else None)

    def _room(self, key: str, slots: _Slots) -> bool:
        """Whether a slot is free; then nobody is in line: whatever frees one hands it on at once."""
        limit = self._limit(key)
        return limit is None or slots.held < limit

    def _wait(self, key: str, slots: _Slots, deadline: Deadline | None) -> bool:
        """Stand in line; a slot that comes just as the time is up is taken."""
        waiter = _Waiter(threading.Condition(self._lock))
        slots.line.append(waiter)
        try:
            while not (waiter.granted or (deadline and deadline.passed)):
                self._clock.wait(waiter.bell, deadline.remaining() if deadline else None)
        except BaseException:  # Ctrl+C: what was ours goes to the next one
            if waiter.granted:
                slots.held -= 1
                self._grant(key, slots)
            raise
        finally:
            if not waiter.granted:
                slots.line.remove(waiter)
                self._grant(key, slots)
        return waiter.granted

    def _changed(self, key: str) -> None:
        if slots := self._slots.get(key):
            self._grant(key, slots)

    def _grant(self, key: str, slots: _Slots) -> None:
        """Hand free slots to those who wait, and forget the key when nobody is left."""
        while slots.line and self._room(key, slots):
            first = slots.line.popleft()
            first.granted = True
            slots.held += 1
            first.bell.notify()
        if not (slots.held or slots.line) and self._slots.get(key) is slots:
            del self._slots[key]


def _checked(what: str, limit: int | None) -> int | None:
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
        raise ValueError(f"{what} must be a whole number from 0, or None, not {limit!r}")
    return limit
