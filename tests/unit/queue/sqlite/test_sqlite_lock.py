"""Whose turn it is to write."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import Busy, OrchError
from orchestrator.queue.sqlite.lock import WriteLock
from tests.support.orch import eventually
from tests.support.queue_place import somebody_is_next


def test_who_comes_again_at_once_does_not_pass_who_waits(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    mine, other = (WriteLock(path, SYSTEM, 20) for _ in range(2))
    order: list[str] = []

    def wait() -> None:
        other.acquire()
        order.append("other")
        other.release()

    for _ in range(20):
        order.clear()
        mine.acquire()
        waiting = threading.Thread(target=wait)
        waiting.start()
        eventually(lambda: somebody_is_next(path))
        mine.release()
        mine.acquire()
        order.append("mine")
        mine.release()
        waiting.join()
        assert order == ["other", "mine"]
    mine.close()
    other.close()


def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    mine, other = (WriteLock(path, SYSTEM, 0.05) for _ in range(2))
    mine.acquire()
    with pytest.raises(Busy, match=r"queue\.sqlite is locked") as refusal:
        other.acquire()
    assert "fuser" in refusal.value.hint
    mine.release()
    other.acquire()
    other.release()


def test_threads_of_a_process_wait_for_each_other(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path / "queue.sqlite", SYSTEM, 0.05)
    lock.acquire()
    refused = []

    def ask() -> None:
        with pytest.raises(Busy):
            lock.acquire()
        refused.append(True)

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join()
    assert refused
    lock.release()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path / "none" / "queue.sqlite", SYSTEM, 1)
    for _ in range(2):
        with pytest.raises(OrchError, match="cannot write"):
            lock.acquire()
