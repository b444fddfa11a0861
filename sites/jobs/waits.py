"""Why a job that was made does not begin yet: it needs something that is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxies.pool.appeal import ASKED_TTL_S
from proxies.pool.pool import Pool
from sites.definition.runs import PROXIES
from sites.job.state import ACTIVE, JobState
from sites.local import status as local_status
from sites.shared.record import Records

if TYPE_CHECKING:
    from orchestrator.core.context import Context
    from sites.definition.definition import Definition
    from sites.job.job import Job


@dataclass(frozen=True, slots=True)
class Stand:
    """How the newest job of a site stands that another one needs."""

    job: str
    state: JobState
    error: str = ""


def why_not(site: str, stand: Stand | None) -> str:
    """Say why a job that needs `site` has to wait; "" when it need not.

    >>> why_not("list", Stand("1", JobState.PARTIAL)), why_not("list", Stand("1", JobState.RUNNING))
    ('', 'needs list, which is running')
    >>> why_not("list", None)
    'needs list, which has not run: `orch sites start list`'
    """
    if stand is None:
        return f"needs {site}, which has not run: `orch sites start {site}`"
    if stand.state in ACTIVE:
        return f"needs {site}, which is {stand.state}"
    if stand.state is JobState.STOPPED:
        return f"needs {site}, which is stopped: `orch sites resume {site}`"
    if stand.state is JobState.FAILED:
        why = f" ({stand.error})" if stand.error else ""
        return f"needs {site}, which failed{why}: `orch sites start {site}`"
    return ""


class Waits:
    """Looks whether what a job needs is there; a pool without a usable proxy is asked for."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._redis = context.redis
        self._keys = context.keys
        self._records = Records(self._redis, self._keys)

    def reason(self, job: Job, definition: Definition) -> str:
        """Say what a job that has never begun waits for; "" when that may begin."""
        if job.state is not JobState.PENDING or job.started_at is not None:
            return ""
        return "; ".join(filter(None, (self._look(job, need) for need in definition.needs)))

    def _look(self, job: Job, need: str) -> str:
        if need == PROXIES:
            return self._no_proxies(job)
        return why_not(need, self._stand(need))

    def _no_proxies(self, job: Job) -> str:
        proxies = self._context.settings.proxies
        if Pool(self._redis, self._keys).usable(proxies.fresh_for):
            return ""
        if not proxies.has_sources:
            return (
                "needs proxies, and none is usable: `orch proxies add`, or name lists in orch.toml"
            )
        self._redis.set(self._keys.refresh_asked(), job.ref.site, ex=ASKED_TTL_S)
        return "needs proxies, and none is usable: a refresh was asked for"

    def _stand(self, site: str) -> Stand | None:
        """How the newest job stands, whether workers crawled it or a process of its own."""
        found = [
            Stand(row["job_id"], JobState(row["state"]), row["error"])
            for row in local_status.rows(self._context.home, [site])
        ]
        ref = self._records.current(site)
        job = self._records.read(ref) if ref else None
        if job is not None:
            found.append(Stand(job.ref.id, job.state, job.error))
        return max(found, key=lambda stand: stand.job, default=None)
