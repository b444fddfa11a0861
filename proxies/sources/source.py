"""A source as it is declared: which list, under which bounds, and what it is called."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core import which
from orchestrator.core.declared import placed
from orchestrator.core.declared_sources import PLACES
from orchestrator.core.mask import mask_url
from orchestrator.core.proxies_section import SourceTable, is_url
from orchestrator.core.variables import filled, missing
from proxies.sources.failure import SourceFailed
from proxies.sources.listing import Manner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.core.clock import Deadline
    from orchestrator.core.proxies_section import ProxiesSection


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a source is read with; `folder` is what names of files and programs are seen from."""

    folder: Path
    environment: Mapping[str, str]
    deadline: Deadline


@dataclass(frozen=True, slots=True)
class Source:
    """One list; `name` is for people, `place` where it stands in `orch.toml`.

    What is remembered of it is remembered by its `key`, a digest of what it is.
    """

    name: str
    place: str
    key: str
    table: SourceTable
    scheme: str | None
    timeout: float
    max_size: int
    keep: float

    @property
    def kind(self) -> str:
        """`file`, `url`, `command` or `shell`."""
        return next(kind for kind in PLACES if getattr(self.table, kind) is not None)

    def manner(self, environment: Mapping[str, str]) -> Manner:
        """How its list is read."""
        user, secret = self.table.proxy_user or "", self.table.proxy_password or ""
        given = (filled(text, environment) for text in (user, secret))
        return Manner(self.table, self.scheme, *given)

    def require_variables(self, environment: Mapping[str, str]) -> None:
        """See that all variables that it names are set.

        Raises:
            SourceFailed: naming those that are not.
        """
        names = missing(self.table.templates(), environment)
        if names:
            raise SourceFailed(
                f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not set"
            )

    def path(self, folder: Path) -> Path:
        """The file that it is."""
        return placed(folder, self.table.file or "")

    def obstacle(self, folder: Path) -> str:
        """Why it cannot work here as it is declared; "" when nothing is to be seen."""
        try:
            if self.table.file is not None:
                _require_file(self.path(folder))
            elif self.table.command is not None:
                which.find(self.table.command[0], folder)
        except (SourceFailed, ValueError) as error:
            return str(error)
        return ""


#: With another one of these it is still the same list.
_NO_PART_OF_IT = ("timeout", "max_size", "keep", "password", "proxy_password")


def declared(settings: ProxiesSection) -> tuple[Source, ...]:
    """Return every source: the plain strings, then the tables; one that is named twice is one."""
    found: dict[str, Source] = {}
    for name, place, table in _tables(settings):
        source = Source(
            name,
            place,
            _key(table),
            table,
            table.scheme or settings.default_scheme,
            table.timeout or settings.source_timeout,
            table.max_size or settings.source_max_size,
            settings.source_keep if table.keep is None else table.keep,
        )
        found.setdefault(source.key, source)
    return tuple(found.values())


def _tables(settings: ProxiesSection) -> Iterator[tuple[str, str, SourceTable]]:
    names: Counter[str] = Counter()
    for text in dict.fromkeys(settings.sources):
        name = mask_url(text)
        names[name] += 1  # two that differ in their credentials alone
        table = SourceTable(url=text) if is_url(text) else SourceTable(file=text)
        yield f"{name} ({names[name]})" if names[name] > 1 else name, "proxies.sources", table
    for name, table in settings.source.items():
        yield name, f"proxies.source.{name}", table


def _key(table: SourceTable) -> str:
    """A digest of where it is and of how it is read: of another list nothing is remembered."""
    where = table.model_dump(mode="json", exclude=set(_NO_PART_OF_IT), exclude_none=True)
    return hashlib.sha256(json.dumps(where, sort_keys=True).encode()).hexdigest()[:20]


def _require_file(path: Path) -> None:
    if path.is_file():
        try:
            path.open("rb").close()
        except OSError as error:
            raise SourceFailed(f"{path} cannot be read: {error.strerror}") from None
        return
    there = path.is_dir() or path.exists()
    raise SourceFailed(f"{path} is {'no file' if there else 'not there'}")
