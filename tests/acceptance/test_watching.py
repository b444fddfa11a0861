"""`orch status --watch`, `logs`, `events`, `restart`, `stop`: looking at services, and at some of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.orch import Orch, a_home, eventually
from tests.support.row import replaced
from tests.support.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A quick service that says something, one that nobody starts by itself, and one that is never ready.
TOML = """
[worker]
concurrency = 1
[service.chatty]
command = ["sh", "-c", "n=0; while :; do n=$((n+1)); echo line $n; sleep 0.05; done"]
needs = ["redis"]
ready = { after = "100ms" }
[service.quiet]
command = ["sleep", "1000"]
ready = { after = "100ms" }
auto = false
[service.never]
command = ["sleep", "1000"]
ready = { file = "never-made" }
start_timeout = "100s"
auto = false
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Orch]:
    with a_home(tmp_path / "home", TOML) as made:
        made.up("chatty")
        yield made


class Lines:
    """What a following command has written so far."""

    def __init__(self, orch: Orch, *words: str) -> None:
        self._file = orch.home / f"shown-{len(list(orch.home.glob('shown-*')))}"
        with self._file.open("wb") as file:
            self.process = orch.popen(*words, stdout=file, stderr=subprocess.STDOUT)

    def all(self) -> list[str]:
        return self._file.read_text().splitlines()

    def wait(self, text: str) -> None:
        eventually(lambda: any(text in line for line in self.all()), what=f"{text!r}: {self.all()}")

    def end(self) -> list[str]:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        return self.all()


def test_watch_without_a_terminal_writes_a_line_for_every_change_and_ends_with_the_supervisor(
    home: Orch,
) -> None:
    watch = Lines(home, "status", "--watch")
    watch.wait("chatty     ready")

    assert home("restart", "chatty").returncode == 0
    watch.wait(f"chatty     ready (pid {home.pid('chatty')})")
    assert home("down").returncode == 0

    assert watch.process.wait(60) == 3
    assert "the supervisor has ended" in watch.all()[-1]
    assert not [line for line in watch.all() if "\x1b" in line or "Traceback" in line]


def test_watch_as_json_is_a_line_a_change(home: Orch) -> None:
    watch = Lines(home, "status", "--watch", "--json")
    watch.wait('"name": "chatty"')
    home("stop", "chatty")
    watch.wait('"name": "chatty", "state": "stopped"')
    looks = [json.loads(line) for line in watch.end()]
    assert watch.process.returncode == 130
    assert looks[0]["services"][0]["name"] == "redis"
    assert len(looks) < 6


def test_watch_on_a_terminal_is_a_table_until_ctrl_c(home: Orch) -> None:
    with Typed(home, "status", "--watch") as typed:
        typed.shows("chatty")
        home("stop", "chatty")
        typed.shows("stopped")
        typed.press(b"\x03")
        assert typed.end() == 130
    assert "Traceback" not in typed.shown
    assert typed.shown.rindex("\x1b[?25h") > typed.shown.rindex("\x1b[?25l")  # the cursor is back


def test_watch_on_a_terminal_ends_when_the_supervisor_does(home: Orch) -> None:
    with Typed(home, "status", "--watch") as typed:
        typed.shows("chatty")
        home("down")
        assert typed.end() == 3
    assert "the supervisor has ended" in typed.shown


def test_watch_of_nothing_says_so(tmp_path: Path) -> None:
    done = Orch(tmp_path / "empty")("status", "--watch")
    assert done.returncode == 3
    assert "orch up" in done.stderr


def test_status_tells_why_something_is_not_ready_and_does_not_mind_what_nobody_asked_for(
    home: Orch,
) -> None:
    assert home("status").returncode == 0  # quiet and never are stopped
    up = home.popen("up", "-d", "never")
    eventually(lambda: home.service("never")["state"] == "starting")
    eventually(lambda: home.service("never")["probe"]["error"])

    done = home("status")

    assert done.returncode == 1
    reason = home.service("never")["probe"]["error"]
    row = next(line for line in done.stdout.splitlines() if "never" in line)
    assert reason in row
    assert home("stop", "never").returncode == 0
    up.communicate(timeout=60)


