"""What is added to a log is read once each, whatever happens to the file."""

from __future__ import annotations

import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from orchestrator.core.follower import LONGEST_LINE, Follower

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    return tmp_path / "worker.log.1"


@pytest.fixture
def follower(log: Path, older: Path) -> Follower:
    return Follower(log, older)


def write(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def test_the_last_lines_come_first_and_then_what_is_added(log: Path, follower: Follower) -> None:
    write(log, "one\ntwo\nthree\n")
    assert list(follower.last(2)) == ["two", "three"]
    assert list(follower.added()) == []

    write(log, "four\n")

    assert list(follower.added()) == ["four"]


def test_a_line_is_read_when_it_has_an_end(log: Path, follower: Follower) -> None:
    write(log, "one\nhalf")
    assert list(follower.last(5)) == ["one"]
    write(log, " and half\n")
    assert list(follower.added()) == ["half and half"]


def test_what_has_no_end_yet_can_be_asked_for(log: Path, follower: Follower) -> None:
    write(log, "one\nhalf")
    assert [*follower.last(1), *follower.rest()] == ["one", "half"]


def test_a_file_that_is_not_there_yet_is_read_when_it_comes(log: Path, follower: Follower) -> None:
    assert list(follower.last(5)) == []
    write(log, "one\n")
    assert list(follower.added()) == ["one"]


def test_lines_that_were_rotated_away_count_as_last_ones(
    log: Path, older: Path, follower: Follower
) -> None:
    write(older, "one\ntwo\nthree\n")
    write(log, "four\n")
    assert list(follower.last(3)) == ["two", "three", "four"]


@pytest.mark.parametrize("late", ["", "late\n"])
def test_a_renamed_file_is_read_to_its_end(
    log: Path, older: Path, follower: Follower, late: str
) -> None:
    write(log, "one\n")
    assert list(follower.last(5)) == ["one"]

    write(log, "two\n")
    log.rename(older)
    write(older, late)
    write(log, "three\n")

    assert list(follower.added()) == ["two", *late.split(), "three"]


def test_what_is_written_to_a_renamed_file_later_is_read_and_nothing_twice(
    log: Path, older: Path, follower: Follower
) -> None:
    write(log, "one\n")
    list(follower.last(5))
    log.rename(older)
    write(log, "three\n")
    assert list(follower.added()) == ["three"]

    write(older, "two\n")  # its writer had not heard of it
    write(log, "four\n")

    assert list(follower.added()) == ["two", "four"]
    assert list(follower.added()) == []


def test_a_copied_and_emptied_file_loses_no_line(
    log: Path, older: Path, follower: Follower
) -> None:
    write(log, "one\nha")
    assert list(follower.last(5)) == ["one"]

    write(log, "lf\ntwo\n")
    older.write_bytes(log.read_bytes())
    os.truncate(log, 0)
    write(log, "three\n")

    assert list(follower.added()) == ["half", "two", "three"]
    assert list(follower.added()) == []


def test_a_file_that_was_emptied_and_has_grown_beyond_our_place_is_noticed(
    log: Path, follower: Follower
) -> None:
    write(log, "one\n")
    list(follower.last(5))

    os.truncate(log, 0)
    write(log, "".join(f"new {n}\n" for n in range(100)))

    assert list(follower.added()) == [f"new {n}" for n in range(100)]


def test_a_removed_file_that_is_begun_anew_is_read(log: Path, follower: Follower) -> None:
    write(log, "one\n")
    list(follower.last(5))
    log.unlink()
    assert list(follower.added()) == []
    write(log, "two\n")
    assert list(follower.added()) == ["two"]


def test_endless_lines_come_in_pieces_and_need_little_memory(log: Path, follower: Follower) -> None:
    write(log, "ü" * 5_000_000 + "\nend\n")
    tracemalloc.start()
    pieces, last = 0, ""
    for piece in follower.last(5):
        assert len(piece.encode()) <= LONGEST_LINE
        assert "\ufffd" not in piece
        pieces, last = pieces + 1, piece
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert last == "end"
    assert pieces > 100
    assert peak < 2_000_000


def test_bytes_that_are_no_text_are_shown_as_far_as_they_are(log: Path, follower: Follower) -> None:
    log.write_bytes(b"a\xff\xfeb\r\n\x00c\n")
    assert list(follower.last(5)) == ["a\ufffd\ufffdb", "\x00c"]


def test_of_many_lines_only_the_last_are_read(log: Path, follower: Follower) -> None:
    write(log, "".join(f"{n}\n" for n in range(200_000)))
    assert list(follower.last(3)) == ["199997", "199998", "199999"]
    other = Follower(log, log.with_suffix(".none"))
    assert len(list(other.last(150_000))) == 150_000
    assert list(Follower(log, log).last(0)) == []
