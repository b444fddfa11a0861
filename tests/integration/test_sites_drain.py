"""From the stream of results to the files: nothing lost, nothing twice."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core import mark
from orchestrator.core.errors import OrchError
from orchestrator.core.redis import Redis
from sites.drain import Drain
from sites.export import export, replacing
from sites.outcome import Outcome
from sites.output import Results
from tests.support.redis_server import RedisServer
from tests.support.site_home import SiteHome, until

JOB = "0123456789ab"


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: Redis) -> SiteHome:
    del real_redis  # the server is empty
    return SiteHome(tmp_path, redis_server.url)


def add(home: SiteHome, number: int, site: str = "shop", **more: object) -> None:
    url = f"http://shop.example/{number}"
    outcome = Outcome(url, "done", items=[{"n": number, "tags": ["a", "b"]}], **more)  # type: ignore[arg-type]
    body = outcome.to_json()
    fields = {"body": body, "bytes": len(body), "site": site, "job": JOB, "id": url}
    home.redis.xadd(home.keys.results(), fields)  # type: ignore[arg-type]
    home.redis.incrby(home.keys.results_bytes(), len(body))


def waiting(home: SiteHome) -> tuple[int, int]:
    size = home.redis.get(home.keys.results_bytes())
    return home.redis.xlen(home.keys.results()), int(size or 0)


def numbers(home: SiteHome, site: str = "shop") -> list[int]:
    with Results(home.context.home.site_results(site)) as results:
        return sorted(item["n"] for item in results.items(JOB))


def test_what_is_drained_is_on_disk_and_off_redis(home: SiteHome) -> None:
    for number in range(250):
        add(home, number)

    home.drain()

    assert numbers(home) == list(range(250))
    assert waiting(home) == (0, 0)


def test_what_is_written_twice_is_there_once(home: SiteHome) -> None:
    add(home, 1)
    drain = Drain(home.redis, home.keys, home.context.home)
    entries = drain._read()
    drain._put("shop", entries)  # killed between the write and the trim

    home.drain()

    assert numbers(home) == [1]
    assert waiting(home) == (0, 0)


def test_taking_off_twice_counts_once(home: SiteHome) -> None:
    ref, _ = home.records.create("shop", "{}")
    body = Outcome("http://shop.example/1", "done", items=[{"n": 1}]).to_json()
    fields = {"body": body, "bytes": len(body), "site": "shop", "job": ref.id}
    home.redis.xadd(home.keys.results(), fields)  # type: ignore[arg-type]
    home.redis.incrby(home.keys.results_bytes(), len(body))
    drain = Drain(home.redis, home.keys, home.context.home)
    entries = drain._read()

    assert drain._trim(entries) == 1
    assert drain._trim(entries) == 0

    assert home.job(ref).items == 1
    assert waiting(home) == (0, 0)


def test_a_file_that_cannot_be_written_delays_its_own_site_only(
    home: SiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sites.drain.BATCH", 2)
    broken = home.context.home.site_results("bad")
    broken.mkdir(parents=True)
    for number in range(3):
        add(home, number, site="bad")
    for number in range(3):
        add(home, number)
    drain = Drain(home.redis, home.keys, home.context.home)

    for _ in range(4):
        drain.step()

    assert numbers(home) == [0, 1, 2]
    assert waiting(home)[0] == 3
    broken.rmdir()
    home.drain()
    assert numbers(home, "bad") == [0, 1, 2]
    assert waiting(home) == (0, 0)


def test_a_trouble_is_told_once_and_its_end_too(
    home: SiteHome, caplog: pytest.LogCaptureFixture
) -> None:
    broken = home.context.home.site_results("bad")
    broken.mkdir(parents=True)
    add(home, 1, site="bad")
    drain = Drain(home.redis, home.keys, home.context.home)
    with caplog.at_level("INFO", logger="results"):
        for _ in range(5):
            drain.step()
        broken.rmdir()
        drain.step()
        drain.step()

    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "nothing is lost" in told[0]
    assert "all is well again" in told[1]


def test_an_entry_that_is_no_result_is_no_obstacle(home: SiteHome) -> None:
    home.redis.xadd(home.keys.results(), {"body": "{", "bytes": 1})
    home.redis.xadd(home.keys.results(), {"x": "y"})
    add(home, 1)

    home.drain()

    assert numbers(home) == [1]
    assert waiting(home)[0] == 0


def test_one_process_drains_at_a_time(home: SiteHome) -> None:
    one = Drain(home.redis, home.keys, home.context.home)
    two = Drain(home.redis, home.keys, home.context.home)

    assert one._hold(5)
    assert not two._hold(5)
    assert one._hold(5)
    one.close()
    assert two._hold(5)


def service(home: SiteHome) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "ORCH_HOME": str(home.context.home.path),
        "ORCH_SERVICE": "results",
        "ORCH_LAUNCH": "this one",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "sites.drain"], env=environment, stderr=subprocess.PIPE
    )


def ready(home: SiteHome) -> bool:
    facts = mark.read(home.context.home.mark("results"))
    return bool(facts) and facts["launch"] == "this one"


def test_the_service_drains_within_seconds_and_ends_clean(home: SiteHome) -> None:
    with service(home) as process:
        until(lambda: ready(home))
        add(home, 1)
        until(lambda: waiting(home) == (0, 0), timeout=5)
        process.send_signal(signal.SIGSTOP)
        for number in range(2, 500):
            add(home, number)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        assert process.wait(10) == 0

    assert numbers(home) == list(range(1, 500))
    assert waiting(home) == (0, 0)
    assert not home.redis.exists(home.keys.lease("drain"))


def test_the_service_keeps_the_summary_that_status_shows(home: SiteHome) -> None:
    home.records.create("shop", "{}")
    with service(home) as process:
        summary = home.context.home.run / "summary.json"
        until(summary.exists)
        process.terminate()

    shown = json.loads(summary.read_text())
    assert shown["proxies"]["refresh"] is None
    assert [row["site"] for row in shown["sites"]] == ["shop"]


def test_the_service_survives_a_restart_of_redis(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as server:
        home = SiteHome(tmp_path, server.url)
        with service(home) as process:
            until(lambda: ready(home))
            for number in range(3):
                server.kill()
                server.start()
                add(home, number)
                until(lambda: waiting(home) == (0, 0))
            process.terminate()
            assert process.wait(10) == 0

        assert numbers(home) == [0, 1, 2]


def test_a_killed_service_loses_nothing(home: SiteHome) -> None:
    for number in range(2000):
        add(home, number)
    with service(home) as process:
        until(lambda: waiting(home)[0] < 1500)
        process.kill()
    with service(home) as process:
        until(lambda: waiting(home) == (0, 0), timeout=20)
        process.terminate()

    assert numbers(home) == list(range(2000))


def test_an_export_has_one_order_and_is_whole_or_absent(home: SiteHome, tmp_path: Path) -> None:
    for number in (2, 1):
        add(home, number)
    home.drain()
    text = io.StringIO()
    with Results(home.context.home.site_results("shop")) as results:
        assert export(lambda: results.items(JOB), "jsonl", text) == 2
        table = io.StringIO()
        assert export(lambda: results.items(JOB), "csv", table) == 2

    assert [json.loads(line)["n"] for line in text.getvalue().splitlines()] == [1, 2]
    rows = list(csv.DictReader(io.StringIO(table.getvalue())))
    assert rows[0] == {"n": "1", "tags": '["a", "b"]', "_url": "http://shop.example/1"}
    file = tmp_path / "out.jsonl"
    file.write_text("before")
    with pytest.raises(ZeroDivisionError), replacing(file) as handle:
        handle.write(f"half {1 / 0}")
    assert file.read_text() == "before"
    with replacing(file) as handle:
        handle.write("whole")
    assert file.read_text() == "whole"
    assert list(tmp_path.glob(".out*")) == []


def test_nothing_scraped_yet_is_said_and_no_file_is_made(home: SiteHome) -> None:
    path = home.context.home.site_results("shop")

    with pytest.raises(OrchError, match="nothing was scraped yet"):
        Results(path)
    assert not path.parent.exists()


def test_a_file_of_a_newer_orch_is_refused(home: SiteHome) -> None:
    add(home, 1)
    home.drain()
    path = home.context.home.site_results("shop")
    with Results(path, write=True) as results:
        results._db.execute("PRAGMA user_version = 99")

    with pytest.raises(OrchError, match="newer"):
        Results(path, write=True)


def test_pages_that_failed_are_listed_with_their_reasons(home: SiteHome) -> None:
    add(home, 1)
    add(home, 2, missing={"price": 3})
    outcome = Outcome("http://shop.example/3", "error", kind="timeout", reason="timeout: x")
    fields = {"body": outcome.to_json(), "bytes": 1, "site": "shop", "job": JOB}
    home.redis.xadd(home.keys.results(), fields)  # type: ignore[arg-type]
    home.drain()

    with Results(home.context.home.site_results("shop")) as results:
        rows = results.failures(JOB)

    assert [(row["url"][-1], row["reason"], row["missing"]) for row in rows] == [
        ("2", "", {"price": 3}),
        ("3", "timeout: x", {}),
    ]


def test_an_idle_file_is_whole_without_its_journal(home: SiteHome) -> None:
    path = home.context.home.site_results("shop")
    journal = path.with_name(f"{path.name}-wal")
    with service(home) as process:
        until(lambda: ready(home))
        add(home, 1)
        until(journal.exists)
        until(lambda: not journal.exists())
        process.terminate()

    assert numbers(home) == [1]
