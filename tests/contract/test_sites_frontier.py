"""Every frontier of a job behaves the same: that of the workers in Redis, that of a process in a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.core.errors import LeaseLost
from orchestrator.core.home import Home
from orchestrator.core.keys import Keys
from orchestrator.core.redis import connect
from orchestrator.core.redis_async import AsyncRedis
from orchestrator.queue.redis import RedisQueue
from orchestrator.queue.sqlite.store import SqliteStore
from sites.crawl.frontier import Frontier
from sites.crawl.work import new_page
from sites.definition.limits import Limits
from sites.job.ref import JobRef
from sites.local.frontier import SqliteFrontier
from sites.local.place import LocalPlace
from sites.local.record import LocalRecord
from sites.local.results import LocalResults
from sites.results.outcome import Entry, Outcome
from sites.results.output import Results
from sites.shared.frontier import RedisFrontier
from tests.support.redis_server import RedisServer

START = "http://h.example/"
LIMITS = Limits(pages=5, attempts=2)
KEYS = Keys("t:")


@dataclass
class Store:
    """A frontier, and the urls of the pages that have a result."""

    frontier: Frontier
    results: Callable[[], list[str]]


@asynccontextmanager
async def in_redis(folder: Path, url: str) -> AsyncIterator[Store]:
    del folder
    client, ref = AsyncRedis(url), JobRef("shop", "0" * 12)
    frontier = RedisFrontier(client, KEYS, ref, LIMITS, 1_000_000)
    redis = connect(url)
    RedisQueue(redis, KEYS.frontier("shop", ref.id)).enqueue([new_page(START)], most=LIMITS.pages)

    def results() -> list[str]:
        found = redis.xrange(KEYS.results())
        return [Entry.read(str(name), fields).told.url for name, fields in found]  # type: ignore[arg-type, union-attr]

    try:
        yield Store(frontier, results)
    finally:
        await client.aclose()
        redis.close()


@asynccontextmanager
async def in_a_file(folder: Path, url: str = "") -> AsyncIterator[Store]:
    del url
    place = LocalPlace(Home(folder), "shop")
    record = LocalRecord.read(place) or LocalRecord.make(place, "{}", "")

    def results() -> list[str]:
        with Results(place.results) as file:
            return [url for (url,) in file.rows("SELECT url FROM pages ORDER BY url")]

    path = place.frontier(record.ref.id)
    with (
        closing(SqliteStore(path, synchronous="NORMAL")) as store,
        LocalResults(place, record.ref) as kept,
    ):
        frontier = SqliteFrontier(store, kept, record, LIMITS)
        frontier.open([new_page(START)])
        yield Store(frontier, results)
        await frontier.close()


@pytest.fixture(params=["redis", "file"])
def within(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[Callable[[Store], Awaitable[None]]], None]:
    """Run a test's coroutine with a frontier that has the start page."""
    url, opened = "", in_a_file
    if request.param == "redis":
        request.getfixturevalue("real_redis")
        server: RedisServer = request.getfixturevalue("redis_server")
        url, opened = server.url, in_redis

    def run(test: Callable[[Store], Awaitable[None]]) -> None:
        async def main() -> None:
            async with opened(tmp_path, url) as store:
                await test(store)

        asyncio.run(main())

    return run


Within = Callable[[Callable[[Store], Awaitable[None]]], None]


def done(url: str) -> Outcome:
    return Outcome(url, "done", status=200, items=[{"title": url}])


def test_a_page_that_ends_has_a_result_and_leads_on_once(within: Within) -> None:
    async def test(store: Store) -> None:
        (first,) = await store.frontier.lease(9)
        assert (first.id, first.attempt) == (START, 1)
        below = [new_page(f"{START}{name}", 1) for name in "ab"]
        await store.frontier.commit(first, done(START), [*below, new_page(START), below[0]])

        assert store.results() == [START]
        found = await store.frontier.lease(9)
        assert sorted(lease.id for lease in found) == [f"{START}a", f"{START}b"]
        assert await store.frontier.live() == 2
        await asyncio.gather(
            *(store.frontier.commit(lease, done(lease.id), below) for lease in found)
        )
        assert await store.frontier.live() == 0
        assert sorted(store.results()) == [START, f"{START}a", f"{START}b"]

    within(test)


def test_a_page_ends_once(within: Within) -> None:
    async def test(store: Store) -> None:
        (lease,) = await store.frontier.lease(1)
        await store.frontier.commit(lease, done(START), [])
        with pytest.raises(LeaseLost):
            await store.frontier.commit(lease, done(START), [])
        with pytest.raises(LeaseLost):
            await store.frontier.retry(lease, "no", 0)

    within(test)


def test_a_page_is_tried_again_until_its_attempts_are_used_up(within: Within) -> None:
    async def test(store: Store) -> None:
        (lease,) = await store.frontier.lease(1)
        await store.frontier.retry(lease, "http_5xx: status 500", 0)
        (lease,) = await store.frontier.lease(1)
        assert lease.attempt == 2
        await store.frontier.retry(lease, "http_5xx: status 500", 60)
        assert await store.frontier.lease(1) == []
        assert await store.frontier.live() == 1

    within(test)


def test_what_is_given_back_has_used_up_no_attempt(within: Within) -> None:
    async def test(store: Store) -> None:
        (lease,) = await store.frontier.lease(1)
        assert await store.frontier.extend({lease.id: lease.token}) == []
        await store.frontier.release({lease.id: lease.token})
        assert await store.frontier.extend({lease.id: lease.token}) == [lease.id]
        (again,) = await store.frontier.lease(1)
        assert again.attempt == 1

    within(test)


def test_no_more_pages_are_known_than_are_allowed(within: Within) -> None:
    async def test(store: Store) -> None:
        (lease,) = await store.frontier.lease(1)
        await store.frontier.commit(lease, done(START), [new_page(f"{START}{n}") for n in range(9)])
        assert len(await store.frontier.lease(9)) == 4

    within(test)


# the file alone: whoever is killed has left it so


def test_what_a_dead_process_had_is_taken_back_at_once_and_its_attempt_counts(
    tmp_path: Path,
) -> None:
    async def attempt() -> list[int]:
        async with in_a_file(tmp_path) as store:
            return [lease.attempt for lease in await store.frontier.lease(9)]

    assert asyncio.run(attempt()) == [1]
    assert asyncio.run(attempt()) == [2]
    assert asyncio.run(attempt()) == []  # it ended as error: it may be what kills them


def test_a_page_whose_result_was_written_but_not_its_end_is_done_again_and_replaces_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash() -> None:
        async with in_a_file(tmp_path) as store:
            (lease,) = await store.frontier.lease(9)
            written: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
            monkeypatch.setattr(
                SqliteFrontier, "_end", lambda *_: written.set_result(store.results())
            )
            ending = asyncio.create_task(store.frontier.commit(lease, done(START), []))
            async with asyncio.timeout(60):
                assert await written == [START]
            assert not ending.done()
            ending.cancel()

    async def again() -> None:
        async with in_a_file(tmp_path) as store:
            (lease,) = await store.frontier.lease(9)
            await store.frontier.commit(lease, done(START), [])
            assert store.results() == [START]

    asyncio.run(crash())
    monkeypatch.undo()
    asyncio.run(again())
    with Results(LocalPlace(Home(tmp_path), "shop").results) as file:
        assert len(list(file.rows("SELECT * FROM items"))) == 1
