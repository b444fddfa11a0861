"""`orch proxies refresh` as cron runs it: an empty environment, no terminal, perhaps nothing up."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxies.model import Proxy
from tests.support.orch import Orch, a_home, eventually
from tests.support.zoo import Zoo

#: What cron gives its commands on Debian, besides HOME and LOGNAME.
CRON = {"SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}


@pytest.fixture
def zoo() -> Iterator[Zoo]:
    with Zoo() as made:
        yield made


@pytest.fixture
def good(zoo: Zoo) -> list[Proxy]:
    return zoo.many("http", 3)


@pytest.fixture
def orch(tmp_path: Path, zoo: Zoo, good: list[Proxy]) -> Iterator[Orch]:
    """A home with three good proxies."""
    toml = (
        "[worker]\nconcurrency = 2\n"
        f'[proxies]\nsources = ["list.txt"]\njudges = ["{zoo.judge}"]\ncheck_timeout = 5\n'
    )
    with a_home(tmp_path / "home", toml) as made:
        (made.home / "list.txt").write_text("".join(f"{proxy.url}\n" for proxy in good))
        yield made


def as_cron(
    orch: Orch, *words: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command in an empty environment, from a folder that is not the home."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "orchestrator", "--home", str(orch.home), *words],
        cwd="/",
        env=environment or {},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def states(orch: Orch) -> dict[str, str]:
    return {row["name"]: row["state"] for row in orch.status()["services"]}


@pytest.mark.parametrize("environment", [{}, CRON])
def test_with_nothing_up_cron_is_told_so(orch: Orch, environment: dict[str, str]) -> None:
    done = as_cron(orch, "proxies", "refresh", environment=environment)

    assert done.returncode == 3
    assert "orch up -d" in done.stderr
    assert "--up" in done.stderr
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)
    assert not orch.processes()


@pytest.mark.parametrize("environment", [{}, CRON])
def test_up_starts_what_is_needed_for_its_duration_and_leaves_nothing(
    orch: Orch, environment: dict[str, str]
) -> None:
    done = as_cron(orch, "proxies", "refresh", "--up", "--min", "3", environment=environment)

    assert done.returncode == 0, done.stderr
    assert "COMPLETE: 3 usable, 3 live of 3 candidates" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert not orch.processes()
    file = json.loads((orch.home / "data/proxies/live_proxies.json").read_text())
    assert (file["usable"], file["status"]) == (3, "COMPLETE")


def test_up_uses_what_runs_and_leaves_it_running(orch: Orch) -> None:
    orch.up("redis")
    before = orch.pid("redis")

    done = as_cron(orch, "proxies", "refresh", "--up")

    assert done.returncode == 0, done.stderr
    assert states(orch) == {
        "redis": "ready",
        "results": "stopped",
        "worker": "stopped",
        "beat": "stopped",
    }
    assert orch.pid("redis") == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_up_leaves_nothing_running(
    orch: Orch, zoo: Zoo, number: signal.Signals
) -> None:
    hanging = zoo.add("hanging")
    (orch.home / "list.txt").write_text(f"{hanging.url}\n")
    with orch.popen("proxies", "refresh", "--up") as refresh:
        eventually(lambda: zoo.animals[hanging.key].connections, 60, "a proxy is checked")
        refresh.send_signal(number)
        told = refresh.communicate(timeout=60)[0]

    assert refresh.returncode == 128 + number, told
    assert "Traceback" not in told
    assert not orch.processes()


def test_up_that_does_not_wait_makes_no_sense(orch: Orch) -> None:
    orch.refuses("proxies", "refresh", "--up", "--no-wait", told=["--up and --no-wait"])


def test_the_log_says_when_what_and_how_it_ended(orch: Orch) -> None:
    log = orch.home / "data/logs/cron.log"
    failed = as_cron(orch, "proxies", "refresh", "--log", str(log))
    assert (failed.returncode, failed.stdout, failed.stderr) == (3, "", "")
    orch.up()

    done = as_cron(orch, "proxies", "refresh", "--log", str(log), "--min", "4")

    assert (done.returncode, done.stdout, done.stderr) == (6, "", "")
    lines = log.read_text().splitlines()
    first, last = lines[0], lines[-1]
    assert f"orch --home {orch.home} proxies refresh --log" in first
    assert any("orch up -d" in line for line in lines)
    assert [line.partition("exit code ")[2][:2] for line in lines if "exit code" in line] == [
        "3 ",
        "6 ",
    ]
    assert any(line.startswith("COMPLETE: 3 usable") for line in lines)
    assert last.startswith("-- 2")
    assert oct(log.stat().st_mode)[-3:] == "600"
    assert "COMPLETE: 3 usable" in orch("logs", "cron").stdout


def test_the_log_stays_small(orch: Orch) -> None:
    log = orch.home / "data/logs/cron.log"
    log.parent.mkdir(parents=True)
    log.write_text("x" * 99 + "\n" + "old\n" * 300_000)

    as_cron(orch, "proxies", "refresh", "--log", str(log))

    assert log.stat().st_size < 10_000
    assert log.with_name("cron.log.1").stat().st_size > 1_000_000


def test_a_log_that_cannot_be_written_is_told(orch: Orch) -> None:
    done = as_cron(orch, "proxies", "refresh", "--log", f"{orch.home}/orch.toml/x.log")

    assert done.returncode == 1
    assert "cannot write" in done.stderr


def test_a_signal_while_it_is_logged_is_logged(orch: Orch, zoo: Zoo) -> None:
    toml = (orch.home / "orch.toml").read_text()
    (orch.home / "orch.toml").write_text(toml.replace("check_timeout = 5", "check_timeout = 15"))
    orch.up()
    (orch.home / "list.txt").write_text(f"{zoo.add('hanging').url}\n")
    with orch.popen("proxies", "refresh", "--log", "x.log") as refresh:
        eventually(lambda: "checked" in _text(orch.home / "x.log"), 60)
        refresh.send_signal(signal.SIGINT)
        refresh.communicate(timeout=60)

    assert refresh.returncode == 130
    assert "exit code 130" in (orch.home / "x.log").read_text()


def test_refresh_every_has_beat_refresh_by_itself(orch: Orch) -> None:
    toml = (orch.home / "orch.toml").read_text()
    (orch.home / "orch.toml").write_text(toml + 'refresh_every = "1h"\n')

    orch.up()

    def usable() -> int:
        return int(orch.json("status", "--json")["proxies"]["usable"])

    eventually(lambda: usable() == 3, 60)
    began = [event for event in orch.events() if event["event"] == "refresh.began"]
    assert [event["why"] for event in began] == ["there was none yet"]
    assert "proxies: checks 3 proxies: there was none yet" in _told(orch)


def _told(orch: Orch) -> str:
    return " ".join(orch("events").stdout.split()).replace("proxies checks", "proxies: checks")


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
