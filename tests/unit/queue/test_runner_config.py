"""`[queue]` of orch.toml, and what a runner makes of it."""

from __future__ import annotations

import doctest
import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from orchestrator.core import config as core_config
from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home
from orchestrator.core.overrides import variables
from orchestrator.core.queue_section import QueueSection
from orchestrator.operate.example import EXAMPLE
from orchestrator.queue import config, model
from orchestrator.queue.config import RunnerConfig
from orchestrator.queue.model import Limits
from orchestrator.queue.retry import GiveUp, RetryAt

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

DEFAULTS = {
    "max_workers": 8,
    "max_per_resolver": {},
    "max_per_host": 4,
    "lease_ttl_seconds": 600,
    "heartbeat_seconds": 30,
    "max_job_attempts": 3,
    "retry_backoff_seconds": 60,
    "jitter_seconds": 15,
    "max_run_seconds": 3600,
    "grace_seconds": 10,
}


def told(home: Path, text: str, given: dict[str, str] | None = None) -> tuple[str, ...]:
    """Every problem of an orch.toml."""
    (home / "orch.toml").write_text(text)
    with pytest.raises(ConfigError) as wrong:
        core_config.load(Home(home), given)
    return wrong.value.problems


def test_the_defaults_are_those_that_are_documented() -> None:
    assert RunnerConfig().model_dump() == DEFAULTS
    example = EXAMPLE.partition("[queue]")[2].partition("\n[")[0].partition("\n# [")[0]
    shown = tomllib.loads(re.sub(r"(?m)^# (?=\w+ = )", "", example.partition("\n")[2]))
    assert shown.pop("pipeline") == QueueSection().pipeline == "fetch"
    assert RunnerConfig(max_per_resolver=shown.pop("max_per_resolver"))
    assert RunnerConfig.model_validate(shown) == RunnerConfig()
    assert {*shown, "max_per_resolver"} == set(DEFAULTS)


def test_set_beats_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "orch.toml").write_text(
        "[queue]\nmax_workers = 2\nmax_per_host = 2\njitter_seconds = 2\n"
        "max_per_resolver = { Some-Key = 2, b = 2 }\n"
    )
    monkeypatch.setenv("ORCH_QUEUE_MAX_PER_HOST", "3")
    monkeypatch.setenv("ORCH_QUEUE_JITTER_SECONDS", "3s")
    monkeypatch.setenv("ORCH_QUEUE_MAX_PER_RESOLVER_SOME_KEY", "3")
    given = {"queue.jitter_seconds": "4s", "queue.max_per_resolver.c": "4"}

    loaded = core_config.load(Home(tmp_path), given)

    queue = loaded.settings.queue
    assert (queue.max_workers, queue.max_per_host, queue.jitter_seconds) == (2, 3, 4.0)
    assert queue.max_per_resolver == {"Some-Key": 3, "b": 2, "c": 4}
    rows = {key: (value, origin) for key, value, origin in loaded.flat()}
    assert rows["queue.max_per_host"] == (3, "$ORCH_QUEUE_MAX_PER_HOST")
    assert rows["queue.max_per_resolver.c"] == (4, "--set queue.max_per_resolver.c")


def test_what_set_says_of_a_key_reaches_a_service_by_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"queue.max_per_resolver.a": "2", "queue.max_workers": "3"}
    for name, text in variables(given).items():
        monkeypatch.setenv(name, text)

    queue = core_config.load(Home(tmp_path)).settings.queue

    assert (queue.max_per_resolver, queue.max_workers) == ({"a": 2}, 3)


def test_all_problems_are_told_at_once_with_key_value_and_what_is_allowed(tmp_path: Path) -> None:
    problems = told(
        tmp_path,
        "[queue]\nmax_workers = 0\nmax_worker = 3\nmax_per_resolver = { a = -1 }\n"
        "lease_ttl_seconds = 60\nheartbeat_seconds = 30\njitter_seconds = 'soon'\n",
        {"queue.max_per_host": "20000"},
    )

    found = "\n".join(problems)
    assert len(problems) == 6
    assert "orch.toml: queue.max_workers = 0: input should be greater than or equal to 1" in found
    assert "queue.max_worker: no such key; did you mean max_workers?" in found
    assert "queue.max_per_resolver.a = -1: input should be greater than or equal to 0" in found
    assert "queue.jitter_seconds = 'soon': 'soon' is no length of time" in found
    assert "--set queue.max_per_host: queue.max_per_host = 20000" in found
    assert "less than or equal to 10000" in found


