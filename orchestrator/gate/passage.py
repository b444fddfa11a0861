"""A permit: one request that may be made, and what came of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from orchestrator.core.retry_after import seconds_of
from orchestrator.gate.permit import Report, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from orchestrator.core.clock import Clock
    from orchestrator.gate.permit import Grant


class Permit:
    """One request may be made now, or `wait_s` from the answer on if that is more than 0.

    As a context manager it gives its slot back at the end. What was reported first counts: after
    `ok()` an error in handling the page says nothing about the site. Without a report a block that ends
    counts as `ok`, one that an Exception ends as `failed`, and one that is broken off (Ctrl+C, a
    cancelled task) as `unused`. The latency is measured from here to the report unless it is given.
    It belongs to the process that got it: in one that is forked off meanwhile its end means nothing.
    """

    def __init__(
        self, grant: Grant, give_back: Callable[[Permit, Report], None], clock: Clock
    ) -> None:
        self.grant = grant
        self._give_back = give_back
        self._clock = clock
        self._report: Report | None = None
        self._left = False
        self._pid = os.getpid()
        self._since = clock.monotonic() + self.wait_s

    @property
    def site(self) -> str:
        """The site that the request is for."""
        return self.grant.ask.site

    @property
    def host(self) -> str:
        """Its host, in its one spelling."""
        return self.grant.ask.host

    @property
    def holder(self) -> str:
        """Its name in the store; people read in it who asked for which host."""
        return self.grant.ask.holder

    @property
    def wait_s(self) -> float:
        """How long after the answer the request is due; `enter` has waited for it."""
        return self.grant.wait_us / 1_000_000

    @property
    def fence(self) -> int:
        """Grows with every permit of the site: a later one wins where two claim the same."""
        return self.grant.fence

    @property
    def trial(self) -> bool:
        """Whether this request decides a half-open breaker."""
        return self.grant.trial

    def ok(self, latency_s: float | None = None) -> None:
        """The site answered as it should."""
        self.report(Report(Verdict.OK, self._took(latency_s)))

    def failed(self, latency_s: float | None = None) -> None:
        """The site failed: no connection, no answer, 5xx. A dead proxy is `neutral`."""
        self.report(Report(Verdict.FAILURE, self._took(latency_s)))

    def limited(self, retry_after: float | str | None = None) -> None:
        """The site said that it is too much (429, 503); `retry_after` in seconds or as its header says.

        Raises:
            ValueError: neither seconds nor a date.
        """
        wait = seconds_of(retry_after, self._clock.wall()) if retry_after is not None else None
        self.report(Report(Verdict.LIMITED, None, wait))

    def banned(self) -> None:
        """The site knows us and does not want us."""
        self.report(Report(Verdict.BAN))

    def neutral(self) -> None:
        """What came of it says nothing about the site."""
        self.report(Report(Verdict.NEUTRAL))

    def unused(self) -> None:
        """The request was not made: its turn goes back."""
        self.report(Report(Verdict.UNUSED))

    def report(self, report: Report) -> None:
        """Say what came of it; only the first one counts."""
        if self._report is None:
            self._report = report

    def close(self) -> None:
        """Give the slot back and say what was reported, else `neutral`; a second time does nothing."""
        if not self._left and self._pid == os.getpid():
            self._left = True
            self._give_back(self, self._report or Report(Verdict.NEUTRAL))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.ok()
        elif issubclass(kind, Exception):
            self.failed()
        else:
            self.unused()
        self.close()

    def _took(self, given: float | None) -> float:
        return max(0.0, self._clock.monotonic() - self._since) if given is None else given
