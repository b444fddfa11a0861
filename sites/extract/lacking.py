"""Sites change their HTML: a job whose items lack what they must have is not simply done.

Shards count what they see and add it to the job's record every second; what a killed one had not added
yet is lost on both sides of the share, which is all that is looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from sites.crawl.desk import Desk
    from sites.definition.item import Item
    from sites.extract.items import Items

ADD_EVERY_S = 1.0

#: Fields of a job's record: pages where items were looked for, items seen on them, and per required
#: field how many lacked it.
_LOOKED, _SEEN, _LACKS = "looked", "items_seen", "lacks:"


class Tally:
    """What was seen since it was last added to the record."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, found: Items) -> None:
        """Count a page where items were looked for."""
        self._counts[_LOOKED] += 1
        self._counts[_SEEN] += len(found.whole) + found.dropped
        for name, count in found.missing.items():
            self._counts[_LACKS + name] += count

    def tell(self, desk: Desk) -> None:
        """Add it to the record; what could not be added is kept for the next time."""
        counts, self._counts = self._counts, Counter()
        if counts and not desk.count(counts):
            self._counts += counts

    @asynccontextmanager
    async def told(self, desk: Desk) -> AsyncIterator[None]:
        """Tell the desk every second, and at the end; never waits for it in the event loop."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(ADD_EVERY_S)
                await asyncio.to_thread(self.tell, desk)

        task = asyncio.create_task(keep())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self.tell(desk)


def lacking(record: Mapping[str, str], item: Item) -> str:
    """Return what the items of a job lack too often, by its record; nothing when all is well.

    >>> from sites.definition.item import Item
    >>> item = Item(fields={"price": {"css": "b", "required": True}})
    >>> lacking({"looked": "9", "items_seen": "9", "lacks:price": "2"}, item)
    'price is missing in 2 of 9 items: `orch sites check` shows what a page gives'
    >>> lacking({"looked": "9", "items_seen": "10", "lacks:price": "2"}, item)
    ''
    """
    required = {name for name, rule in item.fields.items() if rule.required} | set(item.required)
    looked, seen = int(record.get(_LOOKED, 0)), int(record.get(_SEEN, 0))
    counts = {name: int(record.get(_LACKS + name, 0)) for name in sorted(required)}
    much = [
        f"{name} is missing in {count} of {seen} items"
        for name, count in counts.items()
        if count > item.missing_most * seen
    ]
    if required and looked and not seen:
        much = [f"no item on any of {looked} pages"]
    return f"{', '.join(much)}: `orch sites check` shows what a page gives" if much else ""
