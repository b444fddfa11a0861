"""An import: what came of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestrator.cli.queue_place import opened

if TYPE_CHECKING:
    from orchestrator.cli.queue_lines import Source
    from orchestrator.cli.queue_place import Place
    from orchestrator.queue.bulk import BadLine, Piece
    from orchestrator.queue.given import Defaults
    from orchestrator.queue.model import OnConflict

#: So many bad lines are told one by one.
SHOWN = 20
#: Exit codes.
NOTHING, IN_PART = 1, 6


@dataclass(slots=True)
class Tally:
    """What came of an import so far; `lines` counts those that were jobs."""

    lines: int = 0
    new: int = 0
    bad: int = 0
    first_bad: list[BadLine] = field(default_factory=list)

    @property
    def known(self) -> int:
        """Jobs whose ids were known already."""
        return self.lines - self.new

    def note(self, bad: list[BadLine]) -> None:
        """Count bad lines, and keep the first ones."""
        self.bad += len(bad)
        self.first_bad += bad[: SHOWN - len(self.first_bad)]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        bad = [{"line": line.number, "problems": list(line.problems)} for line in self.first_bad]
        return {"new": self.new, "known": self.known, "bad": self.bad, "first_bad": bad}


def bring_in(
    lines: Source,
    place: Place,
    tally: Tally,
    defaults: Defaults,
    policy: OnConflict,
    *,
    strict: bool,
) -> int:
    """Enqueue what there is in `lines` and count it in `tally`; return the exit code.

    When it is `strict` all of them are checked first, and one bad line keeps all out.
    """
    if strict:
        start = lines.file.tell()
        lines.read("checking", defaults, lambda piece: tally.note(piece.bad))
        if tally.bad:
            return NOTHING
        lines.file.seek(start)
    with ExitStack() as kept:
        # Not before there is something to put in: a wrong header makes no queue.
        queue = cache(lambda: kept.enter_context(opened(place, create=True)))

        def take(piece: Piece) -> None:
            tally.note(piece.bad)
            tally.new += queue().enqueue_many(piece.jobs, policy)
            tally.lines += len(piece.jobs)

        lines.read("importing", defaults, take)
    return IN_PART if tally.bad else 0
