"""`orch proxies` as people and cron type it, on a real worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxies.model import Anonymity, Proxy, Verdict, parse
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer
from tests.support.zoo import Zoo, closed_port
from tests.support.zoo_home import ProxyHome

Done = subprocess.CompletedProcess[str]


class Typed:
    """A home and the commands typed in it."""

    def __init__(self, home: ProxyHome) -> None:
        self.home = home

    def start(self, *words: str) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ORCH_")}
        return subprocess.Popen(
            [sys.executable, "-m", "orchestrator", "proxies", *words],
            cwd=self.home.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str) -> Done:
        with self.start(*words) as process:
            out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        return Done(words, process.returncode, out, err)

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json").stdout)


@pytest.fixture(scope="module")
def zoo() -> Iterator[Zoo]:
    with Zoo() as made:
        yield made


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory, zoo: Zoo) -> Iterator[Typed]:
    """With a worker."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        home = ProxyHome(tmp_path_factory.mktemp("home"), server.url, zoo.judge)
        with home.worker():
            yield Typed(home)


@pytest.fixture
def alone(tmp_path: Path, redis_server: RedisServer, real_redis: object) -> Typed:
    """Without a worker."""
    home = ProxyHome(tmp_path / "home", redis_server.url, "http://127.0.0.1:9/")
    return Typed(home.candidates([parse("127.0.0.1:1")]))


def fill(home: ProxyHome, count: int) -> list[Proxy]:
    now = float(home.context.redis.time()[0])
    proxies = [parse(f"http://ann:secret@10.0.0.{number}:80") for number in range(1, count + 1)]
    home.refresher.pool.replace([Verdict(p, now, anonymity=Anonymity.ELITE) for p in proxies])
    return proxies


def test_a_refresh_says_what_it_found_and_exits_by_the_minimum(typed: Typed, zoo: Zoo) -> None:
    typed.home.candidates([*zoo.many("http", 3), zoo.add("altering"), closed_port()])
    with typed.home.list.open("a") as file:
        file.write("no proxy at all\n")

    done = typed("refresh", "--min", "3", "--timeout", "30s")

    assert done.returncode == 0, done.stderr
    assert "COMPLETE: 3 usable, 3 live of 5 candidates" in done.stdout
    assert "1 x alters pages" in done.stdout
    assert "list.txt: 1 bad lines (line 6: " in done.stdout
    assert "of 5 checked" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert typed("refresh", "--min", "4").returncode == 6


def test_json_is_one_object_and_nothing_else(typed: Typed, zoo: Zoo) -> None:
    typed.home.candidates([zoo.add("socks5", username="ann", password="secret")])

    found = typed.json("refresh")

    assert (found["status"], found["usable"], found["live"]) == ("COMPLETE", 1, 1)
    assert typed.json("status")["usable"] == 1
    assert typed.json("status")["refresh"]["status"] == "COMPLETE"
    (row,) = typed.json("list")
    assert row["proxy"].startswith("socks5://***@127.0.0.1:")
    assert (row["state"], row["anonymity"]) == ("usable", "elite")


def test_no_refresh_when_it_is_not_needed(typed: Typed, zoo: Zoo) -> None:
    typed.home.candidates(zoo.many("http", 2))
    typed("refresh")
    before = typed.home.refresher.pool.generation()

    done = typed("refresh", "--if-older-than", "1h", "--if-below", "2")

    assert done.returncode == 0
    assert done.stdout.startswith("no refresh is needed: 2 usable, refreshed ")
    assert len(done.stdout.splitlines()) == 1
    assert typed.home.refresher.pool.generation() == before
    assert typed("refresh", "--if-older-than", "1h", "--if-below", "3").returncode == 0
    assert typed.home.refresher.pool.generation() == before + 1


def test_two_at_once_are_one_refresh(typed: Typed, zoo: Zoo) -> None:
    typed.home.candidates([zoo.add("hanging"), zoo.add("http")])

    first, second = typed.start("refresh", "--json"), typed.start("refresh", "--json")
    found = [json.loads(process.communicate(timeout=60)[0]) for process in (first, second)]

    assert found[0]["job_id"] == found[1]["job_id"]
    assert sorted(outcome["joined"] for outcome in found) == [False, True]
    assert (first.returncode, second.returncode) == (0, 0)


