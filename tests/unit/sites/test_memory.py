"""What is known of pages from the runs before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sites.results.memory import Memory
from sites.results.outcome import Entry, Outcome, Sight
from sites.results.output import Results
from sites.results.retention import Keep, Pruning, doom
from tests.support.site_results import ended, job_id, page, written

URL = "http://shop.example/a"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop" / "results.sqlite"


def seen(job: int, etag: str = '"1"', **more: Any) -> Entry:
    """A page with an item, read by the recipe r."""
    sight = Sight(etag, "", "r", ["http://shop.example/b"], ["http://shop.example/a?2"], 3)
    return page(job, "a", [{"sku": str(job)}], **{"sight": sight, "missing": {"price": 3}} | more)


def known(path: Path, job: int, recipe: str = "r", *, wanted: bool = True) -> Any:
    with Memory(path, job_id(job), recipe, wanted=wanted) as memory:
        return memory.known(URL)


def test_a_page_is_known_as_the_last_run_read_it(path: Path) -> None:
    written(path, seen(1), ended(1), seen(2, '"2"'), ended(2))

    found = known(path, 3)

    assert found.proof == ('"2"', "")
    assert found.found.items == [{"sku": "2"}]
    assert (found.found.links, found.found.further) == (
        ["http://shop.example/b"],
        ["http://shop.example/a?2"],
    )
    assert (found.found.missing, found.found.dropped) == ({"price": 3}, 3)


def test_what_comes_late_of_an_older_run_changes_nothing(path: Path) -> None:
    written(path, seen(2, '"2"'), seen(1))
    written(path, seen(1, sight=None))

    assert known(path, 3).proof.etag == '"2"'


def test_a_run_knows_nothing_from_itself_or_by_another_recipe_or_unless_it_is_wanted(
    path: Path,
) -> None:
    written(path, seen(2))

    assert known(path, 2) is None
    assert known(path, 3, "another") is None
    assert known(path, 3, wanted=False) is None


def test_a_page_is_known_by_the_last_run_that_kept_a_proof_of_it(path: Path) -> None:
    """As long as its site says so, it is as it was then, whatever runs saw meanwhile."""
    written(path, seen(1), seen(2, state="error", sight=None))
    assert known(path, 3).found.items == [{"sku": "1"}]

    written(path, seen(2, sight=None))

    assert known(path, 3).found.items == [{"sku": "1"}]


def test_what_is_pruned_is_not_known_from_that_moment_on_and_leaves_nothing(path: Path) -> None:
    written(path, seen(1), ended(1), page(2, "b"), ended(2))
    with Results(path, write=True) as results:
        doom(results, Keep(1), now=9.0)
        assert known(path, 3) is None
        for _ in Pruning(results).steps:
            continue
        assert list(results.rows("SELECT count(*) FROM proofs")) == [(0,)]


def test_without_a_file_or_with_an_older_one_nothing_is_known(path: Path) -> None:
    assert known(path, 3) is None
    written(path, seen(1))
    with Results(path, write=True) as results:
        results.outside("PRAGMA user_version = 2")

    assert known(path, 3) is None


def test_a_result_with_a_proof_comes_out_of_the_stream_as_it_went_in() -> None:
    entry = seen(1)
    assert isinstance(entry.told, Outcome)

    fields = {"site": "shop", "job": job_id(1), "body": entry.told.to_json()}

    assert Entry.read("1-0", fields).told == entry.told
