"""Signs of progress of running tasks: written by pool children, read by the worker's main process.

They live in memory that the children share with the main process since the fork: no full disk, no
Redis and no clock has a say in them, and they are gone with the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: How often a task that runs long gives a sign, in seconds.
EVERY_S = 2.0
#: One child's place: its pid, and how many signs it has given.
_PLACE = struct.Struct("=qQ")


class Board:
    """A place for each of `children` processes; made before they are forked."""

    def __init__(self, children: int) -> None:
        self._memory = mmap.mmap(-1, children * _PLACE.size)
        self._children = children

    def write(self, index: int, pid: int, signs: int) -> None:
        """Say how many signs the child at `index` has given."""
        _PLACE.pack_into(self._memory, index * _PLACE.size, pid, signs)

    def read(self) -> dict[int, int]:
        """How many signs each child has given, by pid."""
        places = (
            _PLACE.unpack_from(self._memory, index * _PLACE.size) for index in range(self._children)
        )
        return {pid: signs for pid, signs in places if pid}

    def has(self, index: int) -> bool:
        """Whether there is a place at `index`."""
        return 0 <= index < self._children


@dataclass(slots=True)
class Place:
    """A child's own place on the board."""

    board: Board
    index: int
    signs: int = 0

    def sign(self) -> None:
        """Give one more sign."""
        self.signs += 1
        self.board.write(self.index, os.getpid(), self.signs)


@dataclass(slots=True)
class _Process:
    place: Place | None = field(default=None)


_process = _Process()


def take_place(board: Board, index: int) -> None:
    """Give signs on `board` from here on: called in each pool child after its fork."""
    if board.has(index):
        _process.place = Place(board, index)
        sign()


def sign() -> None:
    """Say that this process's task gets on; nothing outside a pool child."""
    if _process.place is not None:
        _process.place.sign()


@contextlib.asynccontextmanager
async def signs() -> AsyncIterator[None]:
    """Give signs from the running event loop: one that hangs gives none."""

    async def go_on() -> None:
        while True:
            sign()
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
