"""A home for tests of site jobs: a real Redis, a definition, and shards that run when the test says."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.context import Context
from orchestrator.nodes.registry import Node, Nodes
from orchestrator.queue.model import Stats
from orchestrator.queue.redis import RedisQueue
from sites.crawl.ends import End
from sites.definition.definition import Definition
from sites.job.job import Job
from sites.job.ref import JobRef
from sites.job.state import JobState
from sites.jobs.topup import TopUp
from sites.results.output import Results
from sites.shared.drain import Drain
from sites.shared.record import Records
from sites.shared.shard import run_shard
from tests.support.site_server import Site


def shop(site: Site, **more: Any) -> dict[str, Any]:
    """A definition of the pages of `site_server.tree`, quick enough for tests."""
    fields = {"title": "h2::text", "price": {"css": "b::text", "type": "money"}}
    raw: dict[str, Any] = {
        "name": "shop",
        "start_urls": [site.url("/0.html")],
        "follow": [{"css": "a"}],
        "item": {"css": "div.item", "fields": fields},
        "rate": 2000.0,
        "burst": 100,
        "concurrency": 8,
        "allow_private": True,
        "robots": False,  # most tests count every request
        "limits": {"timeout": "5s"},
    }
    return raw | more


class SiteHome:
    """What tests need of a home; `sent` are the shards that a top-up sent to nobody."""

    def __init__(self, folder: Path, redis_url: str, *, settings: str = "") -> None:
        (folder / "orch.toml").write_text(f'[redis]\nurl = "{redis_url}"\n{settings}')
        self.context = Context.load(folder)
        self.context.home.make()
        self.redis, self.keys = self.context.redis, self.context.keys
        self.records = Records(self.redis, self.keys)
        self.sent: list[tuple[JobRef, str]] = []
        self.topup = TopUp(self.context, self._send)
        self.slots(4)

    def _send(self, site: str, job_id: str, reservation: str) -> None:
        self.sent.append((JobRef(site, job_id), reservation))

    def slots(self, count: int) -> None:
        """Have a node with so many slots, which lives on though nobody renews it."""
        node = Node("test", count, 0)
        Nodes(self.redis, self.keys).renew(node)
        self.redis.zadd(self.keys.nodes(), {node.name: int(self.redis.time()[0]) + 3600})
        self.redis.expire(self.keys.node(node.name), 3600)

    def create(self, definition: dict[str, Any], *, send: bool = True) -> JobRef:
        """Make a job; without `send` somebody else looks for its shards."""
        text = Definition.model_validate(definition).model_dump_json()
        ref, _ = self.records.create(definition["name"], text)
        if send:
            self.topup.run()
        return ref

    def shard(self) -> End | None:
        """Run the first shard that was sent, for its slice."""
        ref, reservation = self.sent.pop(0)
        return run_shard(self.context, ref, reservation, self.topup)

    def work(self, ref: JobRef, timeout: float = 90) -> Job:
        """Run shards, one after the other, until the job has ended."""
        deadline = Deadline.after(timeout)
        while self.job(ref).active:
            assert not deadline.passed, f"{self.job(ref)} {self.stats(ref)}"
            self.slots(4)
            if self.sent:
                self.shard()
            else:
                self.topup.run()
        return self.job(ref)

    def job(self, ref: JobRef) -> Job:
        job = self.records.read(ref)
        assert job
        return job

    def stats(self, ref: JobRef) -> Stats:
        return RedisQueue(self.redis, self.keys.frontier(ref.site, ref.id)).stats()

    def reason(self, ref: JobRef, url: str) -> str:
        """Why a page ended without a result."""
        text = self.redis.hget(self.keys.frontier(ref.site, ref.id).error, url)
        return str(json.loads(str(text))["reason"])

    def drain(self) -> None:
        drain = Drain(self.redis, self.keys, self.context.home)
        while drain.step():
            continue
        drain.close()

    def items(self, ref: JobRef) -> list[str]:
        """The export of a job, line by line."""
        self.drain()
        with Results(self.context.home.site_results(ref.site)) as results:
            return [json.dumps(item) for item in results.items(ref.id)]

    @contextlib.contextmanager
    def ticks(self) -> Iterator[None]:
        """Look after all jobs again and again meanwhile, as workers do."""
        over = threading.Event()

        def tick() -> None:
            while not over.wait(0.2):
                self.topup.run()

        ticking = Background(tick)
        try:
            yield
        finally:
            over.set()
            ticking.join()

    def hurry(self, ref: JobRef) -> None:
        """Let the next shards of a job ask for pages as quickly as they can."""
        definition = json.loads(self.job(ref).definition) | {"rate": 2000.0, "burst": 100}
        self.records.note(ref, {"definition": json.dumps(definition)})

    def stop(self, ref: JobRef) -> None:
        self.records.move(ref, JobState.STOPPING)

    def resume(self, ref: JobRef) -> None:
        self.records.move(ref, JobState.PENDING)
        self.topup.run()


class Background:
    """Something that runs in a thread while the test looks on."""

    def __init__(self, target: Any) -> None:
        self.result: Any = None
        self.error: BaseException | None = None

        def run() -> None:
            try:
                self.result = target()
            except BaseException as error:  # noqa: BLE001 (raised again by join)
                self.error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def join(self, timeout: float = 60) -> Any:
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "it did not end"
        if self.error:
            raise self.error
        return self.result


def until(condition: Any, timeout: float = 60) -> None:
    assert wait_until(condition, Deadline.after(timeout), every=0.01), "it never came true"
