"""Old runs go in small steps, the newest stays, and the file shrinks."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from orchestrator.core.errors import OrchError
from orchestrator.core.home import Home
from sites.results import retention
from sites.results.output import Results
from sites.results.retention import Keep, Pruning, Tidy, doom, rewrite
from tests.support.fake_clock import FakeClock
from tests.support.site_results import ended, job_id, page, written

DAY = 86_400.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def fill(path: Path, runs: int, pages: int = 5, **more: object) -> Path:
    for job in range(1, runs + 1):
        items = [{"n": n, "text": "x" * 200} for n in range(3)]
        entries = [page(job, f"{at}", items) for at in range(pages)]
        written(path, *entries, ended(job, at=job * DAY))
    return path


def jobs(path: Path) -> list[int]:
    with Results(path) as results:
        return [int(run.job, 16) for run in results.runs()]


def counts(path: Path) -> dict[str, set[str]]:
    db = sqlite3.connect(path)
    names = ("pages", "items", "runs")
    return {name: {row[0] for row in db.execute(f"SELECT job FROM {name}")} for name in names}  # noqa: S608


def test_age_and_number_both_keep_a_run(home: Home) -> None:
    path = fill(home.site_results("shop"), 5)
    with Results(path) as results:
        runs = results.runs()

    def left(keep: Keep) -> list[int]:
        return [int(run.job, 16) for run in keep.doomed(runs, now=5 * DAY)]

    assert left(Keep(2)) == [1, 2, 3]
    assert left(Keep(1, younger_than=2.5 * DAY)) == [1, 2]
    assert left(Keep(4, younger_than=0.0)) == [1]
    assert left(Keep(0)) == [1, 2, 3, 4]  # the newest always stays


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_while_the_newest_is_under_way_the_one_before_is_kept_too(home: Home, state: str) -> None:
    path = fill(home.site_results("shop"), 4)
    written(path, page(5, "a", [{"n": 1}]), *([ended(5, state)] if state == "stopped" else []))

    with Results(path) as results:
        assert [int(run.job, 16) for run in Keep(1).doomed(results.runs(), 9 * DAY)] == [1, 2, 3]


def test_what_is_deleted_is_gone_and_the_file_is_smaller(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "STEP_PAGES", 7)
    path = fill(home.site_results("shop"), 4, pages=100)
    size = path.stat().st_size

    with Results(path, write=True) as results:
        doom(results, Keep(1), now=9 * DAY)
        steps = sum(1 for _ in Pruning(results).steps)

    assert steps > 3 * 100 / 7  # each is short
    assert jobs(path) == [4]
    assert set(map(tuple, counts(path).values())) == {(job_id(4),)}
    assert path.stat().st_size < size / 3


def test_a_deletion_that_was_cut_off_goes_on_and_nobody_sees_half_a_run(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "STEP_PAGES", 2)
    path = fill(home.site_results("shop"), 3, pages=10)
    with Results(path, write=True) as results:
        doom(results, Keep(1), now=9 * DAY)
        next(Pruning(results).steps)

    assert jobs(path) == [3]
    assert job_id(1) in counts(path)["pages"]
    tidy = Tidy(home, runs=20, clock=FakeClock())
    tidy.step()
    while tidy.busy:
        tidy.step()
    assert counts(path)["pages"] == {job_id(3)}


def test_a_file_of_before_is_written_anew_once_and_shrinks_then(home: Home) -> None:
    path = home.site_results("shop")
    path.parent.mkdir(parents=True)
    text = (Path(__file__).parents[3] / "sites/results/sql/001_results.sql").read_text()
    db = sqlite3.connect(path)
    db.executescript(f"PRAGMA journal_mode = WAL; {text}; PRAGMA user_version = 1;")
    db.close()
    fill(path, 3, pages=200)
    with Results(path, write=True) as results:
        results.outside("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with Results(path, write=True) as results:
        rewrite(results, most=1000)
        assert list(results.rows("PRAGMA auto_vacuum")) == [(0,)]
        doom(results, Keep(1), now=9 * DAY)
        for _ in Pruning(results).steps:
            pass
        rewrite(results)
        assert list(results.rows("PRAGMA auto_vacuum")) == [(2,)]

    assert path.stat().st_size < size / 2


def test_a_service_keeps_the_last_runs_of_every_site_and_looks_again_later(home: Home) -> None:
    clock = FakeClock()
    for site, runs in (("shop", 4), ("books", 2)):
        fill(home.site_results(site), runs)
    tidy = Tidy(home, runs=2, clock=clock)

    def work() -> None:
        tidy.step()
        while tidy.busy:
            tidy.step()

    work()
    assert jobs(home.site_results("shop")) == [3, 4]
    assert jobs(home.site_results("books")) == [1, 2]
    fill(home.site_results("books"), 5)
    work()
    assert jobs(home.site_results("books")) == [1, 2, 3, 4, 5]
    clock.now += retention.LOOK_EVERY_S
    work()
    assert jobs(home.site_results("books")) == [4, 5]


def test_one_file_that_is_broken_keeps_no_other_from_shrinking(home: Home) -> None:
    for site in ("a", "z"):
        fill(home.site_results(site), 3)
    broken = home.site_results("m")
    broken.parent.mkdir()
    broken.write_bytes(b"no database" * 500)
    tidy = Tidy(home, runs=1, clock=FakeClock())

    tidy.step()
    problems = 0
    while tidy.busy:
        try:
            tidy.step()
        except OrchError:
            problems += 1

    assert problems == 1
    assert jobs(home.site_results("a")) == jobs(home.site_results("z")) == [3]
