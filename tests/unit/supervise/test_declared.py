"""From `orch.toml` to services: what is declared, tuned, ordered, and when a restart is due."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core import config
from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home
from orchestrator.supervise import specs
from orchestrator.supervise.order import in_order
from orchestrator.supervise.restart import RestartPolicy
from orchestrator.supervise.service import LogSpec, ProbeSpec, ServiceSpec

WEB = """
[service.web]
command = ["python", "-m", "http.server", "8080"]
ready = { http = "http://127.0.0.1:8080/" }
"""


def build(tmp_path: Path, text: str = "", **given: str) -> dict[str, ServiceSpec]:
    (tmp_path / "orch.toml").write_text(text)
    overrides = {key.replace("__", "."): value for key, value in given.items()}
    built = specs.build(config.load(Home(tmp_path), overrides))
    return {spec.name: spec for spec in built}


def changed(before: dict[str, ServiceSpec], after: dict[str, ServiceSpec]) -> set[str]:
    return {name for name, spec in after.items() if before[name].digest != spec.digest}


def test_everything_comes_after_what_it_needs(tmp_path: Path) -> None:
    text = "".join(
        f"[service.{name}]\ncommand = ['true']\nneeds = {needs}\n"
        for name, needs in [("a", ["c"]), ("b", ["worker"]), ("c", ["redis", "b"]), ("d", [])]
    )

    built = build(tmp_path, f"[worker.heavy]\n{text}")

    ours = ["redis", "results", "worker", "worker-heavy", "beat"]
    assert list(built) == [*ours, "b", "c", "a", "d"]
    left = in_order(dict(reversed(built.items())))
    assert [spec.name for spec in left][:5] == [
        "redis",
        "results",
        "worker-heavy",
        "worker",
        "beat",
    ]


def test_what_a_killed_supervisor_left_is_ordered_though_some_of_it_is_missing() -> None:
    def spec(name: str, *needs: str) -> ServiceSpec:
        return ServiceSpec(name, ProbeSpec("alive"), needs=needs)

    left = {s.name: s for s in (spec("web", "api"), spec("api", "redis", "gone"), spec("worker"))}

    assert [s.name for s in in_order(left)] == ["worker", "api", "web"]


def test_a_service_says_all_that_its_table_says(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    built = build(
        tmp_path,
        """
