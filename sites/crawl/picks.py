"""Who hands out proxies: the pool that all workers share, or what its file says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from proxies.pool.picker import Lease, Outcome


class Picks(Protocol):
    """What asking for a page needs of it; see `proxies.pool.picker.Picker`."""

    async def pick(
        self, site: str, session: str | None = None, *, avoid: Collection[str] = ()
    ) -> Lease | None:
        """Return the proxy to use; None when none can be used now. None never means: go directly."""

    async def report(
        self,
        lease: Lease,
        outcome: Outcome,
        seconds: float | None = None,
        *,
        again_s: float | None = None,
    ) -> None:
        """Say what came of it."""
