"""Picking proxies from the file of the pool."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from proxies.pool.picker import Outcome
from sites.crawl.file_picker import FilePicker
from tests.support.fake_clock import FakeClock


def write(path: Path, *urls: str, usable: bool = True) -> None:
    rows = [{"url": url, "usable": usable} for url in urls]
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(json.dumps({"generation": 1, "proxies": rows}))
    os.utime(path, ns=(before + 1, before + 1))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "live_proxies.json"


def test_the_one_with_the_fewest_requests_is_taken(path: Path, clock: FakeClock) -> None:
    write(path, "http://10.0.0.1:1", "socks5://10.0.0.2:2")
    picker = FilePicker(path, clock)

    async def main() -> set[str]:
        found = [await picker.pick("shop") for _ in range(2)]
        return {lease.proxy.key for lease in found if lease}

    assert asyncio.run(main()) == {"http://10.0.0.1:1", "socks5://10.0.0.2:2"}


def test_one_that_a_site_banned_rests_there_and_nowhere_else(path: Path, clock: FakeClock) -> None:
    write(path, "http://10.0.0.1:1")
    picker = FilePicker(path, clock)

    async def main() -> None:
        lease = await picker.pick("shop")
        assert lease is not None
        await picker.report(lease, Outcome.BANNED, again_s=5)
        assert await picker.pick("shop") is None
        assert await picker.pick("other") is not None
        clock.sleep(5)
        assert await picker.pick("shop") is not None

    asyncio.run(main())


def test_whose_password_is_not_told_and_who_is_not_usable_is_left_out(
    path: Path, clock: FakeClock
) -> None:
    assert FilePicker(path, clock).usable == 0
    write(path, "http://***@10.0.0.1:1", "http://ann:secret@10.0.0.2:2")
    assert FilePicker(path, clock).usable == 1
    write(path, "http://10.0.0.1:1", usable=False)
    assert FilePicker(path, clock).usable == 0


def test_a_file_that_is_written_anew_is_read_again(path: Path, clock: FakeClock) -> None:
    write(path, "http://10.0.0.1:1")
    picker = FilePicker(path, clock)
    assert picker.usable == 1

    write(path, "http://10.0.0.1:1", "http://10.0.0.2:2")
    clock.sleep(1)

    assert picker.usable == 2