[service.own]
command = ["sleep", "9"]
needs = ["redis"]
ready = { file = "own.ready", max_age = "1m", every = "2s" }
alive = { tcp = "127.0.0.1:5555", timeout = "500ms", threshold = 5 }
start_timeout = "30s"
grace = "3s"
stop_signal = "INT"
restart = "on-failure"
restart_limit = 4
restart_window = "2m"
env = { A = "b", REDIS_URL = "redis://127.0.0.1:1" }
cwd = "app"
memory_limit = "500MB"
log_size = "1MB"
log_keep = 2
log_reopen = "USR1"
auto = false
""",
    )["own"]

    app = tmp_path / "app"
    assert built == ServiceSpec(
        name="own",
        probe=ProbeSpec("file", str(app / "own.ready"), every_s=2.0, max_age_s=60.0),
        alive=ProbeSpec("tcp", "127.0.0.1:5555", timeout_s=0.5, threshold=5),
        command=(built.command[0], "9"),
        needs=("redis",),
        env=built.env,
        cwd=str(app),
        log=LogSpec(str(tmp_path / "data/logs/own.log"), 1_000_000, 2, "USR1"),
        stop=(("INT", 3.0),),
        start_timeout_s=30.0,
        restart=RestartPolicy("on-failure", 4, 120.0),
        memory_limit_bytes=500_000_000,
        auto=False,
    )
    assert built.command[0].endswith("/sleep")
    assert built.env["A"] == "b"
    assert built.env["REDIS_URL"] == "redis://127.0.0.1:1"
    assert built == ServiceSpec.from_json(built.to_json())


def test_a_service_finds_the_project_in_its_environment_and_no_secret_in_its_command(
    tmp_path: Path,
) -> None:
    built = build(tmp_path, '[redis]\nurl = "redis://:sesame@127.0.0.1:7000/1"\n' + WEB)["web"]

    assert built.env["ORCH_HOME"] == str(tmp_path)
    assert built.env["ORCH_SERVICE"] == "web"
    assert built.env["REDIS_URL"] == "redis://:sesame@127.0.0.1:7000/1"
    assert built.env["CELERY_BROKER_URL"] == "redis://:sesame@127.0.0.1:7000/1"
    assert "sesame" not in " ".join(built.command)


def test_a_command_beside_our_python_is_started_whatever_the_path_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    text = WEB + '[redis]\nurl = "redis://192.0.2.1/0"\n'

    assert build(tmp_path, text)["web"].command[0] == str(Path(sys.executable).parent / "python")


def test_nothing_is_built_when_a_command_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"service.web.ready.exec: 'none' is not found"):
        build(tmp_path, WEB.replace('http = "http://127.0.0.1:8080/"', 'exec = ["none"]'))


def test_a_service_without_probes_is_ready_when_it_has_run_for_a_second(tmp_path: Path) -> None:
    built = build(tmp_path, '[service.own]\ncommand = ["sleep", "9"]\n')["own"]

    assert built.probe == ProbeSpec("alive", settle_s=1.0)
    assert built.alive is None


@pytest.mark.parametrize(
    ("keys", "probe", "start_timeout_s"),
    [
        ("", ProbeSpec("end"), 600.0),
        ('start_timeout = "5s"', ProbeSpec("end"), 5.0),
        ('ready = { after = "2s" }', ProbeSpec("alive", settle_s=2.0), 10.0),
    ],
)
def test_a_service_that_is_never_restarted_is_ready_when_it_has_ended_unless_it_says_otherwise(
    tmp_path: Path, keys: str, probe: ProbeSpec, start_timeout_s: float
) -> None:
    built = build(tmp_path, f'[service.own]\ncommand = ["true"]\nrestart = "never"\n{keys}\n')

    own = built["own"]
    assert (own.probe, own.start_timeout_s) == (probe, start_timeout_s)
    assert own.restart.when == "never"


def test_ones_own_folder_may_be_written_as_in_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "me/app").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    text = '[service.own]\ncommand = ["true"]\ncwd = "~/app"\nready = { file = "~/x" }\n'

    own = build(tmp_path, text)["own"]

    assert own.cwd == str(tmp_path / "me/app")
    assert own.probe.target == str(tmp_path / "me/x")


def test_one_of_ours_is_tuned_and_stays_what_it_is(tmp_path: Path) -> None:
    plain = build(tmp_path)
    tuned = build(
        tmp_path,
        """
