"""How many checks are in flight: more and more, as long as the judge keeps up with them."""

from __future__ import annotations

import asyncio

#: A sweep begins with so many: a machine that is busy with other things serves them too.
FIRST = 64
#: And never has fewer.
FEWEST = 32


class Window:
    """Begins small and grows to `most`: whoever is asked by thousands at once may answer none in time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.width = min(most, FIRST)
        self.flying = 0
        self._free = asyncio.Event()

    async def enter(self) -> None:
        """Wait for a place, and take it."""
        while self.flying >= self.width:
            self._free.clear()
            await self._free.wait()
        self.flying += 1

    def leave(self) -> None:
        """Give the place back."""
        self.flying -= 1
        self._free.set()

    def judge_is(self, *, quick: bool) -> None:
        """Widen it while the judge answers quickly, and make it narrow when it does not."""
        wanted = self.width * 2 if quick else max(FEWEST, self.width // 2)
        self.width = min(self.most, wanted)
        self._free.set()
