"""`with Orchestrator() as orch:` from Python, on the main thread and off it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator.core.errors import ServiceFailed
from orchestrator.supervise.ownership import launched
from tests.support.orch import Orch, a_home, eventually
from tests.support.site_server import Site, tree


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with a_home(tmp_path / "home") as made:
        yield made.home


def test_it_starts_what_is_asked_for_and_leaves_nothing(home: Path) -> None:
    with orchestrator.Orchestrator(home) as orch:
        orch.start_redis()
        assert orch.context.redis.ping()
        assert not orch.is_celery_alive()
        orch.start_celery()
        orch.start_celery()
        assert orch.is_celery_alive()
        assert orch.get_proxy_count() == 0

    assert not launched(home.resolve())


def test_it_works_off_the_main_thread_too(home: Path) -> None:
    seen: list[bool] = []

    def work() -> None:
        with orchestrator.Orchestrator(home) as orch:
            orch.start_redis()
            seen.append(bool(orch.context.redis.ping()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)

    assert seen == [True]
    assert not launched(home.resolve())


def test_it_attaches_to_a_running_supervisor_and_stops_only_what_it_started(home: Path) -> None:
    there = Orch(home)
    there.up("redis")
    redis = there.pid("redis")

    with orchestrator.Orchestrator(home) as orch:
        orch.start_celery()
        assert there.service("worker")["state"] == "ready"

    states = {row["name"]: row["state"] for row in there.status()["services"]}
    assert states["redis"] == "ready"
    assert set(states.values()) == {"ready", "stopped"}
    assert there.pid("redis") == redis


def test_a_site_is_scraped_and_its_progress_is_known(home: Path) -> None:
    with Site(tree(12)) as site:
        (home / "sites").mkdir()
        (home / "sites/small.toml").write_text(
            f'name = "small"\nstart_urls = ["{site.url("/0.html")}"]\nallow_private = true\n'
            'rate = "100/s"\nproxies = "never"\n[[follow]]\n'
            '[item]\ncss = "div.item"\nfields = { title = "h2::text" }\n'
        )
        with orchestrator.Orchestrator(home) as orch:
            orch.start_celery()
            orch.start_site_scraper("small")

            def done() -> Any:
                row = orch.get_site_progress("small")
                assert row
                return row if row["state"] == "done" else None

            assert eventually(done, 90)["pages_done"] == 12
            assert orch.active_sites() == []


def test_an_exception_inside_still_ends_everything(home: Path) -> None:
    def fail() -> None:
        with orchestrator.Orchestrator(home) as orch:
            orch.start_redis()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert not launched(home.resolve())


def test_a_service_that_cannot_start_is_an_error_with_its_log(home: Path) -> None:
    (home / "data/run").mkdir(parents=True)
    (home / "data/run/redis.sock").mkdir()  # a folder where the socket must be

    with pytest.raises(ServiceFailed) as failed, orchestrator.Orchestrator(home) as orch:
        orch.start_redis()

    assert failed.value.log_tail


def test_status_shows_proxies_and_sites_without_asking_redis(home: Path) -> None:
    there = Orch(home)
    there.up()

    def shown() -> bool:
        status = there.json("status", "--json")
        return set(status["proxies"]) == {"live", "usable", "refreshed_at", "refresh"}

    eventually(shown)
    there("down")
    assert there.status()["proxies"]["usable"] == 0
