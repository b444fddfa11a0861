"""The one way in which a job changes its state, as the words of a script.

Standard library and keys only: the halt of all sites sends the same words without redis-py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sites.job.state import ACTIVE, FINISHED, JobState, sources

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from sites.job.ref import JobRef

#: The files in `lua/` that make up the script.
SCRIPT = ("moving", "move")


def move_words(
    keys: Keys,
    ref: JobRef,
    to: JobState,
    *,
    reason: str = "",
    idle: bool = False,
    unfinished: bool = False,
) -> tuple[list[str], list[str]]:
    """Return keys and arguments for `SCRIPT`, which checks that the move is legal.

    With `idle` the job moves only when no shard works on it; to its end only when no page is left, unless
    it ends `unfinished`.
    """
    names = [
        keys.job(ref.site, ref.id, "record"),
        keys.job(ref.site, ref.id, "shards"),
        keys.active_jobs(),
        keys.ended_jobs(),
        keys.results(),
    ]
    if to in FINISHED and not unfinished:
        pages = keys.frontier(ref.site, ref.id)
        names += [pages.ready, pages.delayed, pages.leased]
    return names, [ref.member, to, reason, _kind(to), str(int(idle)), *sources(to)]


def _kind(state: JobState) -> str:
    if state in ACTIVE:
        return "active"
    return "finished" if state in FINISHED else "stopped"
