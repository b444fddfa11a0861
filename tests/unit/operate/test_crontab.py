"""Our line in a crontab: every other byte stays, whatever is there."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home
from orchestrator.operate.crontab import LONGEST, MARK, Entry, changed, every, schedule

HOME = Home(Path("/srv/shop"))
OTHER = Home(Path("/srv/more/srv/shop"))
OURS = b"*/30 * * * * orch proxies refresh # orch-cron /srv/shop\n"
THEIRS = b"MAILTO=me\n\n# a comment\n5 4 * * * backup >/dev/null\t\n"

lines = st.binary(max_size=40).filter(lambda line: MARK.encode() not in line)


def others(text: bytes) -> bytes:
    return b"".join(line for line in text.splitlines(keepends=True) if b"# orch-cron" not in line)


@given(st.lists(lines, max_size=8), st.integers(0, 8), st.integers(0, 2))
def test_every_other_byte_stays_where_it_is(found: list[bytes], place: int, copies: int) -> None:
    theirs = [line.replace(b"\n", b"").replace(b"\r", b"") + b"\n" for line in found]
    before = b"".join([*theirs[:place], *([OURS] * copies), *theirs[place:]])

    after = changed(before, HOME, [OURS])

    assert after.count(OURS) == 1
    assert others(after) == b"".join(theirs)
    assert changed(after, HOME, [OURS]) == after
    assert changed(after, HOME, []) == b"".join(theirs)


def test_our_line_is_changed_in_its_place() -> None:
    new = OURS.replace(b"*/30", b"*/10")

    assert changed(OURS + THEIRS, HOME, [new]) == new + THEIRS


def test_a_last_line_without_an_end_gets_one() -> None:
    assert changed(b"5 4 * * * backup", HOME, [OURS]) == b"5 4 * * * backup\n" + OURS


def test_nothing_is_changed_where_nothing_is_ours() -> None:
    assert changed(b"5 4 * * * backup", HOME, []) == b"5 4 * * * backup"
    assert changed(b"", HOME, []) == b""


def test_the_line_of_another_home_is_another_line() -> None:
    other = OURS.replace(b"cron /srv/shop", b"cron /srv/more/srv/shop")

    assert changed(other, HOME, []) == other
    assert changed(other + OURS, OTHER, []) == OURS
    assert changed(other, HOME, [OURS]) == other + OURS


def test_one_that_somebody_has_put_to_sleep_is_ours_as_well() -> None:
    assert changed(b"#" + OURS + THEIRS, HOME, [OURS]) == OURS + THEIRS


@pytest.mark.parametrize("folder", ["plain", "my shop's 100% $HOME", 'a "b" `c`', "überall"])
def test_whatever_the_home_is_called_the_shell_gets_its_words(folder: str) -> None:
    home = Home(Path("/srv") / folder)
    entry = Entry(home, "*/5 * * * *", ["proxies", "refresh", "--log", "/a b"], {"a.b": "c d"})

    fields = entry.line.split(" ", 5)
    command = fields[5].replace("\\%", "%")  # what cron hands to the shell
    words = shlex.split(command, comments=True)

    assert fields[:5] == ["*/5", "*", "*", "*", "*"]
    assert words[0].startswith("PATH=/")
    assert words[-7:] == [
        *("--home", str(home.path)),
        *("--set=a.b=c d", "proxies", "refresh", "--log", "/a b"),
    ]
    assert "%" not in entry.line.replace("\\%", "")
    assert changed(entry.line.encode() + b"\n", home, []) == b""


@pytest.mark.parametrize("folder", ["a\\b", "a\nb", "x" * LONGEST])
def test_what_cron_cannot_be_told_is_refused(folder: str) -> None:
    entry = Entry(Home(Path("/srv") / folder), "@hourly", [], {})

    with pytest.raises(ConfigError, match="cannot be written"):
        _ = entry.line


@pytest.mark.parametrize(
    ("seconds", "times"),
    [
        (60, "* * * * *"),
        (300, "3-59/5 * * * *"),
        (1800, "3-59/30 * * * *"),
        (3600, "3 * * * *"),
        (6 * 3600, "3 2-23/6 * * *"),
        (86_400, "3 20 * * *"),
    ],
)
def test_a_length_of_time_is_written_as_cron_does(seconds: float, times: str) -> None:
    assert every(seconds, spread=20 * 60 + 3) == times


@pytest.mark.parametrize("seconds", [0, 0.2, 30, 90, 45 * 60, 5 * 3600, 2 * 86_400])
def test_what_cron_does_not_know_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="cron knows"):
        every(seconds, spread=0)


@pytest.mark.parametrize(
    "text", ["*/30 8-18 * * mon-fri", "@hourly", "  0 4 * * *  ", "0~9 4 1,15 * *"]
)
def test_times_as_cron_writes_them_are_taken(text: str) -> None:
    assert schedule(text) == " ".join(text.split())


@pytest.mark.parametrize(
    "text", ["", "30", "* * * *", "* * * * * *", "@often", "* * * * %", "* * * * ;x"]
)
def test_times_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="five fields"):
        schedule(text)
