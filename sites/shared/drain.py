"""The service `results`: takes finished results off Redis and writes them to `data/sites/`.

Idempotent: an entry is written, safe on disk, and only then taken off; whatever is killed in between
is written again over itself. One process at a time drains, under a lease. While nothing comes it deletes
old runs.
"""

from __future__ import annotations

import logging
import secrets
import signal
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM, Clock, Deadline
from orchestrator.core.context import Context
from orchestrator.core.errors import OrchError
from orchestrator.core.mark import Mark
from orchestrator.core.redis import Redis, RedisError, connect
from orchestrator.core.script import Call, load
from sites.results.aside import aside_file, set_aside
from sites.results.outcome import Entry
from sites.results.output import NotStorable, Results
from sites.results.retention import Tidy
from sites.shared import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.core.home import Home
    from orchestrator.core.keys import Keys

log = logging.getLogger("results")

#: Entries that are read, and written in one transaction for each site, at most.
BATCH = 1000
#: So many bytes of them are aimed at.
BATCH_BYTES = 8_000_000
#: What comes within so long, in seconds, is written together: half the work at 1,000 pages a second.
GATHER_S = 0.1
#: How long one look waits for something to come, in seconds.
WAIT_S = 0.5
LEASE_S = 5.0
MARK_EVERY_S = 2.0
#: After a failure of Redis or of the disk it is tried again after so long, in seconds.
RETRY_S = 0.5
#: Files that nothing was written to for so long are closed, in seconds.
IDLE_S = 3.0
#: At the end, what is left is drained for so long at most, in seconds.
FAREWELL_S = 5.0


#: An entry as the client replies with it: its id and its fields.
Raw = tuple[str, dict[str, str]]


