"""Services and workers that a user declares in `orch.toml`."""

from __future__ import annotations

import json
import os
import signal
import urllib.request

import pytest

from tests.support.orch import SMALL, Orch, eventually
from tests.support.ports import free_port
from tests.support.row import replaced
from tests.support.site_server import Site, tree

ALL_WRONG = """
[worker.heavy]
queues = ["shard"]
[proxies]
check_timeout = "soon"
[service.a]
command = ["sleep", "9"]
needs = ["b", "redsi"]
[service.b]
command = ["no-such-program"]
needs = ["a"]
ready = { http = "https://127.0.0.1/" }
[service.c]
command = ["sleep", "9"]
ready = { every = "1s" }
alive = { tcp = "127.0.0.1:99999" }
stop_signal = "STOP"
comand = 3
[service.redis]
command = ["valkey-server"]
"""

SITE = """
start_urls = ["{url}"]
allow_private = true
proxies = "never"
rate = 100
contact = "mailto:nobody@example.org"
[[follow]]
[item]
css = "div.item"
[item.fields]
title = "h2::text"
"""


@pytest.mark.parametrize("words", [("up", "-d"), ("up",), ("config", "check")])
def test_every_mistake_is_told_at_once_and_nothing_is_started(
    orch: Orch, words: tuple[str, ...]
) -> None:
    (orch.home / "orch.toml").write_text(ALL_WRONG)

    told = (
        "worker.heavy.queues.0 = 'shard'",
        "proxies.check_timeout = 'soon'",
        "service.a.needs: no such service: redsi; did you mean redis?",
        "needs in a circle: a -> b -> a",
        "service.b.command: 'no-such-program' is not found on the PATH",
        "service.b.ready.http",
        "service.c.ready: needs a target",
        "service.c.alive.tcp = '127.0.0.1:99999'",
        "service.c.stop_signal = 'STOP'",
        "service.c.comand: no such key; did you mean command?",
        "service.redis.command: redis is a service of orch's own",
    )
    orch.refuses(*words, told=told)


@pytest.mark.parametrize("words", [("up", "-d"), ("config", "check")])
def test_a_command_that_is_not_there_is_told_before_anything_starts(
    orch: Orch, words: tuple[str, ...]
) -> None:
    (orch.home / "orch.toml").write_text('[service.own]\ncommand = ["./run.sh"]\n')

    done = orch(*words)

    assert done.returncode == 2, done.stdout + done.stderr
    assert "service.own.command" in done.stderr
    assert f"{orch.home.resolve() / 'run.sh'} is not there" in done.stderr
    assert not orch.processes()
    assert orch("doctor").returncode == 1


def test_a_service_of_the_users_own_is_ready_when_it_answers_and_ends_before_what_it_needs(
    orch: Orch,
) -> None:
    port = free_port()
    (orch.home / "orch.toml").write_text(
        f"""{SMALL}
[service.web]
command = ["python", "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
needs = ["redis"]
ready = {{ http = "http://127.0.0.1:{port}/orch.toml" }}
env = {{ PYTHONDONTWRITEBYTECODE = 1 }}
"""
    )

    orch.up("web")  # returns when it is ready

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/orch.toml", timeout=60) as answer:
        assert b"[service.web]" in answer.read()
    rows = {row["name"]: row["state"] for row in orch.status()["services"]}
    assert rows["redis"] == rows["web"] == "ready"
    assert rows["worker"] == "stopped"
    log = orch.home / "data/logs/web.log"
    eventually(lambda: '"GET /orch.toml HTTP/1.0" 200' in log.read_text())
    assert orch("down").returncode == 0
    ended = [event["service"] for event in orch.events() if event["event"] == "service.ended"]
    assert ended == ["web", "redis"]


def test_a_killed_service_is_started_again_and_finds_the_project_in_its_environment(
    orch: Orch,
) -> None:
    (orch.home / "orch.toml").write_text(
        """
[service.own]
command = ["sh", "-c", "env > own.new; mv own.new own.env; exec sleep 1000"]
needs = ["redis"]
ready = { file = "own.env" }
env = { WHO = "me" }
"""
    )
    orch.up("own")
    first = orch.pid("own")

    words = dict(
        line.partition("=")[::2] for line in (orch.home / "own.env").read_text().splitlines()
    )
    socket_path = f"{orch.home.resolve()}/data/run/redis.sock"
    assert words["REDIS_URL"] == f"unix://{socket_path}"
    assert words["CELERY_BROKER_URL"].startswith(f"redis+socket://{socket_path}")
    assert words["ORCH_HOME"] == str(orch.home.resolve())
    assert (words["ORCH_SERVICE"], words["WHO"]) == ("own", "me")

    os.kill(first, signal.SIGKILL)
    replaced(orch, "own", first)


def test_a_second_worker_takes_what_it_is_told_to_and_a_job_is_done_by_it_alone(
    orch: Orch,
) -> None:
    (orch.home / "orch.toml").write_text(
        """
[worker]
concurrency = 1
queues = ["control"]
[worker.heavy]
concurrency = 2
queues = ["shards"]
"""
    )

    orch.up()

    marks = {
        name: json.loads((orch.home / f"data/run/{name}.mark.json").read_text())
        for name in ("worker", "worker-heavy")
    }
    assert marks["worker"]["takes"] == ["control"]
    assert marks["worker-heavy"]["takes"] == ["shards"]
    assert (marks["worker"]["slots"], marks["worker-heavy"]["slots"]) == (1, 2)
    assert marks["worker"]["queues"][-1] != marks["worker-heavy"]["queues"][-1]  # of the canary
    with Site(tree(12)) as site:
        (orch.home / "sites").mkdir()
        (orch.home / "sites/tree.toml").write_text(SITE.format(url=site.url("/0.html")))
        done = orch("sites", "start", "tree")
    assert done.returncode == 0, done.stdout + done.stderr

    def log(name: str) -> str:
        return (orch.home / f"data/logs/{name}.log").read_text()

    # Beat comes every few seconds, and a log a moment later.
    eventually(lambda: "Task sites.tasks.tick[" in log("worker"))
    eventually(lambda: "Task sites.tasks.shard[" in log("worker-heavy"))
    logs = {name: log(name) for name in marks}
    assert "Task sites.tasks.shard[" not in logs["worker"]
    assert "Task sites.tasks.tick[" not in logs["worker-heavy"]


def test_a_service_that_is_not_automatic_starts_only_when_it_is_named(orch: Orch) -> None:
    (orch.home / "orch.toml").write_text(
        """
[service.results]
auto = false
[service.beat]
auto = false
[service.worker]
auto = false
[service.own]
command = ["sleep", "1000"]
ready = { after = "100ms" }
auto = false
"""
    )

    orch.up()

    rows = {row["name"]: row["state"] for row in orch.status()["services"]}
    assert rows.pop("redis") == "ready"
    assert set(rows.values()) == {"stopped"}
    orch.up("own")
    assert orch.service("own")["state"] == "ready"
