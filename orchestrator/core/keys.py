"""Every Redis key, and whether it has a TTL.

Keys that *describe* (progress, marks, gate state) have a TTL that is renewed on write. Keys that
*hold work* (frontier, results not yet drained, pool) have none until their job is finished and
drained.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

#: How long a finished job, refresh or mark is kept, in seconds.
RETENTION_S = 7 * 24 * 3600
#: How long the gate remembers a site that nobody asks for, in seconds.
GATE_TTL_S = 3600


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """The keys of one work queue; all hold work, none has a TTL before the queue is retired.

    A site job's frontier has these alone. Their names and contents are what an older version wrote and
    reads, so that a job which runs across an upgrade goes on.
    """

    ready: str  #: sorted set of ids; score = order of leasing
    delayed: str  #: sorted set of ids; score = not before (ms, server clock)
    leased: str  #: sorted set of ids; score = end of the lease (ms, server clock)
    payload: str  #: hash id -> JSON, of live jobs
    attempts: str  #: hash id -> attempts so far, of live jobs
    token: str  #: hash id -> current token, of leased jobs
    state: str  #: hash id -> state of every job ever enqueued: also what makes enqueue idempotent
    error: str  #: hash id -> JSON reason, of jobs that ended as error or skipped
    counts: str  #: hash state -> number, kept by the scripts: stats cost the same at any size
    fence: str  #: counter that tokens and the order of leasing come from
    priority: str  #: hash id -> priority, of live jobs whose priority is not 0
    last_error: str  #: hash id -> why the last attempt failed, of live jobs that were retried

    def all(self) -> list[str]:
        """Every key, in the order of the fields, as the scripts take them."""
        return [getattr(self, field.name) for field in fields(self)]


@dataclass(frozen=True, slots=True)
class JobQueueKeys(QueueKeys):
    """The keys of a queue of people's own jobs; all but `wake` hold work, none has a TTL."""

    about: str  #: hash id -> priority, key, host and when it was enqueued (ms), in lines
    since: str  #: sorted set of ids that are ready; score = since when (ms, server clock)
    lanes: str  #: hash lane -> its number, of lanes with jobs that are ready (`lanes.lua`)
    free: str  #: list of lanes' numbers that can be used again
    ring: str  #: sorted set, by text: the lanes of each priority and key in their turns
    rota: str  #: sorted set of priorities and keys in their turns
    left: str  #: sorted set: which turn those would have that are not in the rota
    waiting: str  #: sorted set, by text: what is blocked by a limit
    blocked: str  #: sorted set of what blocks; score = when to look again (ms, server clock)
    tally: str  #: hash: numbers of jobs by state and key, of leases by host
    limits: str  #: hash: how many jobs may be leased at once
    run: str  #: hash id -> turn, begin (ms) and worker of the last attempt, unless that failed
    history: str  #: hash id -> JSON: begin (ms), worker and error of attempts that failed
    result: str  #: hash id -> JSON, of ended jobs that have one
    done: str  #: sorted set of ids; score = when they ended (ms, server clock)
    skipped: str  #: sorted set of ids; score = when they ended (ms, server clock)
    failed: str  #: sorted set of ids that ended as error; score = when (ms, server clock)
    wake: str  #: channel: something has become ready; no key


