"""The gate of a site as the crawl uses it: what the site allows, and what is said when Redis is away."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.celery_app.runtime import node_name
from orchestrator.core.clock import SYSTEM
from orchestrator.core.events import EventLog
from orchestrator.gate.async_gate import AsyncGate
from orchestrator.gate.limits import Limits
from orchestrator.gate.notice import FOLDER, Notice
from orchestrator.gate.open import is_near, open_gate
from sites.politeness.manners import spacing_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.core.context import Context
    from sites.definition.definition import Definition

log = logging.getLogger(__name__)

#: A slot of a process that was killed is free again after so long, in seconds.
SLOT_TTL_S = 4.5
#: A slot is given back with the next question to the gate, or after so long, in seconds.
GIVEN_BACK_S = 0.002


def limits_of(definition: Definition, crawl_delay: float = 0.0) -> Limits:
    """Return what the gate allows for a site whose hosts asked for so many seconds between two pages."""
    breaker = definition.breaker
    spacing = spacing_of(definition, crawl_delay)
    return Limits(
        rate=spacing.rate,
        burst=spacing.burst,
        slots=definition.concurrency,
        host_rate=spacing.host_rate,
        host_burst=spacing.host_burst,
        host_slots=definition.host_concurrency,
        failures=breaker.failures,
        window_s=breaker.window,
        ratio=breaker.ratio,
        open_s=breaker.open,
        open_cap_s=breaker.open_cap,
        trials=breaker.trials,
        adaptive=definition.adaptive,
        rate_min=min(definition.rate_min, spacing.rate),
        merge_www=definition.merge_www,
        lease_s=SLOT_TTL_S,
    )


class Allowance:
    """What the gate allows for a site, by its file and by what its hosts ask for meanwhile."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._delay = 0.0
        self._limits = limits_of(definition)

    def __call__(self, _site: str) -> Limits:
        """As the gate asks for it."""
        return self._limits

    def hear(self, crawl_delay: float) -> None:
        """Go by the longest Crawl-delay (seconds) of all hosts, at each of them."""
        if crawl_delay > self._delay:
            self._delay = crawl_delay
            self._limits = limits_of(self._definition, crawl_delay)

    def jitter(self, draw: float) -> float:
        """Return how long a request that was let pass waits for its jitter; `draw`: 0..1."""
        return spacing_of(self._definition, self._delay).jitter(draw)


@contextmanager
def gate_of(
    context: Context,
    definition: Definition,
    *,
    processes: int,
    allowance: Allowance | None = None,
) -> Iterator[AsyncGate]:
    """Open the gate of a site for the running loop; `processes` use it until they are counted."""
    url, loop = context.config.redis_url, asyncio.get_running_loop()

    def soon(call: Callable[[], None]) -> None:
        loop.call_later(GIVEN_BACK_S, call)

    herald = Herald(context, definition.name)
    gate = open_gate(
        url,
        allowance or Allowance(definition),
        prefix=context.keys.prefix,
        who=asker(node_name(context), os.getpid()),
        tell=herald,
        users=processes,
        soon=soon if is_near(url) else None,
    )
    try:
        with gate:
            yield AsyncGate(gate, inline=is_near(url))
    finally:
        herald.end()


def asker(node: str, pid: int | str) -> str:
    """What a process of a worker goes by at gates."""
    return f"{node}:{pid}"


class Herald:
    """Says in events and in `orch status` that the gate of a site works without its Redis."""

    def __init__(self, context: Context, site: str) -> None:
        self._events = EventLog(context.home.logs / "events.jsonl", rotates=False)
        self._notice = Notice(context.home.run / FOLDER)
        self._about = {"service": context.service, "site": site}

    def __call__(self, name: str, facts: dict[str, object]) -> None:
        """Hear `gate.alone`, or `gate.shared` when it is over."""
        self._events.write(name, **self._about, **facts)
        log.warning("%s %s", name, facts)
        if name == "gate.alone":
            try:
                self._notice.post(**self._about, since=round(SYSTEM.wall(), 3), **facts)
            except OSError as error:
                log.warning("`orch status` will not say so: %s", error)
        else:
            self._notice.take_down()

    def end(self) -> None:
        """Nobody uses it any more."""
        self._notice.take_down()
