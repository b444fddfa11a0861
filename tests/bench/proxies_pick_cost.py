"""What a pick and its report cost: a real picker over a real server, in real time."""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

from orchestrator.core.keys import Keys
from orchestrator.core.redis import connect
from orchestrator.core.redis_async import AsyncRedis
from proxies.model import Anonymity, Verdict, parse
from proxies.pool.picker import Outcome, Picker
from proxies.pool.pool import Pool
from tests.bench.table import Row
from tests.support.redis_server import RedisServer

KEYS = Keys("bench:")
#: Requests one after another, at each of so many sites in turn.
REQUESTS, SITES = 5000, 10


def cost() -> list[Row]:
    return [_row(1_000, goal=1.0), _row(10_000)]


def _row(proxies: int, goal: float | None = None) -> Row:
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder) / "redis") as server:
        pool = Pool(connect(server.url), KEYS)
        at = float(pool.redis.time()[0])
        hosts = [f"10.{n // 65536}.{n // 256 % 256}.{n % 256}:80" for n in range(proxies)]
        elite = Anonymity.ELITE
        pool.replace([Verdict(parse(h), at, anonymity=elite, latency_ms=300) for h in hosts])
        cpu = time.process_time()
        took = asyncio.run(_requests(server.url))
        cpu = time.process_time() - cpu
    worst = sorted(took)[int(0.99 * len(took))]
    note = (
        f"p99 {worst:.2f} ms; {1000 * cpu / REQUESTS:.2f} ms CPU each, looks at the pool included"
    )
    measure = f"pick + report, {proxies:,} proxies, {SITES} sites (median)"
    return Row(measure, "ms", round(statistics.median(took), 3), goal=goal, note=note)


async def _requests(url: str) -> list[float]:
    """Return what each took, in milliseconds."""
    chance = random.Random(1)
    client = AsyncRedis(url)
    picker = Picker(client, KEYS, 3600.0)
    took = []
    for number in range(REQUESTS):
        began = time.perf_counter()
        lease = await picker.pick(f"site-{number % SITES}")
        middle = time.perf_counter()
        assert lease
        outcome = Outcome.OK if chance.random() < 0.8 else Outcome.FAILED
        if chance.random() < 0.02:
            outcome = Outcome.BANNED
        again = time.perf_counter()
        await picker.report(lease, outcome, chance.uniform(0.5, 2.0))
        took.append(1000 * (time.perf_counter() - again + middle - began))
    await client.aclose()
    return took


if __name__ == "__main__":
    for each in cost():
        print(each.line, each.note, sep="\n    ")