def test_events_are_told_in_words_with_local_times(home: Orch) -> None:
    pid = home.pid("chatty")
    os.kill(pid, signal.SIGKILL)
    replaced(home, "chatty", pid)

    done = home("events", "--service", "chatty", "-n", "4")

    lines = done.stdout.splitlines()
    assert [line.split("chatty")[1].split("(")[0].strip() for line in lines] == [
        "ended by KILL",
        "restarting at once",
        "started",
        "ready",
    ]
    found = home.json("events", "-n", "2", "--json")
    assert [event["event"] for event in found] == ["service.started", "service.ready"]
    home.environment["TZ"] = "UTC-5"
    (later,) = home("events", "-n", "1").stdout.splitlines()
    home.environment["TZ"] = "UTC"
    (here,) = home("events", "-n", "1").stdout.splitlines()
    assert later[:19] > here[:19]
    assert later[19:] == here[19:]


def test_events_go_on_through_rotation(home: Orch) -> None:
    events = Lines(home, "events", "-f", "-n", "1")
    events.wait("ready")
    logs = home.home / "data/logs"

    (logs / "events.jsonl").rename(logs / "events.1")
    home("restart", "chatty")
    events.wait("ended")

    before = len(home("events", "-n", "1000").stdout.splitlines())
    assert len(events.end()) < before  # what was rotated away is told, too
    assert events.process.returncode == 130


def test_nothing_has_happened_yet(tmp_path: Path) -> None:
    empty = Orch(tmp_path / "empty")
    assert empty("events").returncode == 0
    assert empty.json("events", "--json") == []
    assert empty("logs").returncode == 0
    assert "orch up" in empty("logs").stderr
    assert empty("logs", "nope").returncode == 2


def stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_logs_follow_every_service_by_name_also_one_that_comes_later_and_lose_no_line(
    home: Orch,
) -> None:
    logs = Lines(home, "logs", "-f", "-n", "100000")
    logs.wait("chatty | line 1")
    file = home.home / "data/logs/chatty.log"

    for _ in range(3):  # as the supervisor does when a log is too long
        pid = home.pid("chatty")
        os.kill(pid, signal.SIGSTOP)  # it says nothing in between
        eventually(lambda pid=pid: stands_still(pid))  # type: ignore[misc]
        last = int(file.read_text().split()[-1])
        (file.parent / "chatty.log.1").write_bytes(file.read_bytes())
        os.truncate(file, 0)
        os.kill(pid, signal.SIGCONT)
        # Shown in their order: by then nothing of what was moved away is still to be read.
        logs.wait(f"chatty | line {last + 20}")
    late = home.home / "data/logs/late.log"
    late.write_text("hello\n")
    logs.wait("late | hello")

    numbers = [int(line.split()[-1]) for line in logs.end() if " line " in line]
    missing = set(range(1, max(numbers))) - set(numbers)
    assert len(numbers) == len(set(numbers))
    assert not missing


def test_logs_of_a_service_that_has_not_run_yet_can_be_followed(home: Orch) -> None:
    logs = Lines(home, "logs", "quiet", "-f")
    logs.wait("") if logs.all() else None
    (home.home / "data/logs/quiet.log").write_text("at last\n")
    logs.wait("at last")
    assert home("logs", "nobody", "-f").returncode == 2
    logs.end()


def test_logs_are_in_the_order_of_their_times(tmp_path: Path) -> None:
    orch = Orch(tmp_path / "home")
    logs = orch.home / "data/logs"
    logs.mkdir(parents=True)
    (logs / "redis.log").write_text(
        "7:M 21 Jan 2026 10:00:00.100 * first\n7:M 21 Jan 2026 10:00:00.300 * third\n"
    )
    (logs / "worker.log").write_text(
        "[2026-01-21 10:00:00,200: INFO/MainProcess] second\n  and its traceback\n"
    )

    shown = orch("logs").stdout.splitlines()

    assert [line.split()[-1] for line in shown] == ["first", "second", "traceback", "third"]
    assert shown[0].startswith(" redis | 7:M")
    assert orch("logs", "-n", "1", "redis").stdout == "7:M 21 Jan 2026 10:00:00.300 * third\n"


