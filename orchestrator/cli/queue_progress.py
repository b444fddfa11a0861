"""How far a runner is: one live line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import shlex
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from orchestrator.cli.console import err
from orchestrator.cli.queue_tables import number
from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import OrchError
from orchestrator.queue.leftovers import held_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.queue.model import Limits, Stats
    from orchestrator.queue.runner import Runner
    from orchestrator.queue.tally import RunnerStatus
    from orchestrator.queue.work import WorkQueue

LOOK_EVERY_S = 0.5
#: Without a terminal there is a line so often, in seconds, if there is news.
LINE_EVERY_S = 10.0
#: What is said of a runner, in this order, when there is any.
WORDS = ("done", "skipped", "failed", "retried", "lost", "untold", "released", "abandoned")
#: So many keys that are held back are named.
KEYS = 5


@contextmanager
def shown(runner: Runner, work: WorkQueue) -> Iterator[None]:
    """Show how the runner stands, beside it, until the block ends."""
    ended = threading.Event()
    look = _on_terminal if err.is_terminal else _in_lines
    thread = threading.Thread(target=look, args=(lambda: _line(runner, work), ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(2 * LOOK_EVERY_S)


def summary(status: RunnerStatus, stats: Stats, took: float) -> str:
    """What came of it all."""
    left = [f"{stats.live:,} left"] if stats.live else []
    told = ", ".join([*_counts(status), *left]) or "there was nothing to do"
    more = "; `orch queue list --state error` shows why" if status.failed else ""
    return f"{told} ({duration.show(took)}){more}"


def why_left(status: RunnerStatus, stats: Stats, limits: Limits, place: str) -> list[str]:
    """Why jobs are left that nobody will begin by himself, and what to do, a line for each reason."""
    command, told = f"`orch queue limits{place}", []
    held = sorted(held_back(stats, limits).items(), key=lambda of: (-of[1], of[0]))
    for key, count in held[:KEYS]:
        of_key = f"of key {key}" if key else "without a key"
        mended = f": {command} --max-per-resolver {shlex.quote(f'{key}:1')}` lets them run"
        told.append(
            f"{number(count, 'job')} {of_key} left, as its limit is 0{mended if key else ''}"
        )
    if len(held) > KEYS:
        rest = f"{sum(count for _, count in held[KEYS:]):,} of {len(held) - KEYS:,} more keys"
        told.append(f"{rest} left, as their limit is 0: {command}` shows them all")
    if limits.per_host == 0 and stats.queued:
        told.append(
            f"jobs that have a host are left, as the limit of every host is 0: {command} "
            "--max-per-host 4` lets them run"
        )
    for name, count in sorted(status.missing.items()):
        names = "names" if count == 1 else "name"
        told.append(
            f"{number(count, 'job')} {names} the pipeline {name}, which this runner does not have: "
            f"start one with --pipeline {shlex.quote(name)}"
        )
    return told


def _on_terminal(line: Callable[[], str], ended: threading.Event) -> None:
    with Live(Text(), console=err, transient=True, auto_refresh=False) as live:
        while not ended.wait(LOOK_EVERY_S):
            live.update(Text(line(), no_wrap=True, overflow="ellipsis"), refresh=True)


def _in_lines(line: Callable[[], str], ended: threading.Event) -> None:
    said, at = "", SYSTEM.monotonic()
    while not ended.wait(LOOK_EVERY_S):
        if SYSTEM.monotonic() - at >= LINE_EVERY_S:
            now, at = line(), SYSTEM.monotonic()
            if now != said:
                err.print(now, markup=False)
            said = now


def _line(runner: Runner, work: WorkQueue) -> str:
    status = runner.status
    parts = [*_counts(status), f"{status.running} running"]
    try:
        stats = work.stats()
        idle = stats.live and not (status.running or stats.queued - stats.delayed)
        due = work.store.next_at() if idle else None
    except OrchError:
        return ", ".join(parts)  # the runner says what is wrong with the queue
    delayed = f" ({stats.delayed:,} delayed)" if stats.delayed else ""
    parts.append(f"{stats.queued:,} queued{delayed}")
    elsewhere = stats.in_progress - status.running - status.waiting
    if elsewhere > 0:
        # Also those of a runner that was killed, until their leases run out.
        parts.append(f"{elsewhere:,} held by others")
    if due is not None:
        parts.append(f"the next in {duration.show(due)}")
    elif status.rate:
        left = (stats.live - stats.delayed) / status.rate
        parts += [f"{status.rate:,.3g}/s", f"{duration.show(left)} left"]
    return ", ".join(parts)


def _counts(status: RunnerStatus) -> list[str]:
    found = ((word, getattr(status, word)) for word in WORDS)
    return [f"{count:,} {_SAID.get(word, word)}" for word, count in found if count]


_SAID = {
    "failed": "ended as error",
    "released": "handed back",
    "lost": "lost to others",
    "abandoned": "threads given up",
    "untold": "whose outcome the queue did not take",
}
