"""What is said of gates that work without their Redis, for as long as somebody who said it lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.gate.notice import FOLDER, Notice, posted, told

CHILD = """
import sys
from pathlib import Path
from orchestrator.gate.notice import Notice
Notice(Path(sys.argv[1])).post(site="books", since=1.0, reason="no answer")
print("posted", flush=True)
sys.stdin.read()
"""


def said(run: Path) -> list[object]:
    return [facts["site"] for facts in posted(str(run))]


def test_it_is_there_until_it_is_taken_down(tmp_path: Path) -> None:
    books, quotes = Notice(tmp_path / FOLDER), Notice(tmp_path / FOLDER)
    assert said(tmp_path) == []

    quotes.post(site="quotes", since=2.0)
    books.post(site="books", since=1.0)
    assert said(tmp_path) == ["books", "quotes"]

    books.take_down()
    books.take_down()
    assert said(tmp_path) == ["quotes"]
    quotes.post(site="quotes", since=3.0)
    assert said(tmp_path) == ["quotes"]
    quotes.take_down()
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_that_of_a_killed_process_is_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / FOLDER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        assert said(tmp_path) == ["books"]
        assert said(tmp_path) == ["books"], "a look takes nothing away"
        child.kill()
        child.wait()

        assert said(tmp_path) == []
        assert list((tmp_path / FOLDER).iterdir()) == []


def test_what_is_no_notice_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "1.1").write_text("no json")
    (tmp_path / FOLDER / "folder").mkdir()
    books = Notice(tmp_path / FOLDER)
    books.post(site="books")

    assert said(tmp_path) == ["books"]
    books.take_down()


def test_one_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file")

    with pytest.raises(OSError, match="File exists"):
        Notice(tmp_path / FOLDER).post(site="books")

    assert posted(str(tmp_path)) == []


def test_how_many_say_it_is_told_by_site(tmp_path: Path) -> None:
    notices = [Notice(tmp_path / FOLDER) for _ in range(3)]
    for notice, site in zip(notices, ("books", "books", "quotes"), strict=True):
        notice.post(site=site, since=1.0, reason="no answer from Redis")

    assert told(str(tmp_path)) == {
        "books": "asked without the shared gate by 2 processes, at their parts of the rate: "
        "no answer from Redis",
        "quotes": "asked without the shared gate by a process, at its part of the rate: "
        "no answer from Redis",
    }
    for notice in notices:
        notice.take_down()
