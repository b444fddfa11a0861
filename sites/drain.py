"""The service `results`: takes finished results off Redis and writes them to `data/sites/`.

Idempotent: an entry is written, safe on disk, and only then taken off; whatever is killed in between
is written again over itself. One process at a time drains, under a lease.
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
from sites import summary
from sites.outcome import Entry
from sites.output import Results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.core.home import Home
    from orchestrator.core.keys import Keys

log = logging.getLogger("results")

#: Entries that are written in one transaction.
BATCH = 100
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


class Drain:
    """One drainer; `step` is one look, `run` goes on until `stop`."""

    def __init__(self, redis: Redis, keys: Keys, home: Home, clock: Clock = SYSTEM) -> None:
        self._redis = redis
        self._keys = keys
        self._home = home
        self._clock = clock
        self._token = secrets.token_hex(8)
        self._files: dict[str, Results] = {}
        self._after = "-"
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
        entries = self._read()
        if not entries:
            self._after = "-"
            return 0
        written = [
            entry for site, mine in _by_site(entries).items() for entry in self._put(site, mine)
        ]
        # What could not be written stays at the head of the stream: look behind it, until the end.
        self._after = "-" if len(written) == len(entries) else f"({entries[-1].id}"
        return self._trim(written)

    def close(self) -> None:
        """Close the files and give the lease back."""
        self._close_files()
        self._hold(0)

    def _turn(self) -> None:
        if not self._hold(LEASE_S):
            self._clock.sleep(WAIT_S)
            return
        if self._after == "-":
            self._redis.xread({self._keys.results(): "0-0"}, count=1, block=int(WAIT_S * 1000))
        if self.step():
            self._wrote_at = self._clock.monotonic()
        elif self._trouble:
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

    def _read(self) -> list[Entry]:
        found: list[tuple[str, Mapping[str, str]]] = self._redis.xrange(  # type: ignore[assignment]
            self._keys.results(), self._after, "+", count=BATCH
        )
        entries = []
        for entry_id, fields in found:
            try:
                entries.append(Entry.read(entry_id, fields))
            except ValueError:
                log.exception("an entry that is no result is dropped: %.500s", fields)
                self._take_off([], [entry_id, 1, 0])
        return entries

    def _put(self, site: str, entries: list[Entry]) -> list[Entry]:
        """Write the entries of one site; return those that are safe on disk."""

        def put() -> None:
            if site not in self._files:
                self._files[site] = Results(self._home.site_results(site), write=True)
            self._files[site].put(entries)

        if self._say(f"results of {site}", put):
            return entries
        broken = self._files.pop(site, None)
        if broken:
            broken.close()
        return []

    def _trim(self, entries: list[Entry]) -> int:
        if not entries:
            return 0
        records = list(dict.fromkeys(self._keys.job(e.site, e.job, "record") for e in entries))
        words: list[str | int] = []
        for entry in entries:
            record = self._keys.job(entry.site, entry.job, "record")
            words += [entry.id, records.index(record) + 1, len(entry.outcome.items)]
        return self._take_off(records, words)

    def _take_off(self, records: list[str], words: list[str | int]) -> int:
        names = [self._keys.results(), self._keys.results_bytes(), *records]
        return Call(load("sites", "trim"), names, words, int).run(self._redis)

    def _hold(self, ttl: float) -> bool:
        words: list[str | int] = [self._token, round(ttl * 1000)]
        return Call(load("sites", "hold"), [self._keys.lease("drain")], words, bool).run(
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


def _by_site(entries: list[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.site, []).append(entry)
    return found


def main() -> None:
    """Run the service in the home named by `$ORCH_HOME` until it gets SIGTERM."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    context = Context.load(services=False)
    client = connect(context.config.redis_url, check=False)
    drain = Drain(client, context.keys, context.home)
    signal.signal(signal.SIGTERM, drain.stop)
    signal.signal(signal.SIGINT, drain.stop)
    mark = Mark.of_this_process(context.home.mark("results"))
    drain.run(mark, lambda: summary.write(context))


if __name__ == "__main__":
    main()
