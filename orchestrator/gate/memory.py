"""A dictionary that forgets what nobody uses."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from orchestrator.core.keys import GATE_TTL_S

if TYPE_CHECKING:
    from collections.abc import Iterator

_TTL_US = GATE_TTL_S * 1_000_000


class Forgettable(Protocol):
    """`used`: the last point in time at which it was written, in µs."""

    used: int

    def over(self) -> int:
        """The furthest point in time that it speaks of, in µs."""
        ...


T = TypeVar("T", bound=Forgettable)


class Memory(Generic[T]):
    """What was not used for `GATE_TTL_S`, and speaks of nothing later than that long ago, is not there.

    It is dropped as new ones come, two for each: no call ever looks at all of them.
    """

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: OrderedDict[str, T] = OrderedDict()

    def find(self, name: str, now: int) -> T | None:
        """Return what is remembered."""
        item = self._items.get(name)
        return None if item is None or _forgotten(item, now) else item

    def use(self, name: str, item: T, now: int) -> None:
        """Remember `item`, from now on."""
        item.used = now
        if self._items.get(name) is not item:
            self._items[name] = item
            self._forget_two(now)
        self._items.move_to_end(name)

    def values(self) -> Iterator[T]:
        """Go through all that was not dropped."""
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def _forget_two(self, now: int) -> None:
        for _ in range(2):
            name = next(iter(self._items))
            if _forgotten(self._items[name], now):
                del self._items[name]
            elif now - self._items[name].used > _TTL_US:
                self._items.move_to_end(name)  # it speaks of what is still to come
            else:
                return


def _forgotten(item: Forgettable, now: int) -> bool:
    return now - item.used > _TTL_US and now - item.over() > _TTL_US
