"""A machine that goes away with its shard: nobody there says so, and the job goes on all the same."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.core.context import Context
from orchestrator.queue.redis import RedisQueue
from sites.crawl.work import new_page
from sites.definition.definition import Definition
from sites.job.ref import JobRef
from sites.job.state import JobState
from sites.politeness.gates import SLOT_TTL_S
from sites.shared.frontier import PAGE_TTL_S
from sites.shared.record import Records
from sites.shared.shards import SHARD_TTL_S, Shards
from tests.support.local_home import toml
from tests.support.orch import a_home, eventually
from tests.support.row import within
from tests.support.site_home import shop
from tests.support.site_server import Site, tree

#: Until beat sees that a lease has run out, in seconds.
SEEN_S = 0.5


@pytest.mark.pair
def test_a_shard_of_a_machine_that_is_gone_is_replaced_when_its_lease_has_run_out(
    tmp_path: Path,
) -> None:
    with a_home(tmp_path / "home", "[worker]\nconcurrency = 3\n") as orch, Site(tree(9)) as site:
        (orch.home / "sites").mkdir(mode=0o700)
        (orch.home / "sites/usual.toml").write_text(toml(shop(site, name="usual")))
        orch.up()
        began = time.monotonic()
        assert orch("sites", "start", "usual").returncode == 0
        usual = time.monotonic() - began
        context = Context.load(orch.home)
        with closing(context.redis):
            records = Records(context.redis, context.keys)
            refs = list[JobRef]()

            def until_it_is_replaced() -> float:
                before = len(site.hits)
                refs.append(vanished(context, shop(site, name=f"gone{len(refs)}")))
                began = time.monotonic()
                eventually(lambda: len(site.hits) > before)
                took = time.monotonic() - began
                eventually(lambda: not records.active())
                return took

            # The usual start has more to do, on a machine that is as busy.
            within(SHARD_TTL_S + SEEN_S + usual, until_it_is_replaced)
            jobs = [records.read(ref) for ref in refs]
        assert [job and job.state for job in jobs] == [JobState.DONE] * len(refs)
        assert set(site.asked().values()) == {1 + len(refs)}  # once by each job


def vanished(context: Context, given: dict[str, object]) -> JobRef:
    """A job whose only shard was on another machine, had its first page, and says nothing any more."""
    definition = Definition.model_validate(given)
    records, shards = Records(context.redis, context.keys), Shards(context.redis, context.keys)
    ref, _ = records.create(definition.name, definition.model_dump_json())
    reservation = shards.reserve(ref, [ref], per_job=1, budget=9)
    assert reservation
    assert shards.begin(ref, reservation, "orch-0@elsewhere")
    queue = RedisQueue(context.redis, context.keys.frontier(ref.site, ref.id))
    queue.enqueue([new_page(url) for url in definition.start_urls])
    assert len(queue.lease(1, PAGE_TTL_S)) == 1
    hold_slots(context, definition)
    records.note(ref, {"seeded": "1"})
    records.move(ref, JobState.RUNNING)
    return ref


def hold_slots(context: Context, definition: Definition) -> None:
    """As if all requests that the site takes at once were out, over there."""
    (start,) = definition.start_urls
    host = start.split("/")[2]
    seconds, micros = context.redis.time()
    until = (int(seconds) + SLOT_TTL_S) * 1_000_000 + int(micros)
    held = {f"a{n}.1 elsewhere:77 {host}": until for n in range(definition.concurrency)}
    for part in ("slots", f"slots:{host}"):
        context.redis.zadd(context.keys.gate(definition.name, part), held)
