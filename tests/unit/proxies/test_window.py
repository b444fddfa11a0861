"""How many checks are in flight."""

from __future__ import annotations

import asyncio

from proxies.check.window import FEWEST, FIRST, Window


def test_it_grows_while_the_judge_is_quick_and_shrinks_when_it_is_not() -> None:
    window = Window(3 * FIRST)
    widths = []

    for quick in (True, True, True, False, False):
        window.judge_is(quick=quick)
        widths.append(window.width)

    assert widths == [2 * FIRST, 3 * FIRST, 3 * FIRST, 1.5 * FIRST, 0.75 * FIRST]


def test_it_has_its_bounds() -> None:
    window, small = Window(FIRST), Window(FEWEST - 20)

    for _ in range(20):
        window.judge_is(quick=False)
        small.judge_is(quick=False)

    assert (window.width, small.width) == (FEWEST, FEWEST - 20)
    assert Window(10 * FIRST).width == FIRST


def test_nobody_enters_beyond_its_width_and_whoever_leaves_lets_the_next_in() -> None:
    async def run() -> list[int]:
        window = Window(2)
        flying = []

        async def fly() -> None:
            await window.enter()
            flying.append(window.flying)
            await asyncio.sleep(0)
            window.leave()

        await asyncio.gather(*(fly() for _ in range(9)))
        assert window.flying == 0
        return flying

    flying = asyncio.run(run())

    assert len(flying) == 9
    assert max(flying) == 2
