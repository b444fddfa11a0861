"""`orch proxies` as people and cron type it, on a real worker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxies.model import Anonymity, Proxy, Verdict, parse
from proxies.pool.picker import Outcome, Picker
from proxies.refresh import progress
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
        home = ProxyHome(tmp_path_factory.mktemp("home"), server.url, zoo.judge, check_timeout=10)
        with home.worker():
            yield Typed(home)


@pytest.fixture
def alone(tmp_path: Path, redis_server: RedisServer, real_redis: object) -> Typed:
    """With a worker that does nothing."""
    home = ProxyHome(tmp_path / "home", redis_server.url, "http://127.0.0.1:9/").stand_in()
    return Typed(home.candidates([parse("127.0.0.1:1")]))


def elite(home: ProxyHome, url: str) -> Verdict:
    return Verdict(parse(url), float(home.context.redis.time()[0]), anonymity=Anonymity.ELITE)


def fill(home: ProxyHome, count: int) -> list[Proxy]:
    urls = [f"http://ann:secret@10.0.{n // 250}.{n % 250}:80" for n in range(1, count + 1)]
    found = [elite(home, url) for url in urls]
    home.refresher.pool.replace(found)
    return [verdict.proxy for verdict in found]


async def use(home: ProxyHome, site: str, told: list[tuple[Proxy, Outcome | None]]) -> None:
    """Pick each of these once for `site` and report on it; None leaves it in flight."""
    redis, wanted = home.context.async_redis(), {proxy.key for proxy, _ in told}
    picker = Picker(redis, home.context.keys, 1800)
    others = {verdict.proxy.key for verdict in home.refresher.pool.state().records} - wanted
    for proxy, outcome in told:
        lease = await picker.pick(site, avoid=[*others, *(wanted - {proxy.key})])
        assert lease
        if outcome:
            await picker.report(lease, outcome, 0.1)
    await redis.aclose()


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
    paid = zoo.add("socks5", username="ann", password="secret")
    typed.home.candidates([paid])

    found = typed.json("refresh")

    assert (found["status"], found["usable"], found["live"]) == ("COMPLETE", 1, 1)
    status = typed.json("status")
    assert (status["usable"], status["refresh"]["status"]) == (1, "COMPLETE")
    newest = status["refreshes"][0]
    assert (newest["job_id"], newest["status"]) == (found["job_id"], "COMPLETE")
    assert (newest["candidates"], newest["usable"]) == (1, 1)
    (row,) = typed.json("list")
    assert row["proxy"] == paid.masked
    assert row["exit_ip"] == paid.host
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
    done = alone("refresh", "--timeout", "10")

    redis, keys = alone.home.context.redis, alone.home.context.keys
    ended = float(redis.time()[0])
    began = float(redis.get(keys.refresh(progress.last(redis, keys), "started_at")) or 0)
    assert done.returncode == 5
    assert 1.5 <= ended - began <= 40  # without what starting Python takes, but with its end
    assert "has not ended in time" in done.stderr


def test_ctrl_c_stops_the_waiting_and_not_the_refresh(alone: Typed) -> None:
    with alone.start("refresh") as process:
        eventually(alone.home.refresher.progress)
        time.sleep(0.5)  # until it waits
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)

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


def test_without_a_worker_the_way_out_is_named(alone: Typed) -> None:
    alone.home.context.redis.delete(alone.home.context.keys.nodes())

    done = alone("refresh", "--timeout", "30")

    assert done.returncode == 3
    assert "orch up -d" in done.stderr
    assert "--up" in done.stderr
    assert alone.home.refresher.progress() is None


def test_nothing_to_check_is_complete_with_a_hint(alone: Typed) -> None:
    alone.home.candidates([])

    done = alone("refresh", "--min", "0")

    assert done.returncode == 0
    assert "COMPLETE: 0 usable" in done.stdout
    assert "proxies.sources" in done.stdout


def test_proxies_are_added_listed_exported_and_removed(alone: Typed) -> None:
    proxies = fill(alone.home, 3)

    assert alone("add", "socks5://bob:pw@10.0.0.9:1080").returncode == 0
    listed = alone("list").stdout
    assert "unchecked" in listed
    assert "secret" not in listed
    assert "pw" not in listed
    assert alone("export").stdout.splitlines() == [proxy.url for proxy in proxies]
    assert alone.json("export")[0]["password"] == "secret"
    assert alone("remove", "http://ann@10.0.0.1:80", "socks5://bob@10.0.0.9:1080").returncode == 0
    assert alone("remove", "http://***@10.0.0.3:80").returncode == 0  # as `list` shows it
    assert [row["proxy"] for row in alone.json("list")] == ["http://***@10.0.0.2:80"]
    assert alone.home.refresher.snapshot.read()["live"] == 1


def test_what_is_not_there_is_not_removed_and_all_else_is(alone: Typed) -> None:
    alone.home.refresher.pool.replace([elite(alone.home, "socks4://10.0.0.7:1080")])

    gone = alone("remove", "http://ann:secret@10.0.0.1:80", "10.0.0.7:1080", "10.0.0.8:80")

    assert gone.returncode == 6
    assert gone.stdout == "removed 1 of 3\n"
    assert "not in the pool: http://***@10.0.0.1:80, 10.0.0.8:80\n" in gone.stderr
    assert "secret" not in gone.stderr
    assert alone("remove", "10.0.0.7:1080").returncode == 1
    assert alone.json("list") == []


def test_a_reader_that_has_seen_enough_is_no_failure(alone: Typed) -> None:
    fill(alone.home, 3000)

    with alone.start("export") as process:
        assert process.stdout
        process.stdout.read(5)
        process.stdout.close()
        assert process.wait(30) == 130
        assert process.stderr
        assert process.stderr.read() == ""


def test_a_proxy_that_only_makes_tunnels_is_removed_by_the_name_in_its_list(alone: Typed) -> None:
    found = elite(alone.home, "https://10.0.0.1:80")
    alone.home.refresher.pool.replace([replace(found, listed_as="http")])
    alone.home.refresher.pool.add([found.candidate])

    assert alone("remove", "http://10.0.0.1:80").returncode == 0

    assert alone.json("list") == []


@pytest.mark.parametrize("command", ["add", "remove", "check"])
def test_every_wrong_proxy_is_named_by_its_place(alone: Typed, command: str) -> None:
    done = alone(command, "10.0.0.1:80", "ann:secret", "10.0.0.2:99999")

    assert done.returncode == 2
    assert "proxy 2: " in done.stderr
    assert "proxy 3: " in done.stderr
    assert "secret" not in done.stderr
    assert done.stdout == ""
    assert alone.home.refresher.pool.added() == []


def test_the_list_is_in_the_order_in_which_it_is_picked_from(alone: Typed) -> None:
    good, bad, banned, unused = fill(alone.home, 4)
    told = [(good, Outcome.OK), (bad, Outcome.DOUBTED), (banned, Outcome.BANNED)]
    asyncio.run(use(alone.home, "shop", told))

    rows = {row["proxy"]: row for row in alone.json("list", "--site", "shop")}

    assert list(rows)[:2] == [good.masked, unused.masked]
    assert rows[good.masked]["score"] > rows[unused.masked]["score"] > 0
    assert (rows[good.masked]["success"], rows[good.masked]["picks"]) == (1.0, 1)
    assert (rows[banned.masked]["state"], rows[banned.masked]["bans"]) == ("cooling", 1)
    assert rows[banned.masked]["cooldown_s"] > 60
    assert rows[bad.masked]["success"] == 0.0
    assert rows[unused.masked]["success"] is None
    assert "cooling 15 min" in alone("list", "--site", "shop").stdout
    elsewhere = alone.json("list", "--site", "books")
    assert {row["state"] for row in elsewhere} == {"usable"}
    unknown = alone("list", "--site", "shpo")
    assert unknown.returncode == 2
    assert "there are: books, " in unknown.stderr


def test_status_tells_how_quick_the_pool_is_and_how_sites_do_with_it(alone: Typed) -> None:
    first, second, third = fill(alone.home, 3)
    asyncio.run(use(alone.home, "shop", [(first, Outcome.OK), (second, Outcome.BANNED)]))
    asyncio.run(use(alone.home, "s" * 63, [(third, None)]))

    found, text = alone.json("status"), alone("status").stdout

    assert (
        found["states"]["usable"] == found["anonymity"]["elite"] == found["protocols"]["http"] == 3
    )
    assert sum(bar["count"] for bar in found["latencies"]) == 3
    newest, shop = found["sites"]
    assert (newest["site"], newest["in_flight"], newest["success"]) == ("s" * 63, 1, None)
    assert (shop["picks"], shop["ok"], shop["banned"], shop["cooling"]) == (2, 1, 1, 1)
    assert (shop["success"], shop["in_flight"]) == (0.5, 0)
    assert "3 usable of 3 live" in text
    assert "50 ms 3 ####" in text
    assert "secret" not in text + json.dumps(found)
    assert max(map(len, text.splitlines())) <= 80


def test_status_of_a_new_home(alone: Typed) -> None:
    found = alone.json("status")

    assert (found["live"], found["usable"]) == (0, 0)
    assert found["refreshed_at"] is found["refresh"] is found["latency_ms"]["p50"] is None
    assert found["refreshes"] == found["sites"] == []
    assert alone("status").stdout == (
        "0 usable of 0 live, never refreshed\n`orch proxies refresh` fills the pool\n"
    )


def test_a_check_tells_what_a_proxy_is_or_the_exact_reason(typed: Typed, zoo: Zoo) -> None:
    paid = zoo.add("socks5", username="ann", password="secret")
    liar, transparent = zoo.add("altering"), zoo.add("transparent")
    before = typed.home.refresher.pool.generation()

    done = typed("check", paid.url, liar.url, transparent.url)

    assert done.returncode == 6
    assert f"{paid.masked}: usable\n" in done.stdout
    assert f"leaves from  {paid.host}\n" in done.stdout
    assert f"{liar.masked}: not usable: alters pages\n" in done.stdout
    assert f"{transparent.masked}: not usable: transparent" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    assert typed.home.refresher.pool.generation() == before
    (found,) = typed.json("check", paid.url)
    assert (found["usable"], found["reason"], found["protocol"]) == (True, "", "socks5")
    assert (found["anonymity"], found["exit_ip"], found["tls"]) == ("elite", paid.host, None)
    assert typed("check", liar.url).returncode == 1


def test_a_proxy_of_the_pool_is_checked_as_it_is_shown(typed: Typed, zoo: Zoo) -> None:
    paid = zoo.add("http_auth", username="ann", password="secret")
    typed.home.refresher.pool.replace([elite(typed.home, paid.url)])

    assert typed("check", paid.masked).returncode == 0
    unknown = typed("check", "http://***@10.0.0.1:80")
    assert unknown.returncode == 1
    assert "not in the pool" in unknown.stderr


def test_a_check_needs_a_judge_and_nothing_else(tmp_path: Path, zoo: Zoo) -> None:
    good, nobody = zoo.add("http"), f"unix://{tmp_path}/nobody"

    assert Typed(ProxyHome(tmp_path / "one", nobody, zoo.judge))("check", good.url).returncode == 0
    done = Typed(ProxyHome(tmp_path / "two", nobody, "http://127.0.0.1:9/"))("check", good.url)

    assert done.returncode == 3
    assert "judge unavailable: http://127.0.0.1:9/" in done.stderr
    assert "[proxies] judges" in done.stderr
    assert done.stdout == ""
