"""The one place that makes a Redis client; everything else is handed one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import redis.asyncio
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import LockError, OutOfMemoryError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from orchestrator.core.errors import RedisUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "GONE",
    "AsyncRedis",
    "LockError",
    "Redis",
    "RedisError",
    "ResponseError",
    "connect",
    "connect_async",
    "refuses_writes",
    "translated",
]

AsyncRedis: TypeAlias = redis.asyncio.Redis

#: What redis-py raises when the server is away for the moment.
GONE = (RedisConnectionError, RedisTimeoutError)


@contextmanager
def translated() -> Iterator[None]:
    """Say in our words that Redis does not answer; also a decorator.

    Raises:
        RedisUnavailable: for whatever redis-py raises.
    """
    try:
        yield
    except RedisError as error:
        raise RedisUnavailable(
            f"Redis does not answer: {error}", hint="`orch status` shows what runs"
        ) from error


def connect(url: str, *, timeout: float = 2.0, check: bool = True, retries: int = 3) -> Redis:
    """Return a client (text replies); with `check`, one that has answered a PING.

    Without `retries` a call to a server that is away fails after `timeout` seconds.

    Raises:
        RedisUnavailable: no answer within `timeout` seconds.
    """
    client: Redis = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        health_check_interval=10,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.01), retries),
    )
    if check:
        try:
            _ping(client)
        except RedisError as error:
            client.close()
            raise RedisUnavailable(
                f"no answer from Redis within {timeout:g} s: {error}",
                hint="`orch up` starts it; `orch status` shows what runs",
            ) from error
    return client


def _ping(client: Redis) -> None:
    """A server whose disk is full refuses even this, and can be read all the same."""
    try:
        client.ping()
    except ResponseError as error:
        if not str(error).startswith("MISCONF"):
            raise


def refuses_writes(client: Redis, key: str) -> str:
    """Say why the server takes no writes for the moment; "" when it does. `key` names nothing."""
    try:
        client.setrange(key, 0, "")  # changes nothing, and is refused like any other
    except OutOfMemoryError:
        return "is full: it takes no writes until there is room (maxmemory)"
    except ResponseError as error:
        return f"takes no writes: {error}"
    return ""


def connect_async(url: str, *, timeout: float = 2.0) -> AsyncRedis:
    """Return an asyncio client (text replies) for the running loop; it connects at first use."""
    client: AsyncRedis = redis.asyncio.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
    )
    return client
