"""A shard task from the outside: take the lease, work for a slice, give the lease back, hand on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from orchestrator.celery_app import progress
from orchestrator.celery_app.runtime import node_name
from orchestrator.core import memory
from orchestrator.core.clock import Deadline
from orchestrator.core.errors import ConfigError
from orchestrator.core.redis import RedisError
from proxies import loop
from proxies.pool.appeal import Appeal
from proxies.pool.picker import LEASE_S, Picker
from sites.crawl.ask import PROXIES_A_TRY, Asker
from sites.crawl.crawl import Crawl, Terms
from sites.crawl.settle import Settler
from sites.crawl.told import Told
from sites.definition.definition import Definition
from sites.extract import own_class
from sites.extract.extract import Extractor
from sites.fetch.transport import Transport
from sites.job.state import JobState
from sites.politeness.gates import Allowance, gate_of
from sites.politeness.robots import Robots
from sites.politeness.robots_store import SharedRobots
from sites.results.memory import Memory
from sites.shared.desk import RedisDesk
from sites.shared.frontier import RedisFrontier
from sites.shared.record import Records
from sites.shared.shards import RESERVATION_S, Shards

if TYPE_CHECKING:
    from orchestrator.core.context import Context
    from orchestrator.core.redis_async import AsyncRedis
    from sites.crawl.ends import End
    from sites.job.ref import JobRef
    from sites.jobs.topup import TopUp
    from sites.politeness.robots_store import RobotsStore

log = logging.getLogger(__name__)

#: A shard that finds no Redis tries again after so long, in seconds.
BEGIN_AGAIN_S = 0.2


def run_shard(context: Context, ref: JobRef, reservation: str, topup: TopUp) -> End | None:
    """Work on the job for a slice; return why it ended, None when there was nothing to do here.

    A message that is delivered a second time finds no reservation: it ends at once, unless whoever
    took it the first time has certainly ended. Whatever ends a slice, its successor is sent by the
    top-up.
    """
    shards = Shards(context.redis, context.keys)
    if short := memory.short(context.settings.sites.min_free_mb):
        log.warning("%s: not begun: %s", ref.member, short)
        shards.end(ref, reservation)
        return None
    holder = _begin(shards, ref, reservation, node_name(context))
    if holder is None:
        return None
    end = None
    records = Records(context.redis, context.keys)
    try:
        records.move(ref, JobState.RUNNING)
        job = records.read(ref)
        if job is not None:
            definition = Definition.model_validate_json(job.definition)
            own = own_class.load(definition, context.home.path / "sites")
            extractor = Extractor(definition, own)
            stopping = context.home.run / f"{context.service}.stopping"
            terms = Terms(context.settings.sites.slice, stopping.exists, call_help=topup.run)
            end = loop.run(crawl(context, ref, definition, terms, holder, extractor))
            log.info("%s: %s", ref.member, end)
    except ConfigError as error:  # its class was changed, or is not on this machine
        log.warning("%s: %s", ref.member, error)
        records.move(ref, JobState.STOPPING, reason=str(error))
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


async def crawl(
    context: Context,
    ref: JobRef,
    definition: Definition,
    terms: Terms,
    holder: str,
    extractor: Extractor,
) -> End:
    """Put a shard together and let it work for one slice."""
    keys, settings = context.keys, context.settings.sites
    most = settings.max_undrained_mb * 1_000_000
    client = context.async_redis()
    try:
        allowance, shards = Allowance(definition), settings.shards_per_job
        before = _memory(context, ref, definition, extractor)
        gate_there = gate_of(context, definition, processes=shards, allowance=allowance)
        with gate_there as gate, before:
            frontier = RedisFrontier(client, keys, ref, definition.limits, most)
            desk = RedisDesk(client, context.redis, keys, ref, holder, most)
            settler = Settler(definition, frontier, desk, Told(frontier), extractor.recipe)
            told = extractor.tally.told(desk)
            async with progress.signs(), told, Transport(definition) as transport:
                asker = Asker(
                    *(definition, gate, transport, _picker(context, definition, client)),
                    robots=_robots(definition, SharedRobots(client, keys), allowance),
                    jitter=allowance.jitter,
                    expects=extractor.expects,
                    known=before.known,
                )
                return await Crawl(asker, settler, extractor, terms).run()
    finally:
        await client.aclose()


def _memory(context: Context, ref: JobRef, definition: Definition, extractor: Extractor) -> Memory:
    """What runs before know, where only what has changed is asked for."""
    path, wanted = context.home.site_results(ref.site), definition.changed_only
    return Memory(path, ref.id, extractor.recipe, wanted=wanted)


def _robots(definition: Definition, store: RobotsStore, allowance: Allowance) -> Robots | None:
    """What the robots.txt of its hosts say, where the site's file does not ignore them."""
    return Robots(definition.agent, store, allowance.hear) if definition.robots else None


def _picker(context: Context, definition: Definition, client: AsyncRedis) -> Picker:
    """One whose picks last as long as a page may be asked for."""
    proxies = context.settings.proxies
    return Picker(
        client,
        context.keys,
        proxies.fresh_for,
        lease_s=LEASE_S + PROXIES_A_TRY * definition.limits.timeout,
        appeal=Appeal(client, context.keys, proxies.min_usable),
    )