class Drain:
    """One drainer; `step` is one look, `run` goes on until `stop`."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        home: Home,
        *,
        keep_runs: int = 20,
        clock: Clock = SYSTEM,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._home = home
        self._clock = clock
        self._token = secrets.token_hex(8)
        self._files: dict[str, Results] = {}
        self._tidy = Tidy(home, keep_runs, clock)
        self._after = "-"
        self._mean_bytes = 1.0
        self._trouble: dict[str, str] = {}  #: what does not work, and what of it people are told
        self._stopping = False
        self._wrote_at = clock.monotonic()

    def stop(self, *_: Any) -> None:
        """Drain what is left and end."""
        self._stopping = True

    def run(self, mark: Mark, summarise: Callable[[], None]) -> None:
        """Drain until stopped; Redis or a disk that is away for a while ends nothing.

        Every 2 s `mark` says that we live, and `summarise` writes what `orch status` shows.
        """
        marked_at = float("-inf")
        while not self._stopping:
            if self._clock.monotonic() - marked_at >= MARK_EVERY_S:
                self._say("the mark", lambda: mark.write(holder=self._token, trouble=self.trouble))
                self._say("the summary", summarise)
                marked_at = self._clock.monotonic()
            if not self._say("Redis", self._turn):
                self._clock.sleep(RETRY_S)
        self._farewell()

    @property
    def trouble(self) -> str:
        """What cannot be written, for people; that Redis is away they hear from Redis's own row."""
        return "; ".join(filter(None, self._trouble.values()))

    def step(self) -> int:
        """Write and take off one batch; return how many entries were taken off."""
        found = self._read()
        if not found:
            self._after = "-"
            return 0
        off: list[tuple[str, Entry | None]] = []
        sites: dict[str, list[Entry]] = {}
        for entry_id, fields in found:
            try:
                entry = Entry.read(entry_id, fields)
            except ValueError as error:
                if self._set_aside(entry_id, fields, str(error)):
                    off.append((entry_id, None))
            else:
                sites.setdefault(entry.site, []).append(entry)
        off += [(entry.id, entry) for site in sites for entry in self._put(site, sites[site])]
        # What could not be written stays at the head of the stream: look behind it, until the end.
        self._after = "-" if len(off) == len(found) else f"({found[-1][0]}"
        return self._trim(off)

    def close(self) -> None:
        """Close the files and give the lease back."""
        self._tidy.close()
        self._close_files()
        self._hold(0)

    def _turn(self) -> None:
        if not self._hold(LEASE_S):
            self._clock.sleep(WAIT_S)
            return
        if self._after == "-":
            wait_ms = 1 if self._tidy.busy else int(WAIT_S * 1000)
            self._redis.xread({self._keys.results(): "0-0"}, count=1, block=wait_ms)
        taken = self.step()
        if taken:
            self._wrote_at = self._clock.monotonic()
            if taken < BATCH and not self._stopping:
                self._clock.sleep(GATHER_S)
            return
        self._say("old runs", self._tidy.step)
        if self._trouble:
            self._clock.sleep(RETRY_S)
        elif self._clock.monotonic() - self._wrote_at > IDLE_S:
            self._close_files()

    def _close_files(self) -> None:
        """Closed, each site is one whole file, without a journal beside it."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _farewell(self) -> None:
        deadline = Deadline.after(FAREWELL_S, self._clock)
        try:
            while not deadline.passed and self._hold(LEASE_S) and self.step():
                continue
            self.close()
        except (RedisError, OrchError) as error:
            log.warning("what is left waits in Redis: %s", error)

    def _read(self) -> list[Raw]:
        count = max(1, min(BATCH, int(BATCH_BYTES / self._mean_bytes)))
        found: list[Raw] = self._redis.xrange(self._keys.results(), self._after, "+", count=count)  # type: ignore[assignment]
        if found:
            bodies = (len(fields.get("body", "")) for _, fields in found)
            self._mean_bytes = max(1.0, sum(bodies) / len(found))
        return found

    def _put(self, site: str, entries: list[Entry]) -> list[Entry]:
        """Write the entries of one site; return those that are done with: on disk, or set aside."""
        unfit: list[NotStorable] = []

        def put() -> None:
            if site not in self._files:
                self._files[site] = Results(self._home.site_results(site), write=True)
            try:
                self._files[site].put(entries)
            except NotStorable as error:
                unfit.append(error)

        if not self._say(f"results of {site}", put):
            broken = self._files.pop(site, None)
            if broken:
                broken.close()
            return []
        if not unfit:
            return entries
        if len(entries) > 1:  # one of them is to blame
            half = len(entries) // 2
            return self._put(site, entries[:half]) + self._put(site, entries[half:])
        only = entries[0]
        return entries if self._set_aside(only.id, only.fields, str(unfit[0])) else []

    def _set_aside(self, entry_id: str, fields: Mapping[str, str], why: str) -> bool:
        """Keep for people what is no result; tell whether that is safe on disk."""

        def keep() -> None:
            set_aside(self._home, entry_id, fields, why)
            log.error("%s; it is kept in %s", why, aside_file(self._home))

        return self._say("what is no result", keep)

    def _trim(self, off: list[tuple[str, Entry | None]]) -> int:
        records: dict[str, int] = {}
        words: list[str | int] = []
        for entry_id, entry in off:
            if entry is None:
                words += [entry_id, 0, 0, ""]
                continue
            record = self._keys.job(entry.site, entry.job, "record")
            place = records.setdefault(record, len(records) + 1)
            words += [entry_id, place, entry.items, entry.counter]
        return self._take_off(list(records), words) if off else 0

    def _take_off(self, records: list[str], words: list[str | int]) -> int:
        names = [self._keys.results(), self._keys.results_bytes(), *records]
        return Call(load("sites.shared", "trim"), names, words, int).run(self._redis)

    def _hold(self, ttl: float) -> bool:
        words: list[str | int] = [self._token, round(ttl * 1000)]
        return Call(load("sites.results", "hold"), [self._keys.lease("drain")], words, bool).run(
            self._redis
        )

    def _say(self, what: str, action: Any) -> bool:
        """Do it; of a failure say once that it is there, and once that it is over."""
        try:
            action()
        except (RedisError, OrchError, OSError) as error:
            if what not in self._trouble:
                log.error("%s: %s; nothing is lost, it is tried again", what, error)  # noqa: TRY400
            self._trouble[what] = "" if isinstance(error, RedisError) else f"{what}: {error}"
            return False
        if self._trouble.pop(what, None) is not None:
            log.info("%s: all is well again", what)
        return True


def main() -> None:
    """Run the service in the home named by `$ORCH_HOME` until it gets SIGTERM."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    context = Context.load(services=False)
    client = connect(context.config.redis_url, check=False)
    keep_runs = context.settings.sites.keep_runs
    drain = Drain(client, context.keys, context.home, keep_runs=keep_runs)
    signal.signal(signal.SIGTERM, drain.stop)
    signal.signal(signal.SIGINT, drain.stop)
    mark = Mark.of_this_process(context.home.mark("results"))
    drain.run(mark, lambda: summary.write(context))


if __name__ == "__main__":
    main()
