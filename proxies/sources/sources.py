"""Where candidates come from: files, URLs and commands, all read at once, each within its bounds.

A source that fails stops no other, and its last good list counts for a while. One that never worked and
cannot work as it is declared (no such file, program or variable) is a mistake of the configuration.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM, Deadline
from orchestrator.core.errors import ConfigError
from orchestrator.core.variables import missing
from proxies.errand import Errand
from proxies.sources import command as source_command
from proxies.sources import file as source_file
from proxies.sources import listing
from proxies.sources.failure import TOO_LATE, SourceFailed
from proxies.sources.kept import Shelf
from proxies.sources.source import Source, Surroundings, declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orchestrator.core.home import Home
    from orchestrator.core.proxies_section import ProxiesSection
    from proxies.model import Proxy
    from proxies.sources.body import Body, Proof
    from proxies.sources.kept import Kept
    from proxies.sources.listing import Listing

log = logging.getLogger(__name__)

#: A source notices its deadline by itself; after so long it is left behind, in seconds.
SLACK_S = 1.0
#: The key of what people added by hand.
ADDED = "added"


def _fetch(source: Source, here: Surroundings, known: Proof | None) -> Body | None:
    """Only whoever has a list on a server pays for a client of HTTP: its import takes 0.2 s."""
    fetched: Body | None = importlib.import_module("proxies.sources.url").fetch(source, here, known)
    return fetched


_WAYS: dict[str, Callable[[Source, Surroundings, Proof | None], Body | None]] = {
    "file": source_file.read,
    "url": _fetch,
    "command": source_command.run,
    "shell": source_command.run,
}
_HINT = "`orch config show` shows proxies.sources and proxies.source"
_CRON = "export it where orch runs: cron and systemd have an environment of their own"


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What one source gave; nothing in it is a secret. `candidates` are addresses, each once.

    With an `error` and `kept_s` its last good list counts, which is so many seconds old.
    """

    source: str
    candidates: int = 0
    bad_lines: int = 0
    first_bad: tuple[str, ...] = ()
    error: str = ""
    key: str = ""
    kind: str = ""
    seconds: float = 0.0  #: what reading it took
    unchanged: bool = False  #: the server said so
    kept_s: float | None = None
    changed_at: float | None = None  #: when its content was first seen so; seconds since 1970


@dataclass(frozen=True, slots=True)
class Candidates:
    """Every proxy of all sources once, what each source gave, and by its key what it named."""

    proxies: tuple[Proxy, ...] = ()
    reports: tuple[SourceReport, ...] = ()
    lists: Mapping[str, Sequence[Proxy]] = field(default_factory=dict)

    def with_added(self, proxies: Sequence[Proxy]) -> Candidates:
        """The same with what people added by hand, which counts as a source."""
        if not proxies:
            return self
        addresses = len({(proxy.username, proxy.address) for proxy in proxies})
        report = SourceReport("added by hand", addresses, key=ADDED, kind="added")
        lists = {**self.lists, ADDED: proxies}
        return replace(
            self,
            proxies=unique((*self.proxies, *proxies)),
            reports=(*self.reports, report),
            lists=lists,
        )


def require(settings: ProxiesSection, home: Home) -> None:
    """See that every source that never worked can work, before anything starts.

    Raises:
        ConfigError: listing every file, program and variable that is not there.
    """
    shelf = Shelf.of(home)
    new = [source for source in declared(settings) if not shelf.has(source.key)]
    problems = []
    for source in new:
        obstacle = source.obstacle(home.path)
        if obstacle:
            problems.append(f"{source.place}: {obstacle}")
    unset = _unset(new, os.environ)
    if problems or unset:
        raise ConfigError((*problems, *unset), hint=_CRON if unset else _HINT)


def read_all(settings: ProxiesSection, home: Home, most: float = math.inf) -> Candidates:
    """Read all sources at once, each for as long as it may, and at most for `most` seconds.

    Raises:
        ConfigError: as `require` does, or no source at all could be read.
    """
    require(settings, home)
    sources, shelf = declared(settings), Shelf.of(home)
    readings = [_Reading(source, home, shelf, most) for source in sources]
    found = [reading.settle() for reading in readings]
    shelf.tidy(source.key for source in sources)
    reports = tuple(report for report, _ in found)
    _require_any(sources, reports)
    lists = {report.key: proxies for report, proxies in found}
    return Candidates(unique(proxy for _, each in found for proxy in each), reports, lists)


