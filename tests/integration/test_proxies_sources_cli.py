"""`orch proxies sources` as people type it, and what a refresh tells it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxies.model import Anonymity, Verdict, parse
from proxies.refresh.claim import Claim
from proxies.refresh.collect import Collector
from proxies.refresh.findings import Report
from tests.support.file_server import FileServer, plain
from tests.support.marked import marked
from tests.support.orch import COMMAND, eventually
from tests.support.redis_server import RedisServer
from tests.support.zoo_home import ProxyHome

SECRET = "sesame"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as made:
        yield made


class Home(ProxyHome):
    """A home of two sources, a list and a paid one; a refresh is ended by the test, without a worker."""

    def __init__(self, folder: Path, redis_url: str, paid_url: str) -> None:
        super().__init__(folder, redis_url, "http://127.0.0.1:9/")
        table = (
            f'[proxies.source.paid]\nurl = "{paid_url}"\nheaders = {{ X-Token = "${{PAID}}" }}\n'
        )
        with (folder / "orch.toml").open("a") as file:
            file.write(table + 'user = "ann"\npassword = "${PAID}"\n')
        self.list.write_text("10.0.0.1:80\n10.0.0.2:80\nno proxy\n")

    def __call__(self, *words: str, paid: str | None = SECRET) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ORCH_")}
        if paid:
            environment["PAID"] = paid
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=self.folder,
            env={**environment, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert SECRET not in done.stdout + done.stderr
        return done

    def rows(self) -> dict[str, dict[str, Any]]:
        done = self("proxies", "sources", "--json")
        assert done.returncode == 0, done.stderr
        return {row["source"]: row for row in json.loads(done.stdout)}

    def end(self, job_id: str, *live: str) -> None:
        """Let every chunk report, and the refresh end with these alive."""
        record = self.record(job_id)
        now = float(self.context.redis.time()[0])
        verdicts = [Verdict(parse(url), now, anonymity=Anonymity.ELITE) for url in live]
        for index in range(record.read().total_chunks):
            ours = [v for v in verdicts if v.proxy.url in record.chunk(index)]
            checked = len(record.chunk(index))
            assert Claim(record, index, "test").report(Report(tuple(ours), {}, checked))
        assert Collector.of(self.context).collect(job_id)


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: object, server: FileServer) -> Home:
    url = server.add("/list", plain(b"10.0.0.2:80\nsocks5://10.0.0.3:80\n", ETag='"1"'))
    made = Home(tmp_path / "home", redis_server.url, url)
    made.stand_in()
    return made


def refreshed(home: Home, *live: str) -> None:
    done = home("proxies", "refresh", "--no-wait", "--json")
    home.end(json.loads(done.stdout)["job_id"], *live)


def test_a_refresh_shows_what_each_source_is_worth(home: Home) -> None:
    refreshed(home, "http://10.0.0.2:80", "socks5://10.0.0.3:80")

    rows = home.rows()

    file, paid = rows["list.txt"], rows["paid"]
    assert (file["candidates"], file["live"], file["alone"], file["hit_rate"]) == (2, 1, 0, 0.5)
    assert (paid["candidates"], paid["live"], paid["alone"], paid["hit_rate"]) == (2, 2, 1, 1.0)
    assert (file["kind"], file["bad_lines"], file["error"]) == ("file", 1, "")
    assert 0 <= paid["read_s"] < 60


def test_the_table_says_all_of_it_to_people(home: Home, server: FileServer) -> None:
    refreshed(home, "http://10.0.0.2:80")
    server.add("/list", plain(b"", status=503))
    assert home("proxies", "sources", "--read").returncode == 6

    shown = home("proxies", "sources").stdout

    for words in ("list.txt", "50.0 %", "paid", "fails; list of", "ok", "ago"):
        assert words in shown
    assert "list.txt: 1 bad lines (line 3: not of the form" in shown
    assert "paid: answered 503 Service Unavailable; its list of " in shown
    assert "\x1b" not in shown


def test_sources_can_be_read_without_a_refresh(home: Home) -> None:
    before = home("proxies", "sources")
    assert before.stdout.count("never read") == 2

    done = home("proxies", "sources", "--read", "--json")

    assert done.returncode == 0
    assert [row["candidates"] for row in json.loads(done.stdout)] == [2, 2]
    assert home.refresher.progress() is None


def test_what_is_added_by_hand_is_a_source_and_an_address_alone_is_both(home: Home) -> None:
    assert home("proxies", "add", "10.0.0.9:80").returncode == 0
    keys = home.context.redis.hkeys(home.context.keys.pool_added())
    assert sorted(keys) == ["http://10.0.0.9:80", "socks5://10.0.0.9:80"]
    refreshed(home, "socks5://10.0.0.9:80")

    row = home.rows()["added by hand"]

    assert (row["candidates"], row["live"], row["hit_rate"]) == (1, 1, 1.0)
    assert home("proxies", "remove", "10.0.0.9:80").returncode == 0
    assert home("proxies", "remove", "10.0.0.9:80").returncode == 1


def test_a_missing_variable_is_one_clear_problem_before_anything_starts(home: Home) -> None:
    for words in (("proxies", "refresh"), ("proxies", "sources", "--read")):
        done = home(*words, paid=None)

        assert done.returncode == 2
        assert done.stderr.splitlines() == [
            "orch: proxies.source.paid: ${PAID} is not set",
            "  export it where orch runs: cron and systemd have an environment of their own",
        ]
    assert home.refresher.progress() is None
    assert home("config", "check", paid=None).returncode == 0
    assert home("proxies", "sources", paid=None).returncode == 0


def test_in_cron_a_paid_list_that_worked_counts_without_its_variable(home: Home) -> None:
    home("proxies", "sources", "--read")

    done = home("proxies", "refresh", "--no-wait", "--json", paid=None)

    assert done.returncode == 0, done.stderr
    paid = json.loads(done.stdout)["sources"][1]
    assert (paid["error"], paid["candidates"]) == ("PAID is not set", 2)


def test_a_command_of_a_reader_that_is_killed_ends_too(home: Home) -> None:
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    with (home.folder / "orch.toml").open("a") as file:
        file.write(f"[proxies.source.slow]\nshell = 'WHO={mark} sleep 271'\ntimeout = '5m'\n")
    command = [*COMMAND, "proxies", "sources", "--read"]

    with subprocess.Popen(command, cwd=home.folder, env={**os.environ, "PAID": SECRET}) as process:
        eventually(lambda: marked(mark), timeout=100)
        process.kill()

    eventually(lambda: not marked(mark), timeout=60)


def test_no_secret_is_in_the_configuration_that_is_shown(home: Home) -> None:
    text = (home.folder / "orch.toml").read_text().replace("${PAID}", SECRET)
    (home.folder / "orch.toml").write_text(text)

    for words in (
        ("config", "show"),
        ("config", "show", "--json"),
        ("proxies", "sources", "--read"),
    ):
        assert home(*words).returncode == 0
    assert SECRET not in str(home.context.redis.hgetall(home.context.keys.sources()))


def test_without_sources_the_way_to_some_is_shown(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    home = ProxyHome(tmp_path / "home", redis_server.url, "http://127.0.0.1:9/", sources=[])
    home.context.redis.delete(home.context.keys.pool_added())

    done = subprocess.run(
        [*COMMAND, "proxies", "sources"],
        cwd=home.folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.startswith("no sources: name lists in proxies.sources")
