"""What a page costs in a frontier of any size, and what is left of it in Redis."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path

from orchestrator.queue.model import QueueState
from orchestrator.queue.redis import RedisQueue
from sites.crawl.work import new_page
from sites.definition.limits import Limits
from sites.job.ref import JobRef
from sites.results.outcome import Outcome
from sites.shared.frontier import RedisFrontier
from tests.bench.meters import cpu_ms
from tests.bench.sites_crawl import PAGES
from tests.bench.sites_home import FAST
from tests.bench.sites_web import tree
from tests.bench.table import Row
from tests.support.redis_server import RedisServer
from tests.support.site_home import SiteHome

SIZES = {"1k": 1000, "100k": 100_000, "1M": 1_000_000}
SLICE_S = 4
#: Pages that are finished and drained, to see what is left of them.
FINISHED = 50_000
SETTINGS = f'[sites]\nslice = "{SLICE_S}s"\n'


def growth() -> list[Row]:
    """A slice of a job in each; and pages by the thousand that are finished and drained."""
    with tree(PAGES) as start:
        cost = {name: _cost(start, size) for name, size in SIZES.items()}
    mine = cost["1M"]
    left = _left()
    return [
        Row(
            "processor time of a page in a frontier of 1M",
            "ms",
            mine,
            cost,
            note=f"shard and Redis together, in a slice of {SLICE_S} s; beside smaller frontiers",
        ),
        Row("the same over one of 1k", "ratio", round(mine / cost["1k"], 2), goal=1.3),
        Row(
            "left in Redis of a page that is finished and drained",
            "bytes",
            left,
            goal=250,
            note=f"beyond its URL; used_memory, {FINISHED} pages",
        ),
    ]


@contextmanager
def _home() -> Iterator[tuple[SiteHome, RedisServer]]:
    with (
        tempfile.TemporaryDirectory(prefix="sites-") as name,
        RedisServer(Path(name) / "redis") as server,
    ):
        (Path(name) / "home").mkdir()
        yield SiteHome(Path(name) / "home", server.url, settings=SETTINGS), server


def _job(home: SiteHome, start: str, pages: Iterator[str]) -> JobRef:
    definition = {
        "name": "tree",
        "start_urls": [start],
        "follow": [{"css": "a"}],
        "item": {"fields": {"title": {"css": "h1::text", "required": True}}},
        "limits": {"pages": 10_000_000},
        **FAST,
    }
    ref = home.create(definition, send=False)
    queue = _queue(home, ref)
    while some := [*islice(pages, 5000)]:
        queue.enqueue([new_page(url) for url in some])
    home.slots(1)
    home.topup.run()
    return ref


def _queue(home: SiteHome, ref: JobRef) -> RedisQueue:
    return RedisQueue(home.redis, home.keys.frontier(ref.site, ref.id))


def _cost(start: str, size: int) -> float:
    """Milliseconds of processor time, of this process and of Redis."""
    root = start.removesuffix("0.html")
    with _home() as (home, server):
        urls = (f"{root}{number % PAGES}.html?n={number}" for number in count())
        ref = _job(home, start, islice(urls, size))
        assert server.process
        before = 1000 * time.process_time() + cpu_ms(server.process.pid)
        home.shard()
        used = 1000 * time.process_time() + cpu_ms(server.process.pid) - before
        stats = home.stats(ref)
        assert not stats.error, stats
        return round(used / stats.done, 2)


def _left() -> float:
    """Bytes of Redis beyond the URL."""
    root = "http://docs.example.org/library/tree/"
    urls = [f"{root}{number}.html" for number in range(FINISHED)]
    with _home() as (home, _):
        ref = _job(home, f"{root}start.html", iter(()))
        before = _used(home)
        _queue(home, ref).enqueue([new_page(url) for url in urls])
        asyncio.run(_finish(home, ref))
        home.drain()
        assert home.stats(ref).done == FINISHED + 1, home.stats(ref)
        return round((_used(home) - before) / FINISHED - len(urls[-1]), 1)


async def _finish(home: SiteHome, ref: JobRef) -> None:
    client = home.context.async_redis()
    frontier = RedisFrontier(client, home.keys, ref, Limits(), 1_000_000_000)
    while leases := await frontier.lease(200):
        done = [
            Outcome(lease.id, QueueState.DONE, 200, items=[{"title": lease.id}], fetched_at=1.0)
            for lease in leases
        ]
        await asyncio.gather(
            *(
                frontier.commit(lease, outcome, [])
                for lease, outcome in zip(leases, done, strict=True)
            )
        )
    await client.aclose()


def _used(home: SiteHome) -> int:
    return int(home.redis.info("memory")["used_memory"])
