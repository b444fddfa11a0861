"""Services named on the command line: only those, and what is wrong with a name."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.orch import COMMAND, Orch, a_home, eventually
from tests.support.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Iterator

SLEEPER = """
[service.{name}]
command = ["sleep", "{seconds}"]
ready = {{ after = "100ms" }}
"""
ONCE = """
[service.once]
command = ["true"]
restart = "never"
"""


def configure(orch: Orch, *tables: str) -> None:
    (orch.home / "orch.toml").write_text("".join(tables))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Orch]:
    """Two quick services of the user's, ready."""
    with a_home(tmp_path / "home", "") as made:
        configure(
            made,
            SLEEPER.format(name="a", seconds=1001),
            SLEEPER.format(name="b", seconds=1002),
            ONCE,
        )
        made.up("a", "b")
        yield made


def test_a_restart_by_name_says_that_it_was_with_the_settings_of_before(home: Orch) -> None:
    configure(home, SLEEPER.format(name="a", seconds=1003), SLEEPER.format(name="b", seconds=1002))

    changed, same = home("restart", "a"), home("restart", "b")

    assert changed.returncode == same.returncode == 0
    told = "a: declared otherwise since it was started; `orch restart --changed` applies it"
    assert told in changed.stderr.splitlines()
    assert same.stderr == ""
    assert home("restart", "--changed").returncode == 0
    assert home("restart", "a").stderr == ""


def test_a_restart_by_name_works_while_the_configuration_is_broken_and_says_that_it_is(
    home: Orch,
) -> None:
    before = home.pid("a")
    configure(home, "[worker]\nconcurrency = 0\n")

    done = home("restart", "a")

    assert done.returncode == 0
    assert home.pid("a") != before
    assert "worker.concurrency = 0" in done.stderr


@pytest.mark.parametrize(
    "words", [("up", "-d"), ("restart",), ("stop",), ("status",), ("status", "--watch")]
)
def test_one_that_was_declared_since_is_not_called_unknown(
    home: Orch, words: tuple[str, ...]
) -> None:
    with (home.home / "orch.toml").open("a") as file:
        file.write(SLEEPER.format(name="late", seconds=1004))

    done = home(*words, "late", "a")
    wrong = home(*words, "nonsense")

    assert (done.returncode, wrong.returncode) == (2, 2)
    assert "late is declared, and not yet known to the supervisor" in done.stderr
    assert "`orch restart --changed` applies this" in done.stderr
    assert "no such service: nonsense; there are: redis" in wrong.stderr
    assert "--changed" not in wrong.stderr


def test_status_shows_only_those_that_are_named(home: Orch) -> None:
    done = home("status", "a")
    assert done.returncode == 0
    assert " a " in done.stdout
    assert " b " not in done.stdout
    assert "proxies" not in done.stdout
    assert [row["name"] for row in home.json("status", "a", "b", "--json")["services"]] == [
        "a",
        "b",
    ]
    home("stop", "b")
    assert home("status", "a").returncode == 0
    assert home("status", "b").returncode == 1


def test_watch_shows_only_those_that_are_named(home: Orch) -> None:
    watch = home.popen("status", "a", "--watch", "--json")
    assert watch.stdout is not None
    seen = [told_of_a(watch.stdout.readline())]
    home("stop", "b")
    home("stop", "a")
    while seen[-1] != "stopped":
        seen.append(told_of_a(watch.stdout.readline()))
    watch.terminate()
    watch.communicate(timeout=20)

    assert seen[0] == "ready"
    assert set(seen[1:]) <= {"stopping", "stopped"}, "nothing is told when b changes"


def told_of_a(line: str) -> str:
    """Its state, of a look at nothing else."""
    (row,) = json.loads(line)["services"]
    assert row["name"] == "a"
    return str(row["state"])


def test_one_that_has_done_its_work_is_called_done(home: Orch) -> None:
    home.up("once")

    done = home("status", "once")

    assert done.returncode == 0
    row = next(line for line in done.stdout.splitlines() if " once " in line)
    assert " done " in row
    assert "exit code 0" in row
    assert home.json("status", "--json", "once")["services"][0]["state"] == "stopped"
    assert home("up", "-d", "once").returncode == 0


def test_memory_is_that_of_the_whole_family(home: Orch) -> None:
    script = (
        "import os, time; x = bytearray(60_000_000); os.fork() or open('both', 'w').close(); "
        "time.sleep(1000)"
    )
    table = f'[service.big]\ncommand = ["python", "-c", "{script}"]\nready = {{ file = "both" }}\n'
    with (home.home / "orch.toml").open("a") as file:
        file.write(table)
    assert home("restart", "--changed").returncode == 0

    def the_same_is_shown() -> bool:
        """It may still grow from the one look to the other, when it has just started."""
        alone = home.json("status", "--json", "big")["services"][0]["memory_bytes"]
        shown = home("status", "big").stdout
        assert alone > 60_000_000
        row = next(line for line in shown.splitlines() if " big " in line)
        return f" {alone / 1e6:.0f} MB " in row

    eventually(the_same_is_shown)


def test_a_restart_can_be_waited_for_less_or_longer(home: Orch) -> None:
    configure(
        home,
        SLEEPER.format(name="a", seconds=1001),
        '[service.slow]\ncommand = ["sleep", "1000"]\nready = { file = "none" }\nauto = false\n',
    )
    assert home("restart", "--changed").returncode == 0

    done = home("restart", "slow", "--timeout", "0.5")

    assert done.returncode == 5, done.stderr
    assert home("stop", "slow").returncode == 0


def test_a_start_can_be_waited_for_less_or_longer(home: Orch) -> None:
    configure(home, '[service.slow]\ncommand = ["sleep", "1000"]\nready = { file = "none" }\n')
    assert home("down").returncode == 0

    done = home("up", "-d", "slow", "--timeout", "0.5")

    assert done.returncode == 5, done.stderr
    assert not home.processes()


def test_events_of_a_name_that_nobody_has_are_refused_with_those_there_are(home: Orch) -> None:
    wrong = home("events", "--service", "nosuch", "-s", "a")
    assert wrong.returncode == 2
    assert "'nosuch'" in wrong.stderr
    assert "redis" in wrong.stderr
    assert wrong.stdout == ""
    configure(home, "")  # one that is declared no more has its past
    assert home("restart", "--changed").returncode == 0
    assert "started" in home("events", "-s", "a").stdout
    assert "supervisor" in home("events", "-s", "supervisor").stdout


def test_restart_without_a_name_says_how_all_are_restarted(home: Orch) -> None:
    assert "`orch down` and `orch up -d`" in home("restart").stderr


@pytest.mark.parametrize(
    "words", [("status", "--json"), ("up", "-d", "a"), ("config", "show"), ("events",)]
)
def test_when_nobody_reads_its_output_it_ends_quietly(home: Orch, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    both = words[0] == "up"  # it writes to the other one
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=home.home,
        env=home.environment,
        stdout=writer,
        stderr=writer if both else subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writer)

    assert (done.returncode, done.stderr or "") == (130, "")


@pytest.mark.parametrize("words", [("status", "--json"), ("config", "show")])
def test_a_full_disk_under_its_output_is_said(home: Orch, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=home.home,
            env=home.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 1
    assert "nothing more can be written: No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_live_table_of_some(home: Orch) -> None:
    with Typed(home, "status", "-w", "b") as typed:
        typed.shows(" b ")
        typed.press(b"\x03")
        assert typed.end() == 130
    assert " a " not in typed.shown
    eventually(lambda: home.service("b")["state"] == "ready")
