"""How fast the jobs of a queue ask one host, in one process and over several runners of a Redis."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from yarl import URL

from orchestrator.core.clock import SYSTEM
from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from orchestrator.gate.view import names
from orchestrator.pipelines.politeness import BOOKED_AHEAD_S, Politeness
from tests.support.redis_server import RedisServer

PAGE = URL("https://X.example:443/a")
NEVER = threading.Event()

pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture(params=["file", "redis"])
def shared(request: pytest.FixtureRequest) -> str:
    """Where the queue is."""
    if request.param == "file":
        return ""
    request.getfixturevalue("real_redis")  # the server is empty
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


def turns(rates: list[tuple[Politeness, float | None]], shared: str) -> list[float]:
    """When each of them had its turn at one host, all waiting at once; seconds from before the first one.

    Whoever has its turn may be late to say so: none seems to be too early for that.
    """

    def turn(given: tuple[Politeness, float | None]) -> float:
        assert given[0].wait(PAGE, given[1], NEVER, shared)
        return SYSTEM.monotonic()

    began = SYSTEM.monotonic()
    with ThreadPoolExecutor(len(rates)) as pool:
        found = sorted(pool.map(turn, rates))
    return [at - began for at in found]


def test_a_host_is_asked_at_its_rate(shared: str) -> None:
    polite = Politeness(rate=20)

    found = turns([(polite, None)] * 9, shared)

    assert found[-1] >= 8 / 20 - 0.01


def test_a_rate_that_a_job_names_holds_from_then_on(shared: str) -> None:
    polite = Politeness(rate=1000)
    polite.wait(PAGE, 20, NEVER, shared)

    found = turns([(polite, None)] * 9, shared)

    assert found[-1] >= 8 / 20 - 0.01


def test_runners_of_one_redis_share_the_turns(redis_server: RedisServer, real_redis: Redis) -> None:
    one, other = Politeness(rate=20), Politeness(rate=20)

    found = turns([(one, None), (other, None)] * 5, redis_server.url)

    assert found[-1] >= 9 / 20 - 0.01
    gates = names(real_redis, Keys())
    assert [name for name in gates if name.startswith("fetch:")] == ["fetch:x.example"]


def test_hosts_do_not_wait_for_each_other(shared: str) -> None:
    polite = Politeness(rate=0.01)
    began = SYSTEM.monotonic()

    for host in ("a", "b", "c"):
        assert polite.wait(URL(f"https://{host}.example/"), None, NEVER, shared)

    assert SYSTEM.monotonic() - began < 60


@pytest.mark.parametrize("rate", [0.2, 0.01])  # booked ahead, and farther away than that
def test_who_is_called_off_goes_at_once_and_its_turn_is_anothers(shared: str, rate: float) -> None:
    assert (1 / rate < BOOKED_AHEAD_S) == (rate == 0.2)
    polite, over = Politeness(rate), threading.Event()
    assert polite.wait(PAGE, None, NEVER, shared)
    threading.Timer(0.2, over.set).start()
    began = SYSTEM.monotonic()

    assert not polite.wait(PAGE, None, over, shared)

    assert SYSTEM.monotonic() - began < 4.5  # its turn is later
    if rate == 0.2:
        assert polite.wait(PAGE, None, NEVER, shared)
        assert SYSTEM.monotonic() - began < 9.5  # it did not wait behind a turn that nobody used


def test_a_rate_slower_than_any_is_a_slow_one(shared: str) -> None:
    assert Politeness().wait(PAGE, 1e-9, NEVER, shared)
