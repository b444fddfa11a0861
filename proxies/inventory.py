"""The pool as people see it and change it by hand; every change shows in the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.redis import translated
from proxies.pool import EVICTED_AT, Pool
from proxies.snapshot import Snapshot, facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.core.context import Context
    from proxies.model import Proxy
    from proxies.pool import Record


@dataclass(frozen=True, slots=True)
class Inventory:
    """The pool of one home.

    Every method raises `RedisUnavailable` when Redis does not answer.
    """

    context: Context

    @property
    def pool(self) -> Pool:
        """The pool."""
        return Pool(self.context.redis, self.context.keys)

    @property
    def snapshot(self) -> Snapshot:
        """The file that shows it."""
        return Snapshot(self.context.home.live_proxies, self._fresh_for)

    @translated()
    def counts(self) -> dict[str, Any]:
        """Return `{"live", "usable", "refreshed_at", "generation"}`."""
        return self.pool.counts(self._fresh_for)

    @translated()
    def rows(self) -> list[dict[str, Any]]:
        """Every proxy, quickest first, without credentials; then those that were never checked."""
        records = self.pool.state().records
        checked = {record.proxy.key for record in records}
        rows = [self._row(record) for record in records]
        return rows + [_unchecked(proxy) for proxy in self.pool.added() if proxy.key not in checked]

    @translated()
    def export(self) -> list[dict[str, Any]]:
        """Every usable proxy as the file shows it, with its credentials."""
        return [self.snapshot.entry(record) for record in self.pool.usable(self._fresh_for)]

    @translated()
    def add(self, proxies: Iterable[Proxy]) -> int:
        """Take proxies into every refresh from now on; return how many are new."""
        return self.pool.add(proxies)

    @translated()
    def remove(self, proxy: Proxy) -> bool:
        """Forget a proxy, until a source or `add` names it again; tell whether it was there."""
        if not self.pool.remove(proxy):
            return False
        self.snapshot.write(self.pool)
        return True

    @property
    def _fresh_for(self) -> float:
        return self.context.settings.proxies.fresh_for

    def _row(self, record: Record) -> dict[str, Any]:
        return {
            "proxy": record.proxy.masked,
            "state": self._state(record),
            **facts(record, self._fresh_for),
            "checked_at": record.verdict.checked_at,
            "failures": record.failures,
        }

    def _state(self, record: Record) -> str:
        if not record.verdict.usable:
            return "transparent"
        if record.failures >= EVICTED_AT:
            return "evicted"
        return "usable" if record.usable(self._fresh_for) else "stale"


def _unchecked(proxy: Proxy) -> dict[str, Any]:
    return {
        "proxy": proxy.masked,
        "state": "unchecked",
        "anonymity": "",
        "exit_ip": "",
        "latency_ms": 0,
        "usable": False,
        "checked_at": None,
        "failures": 0,
    }
