"""The gate between processes: limits as a whole, whatever their clocks say, and after a kill -9."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess

import pytest

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.redis import Redis, connect
from orchestrator.gate import scripts
from orchestrator.gate.limits import Limits
from orchestrator.gate.permit import Ask, Grant, Reason, Report, Verdict
from orchestrator.gate.shared import RedisStore
from tests.contract.gate.place import KEYS, OK, QUICK, SECOND, Place, RedisHands
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("patient")
SLOTS = KEYS.gate("books", "slots")
PROCESSES = 4
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Crowd:
    """What each process does: `clients` threads for `seconds` or longer, its wall clock wrong by `skew`."""

    url: str
    limits: Limits
    seconds: float = 1.2
    #: They go on until so many requests were made in all.
    least: int = 0
    clients: int = 5
    skew: float = 0.0


def meet(url: str) -> None:
    """Wait until all processes are here."""
    client = connect(url)
    client.incr("here")
    assert wait_until(
        lambda: int(str(client.get("here"))) == PROCESSES, Deadline.after(60), every=0.002
    )


def patient_store(url: str, who: str) -> RedisStore:
    """Of a process of its own, in which a machine that stalls is no server that is away either."""
    scripts.STEP_S = 20.0
    return RedisStore(url, KEYS, who)


def server_us(client: Redis) -> int:
    seconds, micros = client.time()
    return int(seconds) * SECOND + int(micros)


def one_client(crowd: Crowd, store: RedisStore) -> None:
    client, end = connect(crowd.url), Deadline.after(crowd.seconds)
    while not end.passed or client.llen("seen") < crowd.least:
        answer = store.enter(Ask("books", "h", store.holder("h"), SECOND // 2), crowd.limits)
        if not isinstance(answer, Grant):
            time.sleep(answer.wait_s)
            continue
        time.sleep(answer.wait_us / SECOND)
        now = server_us(client)
        held = client.zcount(SLOTS, f"({now}", "+inf")
        client.rpush("seen", f"{answer.due} {answer.due - now} {held}")
        store.leave(answer, Report(Verdict.OK), crowd.limits)


def make_requests(crowd: Crowd) -> None:
    honest = time.time
    time.time = lambda: honest() + crowd.skew
    store = patient_store(crowd.url, "crowd")
    meet(crowd.url)
    threads = [
        threading.Thread(target=one_client, args=(crowd, store)) for _ in range(crowd.clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def try_at_once_and_stay(url: str) -> None:
    store, client = patient_store(url, "prober"), connect(url)
    meet(url)

    def ask() -> None:
        answer = store.enter(Ask("books", "h", store.holder("h"), 60 * SECOND), QUICK)
        known = ("trial" if answer.trial else "in") if isinstance(answer, Grant) else answer.reason
        client.rpush("answers", known)

    for _ in range(20):
        threading.Thread(target=ask).start()
    SPAWN.Event().wait()


def enter_and_stay(crowd: Crowd) -> None:
    store = patient_store(crowd.url, "holder")
    assert isinstance(store.enter(Ask("books", "h", store.holder("h")), crowd.limits), Grant)
    SPAWN.Event().wait()


def start(target: Callable[..., None], *arguments: object) -> list[BaseProcess]:
    started = [SPAWN.Process(target=target, args=(argument,)) for argument in arguments]
    for process in started:
        process.start()
    return started


def crowd_of(crowd: Crowd, redis: Redis) -> list[tuple[int, int, int]]:
    """Let it in and return (booked µs, early µs, slots held) of each request, in order."""
    skews = [0.0, 60.0, -60.0, 3600.0]
    members = start(make_requests, *(replace(crowd, skew=skew) for skew in skews))
    assert wait_until(lambda: redis.llen("seen") > 5, Deadline.after(60))
    redis.script_flush()
    for member in members:
        member.join(60)
        assert member.exitcode == 0
    lines = [str(line).split() for line in redis.lrange("seen", 0, -1)]
    return sorted((int(booked), int(early), int(held)) for booked, early, held in lines)


def test_no_sliding_second_has_more_than_the_rate_and_the_burst(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    """Clocks of clients wrong by up to an hour, and SCRIPT FLUSH in between."""
    limits = Limits(rate=50, burst=3, slots=100)
    seen = crowd_of(Crowd(redis_server.url, limits, least=40), real_redis)
    times = [booked for booked, _, _ in seen]
    worst = max(
        sum(begin <= later < begin + SECOND for later in times[first:])
        for first, begin in enumerate(times)
    )
    assert len(times) > 20
    assert worst <= 50 + 3 - 1
    assert max(early for _, early, _ in seen) <= 0, "nobody goes before his time"


def test_no_more_are_under_way_than_there_are_slots(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    limits = Limits(rate=100_000, slots=3)
    seen = crowd_of(Crowd(redis_server.url, limits, least=100), real_redis)
    assert len(seen) > 60
    assert max(held for _, _, held in seen) == 3


def test_exactly_one_tries_half_open_and_a_killed_one_is_followed_by_another(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    hands = RedisHands(real_redis, redis_server.url)
    place = Place(hands)
    place.half_open()
    place.pass_time(QUICK.lease_s)
    members = start(try_at_once_and_stay, *[redis_server.url] * PROCESSES)
    try:
        assert wait_until(lambda: real_redis.llen("answers") == 20 * PROCESSES, Deadline.after(60))
    finally:
        for member in members:
            member.kill()
            member.join()
    answers = real_redis.lrange("answers", 0, -1)
    assert sorted(answers) == [Reason.BREAKER] * (20 * PROCESSES - 1) + ["trial"]
    assert place.refused(QUICK).reason is Reason.BREAKER
    place.pass_time(QUICK.lease_s)
    trial = place.granted(QUICK)
    assert trial.trial
    place.leave(trial, QUICK, OK)
    assert not place.granted(QUICK).trial
    hands.close()


def test_the_slot_of_a_killed_holder_comes_back(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    limits = Limits(rate=1000, slots=1, lease_s=1.5)
    (holder,) = start(enter_and_stay, Crowd(redis_server.url, limits))
    assert wait_until(lambda: real_redis.zcard(SLOTS) == 1, Deadline.after(60))
    holder.kill()
    holder.join()
    ((_, ends),) = real_redis.zrange(SLOTS, 0, -1, withscores=True)
    store = RedisStore(redis_server.url, KEYS, "next")
    ask = Ask("books", "h", store.holder("h"), SECOND, queues=True)
    while not isinstance(answer := store.enter(ask, limits), Grant):
        assert answer.wait_s <= 0.05
        time.sleep(answer.wait_s)
    assert ends <= answer.due < ends + 30 * SECOND
    store.close()
