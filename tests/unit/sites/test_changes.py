"""New, changed, gone: by key or by place, with old files and runs that saw only a part."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sites.results.changes import Changes, baseline
from sites.results.outcome import Entry
from sites.results.output import Results
from tests.support.site_results import ended, job_id, page, written

SKU = {"key": ["sku"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop" / "results.sqlite"


def told(path: Path, *, since: str | float | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines of the newest run compared with the one that is chosen, and the notes."""
    with Results(path) as results:
        runs = results.runs()
        changes = Changes(results, runs[-1], baseline(runs, runs[-1], since))
        lines = list(changes.lines())
        assert list(changes.lines()) == lines  # CSV asks twice
        return lines, list(changes.notes())


def brief(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(line["_change"], line["sku"]) for line in lines]


def test_what_is_new_changed_and_gone_is_told_by_the_key(path: Path) -> None:
    written(
        path,
        page(1, "a", [{"sku": "1", "price": 5}, {"sku": "2", "price": 5}], **SKU),
        page(1, "b", [{"sku": "3", "price": 5, "old": True}], **SKU),
        ended(1),
        page(2, "elsewhere", [{"price": 5, "sku": "1"}], **SKU),
        page(2, "b", [{"sku": "3", "price": 4, "stock": 0}, {"sku": "4", "price": 1}], **SKU),
        ended(2),
    )

    lines, notes = told(path)

    assert brief(lines) == [("gone", "2"), ("changed", "3"), ("new", "4")]
    assert lines[1]["_before"] == {"price": 5, "old": True, "stock": None}
    assert lines[1]["_url"] == "http://shop.example/b"
    assert notes == []


@pytest.mark.parametrize("state", ["stopped", "partial", "failed", "running"])
def test_what_is_gone_is_told_only_of_a_run_that_saw_everything(path: Path, state: str) -> None:
    end = [] if state == "running" else [ended(2, state)]
    written(path, page(1, "a", [{"sku": "1"}], **SKU), ended(1))
    written(path, page(2, "b", [{"sku": "2"}], **SKU), *end)

    lines, notes = told(path)

    assert brief(lines) == [("new", "2")]
    assert notes == [f"what is gone is not told: job {job_id(2)} is {state}, which is not done"]


def test_what_is_gone_is_not_told_of_a_run_that_reached_a_limit(path: Path) -> None:
    end = ended(2, reason="limits.pages = 1 was reached")
    written(path, page(1, "a", [{"sku": "1"}], **SKU), ended(1))
    written(path, page(2, "b", [{"sku": "2"}], **SKU), end)

    lines, notes = told(path)

    assert brief(lines) == [("new", "2")]
    assert notes == [
        f"what is gone is not told: job {job_id(2)} is done, limits.pages = 1 was reached"
    ]


def test_a_run_is_compared_with_the_last_one_that_came_to_an_end(path: Path) -> None:
    written(path, page(1, "a", [{"sku": "1"}, {"sku": "2"}], **SKU), ended(1))
    written(path, page(2, "a", [{"sku": "1"}], **SKU), ended(2, "partial"))
    for stopped in (3, 4):
        written(path, page(stopped, "x", [{"sku": "9"}], **SKU), ended(stopped, "stopped"))
    written(path, page(5, "a", [{"sku": "1"}, {"sku": "2"}], **SKU), ended(5))

    lines, notes = told(path)

    assert brief(lines) == [("new", "2")]
    assert notes == [f"job {job_id(2)} was partial: what it missed is told as new"]
    assert brief(told(path, since=1.5)[0]) == []
    assert brief(told(path, since=job_id(3))[0]) == [("new", "1"), ("new", "2"), ("gone", "9")]
    assert brief(told(path, since=0.5)[0]) == [("new", "1"), ("new", "2")]
    with pytest.raises(KeyError):
        told(path, since=job_id(77))


def test_without_a_key_an_item_is_known_by_its_place_and_that_is_said(path: Path) -> None:
    written(
        path, page(1, "a", [{"sku": "1"}, {"sku": "2"}]), page(1, "b", [{"sku": "3"}]), ended(1)
    )
    written(path, page(2, "a", [{"sku": "1"}, {"sku": "5"}, {"sku": "6"}]), ended(2))

    lines, notes = told(path)

    assert brief(lines) == [("changed", "5"), ("new", "6"), ("gone", "3")]
    assert notes == [
        "an item is known by URL and position; `key` in [item] names what identifies it"
    ]


def test_a_key_that_was_not_there_before_holds_for_the_run_before_too(path: Path) -> None:
    written(path, page(1, "a", [{"sku": "1", "n": 1}, {"sku": "2", "n": 1}]), ended(1))
    written(path, page(2, "b", [{"sku": "2", "n": 1}, {"sku": "1", "n": 2}], **SKU), ended(2))

    lines, notes = told(path)

    assert brief(lines) == [("changed", "1")]
    assert notes == []


def test_items_that_share_a_key_or_lack_it_are_counted(path: Path) -> None:
    items = [{"sku": "1", "n": 1}, {"sku": "1", "n": 2}, {"sku": None, "n": 3}]
    written(path, page(1, "a", items, **SKU), ended(1))
    written(path, page(2, "a", items, **SKU), ended(2))

    lines, notes = told(path)

    assert lines == []
    assert notes == [
        "items without the key, known by URL and position: 1",
        "items with the key of another one, left out: 1",
    ]


