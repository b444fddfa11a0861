"""What a process works with: its home, its configuration, its keys and its connection to Redis."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.core import config
from orchestrator.core.home import Home
from orchestrator.core.redis import Redis, connect
from orchestrator.core.redis_async import AsyncRedis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.core.config import Config
    from orchestrator.core.keys import Keys
    from orchestrator.core.settings import Settings


@dataclass(frozen=True)
class Context:
    """Made at the edge (command, task, service) and handed down."""

    config: Config

    @classmethod
    def load(
        cls,
        home: str | os.PathLike[str] | None = None,
        overrides: Mapping[str, str] | None = None,
        *,
        services: bool = True,
    ) -> Context:
        """Find the home and read its configuration; a service itself does so without `services`.

        Raises:
            ConfigError: listing every problem.
        """
        found = Home.find(os.fspath(home) if home else None)
        return cls(config.load(found, overrides, services=services))

    @property
    def home(self) -> Home:
        """The folder."""
        return self.config.home

    @property
    def service(self) -> str:
        """The service that this process was started as; `worker` when nobody said."""
        return os.environ.get("ORCH_SERVICE", "worker")

    @property
    def settings(self) -> Settings:
        """What `orch.toml` says."""
        return self.config.settings

    @cached_property
    def keys(self) -> Keys:
        """The keys of this home."""
        return self.config.keys

    @cached_property
    def redis(self) -> Redis:
        """A client that answered a PING when it was first asked for; never used across a fork.

        Raises:
            RedisUnavailable: it did not answer.
        """
        return connect(self.config.redis_url)

    def async_redis(self) -> AsyncRedis:
        """A new client for the running event loop."""
        return AsyncRedis(self.config.redis_url)
