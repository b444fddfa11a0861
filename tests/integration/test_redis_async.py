"""The client for event loops, against a real server that is killed, stopped and restarted."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop

from orchestrator.core.redis import GONE, Redis, RedisError, ResponseError, connect
from orchestrator.core.redis_async import AsyncRedis
from orchestrator.core.script import Call, Script
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer

T = TypeVar("T")
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=list(LOOPS))
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop = LOOPS[request.param]()
    yield loop
    loop.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "r") as server:
        yield server


Loop = asyncio.AbstractEventLoop


def run(loop: Loop, url: str, work: Callable[[AsyncRedis], Awaitable[T]], **more: Any) -> T:
    async def main() -> T:
        client = AsyncRedis(url, **({"timeout": 60.0} | more))
        try:
            return await work(client)
        finally:
            await client.aclose()

    return loop.run_until_complete(main())


async def answer_of(client: AsyncRedis) -> Any:
    """What the server says as soon as it says something again."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await client.call("PING")
            except GONE:
                await asyncio.sleep(0.01)


def test_answers_come_to_those_who_asked(
    loop: Loop, redis_server: RedisServer, real_redis: Redis
) -> None:
    async def work(client: AsyncRedis) -> list[Any]:
        await asyncio.gather(*(client.call("SET", n, f"é{n}" * (n * 100)) for n in range(300)))
        return await asyncio.gather(*(client.call("GET", n) for n in range(300)))

    assert run(loop, redis_server.url, work) == [f"é{n}" * (n * 100) for n in range(300)]


def test_whoever_gives_up_waiting_takes_nobody_elses_answer(
    loop: Loop, redis_server: RedisServer, real_redis: Redis
) -> None:
    async def work(client: AsyncRedis) -> str:
        await client.call("PING")
        given_up = asyncio.ensure_future(client.call("ECHO", "first"))
        await asyncio.sleep(0)
        given_up.cancel()
        return str(await client.call("ECHO", "second"))

    assert run(loop, redis_server.url, work) == "second"


def test_what_the_server_refuses_is_an_error_for_him_alone_who_asked(
    loop: Loop, redis_server: RedisServer, real_redis: Redis
) -> None:
    async def work(client: AsyncRedis) -> list[Any]:
        asked = [client.call("INCR", "n"), client.call("LPUSH", "n", 1), client.call("INCR", "n")]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, refused, last = run(loop, redis_server.url, work)
    assert (first, last) == (1, 2)
    assert isinstance(refused, ResponseError)
    assert "WRONGTYPE" in str(refused)


def test_a_script_that_the_server_does_not_know_is_sent_whole(
    loop: Loop, redis_server: RedisServer, real_redis: Redis
) -> None:
    real_redis.script_flush()
    call = Call(Script("return ARGV[1] .. KEYS[1]", "0" * 40), ["k"], ["v"], str)

    assert run(loop, redis_server.url, call.run_async) == "vk"


def test_a_killed_server_is_an_error_at_once_and_a_new_one_is_found(
    loop: Loop, own: RedisServer
) -> None:
    async def work(client: AsyncRedis) -> tuple[Any, float, Any, int]:
        await client.call("PING")
        asked = asyncio.ensure_future(client.call("BLPOP", "never", 0))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        own.kill()
        (found,) = await asyncio.gather(asked, return_exceptions=True)
        took = time.monotonic() - began
        starting = threading.Thread(target=own.start)
        starting.start()
        answer = await answer_of(client)
        starting.join()
        return found, took, answer, client.epoch

    found: Any
    found, took, answer, epoch = run(loop, own.url, work)
    assert isinstance(found, GONE)
    assert took < 30  # not what it waits for an answer
    assert (answer, epoch) == ("PONG", 2)


def test_a_server_that_hangs_is_given_up_in_time_by_all_who_wait(
    loop: Loop, own: RedisServer
) -> None:
    async def work(client: AsyncRedis) -> tuple[list[Any], float, Any]:
        await answer_of(client)
        assert own.process
        own.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        try:
            async with asyncio.timeout(30):
                asked = (client.call("PING") for _ in range(3))
                found: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
            took = time.monotonic() - began
        finally:
            own.process.send_signal(signal.SIGCONT)
        return found, took, await answer_of(client)

    found, took, answer = run(loop, own.url, work, timeout=1.0)
    assert all(isinstance(each, GONE) for each in found)
    assert took >= 1.0
    assert answer == "PONG"


LARGE = "x" * 3_000_000


@pytest.mark.parametrize(
    ("words", "second_look_s"),
    [(("ECHO", LARGE), 30.0), (("GET", "large"), 0.0)],
    ids=["while it asked", "while the answer came"],
)
def test_a_loop_that_was_held_up_gives_nothing_up(
    loop: Loop,
    redis_server: RedisServer,
    real_redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, str],
    second_look_s: float,
) -> None:
    monkeypatch.setattr("orchestrator.core.redis_wire._SECOND_LOOK_S", second_look_s)
    real_redis.set("large", LARGE)

    async def work(client: AsyncRedis) -> object:
        await answer_of(client)
        asked = asyncio.ensure_future(client.call(*words))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(1.1)  # noqa: ASYNC251  (this is what holds it up)
        return len(await asked)

    assert run(loop, redis_server.url, work, timeout=1.0) == len(LARGE)


def test_nobody_there_is_told_with_the_reason(loop: Loop) -> None:
    with pytest.raises(RedisError, match="refused"):
        run(loop, f"redis://127.0.0.1:{free_port()}/0", lambda client: client.call("PING"))


def test_who_is_no_redis_is_told_so(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        with pytest.raises(RedisError, match="no Redis"):
            run(loop, url, lambda client: client.call("PING"))


@pytest.mark.parametrize("path", ["/3", "?db=3"])
def test_password_and_database_are_those_of_the_url(loop: Loop, tmp_path: Path, path: str) -> None:
    port = free_port()
    with RedisServer(tmp_path / "r", port=port) as server:
        connection = Redis.from_url(server.url)
        connection.config_set("requirepass", "se:cret")
        url = f"redis://:se%3Acret@127.0.0.1:{port}{path}"
        run(loop, url, lambda client: client.call("SET", "here", 1))
        assert run(loop, url, lambda client: client.call("EXISTS", "here")) == 1
        assert connection.info("keyspace").keys() == {"db3"}
        with pytest.raises(RedisError, match=r"(?i)pass|auth"):
            run(loop, f"redis://127.0.0.1:{port}", lambda client: client.call("PING"))
        connection.close()


def test_many_at_once_share_one_connection(loop: Loop, own: RedisServer) -> None:
    async def work(client: AsyncRedis) -> int:
        await asyncio.gather(*(client.call("PING") for _ in range(50)))
        return client.epoch

    with closing(connect(own.url)) as redis:
        before = redis.info("stats")["total_connections_received"]
        assert run(loop, own.url, work) == 1
        assert redis.info("stats")["total_connections_received"] == before + 1
