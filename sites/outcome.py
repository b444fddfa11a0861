"""What came of one page: written by the crawl, carried by the stream of results, kept in SQLite."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sites.extract import ItemData


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a page: `state` is the queue's (done, skipped, error), `kind` a class of failure."""

    url: str
    state: str
    status: int = 0
    kind: str = ""
    reason: str = ""
    attempts: int = 1
    depth: int = 0
    proxy: str = ""
    fetched_at: float = 0.0
    missing: dict[str, int] = field(default_factory=dict)
    items: list[ItemData] = field(default_factory=list)

    def to_json(self) -> str:
        """As the body of an entry in the stream of results."""
        facts = {name: getattr(self, name) for name in self.__slots__}
        text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the stream of results."""

    id: str
    site: str
    job: str
    outcome: Outcome

    @classmethod
    def read(cls, entry_id: str, fields: Mapping[Any, Any]) -> Entry:
        """Read an entry as the client replies with it.

        Raises:
            ValueError: it is none of ours.
        """
        try:
            outcome = Outcome(**json.loads(fields["body"]))
            return cls(entry_id, fields["site"], fields["job"], outcome)
        except (KeyError, TypeError) as error:
            raise ValueError(f"entry {entry_id} is no result: {error}") from error
