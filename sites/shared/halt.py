"""Stops every site before the worker stops: `python -m sites.shared.halt [URL [PREFIX]]`.

Lean: it speaks to Redis by `core.resp` alone, as its start-up is part of every Ctrl+C. Without words
the URL is `$ORCH_REDIS` and the prefix `$ORCH_PREFIX`: a URL may hold a password, and command lines
are for everybody to read.
"""

from __future__ import annotations

import os
import sys
from importlib import resources

from orchestrator.core.clock import SYSTEM, Clock, Deadline
from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.keys import Keys
from orchestrator.core.resp import Connection
from sites.job.ref import JobRef
from sites.job.state import JobState
from sites.shared.move import SCRIPT, move_words

#: Shards look four times a second and let requests end for two: what is longer is their lease's business.
WAIT_S = 4.0
LOOK_EVERY_S = 0.1
REASON = "the services were stopped"


class Halt:
    """Moves jobs to `stopping`, and to `stopped` as soon as no shard works on them."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        folder = resources.files("sites.shared").joinpath("lua")
        parts = (folder.joinpath(f"{name}.lua").read_text("utf-8") for name in SCRIPT)
        self._script = "\n".join(parts)

    def run(self, wait: float = WAIT_S, clock: Clock = SYSTEM) -> list[JobRef]:
        """Stop all jobs; return those whose shards have not ended within `wait` seconds."""
        deadline = Deadline.after(wait, clock)
        for ref in self._active():
            self._move(ref, JobState.STOPPING)
        while left := [ref for ref in self._active() if not self._settled(ref)]:
            if deadline.passed:
                break
            clock.sleep(deadline.cap(LOOK_EVERY_S))
        return left

    def _settled(self, ref: JobRef) -> bool:
        return self._move(ref, JobState.STOPPED, idle=True)

    def _active(self) -> list[JobRef]:
        found = self._connection.call("SMEMBERS", self._keys.active_jobs())
        return (
            sorted(JobRef.parse(str(member)) for member in found or ())
            if isinstance(found, list)
            else []
        )

    def _move(self, ref: JobRef, to: JobState, *, idle: bool = False) -> bool:
        names, words = move_words(self._keys, ref, to, reason=REASON, idle=idle)
        reply = self._connection.call("EVAL", self._script, len(names), *names, *words)
        return isinstance(reply, list) and reply[0] == 1


def main(words: list[str]) -> int:
    """Stop every site of the Redis at URL; nothing to do when it is not there."""
    url = words[0] if words else os.environ.get("ORCH_REDIS", "")
    prefix = words[1] if len(words) > 1 else os.environ.get("ORCH_PREFIX", "")
    if not url:
        sys.stderr.write("sites.shared.halt: say which Redis: URL [PREFIX], or $ORCH_REDIS\n")
        return 2
    try:
        with Connection(url) as connection:
            left = Halt(connection, Keys(prefix)).run()
    except RedisUnavailable as error:
        sys.stderr.write(f"sites.halt: {error}\n")
        return error.exit_code
    for ref in left:
        sys.stderr.write(f"sites.halt: {ref.member} still has a shard; it stops with it\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
