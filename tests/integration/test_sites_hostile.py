"""Sites that answer with whatever harms a crawler, and the workers: `acceptance` has them with --local."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sites.job.classes import CLASSES
from sites.job.job import Job
from sites.shared.failures import failures
from tests.support.harms import SITES, Seen
from tests.support.redis_server import RedisServer
from tests.support.site_home import SiteHome


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: object) -> SiteHome:
    return SiteHome(tmp_path, redis_server.url)


@pytest.mark.parametrize("name", SITES)
def test_whatever_a_site_does_its_job_ends_rightly(home: SiteHome, name: str) -> None:
    with SITES[name]() as case:
        ref = home.create(case.definition)
        job = home.work(ref, 60)

        case.check(seen(home, job))


def seen(home: SiteHome, job: Job) -> Seen:
    items = [json.loads(line) for line in home.items(job.ref)]
    rows = [*failures(home.context, job.ref, CLASSES)]
    stats = home.stats(job.ref)
    assert stats.total == stats.done + stats.error + stats.skipped
    return Seen(job.state, job.reason, [item["name"] for item in items], rows)