def unique(proxies: Iterable[Proxy]) -> tuple[Proxy, ...]:
    """Each identity once; the first one's password counts."""
    kept: dict[str, Proxy] = {}
    for proxy in proxies:
        kept.setdefault(proxy.key, proxy)
    return tuple(kept.values())


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A list that was read well just now."""

    listing: Listing
    seconds: float
    changed_at: float
    unchanged: bool


class _Reading:
    """One source, read in a thread of its own from the beginning on."""

    def __init__(self, source: Source, home: Home, shelf: Shelf, most: float) -> None:
        self._source = source
        self._shelf = shelf
        self._deadline = Deadline.after(min(source.timeout, most))
        self._here = Surroundings(home.path, dict(os.environ), self._deadline)
        self._errand = Errand(partial(_read, source, self._here, shelf))

    def settle(self) -> tuple[SourceReport, Sequence[Proxy]]:
        """Wait for it to its deadline; after a failure take the last good list."""
        source = self._source
        report = SourceReport(source.name, key=source.key, kind=source.kind)
        try:
            fresh = self._result()
        except SourceFailed as failed:
            return self._last(replace(report, error=str(failed)))
        told = replace(
            report,
            seconds=round(fresh.seconds, 3),
            unchanged=fresh.unchanged,
            changed_at=fresh.changed_at,
        )
        return _told(told, fresh.listing)

    def _result(self) -> _Fresh:
        if not self._errand.wait(self._deadline.remaining() + SLACK_S):
            raise SourceFailed(TOO_LATE)
        return self._errand.result(self._deadline, self._source.name)

    def _last(self, report: SourceReport) -> tuple[SourceReport, Sequence[Proxy]]:
        kept = self._shelf.read(self._source.key)
        if kept is None or kept.age_s > self._source.keep:
            return report, ()
        try:
            deadline = Deadline.after(self._source.timeout)
            found = _understood(self._source, kept.body, self._here, deadline)
        except SourceFailed:
            return report, ()
        kept_s = round(kept.age_s, 1)
        return _told(replace(report, kept_s=kept_s, changed_at=kept.changed_at), found)


def _read(source: Source, here: Surroundings, shelf: Shelf) -> _Fresh:
    began = SYSTEM.monotonic()
    try:
        source.require_variables(here.environment)
        before = shelf.read(source.key)
        body = _WAYS[source.kind](source, here, before.body.proof if before else None)
        new = body or _before(before)
        found = _understood(source, new, here, here.deadline)
        changed_at = shelf.keep(source.key, new, before)
    except SourceFailed:
        raise
    except Exception as error:
        log.exception("reading the source %s ended badly", source.name)
        raise SourceFailed(f"could not be read: {type(error).__name__}") from error
    return _Fresh(found, SYSTEM.monotonic() - began, changed_at, body is None)


def _before(before: Kept | None) -> Body:
    if before is None:
        raise SourceFailed("says that nothing has changed since never")
    return before.body


def _understood(source: Source, body: Body, here: Surroundings, deadline: Deadline) -> Listing:
    """Read the list; one that names nobody is none, unless it is an empty file."""
    text = listing.decode(body.raw, body.charset)
    found = listing.read(text, source.manner(here.environment), deadline)
    if not found.proxies and found.bad:
        raise SourceFailed(f"names no proxy: {'; '.join(found.first_bad)}")
    if not found.proxies and source.kind != "file":
        raise SourceFailed("is empty")
    return found


def _told(report: SourceReport, found: Listing) -> tuple[SourceReport, Sequence[Proxy]]:
    told = replace(
        report,
        candidates=found.addresses,
        bad_lines=found.bad,
        first_bad=tuple(found.first_bad),
    )
    return told, tuple(found.proxies.values())


def _require_any(sources: Sequence[Source], reports: Sequence[SourceReport]) -> None:
    if reports and all(report.error and not report.candidates for report in reports):
        raise ConfigError(tuple(map(_problem, sources, reports)), hint="no source could be read")


def _problem(source: Source, report: SourceReport) -> str:
    named = "" if source.place.endswith(f".{source.name}") else f"{source.name}: "
    return f"{source.place}: {named}{report.error}"


def _unset(sources: Sequence[Source], environment: Mapping[str, str]) -> list[str]:
    """One problem for each variable, however often it is named."""
    wanted: dict[str, list[str]] = {}
    for source in sources:
        for name in missing(source.table.templates(), environment):
            wanted.setdefault(name, []).append(source.place)
    return [f"{', '.join(places)}: ${{{name}}} is not set" for name, places in wanted.items()]