def test_a_heartbeat_that_is_too_rare_names_both_keys_and_what_is_allowed(tmp_path: Path) -> None:
    text = "[queue]\nlease_ttl_seconds = '1m'\nheartbeat_seconds = 30\n"
    (problem,) = told(tmp_path, text)
    assert problem == (
        "orch.toml: queue.heartbeat_seconds = 30: must be at most a third of "
        "lease_ttl_seconds (60): at most 20, or lease_ttl_seconds at least 90"
    )
    assert "at most 200" in told(tmp_path, "[queue]\nheartbeat_seconds = 201\n")[0]
    with pytest.raises(ValidationError, match="lease_ttl_seconds"):
        RunnerConfig(lease_ttl_seconds=30, heartbeat_seconds=10.01)
    assert RunnerConfig(
        lease_ttl_seconds=3.1, heartbeat_seconds=3.1 / 3
    )  # times 3 it is 3.1 + 4e-16


def test_a_wrong_lease_is_told_once_and_not_blamed_on_the_heartbeat(tmp_path: Path) -> None:
    problems = told(tmp_path, "[queue]\nlease_ttl_seconds = 0\nheartbeat_seconds = 30\n")
    assert len(problems) == 1
    assert "queue.lease_ttl_seconds = 0" in problems[0]


def test_a_short_lease_alone_is_beaten_as_often_as_it_must_be() -> None:
    assert RunnerConfig(lease_ttl_seconds=30).heartbeat_seconds == 10
    assert RunnerConfig(lease_ttl_seconds=9000).heartbeat_seconds == 30


def test_options_go_over_the_configuration_and_are_checked_with_it(tmp_path: Path) -> None:
    (tmp_path / "orch.toml").write_text("[queue]\nmax_workers = 2\nlease_ttl_seconds = 30\n")
    section = core_config.load(Home(tmp_path)).settings.queue

    made = RunnerConfig.of(section, max_workers=5, max_per_host=None)

    assert (made.max_workers, made.max_per_host, made.lease_ttl_seconds) == (5, 4, 30)
    assert RunnerConfig.of(section, lease_ttl_seconds=15).heartbeat_seconds == 5
    with pytest.raises(ValidationError, match="max_workers"):
        RunnerConfig.of(section, max_workers=0)
    with pytest.raises(ValidationError, match="heartbeat_seconds"):
        RunnerConfig.of(section, heartbeat_seconds=11)


def test_the_retry_policy_is_that_of_the_settings() -> None:
    policy = RunnerConfig(
        max_job_attempts=9, retry_backoff_seconds="10m", jitter_seconds=15
    ).policy()

    assert [policy.decide(n) for n in (1, 2, 3, 4)] == [
        RetryAt(600 + 15),
        RetryAt(1200 + 15),
        RetryAt(2400 + 15),
        RetryAt(3600 + 15),
    ]
    assert policy.decide(9) == GiveUp("out of attempts (9)")
    # Somebody who wants to begin with more than the cap means it.
    assert RunnerConfig(retry_backoff_seconds="3h").policy().decide(1) == RetryAt(3 * 3600 + 15)


def test_the_limits_of_the_settings_count_none_per_host_as_no_limit() -> None:
    assert RunnerConfig().limits() == Limits(per_key={}, every_key=None, per_host=4)
    made = RunnerConfig(max_per_resolver={"a": 0, "b": 3}, max_per_host=0).limits()
    assert made == Limits(per_key={"a": 0, "b": 3}, every_key=None, per_host=None)
    made = RunnerConfig(max_per_resolver={"a": 1, "*": 9}).limits()
    assert made == Limits(per_key={"a": 1}, every_key=9, per_host=4)


def test_a_star_is_every_key_that_has_no_limit_of_its_own() -> None:
    made = RunnerConfig(max_per_resolver={"a": 2, "*": 9}).limits()
    assert made == Limits(per_key={"a": 2}, every_key=9, per_host=4)


@pytest.mark.parametrize(
    "name", ["fetch", "exec", "shop:page", "a.b_c:D.e", "größe:tu_es", "their-own.v2"]
)
def test_a_pipeline_is_set_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "orch.toml").write_text(f'[queue]\npipeline = "{name}"\n', "utf-8")
    loaded = core_config.load(Home(tmp_path))
    assert loaded.settings.queue.pipeline == name
    assert "pipeline" not in RunnerConfig.of(loaded.settings.queue).model_dump()


@pytest.mark.parametrize("name", ["", "shop:", ":page", "shop.py:page()", "a b", "a:b:c", "a/b:c"])
def test_what_can_be_no_pipeline_is_told(tmp_path: Path, name: str) -> None:
    assert told(tmp_path, f"[queue]\npipeline = '{name}'\nmax_workers = 0\n") == (
        f"orch.toml: queue.pipeline = {name!r}: must be fetch, exec, or module:function",
        "orch.toml: queue.max_workers = 0: input should be greater than or equal to 1",
    )


@pytest.mark.parametrize("module", [config, model])
def test_the_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0
