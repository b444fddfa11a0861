"""Which job is meant. Standard library only: `halt` uses it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class JobRef:
    """Which job is meant."""

    site: str
    id: str

    @classmethod
    def parse(cls, member: str) -> JobRef:
        """Read `site:job_id` as it stands in the sets of jobs.

        >>> JobRef.parse("books:0123456789ab")
        JobRef(site='books', id='0123456789ab')
        """
        site, _, job_id = member.partition(":")
        return cls(site, job_id)

    @property
    def member(self) -> str:
        """How it stands in the sets of jobs."""
        return f"{self.site}:{self.id}"
