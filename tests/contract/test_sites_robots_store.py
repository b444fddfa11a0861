"""Every place where robots.txt are kept behaves the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.core.keys import RETENTION_S, Keys
from orchestrator.core.redis import Redis
from orchestrator.core.redis_async import AsyncRedis
from sites.politeness.robots_store import LocalRobots, RobotsStore, SharedRobots
from tests.support.redis_server import RedisServer

PLACE = "orch http://h.example"


async def _claimed_again(store: RobotsStore, seconds: float) -> None:
    async with asyncio.timeout(10):
        while not await store.claim(PLACE, seconds):  # noqa: ASYNC110 (the state is the store's)
            await asyncio.sleep(0.01)


async def _conversation(store: RobotsStore) -> None:
    assert await store.get(PLACE) is None
    assert await store.claim(PLACE, 60)
    assert not await store.claim(PLACE, 60)
    assert await store.claim(PLACE + "s", 60)
    assert await store.get(PLACE) is None
    await store.put(PLACE, "it says é")
    assert await store.get(PLACE) == "it says é"
    assert await store.claim(PLACE, 0.05)
    await _claimed_again(store, 60)  # the first one has died
    assert await store.get(PLACE) == "it says é"
    await store.put(PLACE, "new")
    assert await store.get(PLACE) == "new"


@pytest.mark.parametrize("kind", ["redis", "file"])
def test_a_place_is_claimed_by_one_at_a_time_until_something_is_put(
    kind: str, real_redis: Redis, redis_server: RedisServer, tmp_path: Path
) -> None:
    async def main() -> None:
        if kind == "file":
            await _conversation(LocalRobots(tmp_path / "robots.sqlite"))
            return
        client = AsyncRedis(redis_server.url)
        await _conversation(SharedRobots(client, Keys("t:")))
        await client.aclose()

    asyncio.run(main())
    ttls = [real_redis.ttl(key) for key in real_redis.keys("t:*")]
    assert all(0 < ttl <= RETENTION_S for ttl in ttls)


def test_another_process_finds_what_is_in_the_file(tmp_path: Path) -> None:
    async def main() -> None:
        await LocalRobots(tmp_path / "robots.sqlite").put(PLACE, "kept")
        assert await LocalRobots(tmp_path / "robots.sqlite").get(PLACE) == "kept"

    asyncio.run(main())