def test_the_deadline_is_kept_by_the_command(alone: Typed) -> None:
    started = time.monotonic()
    alone("status")
    python_s = time.monotonic() - started  # what starting Python and importing takes, just now
    started = time.monotonic()

    done = alone("refresh", "--timeout", "3")

    assert done.returncode == 5
    assert 2 <= time.monotonic() - started - python_s <= 4
    assert "has not ended in time" in done.stderr


def test_ctrl_c_stops_the_waiting_and_not_the_refresh(alone: Typed) -> None:
    with alone.start("refresh") as process:
        eventually(alone.home.refresher.progress)
        time.sleep(0.5)  # until it waits
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "the refresh goes on" in err
    seen = alone.home.refresher.progress()
    assert seen
    assert seen["status"] == "DISPATCHED"


def test_who_does_not_join_is_told_that_somebody_else_is_at_it(alone: Typed) -> None:
    assert alone("refresh", "--no-wait").returncode == 0

    assert alone("refresh", "--no-join").returncode == 75


@pytest.mark.parametrize(
    "words", [("--timeout", "0"), ("--timeout", "soon"), ("--if-older-than", "old"), ("--min", "x")]
)
def test_what_makes_no_sense_is_refused(alone: Typed, words: tuple[str, str]) -> None:
    done = alone("refresh", *words)

    assert done.returncode == 2
    assert words[0] in done.stderr
    assert alone.home.refresher.progress() is None


def test_a_missing_list_is_one_clear_message(alone: Typed) -> None:
    alone.home.list.unlink()

    done = alone("refresh")

    assert done.returncode == 2
    assert f"{alone.home.list} is not there" in done.stderr
    assert "proxies.sources" in done.stderr


def test_without_redis_the_way_out_is_named(tmp_path: Path) -> None:
    typed = Typed(ProxyHome(tmp_path, f"unix://{tmp_path}/nobody", "http://127.0.0.1:9/"))

    for words in (["refresh"], ["status"], ["list"], ["add", "10.0.0.1:80"]):
        done = typed(*words)
        assert done.returncode == 3, words
        assert "orch up" in done.stderr


def test_nothing_to_check_is_complete_with_a_hint(alone: Typed) -> None:
    alone.home.candidates([])

    done = alone("refresh", "--min", "0")

    assert done.returncode == 0
    assert "COMPLETE: 0 usable" in done.stdout
    assert "proxies.sources" in done.stdout


def test_proxies_are_added_listed_exported_and_removed(alone: Typed) -> None:
    proxies = fill(alone.home, 2)

    assert alone("add", "socks5://bob:pw@10.0.0.9:1080").returncode == 0
    listed = alone("list").stdout
    assert "unchecked" in listed
    assert "secret" not in listed
    assert "pw" not in listed
    assert alone("export").stdout.splitlines() == [proxy.url for proxy in proxies]
    entries = json.loads(alone("export", "--format", "json").stdout)
    assert entries[0]["password"] == "secret"
    assert alone("remove", "http://ann@10.0.0.1:80", "socks5://bob@10.0.0.9:1080").returncode == 0
    assert [row["proxy"] for row in alone.json("list")] == ["http://***@10.0.0.2:80"]
    assert alone.home.refresher.snapshot.read()["live"] == 1
    gone = alone("remove", "http://ann:secret@10.0.0.1:80")
    assert gone.returncode == 1
    assert "secret" not in gone.stderr


def test_every_wrong_proxy_is_named_by_its_place(alone: Typed) -> None:
    done = alone("add", "10.0.0.1:80", "ann:secret", "10.0.0.2:99999")

    assert done.returncode == 2
    assert "proxy 2: " in done.stderr
    assert "proxy 3: " in done.stderr
    assert "secret" not in done.stderr
    assert alone.json("list") == []


def test_status_of_a_new_home(alone: Typed) -> None:
    assert alone.json("status") == {"live": 0, "usable": 0, "refreshed_at": None, "refresh": None}
    assert "never refreshed" in alone("status").stdout
