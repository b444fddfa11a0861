from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core import config
from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home


def load(tmp_path: Path, text: str = "", **overrides: str) -> config.Config:
    (tmp_path / "orch.toml").write_text(text)
    return config.load(Home(tmp_path), {k.replace("__", "."): v for k, v in overrides.items()})


def test_defaults_without_a_file(tmp_path: Path) -> None:
    settings = config.load(Home(tmp_path)).settings

    assert settings.worker.slots() == 8
    assert settings.proxies.min_usable == 10


def test_all_problems_are_listed_at_once_with_key_and_value(tmp_path: Path) -> None:
    text = '[worker]\nconcurrency = 0\nspeed = 3\n[proxys]\n[redis]\nurl = "http://x"\n'

    with pytest.raises(ConfigError) as wrong:
        load(tmp_path, text)

    told = "\n".join(wrong.value.problems)
    for part in ("worker.concurrency = 0", "worker.speed", "did you mean proxies", "redis.url"):
        assert part in told, told
    assert all("orch.toml" in problem for problem in wrong.value.problems)


def test_a_syntax_error_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 2"):
        load(tmp_path, "[worker]\nconcurrency = = 3\n")


def test_set_beats_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[worker]\nconcurrency = 2\n[proxies]\nmin_usable = 2\n[sites]\nslice = "20s"\n'
    monkeypatch.setenv("ORCH_PROXIES_MIN_USABLE", "3")
    monkeypatch.setenv("ORCH_SITES_SLICE", "30s")

    loaded = load(tmp_path, text, sites__slice="40s")

    rows = {key: (value, origin) for key, value, origin in loaded.flat()}
    assert rows["worker.concurrency"] == (2, "orch.toml")
    assert rows["proxies.min_usable"] == (3, "$ORCH_PROXIES_MIN_USABLE")
    assert rows["sites.slice"] == (40.0, "--set sites.slice")


def test_an_unknown_variable_of_ours_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_WORKERS", "3")

    with pytest.raises(ConfigError, match="ORCH_WORKERS"):
        load(tmp_path)


def test_a_password_is_masked_for_people(tmp_path: Path) -> None:
    loaded = load(tmp_path, '[redis]\nurl = "redis://:sesame@127.0.0.1:7000/0"\n')

    assert "sesame" not in str(loaded.flat())


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://127.0.0.1:7000/2", "redis://127.0.0.1:7000/2"),
        ("unix:///run/r.sock?db=3", "redis+socket:///run/r.sock?virtual_host=3"),
        ("unix://:a%2Fb@/run/r.sock", "redis+socket://:a%2Fb@/run/r.sock?virtual_host=0"),
    ],
)
def test_celery_is_told_the_url_in_its_own_spelling(tmp_path: Path, url: str, broker: str) -> None:
    assert load(tmp_path, f'[redis]\nurl = "{url}"\n').broker_url == broker


def test_a_shared_redis_gets_a_prefix_and_a_private_one_none(tmp_path: Path) -> None:
    assert load(tmp_path).keys.prefix == ""
    shared = load(tmp_path, '[redis]\nurl = "redis://127.0.0.1:7000"\n').keys.prefix
    assert shared.startswith("orch-")
    assert shared == load(tmp_path, '[redis]\nurl = "redis://127.0.0.1:7000"\n').keys.prefix
