"""From the stream of results to the files: nothing lost, nothing twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core import mark
from orchestrator.core.errors import OrchError
from sites.job.state import JobState
from sites.results.aside import aside_file
from sites.results.outcome import Entry, Outcome
from sites.results.output import Results
from sites.shared.drain import Drain
from sites.shared.written import drained
from tests.support.redis_server import RedisServer
from tests.support.site_home import SiteHome, until
from tests.support.site_results import ended, job_id, page, written

JOB = "0123456789ab"


def add(home: SiteHome, *numbers: int, site: str = "shop", job: str = JOB, **more: object) -> None:
    with home.redis.pipeline() as pipe:  # one step, as a commit is: the drain may be there at once
        for number in numbers:
            url = f"http://shop.example/{number}"
            outcome = Outcome(url, "done", items=[{"n": number, "tags": ["a", "b"]}], **more)  # type: ignore[arg-type]
            body = outcome.to_json()
            fields = {"body": body, "bytes": len(body), "site": site, "job": job, "id": url}
            pipe.xadd(home.keys.results(), fields)
            pipe.incrby(home.keys.results_bytes(), len(body))
        pipe.execute()


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
    entries = [Entry.read(*raw) for raw in drain._read()]
    drain._put("shop", entries)  # killed between the write and the trim

    home.drain()

    assert numbers(home) == [1]
    assert waiting(home) == (0, 0)


def test_taking_off_twice_counts_once(home: SiteHome) -> None:
    ref, _ = home.records.create("shop", "{}")
    body = Outcome("http://shop.example/1", "done", items=[{"n": 1}]).to_json()
    fields = {"body": body, "bytes": len(body), "site": "shop", "job": ref.id}
    with home.redis.pipeline() as pipe:  # one step, as a commit is: the drain may be there at once
        pipe.xadd(home.keys.results(), fields)
        pipe.incrby(home.keys.results_bytes(), len(body))
        pipe.execute()
    drain = Drain(home.redis, home.keys, home.context.home)
    off = [(raw[0], Entry.read(*raw)) for raw in drain._read()]

    assert drain._trim(off) == 1  # type: ignore[arg-type]
    assert drain._trim(off) == 0  # type: ignore[arg-type]

    assert home.job(ref).items == 1
    assert waiting(home) == (0, 0)


def test_a_file_that_cannot_be_written_delays_its_own_site_only(
    home: SiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sites.shared.drain.BATCH", 2)
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


def raw(home: SiteHome, **fields: str) -> str:
    facts = {"site": "shop", "job": JOB, "bytes": "1"} | fields
    return str(home.redis.xadd(home.keys.results(), facts))  # type: ignore[arg-type]


def aside(home: SiteHome) -> list[dict[str, object]]:
    path = aside_file(home.context.home)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


URL = '"url": "http://shop.example/9"'
BROKEN = [
    {"body": "{"},
    {"body": "[]"},
    {"body": '{"url": 7, "state": "done"}'},
    {"body": f'{{{URL}, "state": "lost"}}'},
    {"body": f'{{{URL}, "state": "done", "status": 99999999999999999999}}'},
    {"body": f'{{{URL}, "state": "done", "items": [1]}}'},
    # This one is read, and nothing that SQLite can keep.
    {"body": f'{{{URL}, "state": "done", "fetched_at": NaN}}'},
    {"site": "../../etc", "body": f'{{{URL}, "state": "done"}}'},
    {"job": "x", "body": f'{{{URL}, "state": "done"}}'},
    {"run": "lost", "at": "1", "started_at": "", "reason": ""},
    {"run": "done", "at": "never", "started_at": "", "reason": ""},
    {"x": "y"},
]


def test_what_is_no_result_is_set_aside_whole_and_is_no_obstacle(home: SiteHome) -> None:
    add(home, 1)
    ids = [raw(home, **fields) for fields in BROKEN]
    add(home, 2)

    home.drain()

    assert numbers(home) == [1, 2]
    assert waiting(home)[0] == 0
    kept = {line["entry"]: line for line in aside(home)}
    assert sorted(kept) == sorted(ids)
    for entry_id, fields in zip(ids, BROKEN, strict=True):
        assert kept[entry_id]["why"]
        assert fields.items() <= kept[entry_id]["fields"].items()  # type: ignore[attr-defined]


def test_what_cannot_be_set_aside_stays_where_it_is(home: SiteHome) -> None:
    aside_file(home.context.home).mkdir(parents=True)
    raw(home, body="{")
    add(home, 1)
    drain = Drain(home.redis, home.keys, home.context.home)
    for _ in range(3):
        drain.step()

    assert numbers(home) == [1]
    assert waiting(home)[0] == 1
    assert "what is no result" in drain.trouble
    aside_file(home.context.home).rmdir()
    home.drain()
    assert waiting(home)[0] == 0
    assert len(aside(home)) == 1


def test_what_is_set_aside_has_a_bound(home: SiteHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sites.results.aside.MOST_BYTES", 1000)
    for _ in range(50):
        raw(home, body="{")

    home.drain()

    folder = aside_file(home.context.home).parent
    assert {path.name for path in folder.iterdir()} == {"set-aside.jsonl", "set-aside.1.jsonl"}
    assert all(path.stat().st_size <= 1000 for path in folder.iterdir())


def test_what_a_newer_version_adds_to_a_result_is_no_harm(home: SiteHome) -> None:
    raw(home, body=f'{{{URL}, "state": "done", "items": [{{"n": 9}}], "warmth": 3}}')

    home.drain()

    assert numbers(home) == [9]
    assert aside(home) == []


def test_large_results_come_in_smaller_batches(
    home: SiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sites.shared.drain.BATCH_BYTES", 10_000)
    for number in range(100):
        add(home, number, reason="x" * 1000)
    drain = Drain(home.redis, home.keys, home.context.home)

    sizes = [drain.step() for _ in range(4)]

    assert sizes[0] == 100  # nothing is known of them yet
    for number in range(100):
        add(home, number, reason="x" * 1000)
    assert 5 <= drain.step() <= 10


def test_where_a_job_stands_is_kept_behind_its_pages(home: SiteHome) -> None:
    ref, _ = home.records.create("shop", "{}")
    home.records.move(ref, JobState.RUNNING)
    home.drain()
    path = home.context.home.site_results("shop")

    def runs() -> list[tuple[str, str]]:
        with Results(path) as results:
            return [(run.job, run.state) for run in results.runs()]

    assert runs() == [(ref.id, "running")]
    home.records.move(ref, JobState.PARTIAL)
    job = home.job(ref)
    assert not drained(job.last_result, job.last_result)
    home.drain()

    assert runs() == [(ref.id, "partial")]
    with Results(path) as results:
        (run,) = results.runs()
    assert (run.started_at, run.at) == (job.started_at, job.finished_at)


def test_an_end_that_is_written_late_or_twice_changes_nothing(home: SiteHome) -> None:
    ref, _ = home.records.create("shop", "{}")
    for state in (JobState.RUNNING, JobState.STOPPED):
        home.records.move(ref, state)
    drain = Drain(home.redis, home.keys, home.context.home)
    running, stopped = [Entry.read(*found) for found in drain._read()]

    for entries in ([stopped], [running], [running, stopped], [running]):
        assert drain._put("shop", entries) == entries

    with Results(home.context.home.site_results("shop")) as results:
        assert [run.state for run in results.runs()] == ["stopped"]


def test_the_service_deletes_old_runs_while_nothing_comes(home: SiteHome) -> None:
    path = written(
        home.context.home.site_results("shop"),
        *(page(job, f"{at}", [{"n": at}]) for job in range(1, 25) for at in range(3)),
        *(ended(job) for job in range(1, 25)),
    )
    with service(home) as process:
        until(lambda: len(jobs_of(path)) == 20)
        process.terminate()

    assert jobs_of(path)[0] == job_id(5)


def jobs_of(path: Path) -> list[str]:
    with Results(path) as results:
        return [run.job for run in results.runs()]


def test_one_process_drains_at_a_time(home: SiteHome) -> None:
    one = Drain(home.redis, home.keys, home.context.home)
    two = Drain(home.redis, home.keys, home.context.home)

    assert one._hold(60)
    assert not two._hold(60)
    assert one._hold(60)
    one.close()
    assert two._hold(60)


@contextlib.contextmanager
def service(home: SiteHome) -> Iterator[subprocess.Popen[bytes]]:
    """The service, which does not outlive a test that fails."""
    environment = {
        **os.environ,
        "ORCH_HOME": str(home.context.home.path),
        "ORCH_SERVICE": "results",
        "ORCH_LAUNCH": "this one",
    }
    command = [sys.executable, "-m", "sites.shared.drain"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def ready(home: SiteHome) -> bool:
    facts = mark.read(home.context.home.mark("results"))
    return bool(facts) and facts["launch"] == "this one"


def test_the_service_drains_within_seconds_and_ends_clean(home: SiteHome) -> None:
    with service(home) as process:
        until(lambda: ready(home))
        add(home, 1)
        until(lambda: waiting(home) == (0, 0))
        process.send_signal(signal.SIGSTOP)
        for number in range(2, 500):
            add(home, number)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0

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
            assert process.wait(60) == 0

        assert numbers(home) == [0, 1, 2]


def test_a_service_that_is_killed_again_and_again_loses_nothing_and_counts_once(
    home: SiteHome,
) -> None:
    ref, _ = home.records.create("shop", "{}")
    home.records.move(ref, JobState.RUNNING)
    add(home, *range(6000), job=ref.id)
    home.records.move(ref, JobState.STOPPED)
    for left in (5500, 3500, 1500):
        with service(home) as process:
            until(lambda left=left: waiting(home)[0] < left)
            process.kill()
        if left > 1500:
            home.redis.delete(home.keys.lease("drain"))  # once is enough to wait until it runs out
    with service(home) as process:
        until(lambda: waiting(home) == (0, 0))
        process.terminate()

    with Results(home.context.home.site_results("shop")) as results:
        assert [item["n"] for item in results.items(ref.id)] == sorted(range(6000), key=str)
        assert [run.state for run in results.runs()] == ["stopped"]
    assert home.job(ref).items == 6000


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
        rows = list(results.failures(JOB))

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
