"""What must be there before the world starts, and what is said when it is not."""

from __future__ import annotations

import pytest

from orchestrator.core.errors import Unavailable
from orchestrator.demo import world
from orchestrator.demo.upstream import PLANS, Kind, Plan, Upstream, require_addresses


def test_without_the_extra_one_message_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(world, "find_spec", lambda _: None)
    with pytest.raises(Unavailable, match=r"pproxy and proxy\.py") as error:
        world.require_packages()
    assert error.value.hint == "pip install 'orch[demo]'"
    assert error.value.exit_code == 3


def test_an_address_that_this_machine_lacks_is_named() -> None:
    foreign = Plan("elsewhere", "http", Kind.HONEST, "192.0.2.1")
    with pytest.raises(Unavailable, match=r"192\.0\.2\.1"):
        require_addresses((foreign,))


def test_eight_are_good_and_a_third_is_bad_each_in_its_own_way() -> None:
    upstreams = [Upstream(plan, 1) for plan in PLANS]
    assert sum(upstream.good for upstream in upstreams) == 8
    bad = [upstream.kind for upstream in upstreams if not upstream.good]
    assert len(bad) == len(set(bad)) == 5
    assert {plan.scheme for plan in PLANS} == {"http", "https", "socks4", "socks5"}


def test_each_good_one_leaves_from_an_address_of_its_own() -> None:
    addresses = [plan.leave_from for plan in PLANS if plan.kind is Kind.HONEST]
    assert len(set(addresses)) == 8
    assert "127.0.0.1" not in addresses