def test_a_letter_that_the_output_cannot_show_ends_nothing(tmp_path: Path) -> None:
    orch = Orch(tmp_path / "home")
    (orch.home / "data/logs").mkdir(parents=True)
    (orch.home / "data/logs/a.log").write_bytes("ü €".encode() + b" \xff end\n")
    orch.environment["PYTHONIOENCODING"] = "ascii"

    done = orch("logs")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "a | ? ? ? end\n"


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_names_have_colours_on_a_terminal_and_logs_do_no_harm_to_it(
    tmp_path: Path, environment: dict[str, str], coloured: bool
) -> None:
    orch = Orch(tmp_path / "home")
    logs = orch.home / "data/logs"
    logs.mkdir(parents=True)
    (logs / "a.log").write_text("\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J bell\x07\n")
    (logs / "b.log").write_text("plain\n")

    with Typed(orch, "logs", **environment) as typed:
        assert typed.end() == 0

    assert ("\x1b[36ma | " in typed.shown) is coloured
    assert ("\x1b[31mred" in typed.shown) is coloured
    assert "red" in typed.shown
    for harm in ("\x1b]0;", "\x1b[2J", "\x07"):
        assert harm not in typed.shown


def test_restart_takes_several_names_and_all_wrong_ones_are_told_at_once(home: Orch) -> None:
    before = {name: home.pid(name) for name in ("redis", "chatty")}

    done = home("restart", "redis", "chatty")

    assert done.returncode == 0, done.stderr
    assert [line.split(" (")[0] for line in done.stdout.splitlines()] == [
        "redis is ready",
        "chatty is ready",
    ]
    assert not set(before.values()) & {home.pid("redis"), home.pid("chatty")}
    wrong = home("restart", "nope", "redis", "neither")
    assert wrong.returncode == 2
    assert "nope" in wrong.stderr
    assert "neither" in wrong.stderr
    assert home("restart").returncode == 2
    assert home("restart", "--changed", "redis").returncode == 2


def test_restart_changed_says_what_it_changed_or_that_nothing_differs(home: Orch) -> None:
    redis, chatty = home.pid("redis"), home.pid("chatty")
    assert "nothing differs" in home("restart", "--changed").stdout

    (home.home / "orch.toml").write_text(TOML.replace("sleep 0.05", "sleep 0.06"))
    told = home("up", "-d", "chatty")
    done = home("restart", "--changed")

    assert "chatty" in told.stderr
    assert "orch restart --changed" in told.stderr
    assert done.returncode == 0, done.stderr
    assert "chatty" in done.stdout
    assert home.pid("redis") == redis
    assert home.pid("chatty") != chatty


def test_stop_ends_some_services_and_those_that_need_them(home: Orch) -> None:
    assert home("up", "-d", "quiet").returncode == 0

    done = home("stop", "redis")

    assert done.stdout.strip() == "stopped: chatty, redis"
    assert home.service("quiet")["state"] == "ready"
    assert home("status").returncode == 0
    assert "not running" in home("stop", "chatty").stdout
    assert home("stop", "nope").returncode == 2
    assert home("stop").returncode == 2
    home("up", "-d", "chatty")
    assert home.service("chatty")["state"] == "ready"


def test_stop_and_restart_of_nothing_say_that_nothing_runs(tmp_path: Path) -> None:
    empty = Orch(tmp_path / "empty")
    assert empty("stop", "worker").returncode == 3
    assert empty("restart", "worker").returncode == 3
    assert empty("restart", "--changed").returncode == 3


@pytest.mark.parametrize(
    "words",
    [
        ("events", "-f"),
        ("logs", "-f", "redis"),
        ("status", "--watch"),
        ("status", "--watch", "--json"),
    ],
    ids=" ".join,
)
def test_who_follows_ends_with_its_reader_though_nothing_happens(
    home: Orch, words: tuple[str, ...]
) -> None:
    process = home.popen(*words, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) in (1, 130)  # 1: it was just writing
