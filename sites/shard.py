"""A shard task from the outside: take the lease, work for a slice, give the lease back, hand on."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from orchestrator.celery_app import progress
from orchestrator.celery_app.runtime import node_name
from orchestrator.core.clock import Deadline
from orchestrator.core.redis import RedisError
from orchestrator.gate.gate import RedisGate
from orchestrator.gate.model import Limits
from orchestrator.queue.redis import AsyncRedisQueue
from proxies.rotation import Rotation
from sites.ask import Asker
from sites.crawl import EXTEND_EVERY_S, Crawl, Terms
from sites.definition import Definition
from sites.extract import Extractor
from sites.record import Records
from sites.settle import Settler
from sites.shards import RESERVATION_S, Shards
from sites.state import JobState
from sites.transport import Transport

if TYPE_CHECKING:
    from orchestrator.core.context import Context
    from sites.ends import End
    from sites.move import JobRef
    from sites.topup import TopUp

log = logging.getLogger(__name__)

#: A slot at the gate that is not renewed for so long is free again, in seconds.
SLOT_TTL_S = 3 * EXTEND_EVERY_S
#: A shard that finds no Redis tries again after so long, in seconds.
BEGIN_AGAIN_S = 0.2


def run_shard(context: Context, ref: JobRef, reservation: str, topup: TopUp) -> End | None:
    """Work on the job for a slice; return why it ended, None when there was nothing to do here.

    A message that is delivered a second time finds no reservation: it ends at once, unless whoever
    took it the first time has certainly ended. Whatever ends a slice, its successor is sent by the
    top-up.
    """
    shards = Shards(context.redis, context.keys)
    holder = _begin(shards, ref, reservation, node_name(context))
    if holder is None:
        return None
    end = None
    try:
        records = Records(context.redis, context.keys)
        records.move(ref, JobState.RUNNING)
        job = records.read(ref)
        if job is not None:
            definition = Definition.model_validate_json(job.definition)
            end = asyncio.run(crawl(context, ref, definition, holder))
            log.info("%s: %s", ref.member, end)
    finally:
        try:
            shards.end(ref, holder)
            topup.run()
        except RedisError as error:
            log.warning("%s: the next top-up hands on: %s", ref.member, error)
    return end


def _begin(shards: Shards, ref: JobRef, reservation: str, node: str) -> str | None:
    """Take the lease, also when Redis is being restarted just now."""
    deadline = Deadline.after(RESERVATION_S)
    while True:
        try:
            return shards.begin(ref, reservation, node)
        except RedisError:
            if deadline.passed:
                raise
            deadline.clock.sleep(deadline.cap(BEGIN_AGAIN_S))


async def crawl(context: Context, ref: JobRef, definition: Definition, holder: str) -> End:
    """Put a shard together and let it work for one slice."""
    keys, settings = context.keys, context.settings.sites
    stopping = context.home.run / f"{context.service}.stopping"
    terms = Terms(
        holder=holder,
        slice_s=settings.slice,
        most_undrained=settings.max_undrained_mb * 1_000_000,
        worker_stops=stopping.exists,
    )
    client = context.async_redis()
    try:
        async with progress.signs(), Transport(definition) as transport:
            gate = RedisGate(client, keys, ref.site, limits_of(definition))
            rotation = Rotation(client, keys, context.settings.proxies.fresh_for)
            queue = AsyncRedisQueue(client, keys.frontier(ref.site, ref.id))
            asker = Asker(definition, gate, transport, rotation)
            settler = Settler(ref, definition, client, keys, queue)
            return await Crawl(asker, settler, Extractor(definition), terms).run()
    finally:
        await client.aclose()


def limits_of(definition: Definition) -> Limits:
    """Return what the gate allows for a site."""
    return Limits(
        rate_per_s=definition.rate,
        burst=definition.burst,
        slots=definition.concurrency,
        lease_s=SLOT_TTL_S,
    )
