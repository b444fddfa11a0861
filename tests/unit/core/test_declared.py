"""What is wrong in the tables of services and workers, all of it at once."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from orchestrator.core import config, dialects
from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home


def load(tmp_path: Path, text: str, **given: str) -> config.Config:
    (tmp_path / "orch.toml").write_text(text)
    loaded = config.load(Home(tmp_path), {k.replace("__", "."): v for k, v in given.items()})
    loaded.require_commands()
    return loaded


def told(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as wrong:
        load(tmp_path, text)
    return "\n".join(wrong.value.problems)


def a_service(**keys: str) -> str:
    """A service that is right but for `keys`."""
    table = {"command": '["sleep", "9"]'} | keys
    return "[service.own]\n" + "".join(f"{k} = {v}\n" for k, v in table.items() if v)


GOOD = """
[worker]
queues = ["control"]
[worker.heavy]
queues = ["shards"]
concurrency = 4
[service.web]
command = ["sleep", "9"]
needs = ["redis", "worker-heavy", "api"]
ready = { http = "http://[::1]:8080/ready?full=1", every = "500ms" }
alive = { tcp = "localhost:8080", threshold = 5 }
start_timeout = "2m"
stop_signal = "SIGINT"
restart = "on-failure"
env = { PORT = 8080, TOKEN = "sesame" }
memory_limit = "1.5GB"
log_size = 0
auto = false
[service.api]
command = ["sleep", "9"]
ready = { file = "api.ready", max_age = "1m" }
[service.redis]
alive = { every = "500ms" }
memory_limit = "2GB"
[service.worker-heavy]
grace = "30s"
[service.beat]
alive = { exec = ["true"] }
"""


def test_what_is_right_is_taken_as_it_is_meant(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD).settings

    web = settings.service["web"]
    assert (web.start_timeout, web.stop_signal, web.memory_limit) == (120.0, "INT", 1_500_000_000)
    assert web.env == {"PORT": "8080", "TOKEN": "sesame"}
    assert settings.worker.of("worker").queues == ("control",)
    assert settings.worker.of("worker-heavy").slots() == 4
    assert settings.worker.of("worker-heavy").slots_for("control") == 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        # needs
        (a_service(needs='["redsi"]'), ["service.own.needs", "redsi", "did you mean redis?"]),
        (a_service(needs='["zzz"]'), ["zzz", "there are redis, results, worker, beat, own"]),
        (a_service(needs='["redis", "redis"]'), ["redis is named twice"]),
        (a_service(needs='["own"]'), ["circle: own -> own"]),
        (a_service(needs='"redis"'), ["service.own.needs", "redis"]),
        # probes
        (a_service(ready="{ every = 1 }"), ["service.own.ready", "needs a target", "http, tcp"]),
        (
            a_service(ready='{ http = "http://127.0.0.1/", tcp = "127.0.0.1:80" }'),
            ["service.own.ready", "http and tcp", "only one"],
        ),
        (a_service(alive='{ timeout = "1s" }'), ["service.own.alive", "needs a target"]),
        (
            a_service(ready='{ http = "https://127.0.0.1/" }'),
            ["ready.http", "https is not", "exec"],
        ),
        (a_service(ready='{ http = "127.0.0.1:80" }'), ["ready.http", "must be a URL"]),
        (
            a_service(ready='{ http = "http://127.0.0.1:70000/" }'),
            ["'http://127.0.0.1:70000/'", "65535"],
        ),
        (a_service(ready='{ http = "http://127.0.0.1:0/" }'), ["ready.http", "65535"]),
        (a_service(ready='{ http = "http://example.com/" }'), ["IP address or localhost"]),
        (a_service(ready='{ http = "http://[::1/" }'), ["ready.http"]),
        (a_service(ready='{ http = "http://u:sesame@127.0.0.1/" }'), ["user and password", "***"]),
        (a_service(ready='{ tcp = "127.0.0.1:0" }'), ["ready.tcp = '127.0.0.1:0'", "65535"]),
        (a_service(ready='{ tcp = "127.0.0.1:65536" }'), ["65535"]),
        (a_service(ready='{ tcp = "5555" }'), ["HOST:PORT"]),
        (a_service(ready='{ tcp = "127.0.0.1:http" }'), ["65535"]),
        (
            a_service(ready='{ exec = ["no-such-probe"] }'),
            ["ready.exec", "'no-such-probe'", "PATH"],
        ),
        (a_service(ready="{ exec = [] }"), ["ready.exec", "name a program"]),
        (a_service(ready='{ after = "1s", max_age = 3 }'), ["ready.max_age", "file only"]),
        (a_service(ready='{ htpp = "http://127.0.0.1/" }'), ["ready.htpp", "did you mean http?"]),
        (
            a_service(ready='"http://127.0.0.1/"'),
            ["service.own.ready = ", 'must be a table, like { http = "http://127.0.0.1:8080/" }'],
        ),
        (a_service(alive='"http://u:sesame@127.0.0.1/"'), ["own.alive", "must be a table, like {"]),
        (a_service(alive='{ after = "1s" }'), ["own.alive.after: proves nothing", "http, tcp"]),
        ("[service.beat]\nalive = { after = 1 }\n", ["service.beat.alive.after", "proves nothing"]),
        (a_service(alive='{ tcp = "127.0.0.1:1", threshold = 0 }'), ["alive.threshold = 0"]),
        # commands
        (a_service(command=""), ["service.own.command", "is missing"]),
        ("[service.reddis]\nmemory_limit = 1\n", ["is missing; did you mean [service.redis]?"]),
        (a_service(command="[]"), ["service.own.command", "name a program"]),
        (a_service(command='["no-such-program"]'), ["own.command", "'no-such-program'", "PATH"]),
        (a_service(command='["./none.sh"]'), ["own.command", "none.sh is not there"]),
        (a_service(command='["/usr"]'), ["/usr is a folder"]),
        (a_service(command='["/etc/passwd"]'), ["may not be executed"]),
        (a_service(command='"sleep 9"'), ['must be a list of words: ["sleep", "9"]']),
        (a_service(command='["sleep", 9]'), ["service.own.command.1 = 9", "string"]),
        (a_service(command='["sleep", "\\u0000"]'), ["zero byte"]),
        (a_service(cwd='"nowhere"'), ["service.own.cwd", "nowhere is not a folder"]),
        # the rest of a service
        (a_service(stop_signal='"TREM"'), ["service.own.stop_signal = 'TREM'", "TERM, INT"]),
        (a_service(log_reopen="1"), ["log_reopen = 1", "HUP, USR1, USR2, WINCH"]),
        *(
            (a_service(log_reopen=f'"{name}"'), ["log_reopen", "HUP, USR1, USR2, WINCH"])
            for name in ("KILL", "TERM", "SIGINT", "QUIT", "ABRT", "ALRM")
        ),
        (a_service(auto='"yes"'), ["service.own.auto = 'yes'", "true or false"]),
        (a_service(auto="1"), ["service.own.auto = 1", "true or false"]),
        (a_service(cwd='"~nobody-at-all/x"'), ["service.own.cwd", "is not a folder"]),
        (a_service(command='["~nobody-at-all/x"]'), ["service.own.command", "is not there"]),
        (a_service(restart='"often"'), ["service.own.restart = 'often'", "on-failure"]),
        (a_service(grace='"soon"'), ["service.own.grace = 'soon'", "length of time"]),
        (a_service(grace="[1]"), ["service.own.grace", "length of time"]),
        (a_service(grace="nan"), ["service.own.grace"]),
        (a_service(memory_limit='"lots"'), ["memory_limit = 'lots'", "500MB"]),
        (a_service(memory_limit="-1"), ["memory_limit = -1", "no size"]),
        (a_service(env='{ ORCH_HOME = "/" }'), ["ORCH_HOME", "by orch alone"]),
        (a_service(env='{ "A=B" = "c" }'), ["service.own.env"]),
        (a_service(env="{ A = [1] }"), ["service.own.env.A"]),
        (a_service(env="{ A = true }"), ["service.own.env.A", 'write it as "true"']),
        (a_service(env='"A=sesame"'), ['own.env: must be a table, like { NAME = "value" }']),
        (a_service(cmd='["x"]'), ["service.own.cmd", "did you mean command?"]),
        (a_service(autostart="true"), ["did you mean auto?"]),
        (a_service(autorestart="true"), ["did you mean restart?"]),
        (a_service(environment="{}"), ["did you mean env?"]),
        (a_service(directory='"/"'), ["did you mean cwd?"]),
        (a_service(working_dir='"/"'), ["did you mean cwd?"]),
        (a_service(stopsignal='"INT"'), ["did you mean stop_signal?"]),
        (a_service(stopwaitsecs="3"), ["did you mean grace?"]),
        (a_service(startretries="3"), ["did you mean restart_limit?"]),
        (a_service(startsecs="3"), ["did you mean ready?"]),
        (a_service(stdout_logfile_maxbytes="3"), ["did you mean log_size?"]),
        (a_service(stdout_logfile_backups="3"), ["did you mean log_keep?"]),
        (a_service(TimeoutStopSec="3"), ["did you mean grace?"]),
        (a_service(depends_on="['redis']"), ["did you mean needs?"]),
        (a_service(numprocs="3"), ["service.own.numprocs: no such key; write one table for each"]),
        (a_service(comand='["x"]'), ["service.own.comand", "did you mean command?"]),
        ("[services.web]\ncommand = ['true']\n", ["services", "did you mean service?"]),
        ("service = 3\n", ["service = 3: must be a table, like [service.NAME]"]),
        ("[service]\nweb = 3\n", ["service.web = 3: must be a table, like [service.web]"]),
        ("redis = 3\n", ["redis = 3: must be a table, like [redis]"]),
        ("[[redis]]\n", ["redis: must be one table: [redis] in single brackets"]),
        (
            "[[service.a]]\nenv = { A = 'sesame' }\n",
            ["service.a: must be one table: [service.a] in single brackets"],
        ),
        # names
        (
            "[service.events]\ncommand = ['true']\n",
            ["service.events: this name is orch's own; orch's own names are supervisor, events"],
        ),
        ("[service.supervisor]\ncommand = ['true']\n", ["service.supervisor", "orch's own"]),
        ("[service.Web]\ncommand = ['true']\n", ["service.Web", "[a-z0-9]"]),
        (f"[service.{'a' * 64}]\ncommand = ['true']\n", ["must match"]),
        ("[service.worker-x]\ncommand = ['true']\n", ["service.worker-x", "no [worker.x]"]),
        # what is ours
        ("[service.redis]\ncommand = ['true']\n", ["service.redis.command", "orch's own", "fixed"]),
        ("[service.beat]\nneeds = []\n", ["service.beat.needs", "fixed"]),
        ("[service.worker]\ncwd = '.'\n", ["service.worker.cwd", "fixed"]),
        (
            "[worker.x]\n[service.worker-x]\nready = { tcp = '127.0.0.1:1' }\n",
            ["service.worker-x.ready.tcp", "is fixed", "every, timeout"],
        ),
        # workers
        ("[worker.heavy]\nqueues = ['shard']\n", ["worker.heavy.queues.0 = 'shard'", "'shards'"]),
        ("[worker.heavy]\nqueues = []\n", ["worker.heavy.queues", "at least one"]),
        ("[worker.heavy]\nqueues = 'shards'\n", ['must be a list: ["shards"]']),
        ("[worker.heavy]\nqueues = ['shards', 'shards']\n", ["each once"]),
        ("[worker.heavy]\nconcurrency = 0\n", ["worker.heavy.concurrency = 0"]),
        ("[worker.heavy]\nspeed = 3\n", ["worker.heavy.speed", "concurrency, queues"]),
        ("[worker.Heavy]\n", ["worker.Heavy", "must match"]),
        (f"[worker.{'a' * 57}]\n", ["must match"]),
        ("[worker]\nqueue = ['shards']\n", ["worker.queue", "did you mean queues?"]),
        ("[worker]\nqueues = ['shards']\n", ["worker.queues", "no worker takes control"]),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_is_allowed(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    problems = told(tmp_path, text)

    for part in parts:
        assert part in problems, problems
    assert "orch.toml: " in problems
    assert len(problems.splitlines()) == 1, problems
    assert "sesame" not in problems


def test_a_circle_is_shown_once_with_everyone_in_it(tmp_path: Path) -> None:
    text = "".join(
        f"[service.{name}]\ncommand = ['true']\nneeds = ['{need}', 'redis']\n"
        for name, need in [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]
    )

    assert told(tmp_path, text) == (
        "orch.toml: service.a.needs: needs in a circle: a -> b -> c -> a"
    )


def test_what_pydantic_finds_and_what_it_cannot_are_in_one_message(tmp_path: Path) -> None:
    problems = told(
        tmp_path,
        "[proxies]\nmin_usable = -1\n[worker.x]\nqueues = 3\n"
        + a_service(needs='["nobody"]', command='["none"]', grace='"soon"', ready="{}")
        + "[service.other]\nneeds = ['other']\ncommand = 'x'\nalive = 3\nenv = 4\ncwd = 5\n",
    )

    for part in (
        "proxies.min_usable",
        "worker.x.queues",
        "service.own.needs: no such service: nobody",
        "service.own.command: 'none' is not found",
        "service.own.grace",
        "service.own.ready: needs a target",
        "service.other.needs: needs in a circle",
        "service.other.command",
        "service.other.alive",
        "service.other.env",
        "service.other.cwd",
    ):
        assert part in problems, problems
    assert len(problems.splitlines()) == 11, problems


def test_problems_are_told_table_by_table_as_the_file_has_them(tmp_path: Path) -> None:
    problems = told(
        tmp_path,
        "[service.b]\ncommand = ['none']\nneeds = ['nobody']\ngrace = 'soon'\n"
        "[worker]\nconcurrency = 0\n[service.a]\nneeds = ['b', 'a']\nready = 3\n",
    )

    assert [line.split(":")[1].split(" =")[0].strip() for line in problems.splitlines()] == [
        "service.b.command",
        "service.b.needs",
        "service.b.grace",
        "service.a.needs",
        "service.a.ready",
        "service.a.command",
        "worker.concurrency",
    ]


def test_the_sign_for_ones_own_folder_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "me/app").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))

    load(tmp_path, a_service(cwd='"~/app"'))

    assert "me/gone is not a folder" in told(tmp_path, a_service(cwd='"~/gone"'))


def test_the_examples_in_the_docstrings_hold() -> None:
    failed, tried = doctest.testmod(dialects)
    assert tried
    assert not failed


def test_a_command_that_is_not_there_stops_no_command_that_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "orch.toml").write_text(a_service(command='["none"]'))

    loaded = config.load(Home(tmp_path))

    with pytest.raises(ConfigError, match="'none' is not found"):
        loaded.require_commands()


def test_a_service_is_not_kept_from_starting_by_how_others_are_declared(tmp_path: Path) -> None:
    (tmp_path / "orch.toml").write_text("[worker]\nconcurrency = 3\n[service.own]\nx = 1\n")

    loaded = config.load(Home(tmp_path), services=False)

    assert loaded.settings.worker.slots() == 3


def test_a_worker_that_is_no_longer_declared_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no table \[worker.heavy\]"):
        load(tmp_path, "").settings.worker.of("worker-heavy")


def test_commands_are_looked_up_where_they_will_be_started(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    (folder / "bin").mkdir(parents=True)
    for program in (folder / "run.sh", folder / "bin/tool"):
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    path = f'{{ PATH = "{folder / "bin"}" }}'

    load(tmp_path, a_service(command='["./run.sh"]', cwd='"app"'))
    load(tmp_path, a_service(command='["tool"]', env=path))
    load(tmp_path, a_service(command='["tool"]', env='{ PATH = "bin" }', cwd='"app"'))
    assert "run.sh is not there" in told(tmp_path, a_service(command='["./run.sh"]'))


def test_what_stands_beside_our_python_needs_no_activated_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    load(tmp_path, a_service(command='["celery", "flower"]'))


def test_options_and_variables_reach_into_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_WORKER_BIG_ONE_CONCURRENCY", "5")
    monkeypatch.setenv("ORCH_SERVICE_OWN_READY_HTTP", "http://127.0.0.1:8080/")
    monkeypatch.setenv("ORCH_SERVICE_OWN_START_TIMEOUT", "7s")
    text = "[worker.big-one]\n" + a_service()

    loaded = load(tmp_path, text, service__own__ready__every="3s")

    assert loaded.settings.worker.of("worker-big-one").concurrency == 5
    rows = {key: (value, origin) for key, value, origin in loaded.flat()}
    ready = "service.own.ready"
    assert rows[f"{ready}.http"] == ("http://127.0.0.1:8080/", "$ORCH_SERVICE_OWN_READY_HTTP")
    assert rows[f"{ready}.every"] == (3.0, f"--set {ready}.every")
    assert rows["service.own.start_timeout"] == (7.0, "$ORCH_SERVICE_OWN_START_TIMEOUT")
    assert rows["service.own.command"] == (["sleep", "9"], "orch.toml")


def test_a_mistake_in_an_option_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set service.own.grace: service.own.grace"):
        load(tmp_path, a_service(), service__own__grace="soon")
    with pytest.raises(ConfigError, match=r"orch.toml: worker"):
        load(tmp_path, "worker = 3\n", worker__concurrency="2")
    with pytest.raises(ConfigError, match=r"no such setting: service..grace"):
        load(tmp_path, "", service____grace="1s")


def test_variables_of_a_service_are_shown_to_nobody(tmp_path: Path) -> None:
    loaded = load(tmp_path, GOOD)

    assert "sesame" not in str(loaded.flat())
    assert ("service.web.env.TOKEN", "***", "orch.toml") in loaded.flat()