[service.redis]
ready = { timeout = "400ms" }
alive = { every = "500ms" }
memory_limit = "2GB"
[service.worker]
grace = "30s"
env = { A = "b" }
log_size = 0
[service.beat]
alive = { exec = ["true"] }
""",
    )

    redis, worker, beat = tuned["redis"], tuned["worker"], tuned["beat"]
    assert redis.command == plain["redis"].command
    assert redis.probe.target == plain["redis"].probe.target
    assert redis.probe.timeout_s == 0.4
    assert redis.alive is not None
    assert (redis.alive.kind, redis.alive.every_s, redis.alive.timeout_s) == ("redis", 0.5, 0.4)
    assert redis.memory_limit_bytes == 2_000_000_000
    assert worker.stop == (("TERM", 30.0), ("QUIT", 2.0))
    assert worker.env["A"] == "b"
    assert worker.log.max_bytes == 0
    assert plain["worker"].log.max_bytes == 10_000_000
    assert beat.probe == plain["beat"].probe
    assert beat.alive is not None
    assert beat.alive.kind == "exec"


def test_a_silent_worker_is_found_within_15_seconds(tmp_path: Path) -> None:
    for name in ("worker", "worker-heavy", "beat"):
        probe = build(tmp_path, "[worker.heavy]\n")[name].probe
        assert probe.max_age_s + probe.threshold * probe.every_s < 15


@pytest.mark.parametrize(
    ("before", "after", "restarted"),
    [
        ("[proxies]\nmin_usable = 3", "[proxies]\nmin_usable = 4", {"worker", "beat", "results"}),
        ("[worker]\nconcurrency = 2", "[worker]\nconcurrency = 3", {"worker"}),
        (
            "[worker.heavy]\nconcurrency = 2",
            "[worker.heavy]\nconcurrency = 3",
            {"worker-heavy"},
        ),
        (WEB, WEB.replace("8080", "8081"), {"web"}),
        (WEB, WEB + 'env = { A = "b" }', {"web"}),
        (WEB, WEB + 'cwd = "/"', {"web"}),
        (WEB, WEB + 'memory_limit = "1MB"\ngrace = 3\nlog_size = 0\nneeds = ["redis"]', set()),
        (WEB, WEB.replace('http = "http://127.0.0.1:8080/"', 'after = "1s"'), set()),
        ("", '[service.redis]\nalive = { every = 3 }\nmemory_limit = "1GB"', set()),
        ("", '[service.redis]\nenv = { A = "b" }', {"redis"}),
        ("", "[service.worker]\ngrace = 60\nauto = false", set()),
    ],
)
def test_a_change_restarts_only_what_it_matters_to(
    tmp_path: Path, before: str, after: str, restarted: set[str]
) -> None:
    assert changed(build(tmp_path, before), build(tmp_path, after)) == restarted


@pytest.mark.parametrize(
    ("given", "restarted"),
    [
        ({"proxies__min_usable": "4"}, {"worker", "worker-heavy", "beat", "results", "web"}),
        ({"worker__concurrency": "3"}, {"worker"}),
        ({"worker__heavy__concurrency": "3"}, {"worker-heavy"}),
        ({"service__web__cwd": "/"}, {"web"}),
    ],
)
def test_an_option_reaches_only_the_services_that_read_it(
    tmp_path: Path, given: dict[str, str], restarted: set[str]
) -> None:
    text = "[worker.heavy]\n" + WEB

    assert changed(build(tmp_path, text), build(tmp_path, text, **given)) == restarted


def test_another_version_of_orch_restarts_what_is_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build(tmp_path, WEB)
    monkeypatch.setattr(specs, "VERSION", "99.0")

    assert changed(before, build(tmp_path, WEB)) == {"worker", "beat", "results"}


def test_another_place_of_redis_restarts_whoever_was_told_of_it(tmp_path: Path) -> None:
    url = '[redis]\nurl = "redis://192.0.2.{}:7000/0"\n'

    after = build(tmp_path, url.format(2) + WEB)

    assert changed(build(tmp_path, url.format(1) + WEB), after) == {
        "worker",
        "beat",
        "results",
        "web",
    }


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("", ("redis", "worker")),
        ("[worker.a]\n[service.worker]\nauto = false\n", ("redis", "worker-a")),
        (
            "[worker]\nqueues = ['shards']\n[worker.a]\nqueues = ['control']\n",
            ("redis", "worker-a"),
        ),
        ("[service.worker]\nauto = false\n", ("redis",)),
    ],
)
def test_beat_needs_a_worker_that_takes_its_ticks(
    tmp_path: Path, text: str, needs: tuple[str, ...]
) -> None:
    assert build(tmp_path, text)["beat"].needs == needs


def test_celery_is_every_worker_that_is_started_by_itself(tmp_path: Path) -> None:
    text = "[worker.a]\n[worker.b]\n[service.worker-b]\nauto = false\n"
    (tmp_path / "orch.toml").write_text(text)

    names = specs.of_celery(config.load(Home(tmp_path)))

    assert names == ["worker", "worker-a", "beat", "results"]


def test_only_one_worker_stops_the_sites_for_all(tmp_path: Path) -> None:
    built = build(tmp_path, "[worker.heavy]\n")

    hooks: dict[str, Any] = {name: bool(spec.before_stop) for name, spec in built.items()}
    assert hooks == {name: name == "worker" for name in built}
