"""Following site jobs to their ends: bars on a terminal, lines elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from orchestrator.cli.console import emit_json, err, out
from orchestrator.cli.queue_tables import number
from orchestrator.cli.site_tables import left, line, without_numbers
from orchestrator.core.clock import SYSTEM, Deadline
from orchestrator.core.errors import RedisUnavailable

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from orchestrator.facade import Orchestrator
    from sites.job.job import Job

LOOK_EVERY_S = 0.25
#: Without a terminal a job has a line so often, in seconds, and one for each change of its state.
LINE_EVERY_S = 3.0
#: One of which nothing changes, as in quiet hours.
SAME_EVERY_S = 60.0
#: Redis may be away for so long, in seconds, before we give up following; the job goes on.
REDIS_AWAY_S = 20.0

ACTIVE = frozenset({"pending", "running", "stopping"})
IN_PART = 6
CODES = {"done": 0, "partial": IN_PART, "stopped": IN_PART, "failed": 1}
INTERRUPTED = 130

Rows = list[dict[str, Any]]


def follow(
    orch: Orchestrator, names: Sequence[str], start: Callable[[str], Job], *, wait: bool
) -> int:
    """Start the jobs of `names` and follow them; return the exit code. Ctrl+C stops them."""
    started: list[str] = []
    try:
        for name in names:
            job = start(name)
            started.append(name)
            err.print(f"{name}: job {job.ref.id} is {job.state}", markup=False)
        if not wait:
            return 0
        rows = _to_the_end(orch, started)
    except KeyboardInterrupt:
        # The one that was about to start may have a job already, which nobody has told us of.
        return _stop(orch, [name for name in names[: len(started) + 1] if _active(orch, name)])
    orch.sites.settled()
    tell(orch.sites.status(started))
    return code([row["state"] for row in rows])


def tell(rows: Rows) -> None:
    """Say how jobs have ended."""
    for row in rows:
        out.print(line(row), markup=False)
        if row["error"]:
            more = f"; `orch sites failures {row['site']}`" if row["pages_failed"] else ""
            out.print(f"  {row['error']}{more}", markup=False)


def told(job: Job, counts: Counter[str], *, dry_run: bool, json: bool) -> bool:
    """Say which failed pages of a job are fetched again, by class; tell whether any are."""
    site, pages = job.ref.site, counts.total()
    if json:
        facts = {"site": site, "job_id": job.ref.id, "pages": pages, "classes": dict(counts)}
        emit_json({**facts, "state": job.state, "dry_run": dry_run})
    elif not pages:
        out.print(f"{site}: job {job.ref.id} has no page to fetch again", markup=False)
    else:
        verb = "to fetch" if dry_run else "fetching"
        text = f"{site}: {verb} again: {number(pages, 'page')} ({by_class(counts)})"
        err.print(text, markup=False)
    return bool(pages) and not dry_run


def by_class(counts: Counter[str]) -> str:
    """Pages by their classes, as words."""
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())


def code(states: Sequence[str]) -> int:
    """The worst of several ends: failed, then in part (also what somebody else goes on with), then done."""
    codes = {CODES.get(state, IN_PART) for state in states}
    return 1 if 1 in codes else max(codes, default=0)


def _to_the_end(orch: Orchestrator, names: Sequence[str]) -> Rows:
    with shown() as show:
        for rows in _looks(orch, names):
            show(rows)
            if not any(row["state"] in ACTIVE for row in rows):
                return rows
            SYSTEM.sleep(LOOK_EVERY_S)
    return []


def _looks(orch: Orchestrator, names: Sequence[str]) -> Iterator[Rows]:
    """Look at the jobs again and again; Redis may be restarted meanwhile."""
    away: Deadline | None = None
    while True:
        try:
            rows = orch.sites.status(names)
        except RedisUnavailable as error:
            away = away or Deadline.after(REDIS_AWAY_S, SYSTEM)
            if away.passed:
                raise RedisUnavailable(
                    f"Redis has been away for {REDIS_AWAY_S:g} s: {error}",
                    hint="the job goes on when it is back; `orch status` shows what runs",
                ) from error
            SYSTEM.sleep(LOOK_EVERY_S)
        else:
            away = None
            yield rows


def _active(orch: Orchestrator, name: str) -> bool:
    job = orch.sites.current(name)
    return job is not None and job.active


def _stop(orch: Orchestrator, names: Sequence[str]) -> int:
    """Stop what was followed; a second Ctrl+C ends at once."""
    try:
        for name in names:
            orch.sites.stop(name, timeout=0)
        for name in names:
            job = orch.sites.stop(name)
            told = f"{name}: {job.state}; `orch sites resume {name}` goes on with it"
            err.print(told, markup=False)
    except KeyboardInterrupt:
        err.print("not waiting; the jobs stop by themselves")
    return INTERRUPTED


@contextmanager
def shown() -> Iterator[Callable[[Rows], None]]:
    """Yield what shows rows: bars on a terminal, lines elsewhere."""
    if not err.is_terminal:
        yield _Lines().show
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        yield _Bars(progress).show


class _Bars:
    """One bar for each job."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, rows: Rows) -> None:
        """Draw how the jobs stand."""
        for row in rows:
            site = row["site"]
            if site not in self._tasks:
                self._tasks[site] = self._progress.add_task(site, told="")
            ended = row["pages_done"] + row["pages_failed"] + row["pages_skipped"]
            self._progress.update(
                self._tasks[site],
                completed=ended,
                total=row["pages_known"] or None,
                told=_told(row),
            )


def _told(row: Mapping[str, Any]) -> str:
    parts = [row["state"], f"{row['items']} items", f"{row['rate_per_s']:g}/s"]
    if row["pages_failed"]:
        parts.append(f"{row['pages_failed']} failed")
    if row["eta_s"] is not None:
        parts.append(f"{left(row)} left")
    if row["reason"]:
        parts.append(row["reason"])
    return " · ".join(parts)


class _Lines:
    """A line for each change of a job's state, and one now and then for its numbers."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, str, float]] = {}

    def show(self, rows: Rows) -> None:
        """Print what is new."""
        now = SYSTEM.monotonic()
        for row in rows:
            mark, numbers = without_numbers(row), line({**row, "reason": "", "eta_s": None})
            before, said, at = self._told.get(row["site"], ("", "", 0.0))
            every = LINE_EVERY_S if numbers != said else SAME_EVERY_S
            if mark != before or now - at >= every:
                self._told[row["site"]] = (mark, numbers, now)
                err.print(line(row), markup=False)
