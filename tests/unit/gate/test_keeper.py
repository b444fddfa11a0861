"""Which gates a process says that it uses, and that what it holds is renewed."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from orchestrator.core.clock import SYSTEM
from orchestrator.gate.keeper import USED_S, Keeper
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.passage import Permit
from orchestrator.gate.permit import Ask, Grant
from tests.support.fake_clock import FakeClock
from tests.support.orch import eventually


class Store(LocalStore):
    """One that writes down what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.beats: list[list[str]] = []
        self.renewed = 0

    def beat(self, sites: Collection[str]) -> None:
        self.beats.append(sorted(sites))

    def renew(self, *_: object) -> list[Grant]:
        self.renewed += 1
        return []


def permit(site: str, wait_s: float = 0.0) -> Permit:
    grant = Grant(Ask(site, "h", f"{site} 1"), round(wait_s * 1e6), 1, 0, 0, trial=False)
    return Permit(grant, lambda *_: None, SYSTEM)


def test_a_process_uses_a_gate_until_a_while_after_its_last_request_was_due() -> None:
    """Also one whose turns are minutes apart: it takes its share of the rate should Redis go away."""
    clock, store = FakeClock(), Store()
    keeper = Keeper(store, clock)
    keeper.close()  # no thread: we say when it beats
    keeper.use(permit("often"), Limits(rate=5), held=False)
    keeper.use(permit("seldom", 600), Limits(rate=0.001), held=False)
    for later in (USED_S - 1, 2, 590, 20):
        keeper._beat()
        clock.now += later
    keeper._beat()
    assert store.beats == [["often", "seldom"], ["often", "seldom"], ["seldom"], ["seldom"]]


def test_one_that_had_nothing_to_do_for_long_renews_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.gate.keeper.USED_S", 0.0)
    store = Store()
    keeper = Keeper(store, SYSTEM)
    keeper.use(permit("books"), Limits(rate=5), held=False)
    eventually(lambda: keeper._idle)
    held = permit("books")
    keeper.use(held, Limits(rate=5, lease_s=0.03), held=True)
    eventually(lambda: store.renewed > 3)
    keeper.drop(held)
    keeper.close()
