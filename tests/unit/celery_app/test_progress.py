"""Signs of progress cross from a forked child to the process that made the board."""

from __future__ import annotations

import asyncio
import os

from orchestrator.celery_app import progress
from orchestrator.celery_app.progress import Board


def in_a_child(work: object) -> int:
    """Run `work` in a forked child and wait for its end; return its pid."""
    pid = os.fork()
    if not pid:
        work()  # type: ignore[operator]
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_the_parent_sees_the_signs_of_its_children() -> None:
    board = Board(2)

    def work(index: int) -> None:
        progress.take_place(board, index)
        progress.sign()

    pids = [in_a_child(lambda index=index: work(index)) for index in (0, 1)]

    assert board.read() == {pids[0]: 2, pids[1]: 2}


def test_a_child_takes_over_the_place_of_one_that_died() -> None:
    board = Board(1)

    pids = [in_a_child(lambda: progress.take_place(board, 0)) for _ in range(2)]

    assert board.read() == {pids[1]: 1}


def test_an_event_loop_gives_signs_while_it_turns() -> None:
    board = Board(1)

    async def loop() -> None:
        async with progress.signs():
            await asyncio.sleep(0)

    def work() -> None:
        progress.take_place(board, 0)
        asyncio.run(loop())

    pid = in_a_child(work)
    assert board.read() == {pid: 2}


def test_outside_a_pool_and_without_a_place_signs_are_given_to_nobody() -> None:
    board = Board(1)

    def work() -> None:
        progress.sign()
        progress.take_place(board, -1)
        progress.take_place(board, 1)
        progress.sign()

    in_a_child(work)
    assert board.read() == {}
