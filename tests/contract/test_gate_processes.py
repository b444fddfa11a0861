"""The gate between processes: limits as a whole, whatever their clocks say, and after a kill -9."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.keys import Keys
from orchestrator.core.redis import AsyncRedis, Redis, connect, connect_async
from orchestrator.gate.gate import RedisGate
from orchestrator.gate.model import Limits, Outcome, Permit, Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

    from tests.support.redis_server import RedisServer

KEYS = Keys()
SLOTS = KEYS.gate("books", "slots")
HOST = "books.example"
PROCESSES = 4
SPAWN = multiprocessing.get_context("spawn")
QUICK = Limits(rate_per_s=1_000_000, slots=1000, failures=3, open_s=60)


@dataclass(frozen=True)
class Crowd:
    """What each process does: `clients` loops for `seconds`, its wall clock wrong by `skew`."""

    url: str
    limits: Limits
    seconds: float = 1.2
    clients: int = 5
    skew: float = 0.0


def meet(url: str) -> None:
    """Wait until all processes are here."""
    client = connect(url)
    client.incr("here")
    everybody = wait_until(
        lambda: int(str(client.get("here"))) == PROCESSES, Deadline.after(20), every=0.002
    )
    assert everybody


async def server_us(client: AsyncRedis) -> int:
    seconds, micros = await client.time()
    return int(seconds) * 1_000_000 + int(micros)


async def _requests(crowd: Crowd) -> None:
    client = connect_async(crowd.url)
    gate = RedisGate(client, KEYS, "books", crowd.limits)

    async def one_client() -> None:
        end = Deadline.after(crowd.seconds)
        while not end.passed:
            answer = await gate.try_enter(HOST, 0.5)
            if not isinstance(answer, Permit):
                await asyncio.sleep(answer.wait_s)
                continue
            ends = await client.zscore(SLOTS, f"{answer.token} {HOST}")
            booked = round(ends - crowd.limits.lease_s * 1_000_000)
            await asyncio.sleep(answer.wait_s)
            early = booked - await server_us(client)
            held = await client.zcard(SLOTS)
            await client.rpush("seen", f"{booked} {early} {held}")
            await gate.leave(answer, Outcome.OK)

    await asyncio.gather(*(one_client() for _ in range(crowd.clients)))
    await client.aclose()


def make_requests(crowd: Crowd) -> None:
    honest = time.time
    time.time = lambda: honest() + crowd.skew
    meet(crowd.url)
    asyncio.run(_requests(crowd))


async def _trial(url: str) -> None:
    client = connect_async(url)
    gate = RedisGate(client, KEYS, "books", QUICK)
    answers = await asyncio.gather(*(gate.try_enter(HOST, 60) for _ in range(20)))
    for answer in answers:
        is_trial = isinstance(answer, Permit) and answer.trial
        await client.rpush("answers", "trial" if is_trial else getattr(answer, "reason", "in"))


def try_at_once_and_stay(url: str) -> None:
    meet(url)
    asyncio.run(_trial(url))
    SPAWN.Event().wait()


def start(target: Callable[..., None], *arguments: object) -> list[BaseProcess]:
    started = [SPAWN.Process(target=target, args=(argument,)) for argument in arguments]
    for process in started:
        process.start()
    return started


def crowd_of(crowd: Crowd, redis: Redis) -> list[tuple[int, int, int]]:
    """Let it in and return (booked µs, early µs, slots held) of each request, in order."""
    skews = [0.0, 60.0, -60.0, 3600.0]
    members = start(make_requests, *(Crowd(crowd.url, crowd.limits, skew=skew) for skew in skews))
    assert wait_until(lambda: redis.llen("seen") > 5, Deadline.after(20))
    redis.script_flush()
    for member in members:
        member.join(30)
        assert member.exitcode == 0
    lines = [str(line).split() for line in redis.lrange("seen", 0, -1)]
    return sorted((int(booked), int(early), int(held)) for booked, early, held in lines)


def test_no_sliding_second_has_more_than_the_rate_and_the_burst(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    """Clocks of clients wrong by up to an hour, and SCRIPT FLUSH in between."""
    limits = Limits(rate_per_s=50, burst=3, slots=100)
    seen = crowd_of(Crowd(redis_server.url, limits), real_redis)
    times = [booked for booked, _, _ in seen]
    assert len(times) > 50
    worst = max(
        sum(1 for later in times[first:] if later < times[first] + 1_000_000)
        for first in range(len(times))
    )
    assert worst <= 50 + 3 - 1
    assert max(early for _, early, _ in seen) <= 0, "nobody goes before its time"
    used = (len(times) - 1) / ((times[-1] - times[0]) / 1_000_000) / 50
    assert used > 0.8, "what is allowed is used"


def test_no_more_requests_than_slots_are_under_way(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    limits = Limits(rate_per_s=100_000, slots=3)
    seen = crowd_of(Crowd(redis_server.url, limits, seconds=0.5), real_redis)
    assert len(seen) > 60
    assert max(held for _, _, held in seen) == 3


def test_exactly_one_tries_half_open_and_a_killed_one_is_followed_by_another(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    real_redis.hset(KEYS.gate("books", "breaker"), mapping={"epoch": 1, "until": 1, "trips": 1})
    members = start(try_at_once_and_stay, *[redis_server.url] * PROCESSES)
    try:
        assert wait_until(lambda: real_redis.llen("answers") == 20 * PROCESSES, Deadline.after(20))
    finally:
        for member in members:
            member.kill()
            member.join()
    answers = real_redis.lrange("answers", 0, -1)
    assert sorted(answers) == [Reason.BREAKER] * (20 * PROCESSES - 1) + ["trial"]
    (holder,) = real_redis.zrange(SLOTS, 0, -1)
    real_redis.zadd(SLOTS, {holder: 1})  # its lease runs out

    async def after_the_kill() -> Permit:
        client = connect_async(redis_server.url)
        permit = await RedisGate(client, KEYS, "books", QUICK).enter(HOST, Deadline.after(5))
        await client.aclose()
        return permit

    assert asyncio.run(after_the_kill()).trial


def test_the_slot_of_a_killed_holder_comes_back(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    limits = Limits(rate_per_s=1000, slots=1, lease_s=0.5)
    (holder,) = start(enter_and_stay, Crowd(redis_server.url, limits))
    assert wait_until(lambda: real_redis.zcard(SLOTS) == 1, Deadline.after(20))
    holder.kill()
    holder.join()

    async def wait_for_it() -> float:
        client = connect_async(redis_server.url)
        begin = asyncio.get_running_loop().time()
        await RedisGate(client, KEYS, "books", limits).enter(HOST, Deadline.after(5))
        await client.aclose()
        return asyncio.get_running_loop().time() - begin

    assert asyncio.run(wait_for_it()) < 0.5 + 0.3


def enter_and_stay(crowd: Crowd) -> None:
    async def enter() -> None:
        client = connect_async(crowd.url)
        await RedisGate(client, KEYS, "books", crowd.limits).try_enter(HOST)

    asyncio.run(enter())
    SPAWN.Event().wait()
