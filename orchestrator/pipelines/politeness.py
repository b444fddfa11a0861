"""How fast jobs ask one host: the gate's rate, shared by all runners of a queue in Redis."""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from orchestrator.core.host_key import host_key
from orchestrator.core.keys import Keys
from orchestrator.gate.away import FailoverStore
from orchestrator.gate.limits import SLOWEST, Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.permit import Ask, Grant, Report, Verdict
from orchestrator.gate.shared import RedisStore

if TYPE_CHECKING:
    from yarl import URL

    from orchestrator.gate.store import GateStore

log = logging.getLogger(__name__)

#: Requests a second to one host, unless a payload says otherwise.
RATE = 2.0
#: So many hosts are remembered; who was asked longest ago is forgotten first.
MOST_HOSTS = 4096
#: A turn is booked at most so far ahead, in seconds: what is booked is lost on a stop.
BOOKED_AHEAD_S = 10.0
#: A job whose turn is farther away looks again after so long at most, in seconds: that may change.
LOOK_AGAIN_S = 30.0
#: Nothing is held but a point in time, and that is over when its lease is, in seconds.
_LEASE_S = 1.0


class Politeness:
    """A rate for each host. One that a job names holds from its next request on, in this process.

    Jobs of a queue in Redis share the turns at a host with all other runners of that Redis, those of
    one in a file with the threads of this process.
    """

    def __init__(self, rate: float = RATE) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._limits: OrderedDict[str, Limits] = OrderedDict()
        self._stores: dict[str, GateStore] = {}

    def wait(self, url: URL, rate: float | None, over: threading.Event, shared: str = "") -> bool:
        """Wait for our turn at the host of `url`; False when `over` was set first.

        `shared`: the URL of the Redis that the queue is in, "" for a queue in a file.
        """
        host = host_key(str(url))
        store, limits = self._store(shared), self._of(host, rate)
        ask = Ask(f"fetch:{host}", host, store.holder(host), round(BOOKED_AHEAD_S * 1e6))
        store.beat([ask.site])
        while True:
            answer = store.enter(ask, limits)
            if isinstance(answer, Grant):
                break
            if over.wait(min(LOOK_AGAIN_S, max(0.0, answer.wait_s - BOOKED_AHEAD_S / 2))):
                return False
        if over.wait(answer.wait_us / 1e6):
            store.leave(answer, Report(Verdict.UNUSED), limits)
            return False
        return True

    def _of(self, host: str, rate: float | None) -> Limits:
        with self._lock:
            limits = self._limits.pop(host, None)
            if limits is None or (rate and rate != limits.rate):
                wanted = max(rate or self._rate, SLOWEST)
                limits = Limits(wanted, slots=0, adaptive=False, lease_s=_LEASE_S)
            self._limits[host] = limits
            while len(self._limits) > MOST_HOSTS:
                self._limits.popitem(last=False)
        return limits

    def _store(self, shared: str) -> GateStore:
        with self._lock:
            if shared not in self._stores:
                self._stores[shared] = _store(shared)
            return self._stores[shared]


def _store(shared: str) -> GateStore:
    local = LocalStore()
    if not shared:
        return local
    who = f"{platform.node()}:{os.getpid()}".replace(" ", "_")
    return FailoverStore(RedisStore(shared, Keys(), who), local, _tell)


def _tell(name: str, facts: dict[str, object]) -> None:
    log.warning("%s %s", name, facts)