def test_the_first_run_is_all_new_and_says_so(path: Path) -> None:
    written(path, page(1, "a", [{"sku": "1"}], **SKU), ended(1))

    lines, notes = told(path)

    assert brief(lines) == [("new", "1")]
    assert notes == ["there is no earlier run to compare with: every item is new"]


def test_a_page_that_failed_does_not_undo_the_key(path: Path) -> None:
    written(path, page(1, "a", [{"sku": "1"}], **SKU), page(1, "b", state="error", kind="timeout"))

    with Results(path) as results:
        assert [run.key for run in results.runs()] == [("sku",)]


def test_a_page_that_is_as_it_was_has_the_items_that_it_had(path: Path) -> None:
    written(path, page(1, "a", [{"sku": "0"}], **SKU), ended(1))
    written(path, page(2, "a", [{"sku": "1"}, {"sku": "2"}], **SKU), ended(2))
    written(path, page(3, "a", state="error", kind="timeout"), ended(3, "failed"))
    same = page(4, "a", [{"sku": "1"}, {"sku": "2"}], unchanged=True, **SKU)
    again = [same, page(4, "b", [{"sku": "3"}], **SKU), ended(4)]
    written(path, *again)
    written(path, *again)  # it is drained twice

    assert brief(told(path)[0]) == [("new", "3")]
    with Results(path) as results:
        assert [item["sku"] for item in results.items(job_id(4))] == ["1", "2", "3"]


def old_file(path: Path) -> Path:
    """What was written before there were keys, hashes and runs."""
    text = (Path(__file__).parents[3] / "sites/results/sql/001_results.sql").read_text()
    path.parent.mkdir(parents=True)
    db = sqlite3.connect(path)
    db.executescript(f"{text}\nPRAGMA user_version = 1;")
    for job, price in ((1, 5), (2, 6)):
        url = f"http://shop.example/{job}"
        row = (job_id(job), url, "done", 200, "", "", 1, 0, "{}", "", float(job))
        db.execute("INSERT INTO pages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        data = json.dumps({"sku": "1", "price": price})
        db.execute("INSERT INTO items VALUES (?, ?, 0, ?)", (job_id(job), url, data))
    db.commit()
    db.close()
    return path


def test_an_old_file_is_read_as_it_is_also_where_nothing_may_be_written(path: Path) -> None:
    old_file(path).chmod(0o400)
    before = path.read_bytes()

    with Results(path) as results:
        runs = results.runs()
        assert [(run.job, run.state) for run in runs] == [
            (job_id(1), "unknown"),
            (job_id(2), "unknown"),
        ]
        assert [item["price"] for item in results.items(job_id(2))] == [6]
        assert list(results.failures(job_id(2))) == []
    lines, notes = told(path)

    assert [(line["_change"], line["price"]) for line in lines] == [("new", 6)]
    assert f"what is gone is not told: job {job_id(2)} is unknown, which is not done" in notes
    assert path.read_bytes() == before


def test_an_old_file_is_migrated_by_whoever_writes_and_compared_with_what_is_new(
    path: Path,
) -> None:
    old_file(path)
    written(path, page(3, "x", [{"price": 7, "sku": "1"}, {"sku": "2"}], **SKU), ended(3))

    lines, notes = told(path)

    assert brief(lines) == [("changed", "1"), ("new", "2")]
    assert lines[0]["_before"] == {"price": 6}
    assert notes == [f"job {job_id(2)} was unknown: what it missed is told as new"]


def test_two_writers_may_migrate_one_file(path: Path) -> None:
    old_file(path)
    one, two = Results.__new__(Results), Results.__new__(Results)
    for results in (one, two):
        results.path = path
        results._db = sqlite3.connect(path, isolation_level=None)

    one._migrate(2, "002_runs")
    two._migrate(2, "002_runs")  # it had looked before the first one did

    assert two._version() == 2
    one.close()
    two.close()


def test_what_is_read_is_of_one_moment(path: Path) -> None:
    written(path, page(1, "a", [{"sku": "1"}]))
    with Results(path) as results, results.snapshot():
        assert len(list(results.items(job_id(1)))) == 1
        written(path, page(1, "b", [{"sku": "2", "more": 1}]))
        assert len(list(results.items(job_id(1)))) == 1

    with Results(path) as results:
        assert len(list(results.items(job_id(1)))) == 2


ITEMS = st.lists(
    st.fixed_dictionaries(
        {"sku": st.sampled_from(["1", "2", "10", "é", "😀", "z\x00", ""]), "n": st.integers(0, 2)}
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(old=ITEMS, new=ITEMS)
def test_side_by_side_gives_what_dictionaries_give(
    tmp_path_factory: pytest.TempPathFactory, old: list[dict[str, Any]], new: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("shop") / "results.sqlite"
    entries: list[Entry] = []
    for job, items in ((1, old), (2, new)):
        entries += [page(job, f"{at}", [item], **SKU) for at, item in enumerate(items)]
        entries += [page(job, "none", state="error"), ended(job)]
    written(path, *entries)

    lines, _ = told(path)

    def by_key(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for at, item in enumerate(items):
            found.setdefault(item["sku"] or f"place {at}", item)
        return found

    was, now = by_key(old), by_key(new)
    expected = [("gone", was[key]) for key in was.keys() - now.keys()]
    expected += [("new", now[key]) for key in now.keys() - was.keys()]
    expected += [("changed", now[key]) for key in now.keys() & was.keys() if was[key] != now[key]]
    assert sorted((line["_change"], line["sku"], line["n"]) for line in lines) == sorted(
        (change, item["sku"], item["n"]) for change, item in expected
    )
