"""What a rate limiter, breaker or lock has to offer to be driven and measured.

This, and whatever imports it, also runs in the Python of other libraries: only the standard library is
there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

#: Who has no wait of its own asks again so often, in seconds.
POLL_S = 0.005


class Engine:
    """One library at the Redis of `url`. `can` tells what it offers: rate, breaker, slots, all.

    Times are those of `time.monotonic`.
    """

    can: ClassVar[frozenset[str]] = frozenset()
    #: What a call raises when the breaker is open.
    shut: tuple[type[BaseException], ...] = ()
    #: When what was let pass last was promised to go (wall clock), of those that promise something.
    due = 0.0
    #: How often it went on without Redis, of those that do.
    alone = 0

    def __init__(self, url: str) -> None:
        self.url = url
        self.start()

    def start(self) -> None:
        """Connect."""
        raise NotImplementedError

    def limit(self, rate: int) -> None:
        """So many a second from now on, as evenly as can be set."""
        raise NotImplementedError

    def acquire(self) -> bool:
        """Ask once whether one more may go."""
        raise NotImplementedError

    def wait(self, until: float) -> bool:
        """Wait for a turn, as the library waits; whether there was one by then."""
        while not self.acquire():
            if time.monotonic() + POLL_S > until:
                return False
            time.sleep(POLL_S)
        return True

    def done(self) -> None:
        """What was waited for is over."""

    def breaker(self, name: str, failures: int, rest_s: float, lease_s: float = 60.0) -> None:
        """Calls go through this breaker from now on."""
        raise NotImplementedError

    def call(self, work: Callable[[], Any]) -> Any:
        """Call `work` if the breaker lets it."""
        raise NotImplementedError

    def calls(self, work: Callable[[], Any], until: float) -> int:
        """Call it again and again; how often."""
        count = 0
        while time.monotonic() < until:
            self.call(work)
            count += 1
        return count

    def slots(self, limit: int, lease_s: float) -> None:
        """So many at once from now on, each for `lease_s` if its holder dies."""
        raise NotImplementedError

    def take(self, until: float) -> bool:
        """Wait for a slot; whether there was one by then. 0: ask once."""
        raise NotImplementedError

    def free(self) -> None:
        """Give the slot back."""
        raise NotImplementedError

    def pair(self) -> None:
        """Take a slot that is free, and give it back."""
        assert self.take(0)
        self.free()

    def all(self) -> None:
        """One request with all that there is from now on, that refuses nobody."""
        raise NotImplementedError

    def request(self) -> None:
        """Make it: enter, nothing, leave."""
        raise NotImplementedError
