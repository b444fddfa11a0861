"""The gateway as people run it: a service of `orch up`, and `orch proxies serve`."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.core.context import Context
from tests.support.gateway import connected
from tests.support.gateway_home import UpstreamProcess, fill
from tests.support.orch import Orch, a_home, alive, eventually
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer


@pytest.fixture
def upstreams() -> Iterator[list[UpstreamProcess]]:
    with ExitStack() as stack:
        yield [stack.enter_context(UpstreamProcess()) for _ in range(2)]


def test_the_service_is_ready_when_it_serves_comes_back_when_it_dies_and_leaves_nothing(
    tmp_path: Path, upstreams: list[UpstreamProcess]
) -> None:
    port = free_port()
    toml = f'[gateway]\nlisten = "127.0.0.1:{port}"\npassword = "secret"\n'
    with a_home(tmp_path / "home", toml) as orch:
        orch.up("gateway")
        assert orch.service("gateway")["state"] == "ready"
        assert orch.service("redis")["state"] == "ready"
        fill(Context.load(orch.home), [one.proxy for one in upstreams])
        entry = "Proxy-Authorization: Basic c2Vzc2lvbi03OnNlY3JldA=="  # session-7:secret

        def serves() -> bool:
            try:
                return bool(connected(port).get("http://shop.test/", entry)[0] == 200)
            except (OSError, AssertionError):  # it is not there yet, or ends in the middle
                return False

        eventually(serves, 60)
        assert connected(port).get("http://shop.test/")[0] == 407
        pid = orch.pid("gateway")
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: orch.service("gateway").get("pid") not in (pid, None) and serves(), 60)

        kept = connected(port)
        assert kept.get("http://shop.test/", entry)[0] == 200
        shown = orch("config", "show")
        assert "secret" not in shown.stdout
        assert orch("status").returncode == 0
        last = orch.pid("gateway")
        assert orch("down").returncode == 0
        assert kept.gone()
        assert not alive(last)
        lines = (orch.home / "data/logs/gateway-access.log").read_text().splitlines()
        assert any(" session-7 GET http://shop.test/ 200 " in line for line in lines)
        assert "secret" not in (orch.home / "data/logs/gateway.log").read_text()


def test_what_is_wrong_with_the_configuration_is_told_at_once(tmp_path: Path) -> None:
    with a_home(tmp_path / "home") as orch:
        for toml, told in (
            ('listen = "0.0.0.0:8118"', "is not a loopback address"),
            ("tries = 0\npot = 1", "gateway.pot"),
        ):
            (orch.home / "orch.toml").write_text(f"[gateway]\n{toml}\n")
            orch.refuses("up", "-d", told=[told])


def test_serve_says_what_keeps_it_from_serving(tmp_path: Path) -> None:
    with a_home(tmp_path / "home", "") as orch:
        done = orch("proxies", "serve", "--listen", "nonsense")
        assert done.returncode == 2
        assert "must be ADDRESS:PORT" in done.stderr
        done = orch("proxies", "serve", "--listen", "0.0.0.0:0")
        assert (done.returncode, "set gateway.password" in done.stderr) == (2, True), done.stderr
        done = orch("proxies", "serve")
        assert done.returncode == 3
        assert "`orch up` starts it" in done.stderr
        (orch.home / "orch.toml").write_text('[gateway]\npassword = "${ORCH_TEST_UNSET}"\n')
        done = orch("proxies", "serve")
        assert done.returncode == 2
        assert "${ORCH_TEST_UNSET} is not set in the environment" in done.stderr
        assert "Traceback" not in done.stderr
        (orch.home / "orch.toml").write_text('[gateway]\ncountries = "no.csv"\n')
        done = orch("proxies", "serve")
        assert done.returncode == 2
        assert "no.csv cannot be read: No such file or directory" in done.stderr


def test_a_port_that_is_taken_is_told(tmp_path: Path, redis_server: RedisServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        orch = Orch(tmp_path / "home", f'[redis]\nurl = "{redis_server.url}"\n')
        port = taken.getsockname()[1]
        done = orch("proxies", "serve", "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 3
    assert f"127.0.0.1:{port} is taken by another program" in done.stderr
    assert "--listen" in done.stderr
