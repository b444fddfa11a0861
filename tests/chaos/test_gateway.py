"""The gateway while everything around it, and it itself, is killed."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from tests.support.gateway import Talk
from tests.support.gateway_home import GatewayHome, UpstreamProcess
from tests.support.orch import eventually
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.upstream_process import BODY


@pytest.fixture
def home(tmp_path: Path, server: RedisServer) -> Iterator[GatewayHome]:
    with GatewayHome(tmp_path / "home", server.url) as made:
        yield made


@pytest.fixture
def upstreams() -> Iterator[list[UpstreamProcess]]:
    with ExitStack() as stack:
        yield [stack.enter_context(UpstreamProcess()) for _ in range(4)]


class Load:
    """Clients that ask without a pause; what they were told is counted."""

    def __init__(self, home: GatewayHome, clients: int = 6) -> None:
        self.told: Counter[str] = Counter()
        self._home = home
        self._stopping = False
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    @property
    def answers(self) -> int:
        return self.told.total()

    def _run(self) -> None:
        talk: Talk | None = None
        while not self._stopping:
            try:
                talk = talk or self._home.client()
                status, fields, body = talk.get("http://shop.test/")
            except (OSError, AssertionError) as error:
                self.told[f"{type(error).__name__}: {error}"] += 1
                talk = None
                continue
            self.told["ok" if (status, body) == (200, BODY) else f"{status} {body[:200]!r}"] += 1
            if fields.get("connection") == "close":
                talk = None

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        for thread in self._threads:
            thread.join()

    def goes_on(self, more: int = 100) -> None:
        wanted = self.answers + more
        eventually(lambda: self.answers >= wanted)


def test_upstreams_that_are_killed_in_the_middle_cost_no_client_an_answer(
    home: GatewayHome, upstreams: list[UpstreamProcess]
) -> None:
    home.pool(one.proxy for one in upstreams)
    home.serve()
    with Load(home) as load:
        load.goes_on()
        for victim in (upstreams[0], upstreams[1], upstreams[0]):
            victim.kill()
            load.goes_on()
            victim.start()
            load.goes_on()
    assert set(load.told) == {"ok"}, load.told


def test_a_tunnel_of_a_killed_upstream_ends(
    home: GatewayHome, upstreams: list[UpstreamProcess]
) -> None:
    home.pool([upstreams[0].proxy])
    talk = home.serve().client(b"CONNECT shop.test:443 HTTP/1.1\r\n\r\nhello")
    assert talk.until(b"hello").startswith(b"HTTP/1.1 200 ")
    upstreams[0].kill()
    assert talk.gone()
    upstreams[0].start()


def test_without_redis_the_last_pool_serves_on_and_failures_are_told_when_it_is_back(
    home: GatewayHome, server: RedisServer, upstreams: list[UpstreamProcess]
) -> None:
    home.pool(one.proxy for one in upstreams)
    home.serve()
    with Load(home) as load:
        load.goes_on()
        server.kill()
        eventually(lambda: home.client().get("/count")[2].find(b'"redis":"ok"') < 0)
        upstreams[0].kill()
        load.goes_on(300)
        site = b"GET http://a.test/ HTTP/1.1\r\nProxy-Authorization: Basic c2l0ZS1ib29rczo=\r\n\r\n"
        assert home.client(site).answer()[0] == 200
        server.start()
        key = upstreams[0].proxy.key
        redis, keys = home.context.redis, home.context.keys
        eventually(lambda: redis.hexists(keys.pool_failures(), key))
        load.goes_on()
    assert set(load.told) == {"ok"}, load.told
    upstreams[0].start()


def test_a_gateway_that_is_killed_leaves_nothing_and_the_next_one_serves_at_once(
    home: GatewayHome, upstreams: list[UpstreamProcess]
) -> None:
    home.pool([upstreams[0].proxy])
    home.serve(f"127.0.0.1:{free_port()}")
    talk = home.client(b"CONNECT shop.test:443 HTTP/1.1\r\n\r\nhello")
    talk.until(b"hello")
    assert home.process
    home.process.kill()
    home.process.wait()
    assert talk.gone()
    eventually(lambda: not _connected_to(upstreams[0].port))
    home.serve(f"127.0.0.1:{home.port}")
    assert home.client().get("http://a.test/")[0] == 200
    kept = [key for key in home.context.redis.keys("*") if home.context.redis.ttl(key) == -1]
    assert all("pool" in key or "proxies:" in key for key in kept), kept


def test_a_signal_lets_what_runs_finish_and_a_second_one_does_not(
    home: GatewayHome, upstreams: list[UpstreamProcess]
) -> None:
    home.pool([upstreams[0].proxy])
    home.serve()
    talk = home.client(b"CONNECT shop.test:443 HTTP/1.1\r\n\r\nhello")
    talk.until(b"hello")
    assert home.process
    home.process.send_signal(signal.SIGTERM)
    eventually(lambda: not _listens(home.port))
    talk.send(b"still")
    assert talk.exactly(5) == b"still"
    home.process.send_signal(signal.SIGTERM)
    assert home.process.wait(30) == 0
    assert talk.gone()
    assert not [line for line in home.said if "not served within" in line]  # the time was not up


def _listens(port: int) -> bool:
    return _in_table(port, "0A", local=True)


def _connected_to(port: int) -> bool:
    return _in_table(port, "01", local=False)


def _in_table(port: int, state: str, *, local: bool) -> bool:
    """Whether the system's table of connections has one in this state, of loopback's `port`."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    place = 1 if local else 2
    return any(row[place].endswith(f":{port:04X}") and row[3] == state for row in rows)
