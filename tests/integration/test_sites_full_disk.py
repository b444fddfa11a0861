"""A disk that is full while results are drained: nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.errors import DiskFull
from orchestrator.core.files import whole_file
from orchestrator.core.redis import Redis
from sites.results.aside import aside_file
from sites.results.export import Format, export
from sites.results.outcome import Outcome
from sites.results.output import Results
from sites.shared.drain import Drain
from tests.support.redis_server import RedisServer
from tests.support.site_home import SiteHome

JOB = "0123456789ab"
PAGES = 300


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KB; mounting needs root."""
    folder = tmp_path / "data" / "sites"
    folder.mkdir(parents=True)
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=512k", "orch-test", str(folder)]
    subprocess.run(mount, check=True)
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


@pytest.mark.machine
def test_a_full_disk_loses_no_result(
    tmp_path: Path, small_disk: Path, redis_server: RedisServer, real_redis: Redis
) -> None:
    del real_redis  # the server is empty
    home = SiteHome(tmp_path, redis_server.url)
    for number in range(PAGES):
        item = {"n": number, "text": "x" * 1000}
        body = Outcome(f"http://shop.example/{number}", "done", items=[item]).to_json()
        fields = {"body": body, "bytes": len(body), "site": "shop", "job": JOB}
        home.redis.xadd(home.keys.results(), fields)  # type: ignore[arg-type]
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 300_000)
    drain = Drain(home.redis, home.keys, home.context.home)
    for _ in range(10):
        drain.step()

    left = home.redis.xlen(home.keys.results())
    assert left > 0
    drain.close()
    filler.unlink()
    subprocess.run(["/bin/mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    home.drain()

    assert home.redis.xlen(home.keys.results()) == 0
    with Results(home.context.home.site_results("shop")) as results:
        assert sorted(item["n"] for item in results.items(JOB)) == list(range(PAGES))


@pytest.mark.machine
@pytest.mark.parametrize("form", ["jsonl", "csv", "sqlite", "parquet"])
def test_an_export_that_finds_the_disk_full_leaves_what_was_there(
    tmp_path: Path, small_disk: Path, form: Format
) -> None:
    items = [{"n": number, "text": os.urandom(500).hex()} for number in range(1000)]
    path = small_disk / "out"
    path.write_text("before")

    with pytest.raises(DiskFull), whole_file(path) as file:
        export(lambda: iter(items), form, file)

    assert path.read_text() == "before"
    assert [each.name for each in small_disk.iterdir()] == ["out"]


@pytest.mark.machine
def test_what_is_no_result_waits_for_room(
    tmp_path: Path, small_disk: Path, redis_server: RedisServer, real_redis: Redis
) -> None:
    del real_redis
    home = SiteHome(tmp_path, redis_server.url)
    for _ in range(20):
        fields = {"body": "{" + "x" * 50_000, "bytes": 1, "site": "shop", "job": JOB}
        home.redis.xadd(home.keys.results(), fields)  # type: ignore[arg-type]
    drain = Drain(home.redis, home.keys, home.context.home)
    for _ in range(5):
        drain.step()

    kept = aside_file(home.context.home).read_text().splitlines()
    assert 0 < len(kept) < 20
    assert home.redis.xlen(home.keys.results()) == 20 - len(kept)
    subprocess.run(["/bin/mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    home.drain()

    lines = [json.loads(line) for line in aside_file(home.context.home).read_text().splitlines()]
    assert len({line["entry"] for line in lines}) == len(lines) == 20
