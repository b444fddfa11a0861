"""Each test of this folder runs over each store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.queue.store import Store
from tests.support.queue_place import Place


@pytest.fixture
def store(queue_place: Place) -> Iterator[Store]:
    """An empty queue."""
    with queue_place.open() as opened:
        yield opened


@pytest.fixture
def other(queue_place: Place, store: Store) -> Iterator[Store]:  # the first one made it
    """The same queue, opened once more, as another process has it."""
    with queue_place.open() as opened:
        yield opened
