"""What is known of a job that is crawled without Redis: one small file, whole at any moment."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import OrchError
from orchestrator.core.files import private_folder, read_json, write_json
from sites.job.job import Job, job_of, new_job_id
from sites.job.ref import JobRef
from sites.job.state import ACTIVE, FINISHED, REOPENED, JobState, sources

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sites.local.place import LocalPlace

#: Why a job stopped, unless there is more to say.
STOPPED = "stopped on request"

_ENDS = FINISHED | {JobState.STOPPED}


class LocalRecord:
    """The record of the newest job of a site, with the same facts as one in Redis.

    Only the process that holds the site's lock changes it, from any of its threads; everybody may read.
    """

    def __init__(self, place: LocalPlace, facts: Mapping[str, str]) -> None:
        self.place = place
        self.ref = JobRef(place.site, facts["id"])
        self._facts = dict(facts)
        self._changing = threading.Lock()
        self._saving = threading.Lock()

    @classmethod
    def read(cls, place: LocalPlace) -> Self | None:
        """Read the file; None when there is none, or none of ours."""
        facts = read_json(place.record)
        if not isinstance(facts, dict) or not {"id", "state", "definition"} <= facts.keys():
            return None
        return cls(place, facts)

    @classmethod
    def make(cls, place: LocalPlace, definition: str, after: str) -> Self:
        """Make a new job, whose id sorts behind `after`; the last one is forgotten."""
        private_folder(place.record.parent)
        facts = {
            "id": new_job_id(after),
            "state": str(JobState.PENDING),
            "definition": definition,
            "created_at": f"{SYSTEM.wall():.3f}",
        }
        made = cls(place, facts)
        made.save()
        place.forget_frontiers(but=made.ref.id)
        return made

    @property
    def job(self) -> Job:
        """As those in Redis."""
        found = job_of(self.ref, self.facts)
        if found is None:
            raise OrchError(f"{self.place.record}: says no state")
        return found

    @property
    def facts(self) -> dict[str, str]:
        """All of it."""
        with self._changing:
            return dict(self._facts)

    def note(self, **facts: str) -> None:
        """Keep facts that are no states; `save` makes them last."""
        with self._changing:
            self._facts.update(facts)

    def count(self, counts: Mapping[str, int]) -> None:
        """Add numbers; `save` makes them last."""
        with self._changing:
            for name, count in counts.items():
                self._facts[name] = str(int(self._facts.get(name, 0)) + count)

    def move(self, to: JobState, *, reason: str = "") -> bool:
        """Move the job to another state, if that is legal; tell whether it was. Safe on disk on return."""
        return self._move(to, sources(to), reason)

    def reopen(self) -> bool:
        """Let a job that has ended go on, for pages that are queued anew; as `move`."""
        return self._move(JobState.PENDING, REOPENED, "", error="")

    def _move(self, to: JobState, origins: Collection[JobState], reason: str, **facts: str) -> bool:
        with self._changing:
            if self._facts["state"] not in origins:
                return False
            self._facts |= facts
            self._facts |= {"state": str(to), "reason": reason, "broke": ""}
            now = f"{SYSTEM.wall():.3f}"
            if to in _ENDS:
                self._facts["finished_at"] = now
            elif to in ACTIVE:
                self._facts.pop("finished_at", None)
            if to is JobState.RUNNING:
                self._facts.setdefault("started_at", now)
                self._facts |= {"begun_at": now, "moved_at": now, "over": ""}
        self.save()
        return True

    def save(self) -> None:
        """Write the file, safe on disk on return.

        Raises:
            DiskFull: what was there before is still there.
        """
        with self._saving:
            write_json(self.place.record, self.facts)
