"""`orch cron`: the user's crontab, by a stand-in for the program that is as strict as the real one."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.orch import SMALL, Orch, a_home

STAND_IN = """#!/bin/sh
case "$*" in
-l) [ -e "$CRONTAB_FILE.refused" ] && { cat "$CRONTAB_FILE.refused" >&2; exit 1; }
    [ -e "$CRONTAB_FILE" ] || { echo "no crontab for somebody" >&2; exit 1; }
    cat "$CRONTAB_FILE"; [ ! -e "$CRONTAB_FILE.slow" ] || sleep 0.3;;
-)  cat >"$CRONTAB_FILE.new"
    [ -s "$CRONTAB_FILE.new" ] && [ -n "$(tail -c 1 "$CRONTAB_FILE.new")" ] &&
        { echo "new crontab file is missing newline before EOF, can't install." >&2; exit 1; }
    echo written >>"$CRONTAB_FILE.log"
    mv "$CRONTAB_FILE.new" "$CRONTAB_FILE";;
*)  exit 2;;
esac
"""
THEIRS = b"MAILTO=me\n\n# 100% mine \xff\n5 4 * * *  backup # nightly\t\n"


class Table:
    """The crontab that the stand-in keeps."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.programs.mkdir()
        program = self.programs / "crontab"
        program.write_text(STAND_IN)
        program.chmod(0o755)
        self.file = folder / "table"

    @property
    def text(self) -> bytes:
        return self.file.read_bytes() if self.file.exists() else b""

    @property
    def writes(self) -> int:
        log = Path(f"{self.file}.log")
        return len(log.read_text().splitlines()) if log.exists() else 0

    def refuse(self, why: str) -> None:
        Path(f"{self.file}.refused").write_text(why)

    def on(self, orch: Orch) -> Orch:
        orch.environment["PATH"] = f"{self.programs}:{os.environ['PATH']}"
        orch.environment["CRONTAB_FILE"] = str(self.file)
        return orch


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orch]:
    with a_home(tmp_path_factory.mktemp("cron") / "home") as made:
        yield made


@pytest.fixture
def orch(home: Orch) -> Orch:
    """One home for all tests: nothing of theirs runs in it, and each has a table of its own."""
    home.environment = {**home.environment, "PATH": os.environ["PATH"]}
    (home.home / "orch.toml").write_text(SMALL)
    return home


@pytest.fixture
def table(tmp_path: Path, orch: Orch) -> Table:
    made = Table(tmp_path)
    made.on(orch)
    return made


def command(line: bytes) -> str:
    """What cron would hand to the shell."""
    return line.decode().split(" ", 5)[5].replace("\\%", "%")


def test_it_is_written_once_and_taken_out_again_and_all_else_stays(
    orch: Orch, table: Table
) -> None:
    table.file.write_bytes(THEIRS)

    first = orch("cron", "install", "--every", "6h")
    assert first.returncode == 0, first.stderr
    assert table.text.startswith(THEIRS)
    assert table.text.count(b"\n") == THEIRS.count(b"\n") + 1
    assert table.text.decode("latin-1").splitlines()[-1] in first.stdout
    assert orch("cron", "install", "--every", "6h").stdout.startswith("it is there already")
    assert table.writes == 1

    assert orch("cron", "install", "--every", "30m").returncode == 0
    assert table.text.count(b"# orch-cron") == 1
    assert orch("cron", "remove").stdout == "removed\n"
    assert table.text == THEIRS
    assert orch("cron", "remove").stdout == "there was none\n"
    assert table.text == THEIRS


def test_somebody_without_a_crontab_gets_one(orch: Orch, table: Table) -> None:
    assert orch("cron", "show").returncode == 1
    assert orch("cron", "install").returncode == 0

    assert table.text.count(b"\n") == 1
    shown = orch("cron", "show")
    assert (shown.returncode, shown.stdout.encode()) == (0, table.text)
    found = orch.json("cron", "show", "--json")
    assert found == {
        "installed": True,
        "lines": [table.text.decode().rstrip("\n")],
        "log": str(orch.home / "data/logs/cron.log"),
    }

    table.file.write_bytes(b"# " + (line := table.text))
    assert orch("cron", "show").returncode == 1  # somebody has switched it off
    assert orch("cron", "install").returncode == 0
    assert table.text == line


