"""Gates in a Redis, shared by all processes of all machines: each verb is one script and one round trip."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import secrets
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import RedisUnavailable
from orchestrator.gate.calls import Calls
from orchestrator.gate.encoding import (
    END,
    TTL_MS,
    VERDICTS,
    Command,
    Terms,
    five,
    granted,
    seven,
    word,
    words,
)
from orchestrator.gate.permit import BreakerState, Grant, Reason, Refused, Standing, Verdict
from orchestrator.gate.scripts import Scripts
from orchestrator.gate.store import USER_TTL_S

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from orchestrator.core.clock import Clock
    from orchestrator.core.keys import Keys
    from orchestrator.gate.limits import Limits
    from orchestrator.gate.permit import Ask, Report

#: The names of the keys of so many hosts are kept.
_KNOWN_PLACES = 4096
#: How an answer begins that lets pass.
YES = b"1"
_PARTS = ("state", "slots", "line", "alive")


class RedisStore:
    """`GateStore` on the Redis at `url`. `who` is shown as the holder of slots: a word.

    Safe for threads; a process that is forked off begins anew. `soon`: see `Scripts`.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        who: str,
        clock: Clock = SYSTEM,
        soon: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._url = url
        self._clock = clock
        self._keys = keys
        self._who = who
        self._channel = words(keys.gate_calls())
        self._places: dict[tuple[str, str], bytes] = {}
        self._terms: dict[str, Terms] = {}
        #: site -> the last point in time that was booked for this process (µs), the same by our clock, and
        #: how far ahead it was then.
        self._booked: dict[str, tuple[int, float, float]] = {}
        #: Time between two requests of a site (µs) when one was let pass last: somebody may have set it.
        self.intervals: dict[str, int] = {}
        #: How many processes used the gate of a site when last asked, this one among them.
        self.users: dict[str, int] = {}
        self._scripts = Scripts(url, clock, soon)
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self.instance = secrets.token_hex(6)
        self._numbers = itertools.count()
        self._calls = Calls(self._url, self._keys.gate_calls(self.instance))

    def holder(self, host: str) -> str:
        """See `GateStore`; people read in it who asks for which host."""
        if self._pid != os.getpid():
            self._begin()
        return f"{self.instance}.{next(self._numbers)} {self._who} {host}"

    def enter(self, ask: Ask, limits: Limits) -> Grant | Refused:
        """See `GateStore`; one round trip."""
        site, _, holder, max_wait, queues, since = ask
        booked = self._booked.get(site)
        seen = booked[0] if booked else 0
        own = five(max_wait, queues, since, seen, _us(self.ahead_s(site)) if seen else 0, END)
        args = b"".join((word(holder.encode()), own, self._of(site, limits).admit))
        found = self._scripts.run(Command("admit", self._place(ask, limits), 3, args))
        if not found.startswith(YES):
            _, rest, reason, place = found.decode().split(" ")
            return Refused(Reason(reason), int(rest) / 1e6, int(place))
        wait, fence, due, epoch, trial, interval = granted(found, 1)
        self.intervals[site] = interval
        self._booked[site] = due, self._clock.monotonic() + wait / 1e6, wait / 1e6
        return Grant(ask, wait, fence, due, epoch, bool(trial), interval)

    def ahead_s(self, site: str) -> float:
        """How far ahead turns are booked, ours and as far as we know those of others; it may be over.

        As far as our last one was: as many may have been booked behind it since. Not longer than that.
        """
        _, at, wait = self._booked.get(site, (0, 0.0, 0.0))
        return wait - max(0.0, self._clock.monotonic() - at) if at else 0.0

    def leave(self, grant: Grant, report: Report, limits: Limits) -> Standing:
        """See `GateStore`; one round trip."""
        return _standing(self._scripts.run(self._release(grant, report, limits)).decode())

    def post(self, grant: Grant, report: Report, limits: Limits) -> None:
        """See `GateStore`; nothing is waited for."""
        command = self._release(grant, report, limits)
        self._scripts.post(command, partial(self._quit, grant.ask, limits))

    def _release(self, grant: Grant, report: Report, limits: Limits) -> Command:
        latency = -1 if report.latency_s is None else _us(report.latency_s)
        own = seven(
            *(grant.epoch, grant.due, grant.interval_us, grant.fence),
            *(latency, _us(report.retry_after_s or 0.0)),
            0.8 + 0.4 * random.random(),  # noqa: S311  (it spreads, it hides nothing)
            END,
        )
        if report.verdict is Verdict.UNUSED:  # the turn that goes back may be the last we know of
            self._booked.pop(grant.ask.site, None)
        args = b"".join(
            (
                *(word(grant.ask.holder.encode()), VERDICTS[report.verdict]),
                *(self._channel, own, self._of(grant.ask.site, limits).release),
            )
        )
        return Command("release", self._place(grant.ask, limits), 5, args)

    def quit(self, ask: Ask, limits: Limits) -> None:
        """See `GateStore`."""
        self._scripts.run(self._quit(ask, limits))

    def _quit(self, ask: Ask, limits: Limits) -> Command:
        args = words(ask.holder, limits.slots, limits.host_slots, self._keys.gate_calls())
        return Command("quit", self._place(ask, limits), 4, args)

    def renew(self, grants: Sequence[Grant], limits: Callable[[str], Limits]) -> list[Grant]:
        """See `GateStore`; one round trip for each site and host."""
        by_place: dict[tuple[str, str], list[Grant]] = {}
        for grant in grants:
            if grant.holds(limits(grant.ask.site)):
                by_place.setdefault((grant.ask.site, grant.ask.host), []).append(grant)
        lost = []
        for (site, host), held in by_place.items():
            terms = limits(site)
            keys = [self._keys.gate(site, "slots")]
            if terms.host_slots:
                keys.append(self._keys.gate(site, f"slots:{host}"))
            holders = [grant.ask.holder for grant in held]
            place = words(len(keys), *keys)
            args = words(terms.lease_us, TTL_MS, *holders)
            kept = self._run("extend", place, 2 + len(holders), args)
            lost += [grant for grant, still in zip(held, kept, strict=True) if still == "0"]
        return lost

    def look(self, site: str) -> Standing:
        """See `GateStore`; one round trip."""
        return _standing(self._run("look", words(1, self._keys.gate(site, "state")), 0, b""))

    def tally(self, site: str, oks: int, limits: Limits) -> Standing:
        """See `GateStore`; one round trip."""
        place = words(1, self._keys.gate(site, "state"))
        return _standing(self._run("tally", place, 3, words(oks, _us(limits.window_s), TTL_MS)))

    def pause(self, site: str, seconds: float) -> None:
        """See `GateStore`."""
        place = words(2, self._keys.gate(site, "state"), self._keys.gate_sites())
        self._run("steer", place, 5, words("pause", _us(seconds), "", TTL_MS, site))

    def beat(self, sites: Collection[str]) -> None:
        """See `GateStore`; one round trip for each site."""
        for site in sites:
            known = self._terms.get(site)
            text = json.dumps(asdict(known.limits)) if known else ""
            args = words(self.instance, _us(USER_TTL_S), TTL_MS, site, text)
            names = [self._keys.gate(site, part) for part in ("users", "terms")]
            place = words(3, names[0], self._keys.gate_sites(), names[1])
            self.users[site] = int(self._run("users", place, 5, args))
        self._scripts.settle()

    def on_call(self, ask: Ask, call: Callable[[], None]) -> Callable[[], None]:
        """See `GateStore`: a thread listens as long as somebody waits."""
        return self._calls.listen(ask.holder, call)

    def close(self) -> None:
        """Close all connections."""
        if self._pid != os.getpid():  # forked: to end a connection would end it for both
            self._begin()
        self._calls.close()
        with contextlib.suppress(RedisUnavailable):
            self._scripts.settle()
        self._scripts.close()

    def _run(self, name: str, place: bytes, count: int, args: bytes) -> str:
        """Run a script that answers in words."""
        return self._scripts.run(Command(name, place, count, args)).decode()

    def _of(self, site: str, limits: Limits) -> Terms:
        known = self._terms.get(site)
        if known is None or known.limits is not limits:
            known = self._terms[site] = Terms.of(limits)
        return known

    def _place(self, ask: Ask, limits: Limits) -> bytes:
        """Return the keys of a site, and of the host where it has limits of its own."""
        where = (ask.site, ask.host if limits.by_host else "")
        known = self._places.get(where)
        if known is None:
            if len(self._places) >= _KNOWN_PLACES:
                self._places.clear()
            names = [self._keys.gate(ask.site, part) for part in _PARTS]
            if where[1]:
                names += [self._keys.gate(ask.site, f"{part}:{ask.host}") for part in _PARTS]
            known = self._places[where] = words(len(names), *names)
        return known


def _standing(reply: str) -> Standing:
    state, epoch, rest, what = reply.split(" ")
    return Standing(
        BreakerState(state), int(epoch), int(rest) / 1e6, None if what == "-" else Reason(what)
    )


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
