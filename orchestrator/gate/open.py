"""From what people have to a gate: the URL of a Redis, or none, and limits."""

from __future__ import annotations

import ipaddress
import logging
import os
import platform
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.core.keys import Keys
from orchestrator.gate.away import FailoverStore
from orchestrator.gate.gate import Gate
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.shared import RedisStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)


def open_gate(
    url: str | None,
    limits: Limits | Mapping[str, Limits] | Callable[[str], Limits],
    *,
    prefix: str = "",
    who: str = "",
    tell: Callable[[str, dict[str, object]], None] | None = None,
    users: int = 1,
    soon: Callable[[Callable[[], None]], None] | None = None,
) -> Gate:
    """Open the gates in the Redis at `url`, or without one those of this process alone.

    `limits` are for all sites alike, or by site. While Redis is away each process goes on by itself, at
    its part of the rate: `tell` hears of it (the log, by default), and `users` processes are assumed
    where they were not counted yet. `prefix` keeps projects on one Redis apart. `who` is shown as the
    holder of slots. `soon` calls what it is given within some milliseconds: a permit is given back then,
    or with the next question, whichever comes first, which costs half as much.

    >>> with open_gate(None, Limits(rate=5)) as gate:
    ...     with gate.enter("books", "https://books.example/a", deadline=10) as permit:
    ...         permit.ok()
    """
    who = (who or f"{platform.node()}:{os.getpid()}").replace(" ", "_")
    local = LocalStore(who=who)
    by_site = _by_site(limits)
    if url is None:
        return Gate(local, by_site)
    shared = RedisStore(url, Keys(prefix), who, soon=soon)
    return Gate(FailoverStore(shared, local, tell or _say, users=users), by_site)


def is_near(url: str | None) -> bool:
    """Tell whether a store is on this machine: it answers sooner than a thread could be woken.

    >>> is_near("redis://127.0.0.1:6379/0"), is_near("unix:///run/redis.sock"), is_near("redis://db/0")
    (True, True, False)
    """
    parts = urlsplit(url or "unix://")
    if parts.scheme == "unix" or parts.hostname in ("localhost", None):
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


def _by_site(
    limits: Limits | Mapping[str, Limits] | Callable[[str], Limits],
) -> Callable[[str], Limits]:
    if isinstance(limits, Limits):
        return lambda _: limits
    return limits if callable(limits) else limits.__getitem__


def _say(name: str, facts: dict[str, object]) -> None:
    log.warning("%s %s", name, facts)
