"""What is forgotten, and when."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.keys import GATE_TTL_S
from orchestrator.gate.memory import Memory

HOUR = GATE_TTL_S * 1_000_000


@dataclass(eq=False)
class Item:
    end: int = 0
    used: int = 0

    def over(self) -> int:
        return self.end


def test_what_was_used_within_the_time_to_live_is_there() -> None:
    memory: Memory[Item] = Memory()
    item = Item()
    memory.use("a", item, 5)
    assert memory.find("a", 5 + HOUR) is item
    assert memory.find("a", 6 + HOUR) is None
    memory.use("a", item, 3 * HOUR)
    assert memory.find("a", 4 * HOUR) is item


def test_what_speaks_of_later_is_there_until_then() -> None:
    memory: Memory[Item] = Memory()
    memory.use("a", Item(end=10 * HOUR), 0)
    assert memory.find("a", 11 * HOUR)
    assert memory.find("a", 11 * HOUR + 1) is None


def test_new_ones_push_out_what_is_forgotten_and_nothing_else() -> None:
    memory: Memory[Item] = Memory()
    for nth in range(1000):
        memory.use(f"old {nth}", Item(), nth)
    memory.use("kept", Item(end=99 * HOUR), 1000)
    memory.use("old 500", Item(), 2 * HOUR)
    for nth in range(1000):
        memory.use(f"new {nth}", Item(), 2 * HOUR + nth)
    now = 2 * HOUR + 1000
    assert len(memory) == 1002
    assert all(memory.find(f"new {nth}", now) for nth in range(1000))
    assert memory.find("kept", now)
    assert memory.find("old 500", now)


def test_one_that_must_be_kept_keeps_no_others() -> None:
    memory: Memory[Item] = Memory()
    memory.use("kept", Item(end=99 * HOUR), 0)
    for nth in range(100):
        memory.use(f"old {nth}", Item(), 1)
    for nth in range(100):
        memory.use(f"new {nth}", Item(), 2 * HOUR)
    assert memory.find("kept", 2 * HOUR)
    assert len(memory) <= 102


def test_memory_stays_small_though_always_new_ones_come() -> None:
    memory: Memory[Item] = Memory()
    for nth in range(5000):
        memory.use(str(nth), Item(end=nth * HOUR // 100 + 2 * HOUR), nth * HOUR // 100)
    assert len(memory) < 1000
