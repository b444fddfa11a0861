"""How the jobs stand that were crawled without Redis: by their files, so that it needs no server."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import OrchError
from orchestrator.queue.model import Stats
from orchestrator.queue.sqlite.store import SqliteStore
from sites.job.classes import CLASSES
from sites.job.counts import counts
from sites.job.stall import stalled
from sites.job.state import JobState
from sites.local.place import is_run, places, trouble, who
from sites.local.record import LocalRecord
from sites.results.output import Results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.core.home import Home
    from sites.job.job import Job
    from sites.local.place import LocalPlace


def rows(home: Home, sites: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return a row for the newest local job of each of `sites`, or of all that had one, by name."""
    wanted = [place for place in places(home) if sites is None or place.site in sites]
    records = [(place, LocalRecord.read(place)) for place in wanted]
    return [_row(place, record) for place, record in records if record is not None]


def newest(local: list[dict[str, Any]], shared: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, by site, the row of the newest job: ids grow with time, whoever made them."""
    found: dict[str, dict[str, Any]] = {}
    for row in sorted([*local, *shared], key=lambda row: str(row["job_id"])):
        found[row["site"]] = row
    return [found[site] for site in sorted(found)]


def latest(home: Home, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out those rows behind which the services crawled the site: how that stands only Redis knows."""
    return [row for row in found if _newest_result(home.site_results(row["site"])) <= row["job_id"]]


def _newest_result(path: Path) -> str:
    with suppress(OrchError):
        if path.is_file():
            with Results(path) as results:
                return results.newest_job() or ""
    return ""


def _row(place: LocalPlace, record: LocalRecord) -> dict[str, Any]:
    runs = is_run(place)
    record = LocalRecord.read(place) or record  # whoever ended meanwhile has said so before
    job, facts, stats = record.job, record.facts, _stats(place, record.job)
    active = job.active and runs
    live = facts if active else {}
    state, reason = str(job.state), job.reason
    health, why = _health(place, job, facts) if active else ("ok", "")
    if job.active and not runs:
        state, reason = str(JobState.FAILED), _gone(place, facts)
    return {
        "site": place.site,
        "job_id": job.ref.id,
        "engine": "local",
        "state": state,
        "health": health,
        "reason": why or reason,
        **counts(job, stats),
        "in_flight": stats.in_progress if active else 0,
        **_pace(job, stats, float(live.get("rate", 0)) if active else None),
        "breaker": live.get("breaker", "closed"),
        "rate_set_per_s": None,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "error": job.error,
    }


def _health(place: LocalPlace, job: Job, facts: dict[str, str]) -> tuple[str, str]:
    """Tell how a job does that somebody works on, and why not well."""
    why = trouble(place) or facts.get("health", "")
    still = stalled(job, job.moved, SYSTEM.wall(), why)
    if still:
        return "stalled", still
    return ("waiting", why) if why else ("ok", "")


def _pace(job: Job, stats: Stats, now: float | None) -> dict[str, Any]:
    """How quick a job is, `now` or on the whole, and how well it goes."""
    rate = _mean_rate(job, stats.done + stats.error + stats.skipped) if now is None else now
    judged = stats.done + stats.error
    return {
        "rate_per_s": round(rate, 2),
        "success_rate": round(stats.done / judged, 4) if judged else None,
        "eta_s": round(stats.live / rate, 1) if now else None,
    }


def _stats(place: LocalPlace, job: Job) -> Stats:
    try:
        with closing(SqliteStore(place.frontier(job.ref.id))) as store:
            return store.stats()
    except OrchError:  # whoever makes it just now has not come far
        return Stats()


def _gone(place: LocalPlace, facts: dict[str, str]) -> str:
    """Say what became of the process of a job that has not ended."""
    told = facts.get("broke") or f"{who(place)} is gone: killed, or out of memory"
    kind = facts.get("error", "").partition(":")[0]
    if kind in CLASSES:
        told = f"{told}; its last error was {kind}"
    return f"{told}; `orch sites resume {place.site} --local` goes on"


def _mean_rate(job: Job, ended: int) -> float:
    if not job.started_at or not job.finished_at or job.finished_at <= job.started_at:
        return 0.0
    return ended / (job.finished_at - job.started_at)
