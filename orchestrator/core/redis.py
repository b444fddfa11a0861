"""The one place that makes a Redis client; everything else is handed one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, LockError, OutOfMemoryError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.redis_refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "GONE",
    "LockError",
    "Redis",
    "RedisError",
    "ResponseError",
    "connect",
    "refuses_writes",
    "translated",
]

#: What redis-py raises when the server is away for the moment.
GONE = (RedisConnectionError, RedisTimeoutError)
#: What it repeats if that is all it may repeat: it calls other errors, also these, by names of its own
#: once a command is on its way.
_NOT_CONNECTED = (ConnectionRefusedError, FileNotFoundError)


@contextmanager
def translated() -> Iterator[None]:
    """Say in our words that Redis does not answer, or what it refuses; also a decorator.

    Raises:
        RedisUnavailable: it does not answer, or not now.
        ConfigError, DiskFull, IncompatibleData: it wants a password, is full, has somebody else's data.
        ValueError: the caller gave what cannot be sent; no other try would help.
    """
    try:
        yield
    except DataError as error:
        raise ValueError(f"not sent to Redis: {error}") from error
    except RedisError as error:
        raise refusal(error) or RedisUnavailable(f"Redis {_said(error)}") from error


def connect(
    url: str,
    *,
    timeout: float = 2.0,
    check: bool = True,
    retries: int = 3,
    resend: bool = True,
) -> Redis:
    """Return a client (text replies); with `check`, one that has answered a PING.

    Without `retries` a call to a server that is away fails after `timeout` seconds. Without `resend`
    only connecting is tried again: a command whose reply is lost may have been carried out.

    Raises:
        RedisUnavailable: no answer within `timeout` seconds, or that of a server which is not ready.
        ConfigError: it wants another password.
    """
    backoff = ExponentialBackoff(cap=0.2, base=0.01)
    client: Redis = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        health_check_interval=10,
        retry=Retry(backoff, retries, GONE if resend else _NOT_CONNECTED),
    )
    if check:
        try:
            _ping(client)
        except RedisError as error:
            client.close()
            raise refusal(error) or RedisUnavailable(
                f"no answer from Redis within {timeout:g} s: {error}",
                hint="`orch up` starts it; `orch status` shows what runs",
            ) from error
    return client


def _said(error: RedisError) -> str:
    return f"{'refused' if isinstance(error, ResponseError) else 'does not answer'}: {error}"


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
