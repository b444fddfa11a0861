"""A process that is a gateway: made from the configuration, run until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import ConfigError
from orchestrator.core.gateway_section import LISTEN, is_open, parts
from orchestrator.core.variables import filled, missing
from proxies import loop
from proxies.gateway.access import AccessLog
from proxies.gateway.api import Api
from proxies.gateway.background import Background
from proxies.gateway.countries import Countries
from proxies.gateway.leases import Leases
from proxies.gateway.news import News
from proxies.gateway.reading import Reading
from proxies.gateway.server import Server
from proxies.gateway.setup import Setup
from proxies.gateway.supply import PoolSupply
from proxies.gateway.upstreams import Upstreams
from proxies.pool.appeal import Appeal
from proxies.pool.ledger import Ledger
from proxies.pool.picker import LEASE_S, Picker

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.core.context import Context
    from orchestrator.core.gateway_section import GatewaySection
    from proxies.gateway.stream import Stream
    from proxies.pool.pool import Record

log = logging.getLogger(__name__)

#: Open files besides those of clients and what is done for them.
_OTHER_FILES = 640


@dataclass(frozen=True, slots=True)
class Plan:
    """What a gateway is made of, checked."""

    host: str
    port: int
    password: str
    countries: Countries | None
    access_log: Path | None

    @classmethod
    def of(cls, context: Context, listen: str | None) -> Plan:
        """Take `listen` or what `orch.toml` says.

        Raises:
            ConfigError: listing what is wrong.
        """
        section = context.settings.gateway
        address = listen or section.listen or LISTEN
        password = section.password or ""
        unset = missing([password], os.environ)
        if unset:
            raise ConfigError((f"gateway.password: ${{{unset[0]}}} is not set in the environment",))
        if is_open(address) and not password:
            raise ConfigError(
                (f"{address} is not a loopback address: set gateway.password in orch.toml too",)
            )
        table = section.countries
        host, port = parts(address)
        return cls(
            host,
            port,
            filled(password, os.environ),
            Countries.read(context.home.path / Path(table).expanduser()) if table else None,
            _access_log(context, section),
        )

    def leaves_from(self, record: Record) -> str:
        """The country that an upstream leaves from; empty when nobody knows."""
        return self.countries.of_address(record.verdict.exit_ip) if self.countries else ""


def _access_log(context: Context, section: GatewaySection) -> Path | None:
    if section.access_log is None:
        return context.home.logs / "gateway-access.log"
    return context.home.path / Path(section.access_log).expanduser() if section.access_log else None


def run(context: Context, listen: str | None, told: Callable[[str], None]) -> None:
    """Serve until TERM, INT or HUP; `told` hears the address once it is listened on.

    A signal lets what runs finish for a few seconds, a second one ends at once.

    Raises:
        ConfigError, PortTaken, RedisUnavailable: it cannot begin.
    """
    plan = Plan.of(context, listen)
    context.redis.close()  # it answered; the loop has a client of its own
    context.home.make()
    loop.run(_serve(context, plan, told))


async def _serve(context: Context, plan: Plan, told: Callable[[str], None]) -> None:
    running = asyncio.get_running_loop()
    settings = context.settings
    redis = context.async_redis()
    fresh_for = settings.proxies.fresh_for
    lasts = LEASE_S + settings.gateway.connect_timeout + settings.gateway.answer_timeout
    appeal = Appeal(redis, context.keys, settings.proxies.min_usable)
    picker = Picker(redis, context.keys, fresh_for, lease_s=lasts, appeal=appeal)
    news = News(redis, Ledger(context.keys, lasts), picker)
    reading = Reading(redis, context.keys)
    supply = PoolSupply(reading, fresh_for, picker, news, plan.leaves_from, running.time)
    streams: set[Stream] = set()
    setup = Setup(
        running,
        streams,
        Upstreams(running, streams, settings.gateway.connect_timeout),
        supply,
        AccessLog(plan.access_log),
        Api(supply, Leases(running, supply), plan.password),
        password=plan.password,
        most_tries=settings.gateway.tries,
        answer_timeout=settings.gateway.answer_timeout,
        most_clients=_clients(settings.gateway.max_clients),
        banned=frozenset(settings.gateway.banned),
    )
    await supply.look()
    async with contextlib.aclosing(redis), Background() as background:
        background.begin(supply.keep_looking())
        background.begin(news.tell())
        async with Server(setup, plan.host, plan.port) as server:
            host = f"[{plan.host}]" if ":" in plan.host else plan.host
            told(f"{host}:{server.port}")
            await _until_signal(running, server)


async def _until_signal(running: asyncio.AbstractEventLoop, server: Server) -> None:
    asked, asked_again = asyncio.Event(), asyncio.Event()

    def take() -> None:
        (asked_again if asked.is_set() else asked).set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        running.add_signal_handler(number, take)
    await asked.wait()
    draining, at_once = (
        running.create_task(server.drain()),
        running.create_task(_wait(asked_again)),
    )
    await asyncio.wait({draining, at_once}, return_when=asyncio.FIRST_COMPLETED)
    for task in (draining, at_once):
        task.cancel()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _clients(wanted: int) -> int:
    """How many clients there may be: each may need two open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        wanted = min(wanted, max(1, (soft - _OTHER_FILES) // 2))
    return wanted
