"""What was scraped, as people ask for it: no service runs here."""

from __future__ import annotations

import json
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pyarrow import parquet

from orchestrator.cli.run import run
from tests.support.site_results import ended, job_id, page, written

DAY = 86_400.0
KEY = {"key": ["sku"]}


class Typed:
    """Commands in this process, as nothing is started by them: a process each would take far longer."""

    def __init__(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.home = home
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *words: str) -> Done:
        self._monkeypatch.chdir(self.home)
        self._monkeypatch.setattr("sys.argv", ["orch", "--home", str(self.home), *words])
        code = run()
        told = self._capfd.readouterr()
        return Done(code, told.out, told.err)

    def json(self, *words: str) -> Any:
        return json.loads(self(*words).stdout)


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def orch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Typed:
    return Typed(tmp_path, monkeypatch, capfd)


@pytest.fixture
def shop(orch: Typed) -> Typed:
    """Three runs: a day ago, an hour ago, and one that was stopped."""
    now = time.time()
    written(
        orch.home / "data/sites/shop/results.sqlite",
        page(1, "a", [{"sku": "1", "price": 5}, {"sku": "2", "price": 5}], **KEY),
        page(1, "b", state="error", kind="timeout", reason="timeout: 20 s", proxy="http://p:1"),
        page(1, "c", state="skipped", kind="gone", reason="gone"),
        ended(1, "partial", at=now - DAY),
        page(2, "a", [{"sku": "1", "price": 4}, {"sku": "3", "price": 5}], **KEY),
        ended(2, at=now - 3600),
        page(3, "a", [{"sku": "1", "price": 4}], **KEY),
        ended(3, "stopped", at=now),
    )
    return orch


def brief(text: str) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in text.splitlines()]
    return [(line.get("_change", ""), line["sku"]) for line in lines]


def test_changes_are_told_with_what_they_are_compared_with(shop: Typed) -> None:
    done = shop("sites", "export", "shop", "--changed", "--job", job_id(2))

    assert done.returncode == 0, done.stderr
    assert brief(done.stdout) == [("changed", "1"), ("gone", "2"), ("new", "3")]
    assert f"job {job_id(2)}: 1 new, 1 changed, 1 gone since job {job_id(1)} of 20" in done.stderr
    assert f"job {job_id(1)} was partial: what it missed is told as new" in done.stderr

    done = shop("sites", "export", "shop", "--changed")
    assert brief(done.stdout) == []
    assert f"what is gone is not told: job {job_id(3)} is stopped" in done.stderr


def test_since_is_a_date_so_long_ago_or_a_job(shop: Typed) -> None:
    wanted = ("sites", "export", "shop", "--job", job_id(2), "--since")

    assert brief(shop(*wanted, "12h").stdout) == [("", "1"), ("", "3")]
    assert brief(shop(*wanted, "30d").stdout) == [("", "1"), ("", "3")]
    assert brief(shop(*wanted, job_id(1)).stdout) == [("", "1"), ("", "3")]
    assert brief(shop(*wanted, "2020-01-31").stdout) == [("", "1"), ("", "3")]
    assert brief(shop(*wanted, job_id(3), "--changed").stdout) == [("new", "3")]
    for wrong, told in (("soon", "2026-01-31"), ("30", "7d"), (job_id(9), job_id(3))):
        done = shop(*wanted, wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr


def test_every_format_goes_to_a_file_that_is_replaced_as_a_whole(shop: Typed) -> None:
    out = shop.home / "out"
    out.write_text("before")
    out.chmod(0o640)

    for form in ("csv", "jsonl", "sqlite", "parquet"):
        done = shop("sites", "export", "shop", "--format", form, "-o", "out", "--job", job_id(2))
        assert done.returncode == 0, done.stderr
        assert f"2 items of job {job_id(2)}" in done.stderr
        assert stat.S_IMODE(out.stat().st_mode) == 0o640
        if form == "sqlite":
            rows = sqlite3.connect(out).execute("SELECT sku, price FROM shop").fetchall()
            assert rows == [("1", 4), ("3", 5)]
    assert parquet.read_table(out).column("sku").to_pylist() == ["1", "3"]

    before = out.read_bytes()
    assert shop("sites", "export", "shop", "--job", job_id(9), "-o", "out").returncode == 2
    assert out.read_bytes() == before
    refused = shop("sites", "export", "shop", "--format", "sqlite")
    assert refused.returncode == 2
    assert "-o FILE" in refused.stderr
    assert shop("sites", "export", "shop", "--format", "csv", "-o", "-").stdout.startswith("sku,")


def test_failures_have_a_class_and_the_last_proxy(shop: Typed) -> None:
    job = ("--job", job_id(1))

    (row,) = shop.json("sites", "failures", "shop", *job, "--json")
    assert (row["kind"], row["attempts"], row["proxy"]) == ("timeout", 1, "http://p:1")
    shown = shop("sites", "failures", "shop", *job).stdout
    assert "timeout: 20 s" in shown
    assert "1 timeout" in shown
    (row,) = shop.json("sites", "failures", "shop", *job, "--class", "gone", "--json")
    assert (row["state"], row["reason"]) == ("skipped", "gone")
    done = shop("sites", "failures", "shop", "--class", "slow")
    assert done.returncode == 2
    assert "--class slow: there are dns," in done.stderr


def test_old_runs_are_pruned_when_it_is_said(orch: Typed) -> None:
    path = orch.home / "data/sites/old/results.sqlite"
    now = time.time()
    for job in range(1, 5):
        items = [{"text": "x" * 500}]
        pages = [page(job, f"{at}", items) for at in range(300)]
        written(path, *pages, ended(job, at=now - (5 - job) * DAY))
    size = path.stat().st_size

    told = orch.json("sites", "prune", "old", "--older-than", "2.5d", "--dry-run", "--json")
    assert [run["job"] for run in told["runs"]] == [job_id(1), job_id(2)]
    assert path.stat().st_size == size

    told = orch.json("sites", "prune", "--older-than", "2.5d", "--keep", "3", "--json")
    assert told["runs"][0] | {"at": 0} == {
        "site": "old",
        "job": job_id(1),
        "state": "done",
        "at": 0,
        "pages": 300,
        "items": 300,
    }
    done = orch("sites", "prune", "old", "--older-than", "0s")
    assert "deleted: 2 runs" in done.stdout
    assert orch("sites", "export", "old", "--job", job_id(3)).returncode == 2
    assert len(orch("sites", "export", "old").stdout.splitlines()) == 300
    assert path.stat().st_size < size / 2
    assert "deleted: 0 runs" in orch("sites", "prune").stdout
    for wrong in (("prune", "none"), ("prune", "--older-than", "soon")):
        assert orch("sites", *wrong).returncode == 2


def test_a_home_of_which_nothing_was_scraped_says_so(orch: Typed) -> None:
    assert "deleted: 0 runs" in orch("sites", "prune").stdout
    done = orch("sites", "export", "shop")
    assert done.returncode == 1
    assert "nothing was scraped yet" in done.stderr
    done = orch("sites", "retry-failed", "shop")
    assert done.returncode == 3
