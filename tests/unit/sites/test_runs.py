"""Decisions about the runs of sites: who waits for whom, and what stands still."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home
from sites.definition.definition import Definition
from sites.definition.needs import problems
from sites.definition.registry import Registry
from sites.job.job import Job, job_of
from sites.job.ref import JobRef
from sites.job.stall import stalled, standing_for
from sites.job.state import JobState
from sites.jobs.waits import Stand, why_not


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ({"a": [], "b": ["a", "proxies"]}, []),
        ({"a": ["a"]}, ["circle: a -> a"]),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, ["circle: a -> b -> c -> a"]),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ["circle: b -> c -> b"]),  # nor does a ever begin
        ({"a": [], "b": ["c"], "c": ["b"]}, []),  # that is not its business
        ({"a": ["b", "c"]}, ['"b" is no site; there are: a, and proxies', '"c" is no site']),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, []),
    ],
)
def test_what_is_wrong_with_the_needs_of_a_site(
    needs: dict[str, list[str]], told: list[str]
) -> None:
    found = problems(needs, "a")

    assert len(found) == len(told)
    for line, part in zip(found, told, strict=True):
        assert part in line


def write(folder: Path, name: str, more: str) -> None:
    (folder / "sites").mkdir(exist_ok=True)
    page = 'start_urls = ["http://example.com/"]'
    (folder / f"sites/{name}.toml").write_text(
        f'{page}\n{more}\n[item]\nfields = {{ title = "h1::text" }}\n'
    )


def test_a_circle_is_told_with_its_file_for_each_site_of_it_and_no_other(tmp_path: Path) -> None:
    write(tmp_path, "shop", 'needs = ["list"]')
    write(tmp_path, "list", 'needs = ["shop"]')
    write(tmp_path, "other", "")
    registry = Registry(Home(tmp_path))

    with pytest.raises(ConfigError) as error:
        registry.get("shop")
    assert error.value.problems == (
        f"{tmp_path}/sites/shop.toml: needs: they go round in a circle: shop -> list -> shop",
    )
    assert registry.get("other")


def test_a_schedule_that_is_none_is_one_problem_of_its_file(tmp_path: Path) -> None:
    write(tmp_path, "shop", 'schedule = "0 25 * * *"\nstall = "never"\nneeds = "list"')

    with pytest.raises(ConfigError) as error:
        Registry(Home(tmp_path)).get("shop")
    needs, schedule, stall = sorted(error.value.problems)
    assert "needs = 'list': must be a list: [\"list\"]" in needs
    assert "schedule = '0 25 * * *': hour: '25' must be 0 to 23" in schedule
    assert "stall = 'never'" in stall


@pytest.mark.parametrize(
    ("stand", "told"),
    [
        (None, "has not run: `orch sites start list`"),
        (Stand("1", JobState.PENDING), "which is pending"),
        (Stand("1", JobState.RUNNING), "which is running"),
        (Stand("1", JobState.STOPPING), "which is stopping"),
        (Stand("1", JobState.STOPPED), "`orch sites resume list`"),
        (Stand("1", JobState.FAILED, "dns: nowhere"), "which failed (dns: nowhere)"),
        (Stand("1", JobState.PARTIAL), ""),
        (Stand("1", JobState.DONE), ""),
    ],
)
def test_why_a_job_waits_for_another_site(stand: Stand | None, told: str) -> None:
    why = why_not("list", stand)

    assert bool(why) == bool(told)
    assert told in why


def a_job(**facts: Any) -> Job:
    definition = {
        "name": "shop",
        "start_urls": ["http://example.com/"],
        "item": {"fields": {"title": "h1::text"}},
        "stall": "2m",
    }
    text = Definition.model_validate(definition).model_dump_json()
    known = {"state": "running", "definition": text, "created_at": "1", "moved": "7"}
    job = job_of(JobRef("shop", "1"), {**known, **facts})
    assert job
    return job


@pytest.mark.parametrize(
    ("facts", "pages", "now", "still"),
    [
        ({"moved_at": "1000"}, 7, 1030.0, 30.0),
        ({"moved_at": "1000"}, 8, 1030.0, 0.0),  # more have ended since the last look
        ({"moved_at": "1000"}, 7, 990.0, 0.0),  # the clock was set back
        ({}, 7, 1030.0, 0.0),  # nobody has looked
        ({"moved_at": "1000", "state": "stopping"}, 7, 1030.0, 0.0),
        ({"moved_at": "1000", "state": "done"}, 7, 1030.0, 0.0),
        ({"moved_at": "1000", "state": "pending"}, 7, 1030.0, 30.0),
    ],
)
def test_for_how_long_a_job_has_stood_still(
    facts: dict[str, str], pages: int, now: float, still: float
) -> None:
    assert standing_for(a_job(**facts), pages, now) == still


def test_a_job_is_stalled_by_the_limit_of_its_file_with_the_reason() -> None:
    job = a_job(moved_at="1000")

    assert stalled(job, 7, 1119.0, "") == ""
    assert stalled(job, 7, 1120.0, "") == "no page has ended for 2 min 0 s"
    assert stalled(job, 7, 1120.0, "no usable proxy").endswith("2 min 0 s: no usable proxy")
    assert stalled(job, 8, 1120.0, "") == ""


def test_a_job_of_an_older_version_is_stalled_after_ten_minutes() -> None:
    old = a_job(moved_at="1000", definition=json.dumps({"name": "shop"}))

    assert not stalled(old, 7, 1599.0, "")
    assert stalled(old, 7, 1600.0, "")
