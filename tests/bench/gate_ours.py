"""Ours, and what no gate on the same connection gets beyond."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable
from typing import Any

from tests.bench.gate_engine import Engine

SITE, HOST = "books", "books.example"
_A_YEAR_S = 366 * 86_400


class Ours(Engine):
    """As the crawl has it: the gate in Redis, and the local one while Redis is away."""

    can = frozenset({"rate", "breaker", "slots", "all"})

    def start(self) -> None:
        gate, errors, keys = (
            importlib.import_module(f"orchestrator.{name}")
            for name in ("gate", "core.errors", "core.keys")
        )
        self.shut, self.refused = (errors.BreakerOpen,), errors.Refused
        self.limits_of, self.guard_of, self.permit = gate.Limits, gate.Guard, gate.Permit
        shared = gate.RedisStore(self.url, keys.Keys(), f"bench:{os.getpid()}")
        self.store = gate.FailoverStore(shared, gate.LocalStore(), self._told, users=4)
        self.gate = gate.Gate(self.store, lambda _: self.limits)

    def _told(self, name: str, _facts: object) -> None:
        self.alone += name == "gate.alone"

    def limit(self, rate: int) -> None:
        self.limits = self.limits_of(rate=rate, burst=1, slots=0)

    def acquire(self) -> bool:
        return isinstance(self.gate.try_enter(SITE, HOST), self.permit)

    def wait(self, until: float) -> bool:
        try:
            self.held = self.gate.enter(SITE, HOST, max(0.0, until - time.monotonic()))
        except self.refused:
            return False
        due = self.held.grant.due / 1e6
        alone = due < _A_YEAR_S  # without Redis it counts from when the machine started
        self.due = due + (time.time() - time.monotonic() if alone else 0.0)
        return True

    def done(self) -> None:
        self.held.ok()
        self.held.close()

    def breaker(self, name: str, failures: int, rest_s: float, lease_s: float = 60.0) -> None:
        limits = self.limits_of(rate=0, failures=failures, open_s=rest_s, lease_s=lease_s)
        self.guard = self.guard_of(self.store, name, limits)
        self.call = self.guard.call  # type: ignore[method-assign]  # not a call more than users make

    def slots(self, limit: int, lease_s: float) -> None:
        self.limits = self.limits_of(rate=0, slots=limit, lease_s=lease_s)

    def take(self, until: float) -> bool:
        if until:
            return self.wait(until)
        self.held = self.gate.try_enter(SITE, HOST)
        return isinstance(self.held, self.permit)

    def free(self) -> None:
        self.done()

    def all(self) -> None:
        self.limits = self.limits_of(rate=1_000_000, slots=8)

    def request(self) -> None:
        with self.gate.try_enter(SITE, HOST):
            pass


class Bare(Engine):
    """A script that decides nothing, twice: the round trips alone."""

    can = frozenset({"all"})
    text = "return 1"
    keys: tuple[str, ...] = ()

    def start(self) -> None:
        resp = importlib.import_module("orchestrator.core.resp")
        connection = resp.Connection(self.url)
        sha = connection.call("SCRIPT", "LOAD", self.text)
        self.raw = resp.encode("EVALSHA", sha, len(self.keys), *self.keys)
        self.run: Callable[[bytes], Any] = connection.run

    def all(self) -> None:
        """There is nothing to set."""

    def limit(self, rate: int) -> None:
        """There is nothing to set."""

    def slots(self, limit: int, lease_s: float) -> None:
        """There is nothing to set."""

    def acquire(self) -> bool:
        self.run(self.raw)
        return True

    def take(self, until: float) -> bool:  # noqa: ARG002  (there is always one)
        return self.acquire()

    def free(self) -> None:
        self.run(self.raw)

    def request(self) -> None:
        self.run(self.raw)
        self.run(self.raw)


class BareWrites(Bare):
    """A script that writes one key, twice: the least that a decision which is remembered can cost."""

    text = "return redis.call('INCR', KEYS[1])"
    keys = ("bare",)
