"""The work queue between processes: exactly once, and back after a kill -9."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis, connect
from orchestrator.queue.model import NewJob, QueueState, Stats
from orchestrator.queue.redis import RedisQueue

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

    from tests.support.redis_server import RedisServer

KEYS = Keys().frontier("books", "0123456789ab")
SPAWN = multiprocessing.get_context("spawn")


def work_off(url: str) -> None:
    """Take jobs until none is left, and note each by a counter of its own."""
    client = connect(url)
    queue = RedisQueue(client, KEYS)
    while leases := queue.lease(3, 60):
        for lease in leases:
            client.hincrby("worked", lease.id, 1)
            queue.ack(lease.id, lease.token, QueueState.DONE)


def hold_for_ever(url: str, held: Event) -> None:
    """Lease a job and never come back."""
    RedisQueue(connect(url), KEYS).lease(1, 0.5)
    held.set()
    SPAWN.Event().wait()


def test_many_processes_work_each_job_off_exactly_once(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    ids = [str(number) for number in range(400)]
    queue = RedisQueue(real_redis, KEYS)
    queue.enqueue([NewJob(job_id) for job_id in ids])
    workers = [SPAWN.Process(target=work_off, args=(redis_server.url,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(90)
        assert worker.exitcode == 0
    assert real_redis.hgetall("worked") == dict.fromkeys(ids, "1")
    assert queue.stats() == Stats(done=400)


def test_the_job_of_a_killed_holder_comes_back_when_its_lease_runs_out(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    queue = RedisQueue(real_redis, KEYS)
    queue.enqueue([NewJob("a")])
    held = SPAWN.Event()
    holder = SPAWN.Process(target=hold_for_ever, args=(redis_server.url, held))
    holder.start()
    assert held.wait(60)
    holder.kill()
    holder.join()
    assert queue.stats() == Stats(in_progress=1)

    taken = []

    def leased() -> bool:
        taken.extend(queue.lease(1, 60))
        return bool(taken)

    assert wait_until(leased, Deadline.after(60), every=0.02)
    assert [(lease.id, lease.attempt) for lease in taken] == [("a", 2)]
