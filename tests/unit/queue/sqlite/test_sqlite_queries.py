"""The SQL of the queue: named, and never a scan of all jobs."""

from __future__ import annotations

import re
import sqlite3
from importlib import resources

import pytest

from orchestrator.queue.sqlite.connection import empty
from orchestrator.queue.sqlite.queries import load, migrations

FILES = ("turn", "enqueue", "lease", "end", "look")
#: Looks that people ask for, and that may take their time.
SLOW = {("look", "newest")}
QUERIES = [(file, name) for file in FILES for name in load(file)]


def plan(query: str) -> list[str]:
    words = dict.fromkeys(re.findall(r":(\w+)", query))
    numbered = [int(number) for number in re.findall(r"\?(\d)", query)]
    positions = max(numbered) if numbered else query.count("?")
    db = empty()
    rows = db.execute(f"EXPLAIN QUERY PLAN {query}", words or [None] * positions).fetchall()
    db.close()
    return [row[3] for row in rows]


@pytest.mark.parametrize(("file", "name"), QUERIES)
def test_no_query_goes_through_all_jobs(file: str, name: str) -> None:
    if (file, name) in SLOW:
        return
    for step in plan(load(file)[name]):
        if step.startswith("SCAN jobs"):
            assert re.search(r"INDEX jobs_(delayed|leased|by_\w+|ended|failed)", step), step


@pytest.mark.parametrize(("file", "name"), [each for each in QUERIES if each[0] != "look"])
def test_no_verb_sorts(file: str, name: str) -> None:
    if name != "added":  # a part of one batch
        assert not [step for step in plan(load(file)[name]) if "TEMP B-TREE" in step]


def test_every_index_but_those_of_ids_is_partial() -> None:
    db = empty()
    for name, text in db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'"):
        assert text is None or " WHERE " in text, name
    db.close()


@pytest.mark.parametrize("file", FILES)
def test_every_statement_of_a_file_is_read(file: str) -> None:
    text = resources.files("orchestrator.queue.sqlite").joinpath(f"sql/{file}.sql").read_text()
    assert len(load(file)) == text.count("-- name:") == text.count(";\n")
    for query in load(file).values():
        assert sqlite3.complete_statement(query + ";")


def test_the_first_migration_makes_a_queue() -> None:
    assert len(migrations()) >= 1
    db = empty()
    assert db.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    db.close()