def test_the_command_runs_as_it_stands_from_any_folder_without_any_environment(
    orch: Orch, table: Table
) -> None:
    orch("--set", "proxies.min_usable=3", "cron", "install", "--min", "3", "--if-older-than", "1h")

    done = subprocess.run(
        ["/bin/sh", "-c", command(table.text)],
        cwd="/",
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    log = (orch.home / "data/logs/cron.log").read_text()
    assert f"orch --home {orch.home} --set=proxies.min_usable=3 proxies refresh --min 3" in log
    assert "orch up -d" in log
    assert "exit code 3" in log


def test_a_home_with_a_strange_name(tmp_path: Path, table: Table) -> None:
    orch = table.on(Orch(tmp_path / "my shop's 100% $HOME "))

    assert orch("cron", "install").returncode == 0
    assert orch("cron", "install").stdout.startswith("it is there already")
    assert orch("cron", "show").returncode == 0
    words = shlex.split(command(table.text), comments=True)
    assert words[words.index("--home") + 1] == str(orch.home)
    assert orch("cron", "remove").stdout == "removed\n"
    assert table.text == b""


def test_two_homes_at_once_have_a_line_each(tmp_path: Path, table: Table) -> None:
    table.file.write_bytes(THEIRS)
    Path(f"{table.file}.slow").touch()
    homes = [table.on(Orch(tmp_path / f"home{number}")) for number in range(6)]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda home: home("cron", "install"), homes))

    assert table.text.startswith(THEIRS)
    assert table.text.count(b"# orch-cron") == 6


def test_without_the_program_it_says_so_and_what_else_there_is(tmp_path: Path) -> None:
    orch = Orch(tmp_path)
    orch.environment["PATH"] = str(tmp_path)

    for words in (["install"], ["remove"], ["show"]):
        done = orch("cron", *words)
        assert done.returncode == 3
        assert "no program `crontab`" in done.stderr
        assert "refresh_every" in done.stderr
    assert not (orch.home / "data").exists()


def test_a_crontab_that_cannot_be_read_is_never_written(orch: Orch, table: Table) -> None:
    table.file.write_bytes(THEIRS)
    table.refuse("You (me) are not allowed to use this program (crontab)\n")

    done = orch("cron", "install")

    assert done.returncode == 1
    assert "You (me) are not allowed to use this program" in done.stderr
    assert "Traceback" not in done.stderr
    assert table.text == THEIRS


def test_a_program_that_hangs_is_not_waited_for(orch: Orch, table: Table) -> None:
    (table.programs / "crontab").write_text("#!/bin/sh\nsleep 600\n")
    script = "import orchestrator.operate.crontab as c; c.PROGRAM_S = 1.0;"
    script += "from orchestrator.__main__ import main; raise SystemExit(main())"

    done = subprocess.run(
        [*orch.command[:2], "-c", script, "cron", "show"],
        cwd=orch.home,
        env=orch.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "did not end within 1 s" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--every", "45m"], 2, "--every 45m: cron knows"),
        (["--every", "soon"], 2, "--every soon"),
        (["--schedule", "often"], 2, "five fields"),
        (["--every", "1h", "--schedule", "@hourly"], 2, "give one of them"),
        (["--min", "many"], 2, "--min"),
        (["--uo"], 2, "--uo"),
        (["now"], 2, "now"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    orch: Orch, table: Table, words: list[str], code: int, told: str
) -> None:
    done = orch("cron", "install", *words)

    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert table.writes == 0


def test_a_configuration_that_is_wrong_is_told_now_and_not_by_cron(
    orch: Orch, table: Table
) -> None:
    (orch.home / "orch.toml").write_text("[proxies]\nmin_usable = -1\n")

    done = orch("cron", "install")

    assert done.returncode == 2
    assert "min_usable" in done.stderr
    assert table.writes == 0
    assert orch("cron", "remove").returncode == 0  # which needs no configuration


def test_json_is_one_object_without_a_line_too(orch: Orch, table: Table) -> None:
    done = orch("cron", "show", "--json")

    assert json.loads(done.stdout)["installed"] is False
    assert done.returncode == 1
