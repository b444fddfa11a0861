"""A home with its services up, whose jobs are measured from outside."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.celery_app.app import make_app
from orchestrator.core.context import Context
from orchestrator.supervise.ownership import family
from sites.job.job import Job
from sites.jobs.jobs import SiteJobs
from tests.bench.meters import cpu_ms, pss_mb
from tests.support.orch import Orch, a_home

LOOK_S = 0.05
#: Memory is looked at so often, in seconds: a look holds the process up.
WEIGH_S = 0.25
PATIENCE_S = 60.0

#: As fast as the bound of one site allows; everything that is on by default is on.
FAST = {"rate": "10000/s", "burst": 1000, "concurrency": 32, "allow_private": True}


@dataclass(frozen=True, slots=True)
class Run:
    """A job that has ended: pages, from the making of its record to its end; processor seconds by service.

    `memory_mb` (PSS) of the largest pool child, `above_mb` of the Celery process above it.
    """

    pages: int
    seconds: float
    cpu_s: dict[str, float]
    memory_mb: float
    above_mb: float
    job: Job

    @property
    def rate(self) -> float:
        return self.pages / self.seconds

    def cpu_per_1000(self, service: str = "worker") -> float:
        return 1000 * self.cpu_s[service] / self.pages


@dataclass(slots=True)
class Place:
    """A home that is up."""

    orch: Orch
    context: Context = field(init=False)
    jobs: SiteJobs = field(init=False)

    def __post_init__(self) -> None:
        self.context = Context.load(self.orch.home)
        self.jobs = SiteJobs(self.context, lambda: make_app(self.context))

    def define(self, name: str, start: str, more: str = "", **keys: Any) -> None:
        """Write a site file: every link is followed, and each page's heading is its item."""
        define(self.orch.home, name, start, more, **keys)

    def run(self, site: str) -> Run:
        """One job from its start to its end."""
        services = {name: self.pids(name) for name in ("worker", "redis", "results")}
        before = {name: _cpu_s(pids) for name, pids in services.items()}
        weights, above = [0.0], [0.0]
        job = self.jobs.start(site)
        deadline, weighed = time.monotonic() + PATIENCE_S, time.monotonic()
        while job.active:
            if time.monotonic() - weighed > WEIGH_S:
                weighed = time.monotonic()
                main, *children = services["worker"]
                weights.append(max(map(pss_mb, children)))
                above.append(pss_mb(main))
            assert time.monotonic() < deadline, self.jobs.status([site])
            time.sleep(LOOK_S)
            job = self._current(site)
        cpu = {name: _cpu_s(pids) - before[name] for name, pids in services.items()}
        pages = self.jobs.status([site])[0]["pages_done"]
        assert job.finished_at
        return Run(pages, job.finished_at - job.created_at, cpu, max(weights), max(above), job)

    def pids(self, service: str) -> list[int]:
        """A service's main process, and those below it."""
        main = self.orch.pid(service)
        return [main, *(pid for pid in family(main, "none") if pid != main)]

    def pages(self, site: str) -> set[str]:
        """The URLs of the newest job's items, once it is drained; none may be there twice."""
        assert self.jobs.wait_drained()
        return pages(self.jobs, site)

    def _current(self, site: str) -> Job:
        job = self.jobs.current(site)
        assert job
        return job


@contextlib.contextmanager
def place(toml: str) -> Iterator[Place]:
    """A home with all its services up."""
    with (
        tempfile.TemporaryDirectory(prefix="sites-") as folder,
        a_home(Path(folder) / "home", toml) as orch,
    ):
        orch.up()
        yield Place(orch)


def define(home: Path, name: str, start: str, more: str = "", **keys: Any) -> None:
    (home / "sites").mkdir(exist_ok=True)
    facts = {"name": name, "start_urls": [start], **FAST, **keys}
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in facts.items())
    (home / f"sites/{name}.toml").write_text(
        f'{lines}{more}\n[[follow]]\ncss = "a"\nmatch = "[.]html$"\n'
        '[item.fields]\ntitle = { css = "h1::text", required = true }\n'
    )


def pages(jobs: SiteJobs, site: str) -> set[str]:
    with jobs.results(site) as results:
        job = results.newest_job()
        assert job
        found: Sequence[str] = [str(item["_url"]) for item in results.items(job)]
    assert len(found) == len(set(found)), "a page's item is there twice"
    return set(found)


def _cpu_s(pids: Sequence[int]) -> float:
    return sum(map(cpu_ms, pids)) / 1000