@dataclass(frozen=True, slots=True)
class Keys:
    """Builds keys; `prefix` is empty on a Redis of our own and names us on a shared one."""

    prefix: str = ""

    def refresh(self, job_id: str, field: str) -> str:
        """A field of one refresh: total_chunks, completed_chunks, status, … TTL `RETENTION_S`."""
        return f"{self.prefix}proxy_refresh:{job_id}:{field}"

    def refresh_current(self) -> str:
        """The lease of the refresh that runs now: its job id. TTL of seconds, renewed."""
        return f"{self.prefix}proxies:refreshing"

    def refresh_last(self) -> str:
        """The id of the newest refresh, running or not. TTL `RETENTION_S`."""
        return f"{self.prefix}proxies:last_refresh"

    def refresh_ended(self) -> str:
        """List of the ids of refreshes that have ended, the newest first. TTL `RETENTION_S`."""
        return f"{self.prefix}proxies:ended_refreshes"

    def refresh_asked(self) -> str:
        """The site that has too few usable proxies. TTL of a minute."""
        return f"{self.prefix}proxies:asked"

    def pool(self) -> str:
        """Hash proxy key -> JSON record. Holds work: no TTL."""
        return f"{self.prefix}proxies:pool"

    def pool_failures(self) -> str:
        """Hash proxy key -> its failures in a row, when the last was, until when it rests. No TTL.

        Reported by requests; times in seconds on the server's clock.
        """
        return f"{self.prefix}proxies:failures"

    def pool_odds(self) -> str:
        """Hash proxy key -> how requests through it went, at all sites. Holds work: no TTL.

        What is not used for days is forgotten by the scripts.
        """
        return f"{self.prefix}proxies:odds"

    def pool_touched(self) -> str:
        """Sorted set of proxy keys; score = when `pool_odds` changed (s, server clock). No TTL."""
        return f"{self.prefix}proxies:touched"

    def pool_sites(self) -> str:
        """Sorted set of sites that have picked; score = when last (s, server clock). TTL `RETENTION_S`."""
        return f"{self.prefix}proxies:sites"

    def pool_site(self, site: str, part: str) -> str:
        """What is known of proxies at one site, in parts as `proxies/take.py` names them.

        TTL `RETENTION_S`, renewed by picks.
        """
        return f"{self.prefix}proxies:site:{site}:{part}"

    def pool_meta(self) -> str:
        """Hash with generation and refreshed_at of the pool. No TTL."""
        return f"{self.prefix}proxies:meta"

    def pool_added(self) -> str:
        """Hash proxy key -> URL of proxies that people added by hand. Holds work: no TTL."""
        return f"{self.prefix}proxies:added"

    def pool_staged(self, token: str) -> str:
        """A pool that is being written, before it takes the place of `pool`. TTL of minutes."""
        return f"{self.prefix}proxies:staged:{token}"

    def sources(self) -> str:
        """Hash of what is known of the sources of proxies, two fields each. TTL of two months."""
        return f"{self.prefix}proxies:sources"

    def refresh_pace(self) -> str:
        """List of what the last chunks took, for the next refresh's timeout. TTL `RETENTION_S`."""
        return f"{self.prefix}proxies:pace"

    def job(self, site: str, job_id: str, suffix: str) -> str:
        """Anything of one scrape job. No TTL until it is finished and drained."""
        return f"{self.prefix}scrape_{site}:{job_id}:{suffix}"

    def frontier(self, site: str, job_id: str) -> QueueKeys:
        """The work queue of one scrape job."""
        return QueueKeys(
            *(self.job(site, job_id, f"frontier:{field.name}") for field in fields(QueueKeys))
        )

    def queue(self, name: str) -> JobQueueKeys:
        """A queue of people's own jobs. Holds work: no TTL."""
        return JobQueueKeys(
            *(f"{self.prefix}queue:{name}:{field.name}" for field in fields(JobQueueKeys))
        )

    def jobs(self) -> str:
        """Sorted set of `site:job_id` by the time of creation: the index, so that nothing scans."""
        return f"{self.prefix}sites:jobs"

    def current_jobs(self) -> str:
        """Hash site -> the id of its newest job. No TTL."""
        return f"{self.prefix}sites:current"

    def due_jobs(self) -> str:
        """Hash site -> the moment of its schedule that was seen to last, and the schedule. No TTL."""
        return f"{self.prefix}sites:due"

    def active_jobs(self) -> str:
        """Set of `site:job_id` that are pending, running or stopping. Holds work: no TTL."""
        return f"{self.prefix}sites:active"

    def ended_jobs(self) -> str:
        """Set of `site:job_id` that ended and are not drained and retired. Holds work: no TTL."""
        return f"{self.prefix}sites:ended"

    def results(self) -> str:
        """Stream of committed results that are not drained yet. Holds work: no TTL."""
        return f"{self.prefix}sites:results"

    def results_bytes(self) -> str:
        """How many bytes wait in `results`. Holds work: no TTL."""
        return f"{self.prefix}sites:results_bytes"

    def yield_wanted(self) -> str:
        """There while somebody waits for a worker slot that shards hold. TTL of seconds."""
        return f"{self.prefix}sites:yield"

    def gate(self, site: str, part: str) -> str:
        """A part of one site's gate, as `gate/lua/common.lua` names them. TTL at least `GATE_TTL_S`."""
        return f"{self.prefix}gate:{site}:{part}"

    def gate_sites(self) -> str:
        """Sorted set of sites whose gate has a state; score = until when (ms, server clock). Has a TTL."""
        return f"{self.prefix}gate:sites"

    def robots(self, place: str, part: str = "") -> str:
        """What the robots.txt of a place says (TTL `RETENTION_S`), or its `claim` (TTL of seconds)."""
        return f"{self.prefix}robots:{place}:{part}" if part else f"{self.prefix}robots:{place}"

    def gate_calls(self, instance: str = "") -> str:
        """The channel on which waiters of one process hear that it is their turn; no key."""
        return f"{self.prefix}gate:calls:{instance}"

    def nodes(self) -> str:
        """Sorted set of live worker nodes; score = end of their lease (ms, server clock)."""
        return f"{self.prefix}nodes"

    def node(self, name: str) -> str:
        """Hash of facts of one worker node. TTL of seconds, renewed by its heartbeat."""
        return f"{self.prefix}node:{name}"

    def consumers(self) -> str:
        """Sorted set of nodes that may hold messages; score = last renewed (s, server clock). No TTL."""
        return f"{self.prefix}consumers"

    @staticmethod
    def unacked(node: str, part: str = "") -> str:
        """What Celery's `node` has taken and not acknowledged. Holds work: no TTL.

        A hash of messages, with `part` its `index` (a sorted set) or `mutex`. Without the prefix, which
        kombu adds by itself. Without a node it is the one that kombu uses unless it is told otherwise.
        """
        name = f"unacked_{part}" if part else "unacked"
        return f"{name}:{node}" if node else name

    def canary(self, node: str) -> str:
        """The last canary that a pool child of `node` saw. TTL of a week."""
        return f"{self.prefix}canary:{node}"

    def probe(self) -> str:
        """Never made: the supervisor asks with it whether a write would be taken."""
        return f"{self.prefix}probe"

    def lease(self, name: str) -> str:
        """A lease that one process at a time holds (`drain`, `tick`). TTL of seconds, renewed."""
        return f"{self.prefix}lease:{name}"

    def clock(self) -> str:
        """When the last tick was, on the server's clock (ms): shows that it was set back. No TTL."""
        return f"{self.prefix}clock"

    def queue_name(self, name: str) -> str:
        """The Celery queue called `name` here: two projects on one Redis never share one."""
        return f"{self.prefix}orch.{name}"
