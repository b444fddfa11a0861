"""Beat sends its tick at once when the lease of a shard has run out: nobody else may be there to see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from celery.schedules import schedule

from orchestrator.celery_app import runtime
from orchestrator.celery_app.app import make_app
from orchestrator.celery_app.beat import MarkingScheduler
from orchestrator.core.queues import CONTROL
from tests.support.redis_server import RedisServer
from tests.support.site_home import SiteHome

DEAD, LIVE = "01/elsewhere/before/77", "02/here/now/78"


class Beat:
    """A scheduler whose looks the test makes, and what it has sent."""

    def __init__(self, home: SiteHome, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runtime, "_contexts", {})  # that of another test's home
        # A machine that is busy with other things is no Redis that hangs.
        monkeypatch.setattr("orchestrator.celery_app.beat.LOOK_TIMEOUT_S", 60.0)
        monkeypatch.setenv("ORCH_HOME", str(home.context.home.path))
        self._queue = home.keys.prefix + home.keys.queue_name(CONTROL)
        self._redis = home.redis
        self.scheduler = MarkingScheduler(make_app(home.context))
        for entry in self.scheduler.schedule.values():  # nothing is sent because its time has come
            entry.schedule = schedule(3600)

    def sent(self) -> list[str]:
        """The tasks that it sends at its next look."""
        self.scheduler.tick()
        found = self._redis.lrange(self._queue, 0, -1)
        self._redis.delete(self._queue)
        return [json.loads(message)["headers"]["task"] for message in found]


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: object) -> SiteHome:
    return SiteHome(tmp_path, redis_server.url)


@pytest.fixture
def beat(home: SiteHome, monkeypatch: pytest.MonkeyPatch) -> Beat:
    return Beat(home, monkeypatch)


def lease(home: SiteHome, holder: str, left_s: float, *, site: str = "shop") -> None:
    ref, _ = home.records.create(site, "{}")
    now = int(home.redis.time()[0])
    home.redis.zadd(home.keys.job(ref.site, ref.id, "shards"), {holder: (now + left_s) * 1000})


def test_a_lease_that_ran_out_is_told_once(home: SiteHome, beat: Beat) -> None:
    lease(home, LIVE, 60)
    assert beat.sent() == []

    lease(home, DEAD, -1)

    assert beat.sent() == ["sites.tasks.tick"]
    assert beat.sent() == []
    lease(home, DEAD.replace("01", "03"), -1, site="books")
    assert beat.sent() == ["sites.tasks.tick"]


def test_without_redis_beat_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RedisServer(tmp_path / "redis") as server:
        home = SiteHome(tmp_path, server.url)
        beat = Beat(home, monkeypatch)
        assert beat.sent() == []
        server.kill()
        assert beat.scheduler.tick() <= 0.5
        server.start()
        lease(home, DEAD, -1)
        assert beat.sent() == ["sites.tasks.tick"]
