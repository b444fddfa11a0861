"""What came of one page: written by the crawl, carried by the stream of results, kept in SQLite."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from sites.fetch.kind import Kind
from sites.job.state import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

_State = Annotated[str, Field(pattern=r"^(done|skipped|error)$")]
#: What SQLite can keep as a number.
_Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]

#: What sites do to those whom they do not want.
_BLOCKS = frozenset({Kind.HTTP_403, Kind.SOFT_BLOCK})

_SITE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_JOB = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Sight:
    """What a page was like: with what its site tells that it still is, and where it leads.

    `etag`, `last_modified` as sent, "" for none. `recipe`: a digest of what it was read by. `links` lead a
    step deeper, `further` to pages of the same list. So many items were `dropped`.
    """

    etag: str
    last_modified: str
    recipe: str
    links: list[str] = field(default_factory=list)
    further: list[str] = field(default_factory=list)
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a page: `state` is the queue's (done, skipped, error), `kind` a class of failure.

    `key` names the fields that identify an item, whatever page it is on. `unchanged`: the site says that
    the page is as it was, so its items are those of the run that read it last. `sight`: of a page of
    which its site may say so the next time. A field that is added here has a default, so that what an older
    version wrote can be read.
    """

    url: str
    state: _State
    status: _Whole = 0
    kind: str = ""
    reason: str = ""
    attempts: _Whole = 1
    depth: _Whole = 0
    proxy: str = ""
    fetched_at: float = 0.0
    missing: dict[str, int] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    key: list[str] = field(default_factory=list)
    unchanged: bool = False
    sight: Sight | None = None

    @property
    def counter(self) -> str:
        """What the page counts as beside its state: blocked, unchanged, or nothing."""
        if self.unchanged:
            return "unchanged"
        return "blocked" if self.kind in _BLOCKS else ""

    def to_json(self) -> str:
        """As the body of an entry in the stream of results."""
        facts = _facts(self)
        facts["sight"] = self.sight and _facts(self.sight)
        text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written


def _facts(told: Outcome | Sight) -> dict[str, Any]:
    """Name by name; nothing is copied, as `asdict` does with each link."""
    return {name: getattr(told, name) for name in told.__slots__}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands from the time `at` on, as `lua/moving.lua` writes it behind its results."""

    state: JobState
    at: float
    started_at: float | None = None
    reason: str = ""

    @classmethod
    def read(cls, fields: Mapping[Any, Any]) -> Standing:
        """Read the fields of an entry.

        Raises:
            ValueError, KeyError: they are none of ours.
        """
        started = fields["started_at"]
        state, at = JobState(fields["run"]), float(fields["at"])
        return cls(state, at, float(started) if started else None, fields["reason"])


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the stream of results: what came of a page of a job, or where the job stands."""

    id: str
    site: str
    job: str
    told: Outcome | Standing
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, entry_id: str, fields: Mapping[Any, Any]) -> Entry:
        """Read an entry as the client replies with it.

        Raises:
            ValueError: it is none of ours; nothing of what it says can be kept.
        """
        try:
            site, job = str(fields["site"]), str(fields["job"])
            if not _SITE.fullmatch(site) or not _JOB.fullmatch(job):
                raise ValueError(f"no site or no job: {site!r}, {job!r}")  # noqa: TRY301 (said below)
            told = Standing.read(fields) if "run" in fields else _outcome(fields["body"])
            return cls(entry_id, site, job, told, fields)
        except (KeyError, ValueError) as error:
            raise ValueError(f"entry {entry_id} is no result: {error}") from error

    @property
    def items(self) -> int:
        """How many items it brings."""
        return len(self.told.items) if isinstance(self.told, Outcome) else 0

    @property
    def counter(self) -> str:
        """What its page counts as beside its state: blocked, unchanged, or nothing."""
        return self.told.counter if isinstance(self.told, Outcome) else ""


_OUTCOME = TypeAdapter(Outcome)


def _outcome(body: str) -> Outcome:
    try:
        return _OUTCOME.validate_json(body, strict=True)
    except ValidationError as error:
        raise ValueError(_first(error)) from error


def _first(error: ValidationError) -> str:
    """The first problem, without what was found: a whole page may be there."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
