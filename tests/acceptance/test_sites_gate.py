"""`orch sites gate` as people type it, beside processes that go through the gate."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

import pytest

from orchestrator.core.context import Context
from sites.shared.record import Records
from tests.support.orch import Orch, eventually
from tests.support.redis_server import RedisServer
from tests.support.typed import Typed

ROOT = Path(__file__).parents[2]
FILE = """
start_urls = ["http://a.example/"]
{more}
[item.fields]
title = "h1::text"
"""
READING = [[], ["--json"], ["shop"], ["shop", "--json"], ["--watch"]]
STEERING = [["shop", "reset"], ["shop", "trip"], ["shop", "set", "rate", "2/s"]]


class Gates:
    """A home with a Redis that belongs to nobody else, and sites; nothing of it runs."""

    def __init__(self, home: Path, server: RedisServer) -> None:
        self.orch = Orch(home, f'[redis]\nurl = "{server.url}"\n')
        (home / "sites").mkdir()
        self.define("shop", 'rate = "40/s"\nconcurrency = 4')
        self.context = Context.load(home)

    def define(self, name: str, more: str = "") -> None:
        (self.orch.home / f"sites/{name}.toml").write_text(FILE.format(more=more))

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = self.orch("sites", "gate", *words)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def fine(self, *words: str) -> str:
        done = self(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.fine(*words, "--json"))

    def popen(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        options = {"stderr": subprocess.PIPE} | options
        return self.orch.popen("sites", "gate", *words, **options)


class Traffic:
    """A process that goes through the gate as often as it may; `at`: when it did."""

    def __init__(self, gates: Gates, site: str = "shop", *more: str) -> None:
        words = ["-m", "tests.support.gate_process", str(gates.orch.home), site, *more]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, stdin=pipe, stdout=pipe, text=True
        )
        self.pid = self._process.pid
        self.at: list[float] = []
        self._reader = threading.Thread(target=self._read)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.at.append(float(line))

    def __enter__(self) -> Self:
        self._reader.start()
        eventually(lambda: self.at, 60, what="a first request")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate("\n", timeout=60) if self._process.stdin else None
        self._reader.join()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def went(self, count: int, *, since: float) -> bool:
        return sum(at > since for at in self.at) >= count


@pytest.fixture
def gates(tmp_path: Path, theirs: RedisServer) -> Gates:
    return Gates(tmp_path / "home", theirs)


def between(*traffics: Traffic, since: float) -> list[float]:
    """When requests were made, whoever made them."""
    return sorted(at for traffic in traffics for at in traffic.at if at > since)


# looking


def test_looking_at_gates_that_nobody_used_makes_nothing(gates: Gates) -> None:
    heading, *rows = gates.fine().splitlines()
    assert " ".join(heading.split()) == "site breaker rate of next slots waiting used by note"
    assert [row.split() for row in rows if row.startswith("shop")] == [
        ["shop", "closed", "40/s", "now", "0/4"]
    ]
    assert {row["site"] for row in gates.json()} >= {"shop", "books", "quotes"}
    told = gates.fine("shop").splitlines()
    assert told[:3] == ["site: shop", "breaker: closed", "rate: 40/s"]
    assert gates.context.redis.dbsize() == 0
    made = {path.name for path in (gates.orch.home / "data").iterdir()}
    assert made == {"home.id"}  # the prefix of our keys on a server that is not ours alone


def test_who_uses_a_gate_is_shown_also_without_a_site_file(gates: Gates) -> None:
    with Traffic(gates) as one, Traffic(gates, "api", "30") as other:
        view = eventually(lambda: [v for v in gates.json() if v["site"] == "api"])[0]
        assert view["site"] == "api"
        eventually(lambda: gates.json("api")["rate"]["configured_per_s"] == 30)
        eventually(lambda: gates.json("api")["processes"] == 1)
        assert eventually(lambda: gates.json("shop")["slots"])[0]["who"].endswith(f":{one.pid}")
        gates.fine("api", "set", "rate", "1/h")
        gates.fine("api", "set", "rate", "default")
        back = time.monotonic()
        eventually(lambda: other.went(5, since=back), 60)
    wrong = gates("shap")
    assert wrong.returncode == 2
    assert "'shap' is not there; there are: books" in wrong.stderr


def test_the_slot_of_a_killed_process_is_shown_with_what_is_left_of_its_lease(gates: Gates) -> None:
    gates.define("shop", 'rate = "5/s"\nconcurrency = 1')
    with Traffic(gates) as one:
        one.kill()
        found = gates.json("shop")
        for holder in found["slots"]:
            assert holder["who"].endswith(f":{one.pid}")
            assert 0 < holder["lease_left_s"] <= 6.3
    eventually(lambda: not gates.json("shop")["slots"], what="the lease to run out")


# acting


def test_a_rate_that_is_set_holds_for_all_processes_at_once_and_until_it_is_taken_back(
    gates: Gates,
) -> None:
    # Else a process that stands still for a second takes that for a site whose answers begin to drag.
    gates.define("shop", 'rate = "40/s"\nconcurrency = 4\nadaptive = false')
    with Traffic(gates) as one, Traffic(gates) as other:
        told = gates.fine("shop", "set", "rate", "4/s")
        slow = time.monotonic()
        assert "4/s of 40/s" in told
        assert "by hand" in told
        eventually(lambda: one.went(8, since=slow) and other.went(8, since=slow), 60)
        # Whoever is due may wake up late, and the first may have been let pass before.
        assert len(times := between(one, other, since=slow)) >= 16
        assert times[-1] - times[0] > 0.25 * (len(times) - 2) - 1.0  # each by itself took half
        found = gates.json("shop")["rate"]
        assert (found["now_per_s"], found["set_per_s"], found["configured_per_s"]) == (4, 4, 40)

        gates.fine("shop", "set", "rate", "1/h")
        gates.fine("shop", "set", "rate", "default")
        quick = time.monotonic()
        eventually(lambda: one.went(20, since=quick) and other.went(20, since=quick), 60)
    assert gates.json("shop")["rate"]["set_per_s"] is None


def test_a_rate_that_is_set_outlives_all_processes_and_a_restart(
    gates: Gates, theirs: RedisServer
) -> None:
    gates.fine("shop", "set", "rate", "7/s")
    theirs.stop()
    theirs.start()
    assert gates.json("shop")["rate"]["now_per_s"] == 7
    key = gates.context.keys.gate("shop", "state")
    assert gates.context.redis.ttl(key) > 6.9 * 24 * 3600


def test_a_site_is_tripped_and_reset_for_all_processes(gates: Gates) -> None:
    with Traffic(gates) as one, Traffic(gates) as other:
        told = gates.fine("shop", "trip", "--for", "10m", "--reason", "they asked us to")
        assert "open 10 min 0 s" in told or "open 9 min" in told
        shut = (
            time.monotonic() + 1.0
        )  # what was let pass before has gone by then, or is one at most
        eventually(lambda: time.monotonic() > shut + 0.7)
        assert not one.went(2, since=shut)
        assert not other.went(2, since=shut)
        breaker = gates.json("shop")["breaker"]
        assert (breaker["state"], breaker["why"]) == ("open", "they asked us to")
        assert 590 < breaker["rest_s"] <= 600
        assert "open for 9 min" in gates.fine("shop")
        assert "they asked us to" in gates.fine()

        back = time.monotonic()
        gates.fine("shop", "reset")
        eventually(lambda: one.went(1, since=back) and other.went(1, since=back), 60)
    assert gates.json("shop")["breaker"]["state"] == "closed"


def test_the_answer_of_an_act_is_how_the_gate_stands_then(gates: Gates) -> None:
    assert gates.json("shop", "trip")["breaker"]["why"] == "opened by hand"
    assert gates.json("shop", "set", "rate", "120/m")["rate"]["now_per_s"] == 2
    assert gates.json("shop", "reset")["breaker"]["state"] == "closed"


def test_what_a_running_job_works_by_counts_and_its_status_says_what_was_set(gates: Gates) -> None:
    records = Records(gates.context.redis, gates.context.keys)
    was = {"start_urls": ["http://a.example/"], "item": {"fields": {"title": "h1"}}}
    records.create("shop", json.dumps({"name": "shop", "rate": 9.0, "concurrency": 2, **was}))
    assert gates.json("shop")["rate"]["configured_per_s"] == 9
    assert gates.json("shop")["slot_limit"] == 2
    assert gates.orch.json("sites", "status", "--json")[0]["rate_set_per_s"] is None
    gates.fine("shop", "set", "rate", "2/s")
    assert gates.orch.json("sites", "status", "--json")[0]["rate_set_per_s"] == 2
    assert "rate set" in gates.orch("sites", "status").stdout
    gates.define("shop", "rate = 'none'")
    assert gates.json("shop")["rate"]["configured_per_s"] == 9
    assert "write requests per time" in gates().stderr


# what is wrong

WRONG = [
    (["shop", "rset", "--for", "3m"], ["'rset'", "did you mean reset?", "--for: only with trip"]),
    (["shop", "set", "rate", "5"], ["'5'", "like 5/s, 120/m", "or default"]),
    (["nothing", "--simulate", "5"], ["'nothing' is not there"]),
    (["nothing", "set", "rate", "2/s"], ["'nothing' is not there"]),
]


@pytest.mark.parametrize(("words", "told"), WRONG)
def test_what_is_typed_wrong_is_told_and_nothing_is_done(
    gates: Gates, words: list[str], told: list[str]
) -> None:
    done = gates(*words)
    assert (done.returncode, done.stdout) == (2, "")
    for part in told:
        assert part in done.stderr
    assert gates.context.redis.dbsize() == 0


def test_without_redis_all_but_a_trial_say_so(gates: Gates, theirs: RedisServer) -> None:
    theirs.stop()
    for words in READING + STEERING:
        done = gates(*words)
        assert (done.returncode, done.stdout) == (3, ""), words
        assert "Redis" in done.stderr
        assert "orch up" in done.stderr
    assert gates.fine("shop", "--simulate", "3").splitlines()[-1].startswith("3 of 3 requests")


# trying


def test_a_trial_prints_what_would_be_let_pass_when(gates: Gates) -> None:
    gates.define("shop", 'rate = "5/s"\nburst = 2')
    *rows, summary = gates.fine("shop", "--simulate", "6", "--workers", "3").splitlines()
    assert [row.split()[:4] for row in rows[1:]] == [
        ["1", "1", "0.000", "0.000"],
        ["2", "2", "0.000", "0.000"],
        ["3", "3", "0.000", "0.200"],
        ["4", "1", "0.100", "0.400"],
        ["5", "2", "0.100", "0.600"],
        ["6", "3", "0.300", "0.800"],
    ]
    assert summary.startswith("6 of 6 requests passed within 0.8 s")
    assert "at most 6 in any second" in summary
    assert gates.context.redis.dbsize() == 0


def test_a_trial_shows_how_the_gate_answers_what_the_site_does(gates: Gates) -> None:
    gates.define("shop", 'rate = "10/s"\nadaptive = false')
    words = ("shop", "--simulate", "20", "--workers", "2", "--latency", "50ms")
    limited = gates.json(*words, "--limited-every", "10:30s")
    assert limited["passed"] == 20
    assert max(one["waited_s"] for one in limited["requests"]) > 29
    failing = gates.json(*words, "--failed-every", "1")
    assert any("breaker" in one["refused"] for one in failing["requests"])
    assert gates.json(*words) == gates.json(*words)


# watching


def test_watch_is_a_line_a_change_and_goes_on_while_redis_is_away(
    gates: Gates, theirs: RedisServer
) -> None:
    with gates.popen("shop", "--watch", "--json") as watch:
        assert watch.stdout
        assert watch.stderr
        assert json.loads(watch.stdout.readline())["rate"]["now_per_s"] == 40
        gates.fine("shop", "set", "rate", "3/s")
        assert json.loads(watch.stdout.readline())["rate"]["now_per_s"] == 3
        theirs.kill()
        assert "Redis" in watch.stderr.readline()
        theirs.start()
        assert watch.stderr.readline() == "Redis answers again\n"
        gates.fine("shop", "trip", "--reason", "enough")
        assert json.loads(watch.stdout.readline())["breaker"]["why"] == "enough"
        watch.send_signal(signal.SIGINT)
        assert watch.wait(60) == 130
        assert watch.stderr.read() == ""


@pytest.mark.parametrize("more", [[], ["--json"], ["shop"]])
def test_watch_ends_when_nobody_reads_it_any_more_also_at_rest(
    gates: Gates, more: list[str]
) -> None:
    watch = gates.popen("--watch", *more, stderr=subprocess.DEVNULL)
    assert watch.stdout
    assert "shop" in "".join(
        watch.stdout.readline() for _ in range(1 if more[-1:] == ["shop"] else 4)
    )
    watch.stdout.close()
    watch.wait(60)


def test_on_a_terminal_a_table_changes_until_ctrl_c(gates: Gates) -> None:
    with Typed(gates.orch, "sites", "gate", "--watch", COLUMNS="160") as typed:
        typed.shows("40/s")
        gates.fine("shop", "trip", "--reason", "enough of it")
        typed.shows("enough of it")
        typed.press(b"\x03")
        assert typed.end() == 128 + signal.SIGINT
    assert "Traceback" not in typed.shown


def test_on_a_terminal_one_site_is_shown_whole(gates: Gates) -> None:
    with Typed(gates.orch, "sites", "gate", "shop", "--watch") as typed:
        typed.shows("breaker: closed")
        gates.fine("shop", "set", "rate", "2/s")
        typed.shows("rate: 2/s of 40/s; rate set to 2/s by hand")
        typed.press(b"\x03")
        assert typed.end() == 128 + signal.SIGINT
