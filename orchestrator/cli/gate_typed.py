"""What is typed behind `orch sites gate`, checked: all problems are told at once."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.cli.gate_trial import Trial
from orchestrator.cli.options import shared
from orchestrator.core import duration
from orchestrator.core.errors import ConfigError
from orchestrator.gate.limits import FASTEST, SLOWEST, parse_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.gate.admin import Steering

T = TypeVar("T")

VERBS = ("reset", "trip", "set")
#: Options that mean something only with one of the verbs, or with --simulate.
OF_TRIP = ("length", "reason")
OF_TRIAL = ("workers", "latency", "limited_every", "failed_every")
SPELT = {"length": "--for"}

TRIP_S, LONGEST_S = 300.0, 30 * 86_400.0
WHY = "opened by hand"
MOST_REQUESTS, MOST_WORKERS = 100_000, 1000
LATENCY_S, WORKERS = 0.1, 4
HOW = "write SITE reset, SITE trip, or SITE set rate RATE"


@dataclass(frozen=True, slots=True)
class Typed:
    """The site that was named ("": all), and what is to be done to it, or tried; else it is looked at."""

    site: str
    act: Callable[[Steering], None] | None = None
    trial: Trial | None = None

    @classmethod
    def of(cls, words: Sequence[str], *, watching: bool) -> Typed:
        """Read the words, and the options of the command.

        Raises:
            ConfigError: listing all that is wrong.
        """
        site, *rest = words or [""]
        check = _Check()
        act = check.act(rest) if rest else None
        trial = check.trial() if shared("simulate") is not None else None
        check.out_of_place(rest[:1], watching=watching)
        if words and not site:
            check.problems.append("SITE: must not be empty")
        if trial and not site:
            check.problems.append("--simulate: name the site whose limits are tried")
        if check.problems:
            raise ConfigError(tuple(check.problems), hint="`orch sites gate --help` shows more")
        return cls(site, act, trial)


@dataclass(slots=True)
class _Check:
    problems: list[str] = field(default_factory=list)

    def act(self, words: Sequence[str]) -> Callable[[Steering], None] | None:
        """Return what `SITE WORDS…` asks for."""
        verb, *rest = words
        if verb not in VERBS:
            close = difflib.get_close_matches(verb, VERBS, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            self.problems.append(f"{verb!r}: {HOW}{hint}")
            return None
        if verb == "set":
            return self._set(rest)
        if rest:
            self.problems.append(f"{' '.join(rest)!r}: nothing may follow {verb}")
        if verb == "reset":
            return lambda gate: gate.reset()
        seconds = self.of("--for", shared("length"), _time_open, TRIP_S)
        why = str(shared("reason") or "").strip() or WHY
        return lambda gate: gate.trip(seconds, why)

    def trial(self) -> Trial:
        """Return what is to be tried."""
        requests = self.of("--simulate", shared("simulate"), _up_to(MOST_REQUESTS), 1)
        workers = self.of("--workers", shared("workers"), _up_to(MOST_WORKERS), WORKERS)
        latency = self.of("--latency", shared("latency"), duration.parse, LATENCY_S)
        never: tuple[int, float | None] = (0, None)
        every = self.of("--limited-every", shared("limited_every"), _every, never)
        failed = self.of("--failed-every", shared("failed_every"), _up_to(MOST_REQUESTS), 0)
        return Trial(requests, workers, latency, *every, failed)

    def out_of_place(self, verb: Sequence[str], *, watching: bool) -> None:
        """Note options that mean nothing here."""
        simulating = shared("simulate") is not None
        if verb and simulating:
            self.problems.append(f"--simulate: not together with {verb[0]}")
        if watching and (verb or simulating):
            self.problems.append("--watch: only to look at gates")
        if list(verb) != ["trip"]:
            self._only("trip", OF_TRIP)
        if not simulating:
            self._only("--simulate", OF_TRIAL)

    def _only(self, where: str, names: Sequence[str]) -> None:
        for name in names:
            if shared(name) is not None:
                option = SPELT.get(name, f"--{name.replace('_', '-')}")
                self.problems.append(f"{option}: only with {where}")

    def of(self, option: str, value: Any, checked: Callable[[Any], T], default: T) -> T:
        """Return what `checked` makes of `value`; `default` when nothing was typed, or it is wrong."""
        if value is None:
            return default
        try:
            return checked(value)
        except ValueError as error:
            self.problems.append(f"{option} {value!r}: {error}")
        return default

    def _set(self, words: Sequence[str]) -> Callable[[Steering], None] | None:
        what, *rates = words or ("",)
        if what != "rate" or len(rates) != 1:
            self.problems.append("set: write set rate RATE, like set rate 2/s, or set rate default")
            return None
        rate = self.of("set rate", rates[0], _rate, None)
        return lambda gate: gate.set_rate(rate)


def _rate(text: str) -> float | None:
    if text.strip().lower() == "default":
        return None
    try:
        rate = parse_rate(text)
    except ValueError as error:
        raise ValueError(f"{error}, or default") from None
    if not SLOWEST <= rate <= FASTEST:
        raise ValueError(f"must be from one a day to {FASTEST:,.0f} a second; trip stops a site")
    return rate


def _time_open(text: str) -> float:
    seconds = duration.parse(text)
    if not 0 < seconds <= LONGEST_S:
        raise ValueError("must be more than 0, and at most 30d")
    return seconds


def _up_to(most: int) -> Callable[[int], int]:
    def check(number: int) -> int:
        if not 1 <= number <= most:
            raise ValueError(f"must be from 1 to {most:,}")
        return number

    return check


def _every(text: str) -> tuple[int, float | None]:
    """Read `N`, or `N:TIME`."""
    number, colon, wait = text.partition(":")
    if not number.strip().isdecimal() or (colon and not wait):
        raise ValueError("write N or N:TIME, like 5 or 5:10s")
    return _up_to(MOST_REQUESTS)(int(number[:9])), duration.parse(wait) if colon else None
