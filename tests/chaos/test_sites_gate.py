"""Redis is killed, or hangs, under real workers: the site is never asked too often, and people are told."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.quick import summary
from tests.chaos.test_site_jobs import IN_FLIGHT, define, exported, start, state
from tests.support.orch import Orch, a_home, eventually
from tests.support.site_server import Site, tree

#: Two shards at work for one site, and as many for another.
TOML = '[worker]\nconcurrency = 5\n[sites]\nslice = "{slice}"\n'
PAGES = 480
#: As `define` writes it: so many requests a second, and so many at once after a rest.
RATE, BURST = 40, 5
#: So many requests may be seen later than they were let pass, since the machine is busy: no more are in
#: flight at once, those of before and those of who has begun to work alone.
LATE = 2 * IN_FLIGHT


@pytest.fixture
def up(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Orch]:
    with a_home(tmp_path / "home", TOML.format(slice=getattr(request, "param", "3s"))) as orch:
        orch.up()
        yield orch


@pytest.fixture
def sites() -> Iterator[dict[str, Site]]:
    with Site(tree(PAGES, hang=0.02)) as one, Site(tree(PAGES, hang=0.02)) as other:
        yield {"one": one, "other": other}


def busiest(times: list[float]) -> int:
    """The most requests within one second."""
    return max(sum(at <= other < at + 1 for other in times) for at in times)


def crawl(orch: Orch, sites: dict[str, Site]) -> None:
    for name, site in sites.items():
        define(orch, site, name, "adaptive = false")
        start(orch, name)
    eventually(lambda: all(len(site.times()) > PAGES / 6 for site in sites.values()), 60)


def check(orch: Orch, sites: dict[str, Site]) -> None:
    eventually(lambda: {state(orch, name) for name in sites} == {"done"}, 120)
    for name, site in sites.items():
        lines = exported(orch, name)
        assert len(lines) == len(set(lines)) == 2 * PAGES
        assert busiest(site.times()) <= BURST + RATE + LATE


def names(orch: Orch) -> set[str]:
    return {event["event"] for event in orch.events()}


@pytest.mark.pair
def test_a_redis_that_is_killed_lets_nobody_ask_too_often(up: Orch, sites: dict[str, Site]) -> None:
    crawl(up, sites)

    os.kill(up.pid("redis"), signal.SIGKILL)

    check(up, sites)


# Who works alone says so until its slice ends, so that must not be while Redis hangs.
@pytest.mark.parametrize("up", ["60s"], indirect=True)
@pytest.mark.alone
def test_while_redis_hangs_the_crawl_goes_on_at_its_part_and_says_so(
    up: Orch, sites: dict[str, Site]
) -> None:
    crawl(up, sites)
    # Else nobody could tell.
    eventually(lambda: len(summary(str(up.home), running=True)["sites"]) == 2)

    os.kill(up.pid("redis"), signal.SIGSTOP)  # the supervisor replaces it in a few seconds
    told = eventually(lambda: why(up), 20, "a site says that its gate works alone")
    asked = up("sites", "status")

    assert "asked without the shared gate by" in told
    if asked.returncode:  # Redis was still away
        assert "without the shared gate" in asked.stderr
    check(up, sites)
    assert {"gate.alone", "gate.shared"} <= names(up)
    events = up("events", "-n", "1000", "-s", "worker").stdout
    assert "without the shared gate, at its part of the rate" in events
    eventually(lambda: not why(up))


def why(orch: Orch) -> str:
    """What `orch status --json` says of a site, if that is about its gate."""
    rows = orch.json("status", "--json")["sites"]
    reasons = [str(row["reason"]) for row in rows if "shared gate" in str(row["reason"])]
    return reasons[0] if reasons else ""
