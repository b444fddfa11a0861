"""The sections of `orch.toml`, each with its defaults and what is allowed."""

from __future__ import annotations

import os
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from orchestrator.core.built_in import WORKER
from orchestrator.core.errors import ConfigError
from orchestrator.core.gateway_section import GatewaySection
from orchestrator.core.proxies_section import ProxiesSection
from orchestrator.core.queue_section import QueueSection
from orchestrator.core.queues import QUEUES, Queue
from orchestrator.core.section import Duration, Section
from orchestrator.core.service_table import ServiceTable  # noqa: TC001  (pydantic reads it)

MOST_CHILDREN = 256


class RedisSection(Section):
    """Where Redis is. Without `url` a private one is started on a Unix socket in `data/run/`."""

    url: str | None = None
    binary: str | None = None
    prefix: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.:-]{1,64}$")

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is None:
            return url
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must start with redis://, rediss:// or unix://")
        if parts.scheme == "unix" and not parts.path:
            raise ValueError("needs the path of the socket: unix:///path/redis.sock")
        if parts.query and not re.fullmatch(r"db=\d{1,4}", parts.query):
            raise ValueError("behind the ? only db=NUMBER is allowed")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("the port must be a number from 1 to 65535") from None
        return url


def _list(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f'must be a list: ["{value}"]')  # noqa: TRY004  (pydantic wants it so)
    return value


def _once(queues: tuple[Queue, ...]) -> tuple[Queue, ...]:
    if not queues or len(set(queues)) < len(queues):
        raise ValueError("must name at least one, and each once")
    return queues


def _concurrency(value: object) -> object:
    number = value if isinstance(value, int) and not isinstance(value, bool) else 0
    if value != "auto" and not 1 <= number <= MOST_CHILDREN:
        raise ValueError(f'must be "auto" or a number from 1 to {MOST_CHILDREN}')
    return value


class Worker(Section):
    """A Celery worker; `auto` is one child for each processor, and all queues unless some are named."""

    concurrency: Annotated[int | Literal["auto"], BeforeValidator(_concurrency)] = 8
    queues: Annotated[tuple[Queue, ...], BeforeValidator(_list), AfterValidator(_once)] = QUEUES
    #: A child that has used so much memory is replaced after its task; 0: never.
    recycle_mb: Annotated[int, Field(ge=0, le=1_000_000)] = 500

    def slots(self) -> int:
        """How many tasks run at once."""
        return (os.cpu_count() or 1) if self.concurrency == "auto" else self.concurrency

    def slots_for(self, queue: Queue) -> int:
        """How many tasks of `queue` run at once."""
        return self.slots() if queue in self.queues else 0


def _table(value: object) -> object:
    if not isinstance(value, dict):
        raise PydanticCustomError("extra_forbidden", "no such key")
    return value


class WorkerSection(Worker):
    """`[worker]`, the worker that is always there, and `[worker.NAME]`: more of them."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Annotated[Worker, BeforeValidator(_table)]] = Field(init=False)

    @property
    def named(self) -> dict[str, Worker]:
        """Every worker by the name of its service."""
        more = {f"{WORKER}-{name}": worker for name, worker in self.__pydantic_extra__.items()}
        return {WORKER: self, **more}

    def of(self, service: str) -> Worker:
        """Return what is said of the worker that runs as `service`.

        Raises:
            ConfigError: nothing is; its table was taken out since the service was started.
        """
        try:
            return self.named[service]
        except KeyError:
            table = service.removeprefix(f"{WORKER}-")
            raise ConfigError((f"{service}: there is no table [worker.{table}]",)) from None


class SitesSection(Section):
    """What holds for the jobs of all sites."""

    slice: Annotated[Duration, Field(ge=1, le=600)] = 60.0
    max_undrained_mb: Annotated[int, Field(ge=1, le=4096)] = 64
    shards_per_job: Annotated[int, Field(ge=1, le=64)] = 2
    keep_runs: Annotated[int, Field(ge=1, le=10_000)] = 20
    #: A machine with less free memory begins no new shard; 0: never mind.
    min_free_mb: Annotated[int, Field(ge=0, le=1_000_000)] = 200


class Settings(Section):
    """The whole of `orch.toml`."""

    redis: RedisSection = RedisSection()
    worker: WorkerSection = WorkerSection()
    proxies: ProxiesSection = ProxiesSection()
    gateway: GatewaySection = GatewaySection()
    sites: SitesSection = SitesSection()
    queue: QueueSection = QueueSection()
    service: dict[str, ServiceTable] = Field(default_factory=dict)
