"""Links that the frontier has for certain: pages of a site name the same ones again and again."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

#: So many are remembered; those told of first are forgotten first.
MOST = 50_000


class Epochs(Protocol):
    """Something that is connected anew when a server may have forgotten what it was told."""

    @property
    def epoch(self) -> int:
        """How often it was connected."""


class Told:
    """What one shard has told the frontier since the connection to it was made.

    A server that was killed may come back without what it was told last; whoever has the page that named
    a link then names it again, so nothing may be left out that was told before.
    """

    def __init__(self, server: Epochs) -> None:
        self._server = server
        self._epoch = server.epoch
        self._links: dict[str, None] = {}

    def new(self, links: Iterable[str]) -> list[str]:
        """Return those that the frontier may not know."""
        self._look()
        known = self._links
        return [link for link in links if link not in known]

    def add(self, links: Iterable[str], epoch: int) -> None:
        """Remember what was told; `epoch` is that of before it was told."""
        self._look()
        if epoch != self._epoch:
            return
        self._links.update(dict.fromkeys(links))
        spare = len(self._links) - MOST
        if spare > 0:
            for link in [*islice(self._links, spare)]:
                del self._links[link]

    def _look(self) -> None:
        if self._server.epoch != self._epoch:
            self._epoch = self._server.epoch
            self._links.clear()
