"""Several workers: only those that take shards count for shards."""

from __future__ import annotations

import pytest

from orchestrator.core.queues import CONTROL, SHARDS
from orchestrator.nodes.registry import Node, Nodes
from sites.shared.status import StatusReader
from tests.support.site_home import SiteHome

SHORT = Node("short", 2, 0, (CONTROL,))
HEAVY = Node("heavy", 2, 0, (SHARDS,))
BOTH = Node("both", 2, 0)


@pytest.fixture
def home(home: SiteHome) -> SiteHome:
    Nodes(home.redis, home.keys).leave("test")
    return home


def sent(home: SiteHome, *nodes: Node) -> int:
    """How many of nine jobs get a shard at once."""
    for node in nodes:
        Nodes(home.redis, home.keys).renew(node)
    for number in range(9):
        item = {"css": "a", "fields": {"title": "::text"}}
        page = {"name": f"s{number}", "start_urls": ["http://127.0.0.1:9/"], "item": item}
        home.create(page, send=False)
    home.topup.run()
    return len(home.sent)


@pytest.mark.parametrize(
    ("nodes", "shards"),
    [
        ([BOTH], 1),  # one slot stays free for short work
        ([BOTH, HEAVY], 3),
        ([SHORT, HEAVY], 2),  # short work has slots of its own
        ([SHORT, BOTH], 2),
        ([SHORT], 0),
        ([HEAVY], 1),
    ],
)
def test_only_slots_that_take_shards_get_shards(
    home: SiteHome, nodes: list[Node], shards: int
) -> None:
    assert sent(home, *nodes) == shards


def test_a_job_that_no_worker_takes_says_so(home: SiteHome) -> None:
    sent(home, SHORT)

    row = StatusReader(home.redis, home.keys).rows()[0]

    assert (row["health"], row["reason"]) == ("stalled", "no worker that takes shards is running")


def test_a_node_of_an_earlier_version_takes_everything(home: SiteHome) -> None:
    nodes = Nodes(home.redis, home.keys)
    nodes.renew(BOTH)
    home.redis.set(home.keys.node("both"), '{"slots": 2, "active": 1, "more": 3}')

    assert nodes.live() == [Node("both", 2, 1)]
    assert nodes.slots(SHARDS) == nodes.slots(CONTROL) == 2
