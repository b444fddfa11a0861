"""What a work queue holds and hands out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Priorities reach from minus this to this: beyond it the order of leasing would not be exact.
MAX_PRIORITY = 4000
#: Fields of a new job that a known one can keep.
KEPT = frozenset({"payload", "priority", "delay", "key", "host"})
#: Bytes (UTF-8) of an id, a key or a host.
LONGEST_NAME = 2048
#: Bytes (UTF-8) of a payload, and of a result.
LONGEST_TEXT = 4 * 1024 * 1024
#: Seconds, ten years: nobody means to wait longer.
LONGEST_DELAY_S = 3650 * 86_400.0
#: So many attempts of a job are remembered.
HISTORY = 10
#: Names of the limits that hold for every key that has none of its own, and for every host.
EVERY_KEY, EVERY_HOST = "K", "H"

#: Characters; what is no longer has no more bytes than are allowed, whatever letters it is of.
_SHORT = LONGEST_NAME // 4
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class QueueState(StrEnum):
    """Where a job stands; the stores keep the first letter."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    SKIPPED = "skipped"
    ERROR = "error"


#: States that a job leaves only when somebody puts it back.
ENDED = frozenset({QueueState.DONE, QueueState.SKIPPED, QueueState.ERROR})


class OnConflict(StrEnum):
    """What becomes of a new job whose id is known already; one in progress is always left alone."""

    #: It stays as it is.
    IGNORE = "ignore"
    #: One that is queued gets the new payload, priority, key, host and delay, but for what it keeps.
    UPDATE = "update"
    #: The same, and one that has ended is queued anew, its attempts from the start.
    REQUEUE = "requeue"


@dataclass(frozen=True, slots=True)
class NewJob:
    """Something to be done; `id` makes it idempotent.

    Lower `priority` first; within one the keys take turns; within key and host in order of arrival. Not
    before `delay` seconds from now. `key` and `host` are what limits count by; empty: none. A queue
    keeps the `host_key` of the host, a store what it is given. `payload` is JSON. When the id is known and
    `OnConflict` says that the job is changed, the fields named in `keep` stay as they are there.

    Raises:
        ValueError: what no store can keep, by name and with what is allowed.
    """

    id: str
    payload: str = "{}"
    priority: int = 0
    delay: float = 0.0
    key: str = ""
    host: str = ""
    keep: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        # Most are plain; an import of a million jobs must not look at each more closely than that.
        try:
            names = self.id + self.key + self.host
            text = "" + self.payload  # bytes have the same methods
            plain = len(names) <= _SHORT and names.isprintable() and len(text) <= _SHORT
            plain = plain and text.isascii() and self.id != ""
        except (TypeError, AttributeError):
            plain = False
        if not plain:
            self._require_text()
        if not (type(self.priority) is int and -MAX_PRIORITY <= self.priority <= MAX_PRIORITY):
            self._number_priority()
        if not 0 <= self.delay <= LONGEST_DELAY_S:
            raise ValueError(
                f"delay must be 0 to {LONGEST_DELAY_S:.0f} seconds, not {self.delay!r}"
            )
        _require_kept(self.keep)

    def _number_priority(self) -> None:
        """Keep the number of an IntEnum: stores would write its name."""
        given: object = self.priority
        number = int(given) if isinstance(given, int) and not isinstance(given, bool) else None
        if number is None or abs(number) > MAX_PRIORITY:
            allowed = f"a whole number from {-MAX_PRIORITY} to {MAX_PRIORITY}"
            raise ValueError(f"priority must be {allowed}, not {given!r}")
        object.__setattr__(self, "priority", number)

    def _require_text(self) -> None:
        if not self.id:
            raise ValueError("a job needs an id")
        require_name("id", self.id)
        require_name("key", self.key)
        require_name("host", self.host)
        _require_payload(self.payload)


def require_name(what: str, name: str) -> None:
    """Let only names pass that every store can keep, and a terminal can show.

    Raises:
        ValueError: `what` is none; why, and what is allowed.
    """
    if not isinstance(name, str):
        raise ValueError(f"{what} must be text, not {name!r}")  # noqa: TRY004  (one kind of error)
    if not name.isprintable() and _UNFIT.search(name):
        raise ValueError(
            f"{what} must have no control characters and no half letters: {name!r:.80}"
        )
    if len(name) > LONGEST_NAME // 4 and len(name.encode()) > LONGEST_NAME:
        raise ValueError(f"{what} must have at most {LONGEST_NAME} bytes: {name!r:.80}")


def _require_kept(keep: tuple[str, ...]) -> None:
    if not KEPT.issuperset(keep):
        raise ValueError(f"keep can name {', '.join(sorted(KEPT))}, not {keep!r}")


def _require_payload(text: str) -> None:
    if not isinstance(text, str):
        raise ValueError(f"payload must be text (JSON), not {text!r:.80}")  # noqa: TRY004
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("payload has half letters (surrogates), which UTF-8 cannot say") from None
    if size > LONGEST_TEXT:
        raise ValueError(f"payload has {size} bytes; at most {LONGEST_TEXT} are allowed")


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that is ours until the lease runs out; `token` proves it, `attempt` counts from 1."""

    id: str
    token: str
    payload: str
    attempt: int
    key: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs may be leased at once: of a key, and of a host; None: any number.

    `per_key` names keys with a limit of their own; `every_key` holds for all others but the empty one, and
    for keys whose own is None. A limit of 0 holds back all. `defaults` names (as `named` does) those that
    nobody has set: the next runner's configuration takes their place.
    """

    per_key: Mapping[str, int | None] = field(default_factory=dict)
    every_key: int | None = None
    per_host: int | None = None
    defaults: frozenset[str] = frozenset()

    @classmethod
    def of(cls, named: Mapping[str, int | None], defaults: Iterable[str] = ()) -> Self:
        """Make them of what `named` returns."""
        per_key = {name[1:]: limit for name, limit in named.items() if name[0] == "k"}
        return cls(per_key, named.get(EVERY_KEY), named.get(EVERY_HOST), frozenset(defaults))

    def named(self) -> dict[str, int | None]:
        """Each by its name: `k` and the key, `EVERY_KEY`, `EVERY_HOST`."""
        per_key = {f"k{key}": limit for key, limit in self.per_key.items()}
        return {**per_key, EVERY_KEY: self.every_key, EVERY_HOST: self.per_host}

    def of_key(self, key: str) -> int | None:
        """The limit of one key."""
        own = self.per_key.get(key)
        return self.every_key if own is None and key else own

    def of_host(self, host: str) -> int | None:
        """The limit of one host."""
        return self.per_host if host else None

    def changed(self, named: Mapping[str, int | None]) -> Limits:
        """These, with some of them set, by name; None: to any number."""
        return Limits.of({**self.named(), **named}, self.defaults - named.keys())

    def filled(self, defaults: Limits) -> Limits:
        """These, with others wherever nobody has set any, in place of what came from there before.

        >>> kept = Limits({"a": None}, every_key=9, per_host=1, defaults=frozenset({EVERY_HOST}))
        >>> kept.filled(Limits({"a": 2, "b": 3}, every_key=5, per_host=4)).named()
        {'ka': None, 'kb': 3, 'K': 9, 'H': 4}
        """
        set_ones = {name: n for name, n in self.named().items() if name not in self.defaults}
        others = {name: n for name, n in defaults.named().items() if name not in set_ones}
        return Limits.of({**set_ones, **others}, others)


#: What a new queue has: nobody has set any.
NEVER_SET = Limits(defaults=frozenset({EVERY_KEY, EVERY_HOST}))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a job: when it began (seconds since 1970), by whom, and how it failed ("": it did not)."""

    at: float
    worker: str
    error: str


@dataclass(frozen=True, slots=True)
class Job:
    """All that a queue knows of a job. Times are seconds since 1970, None when there is none.

    `reason` is why it was skipped or ended as error, or why its last attempt failed; `history` has the
    last `HISTORY` attempts, oldest first, that of a current lease with them.
    """

    id: str
    state: QueueState
    payload: str
    key: str
    host: str
    priority: int
    attempts: int
    enqueued_at: float
    not_before: float | None = None
    lease_until: float | None = None
    ended_at: float | None = None
    reason: str = ""
    result: str | None = None
    history: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a commit adds to the stream of results.

    The entry has `body` (JSON), `bytes` (of the body, as added to the counter `bytes_key`) and
    whatever is in `fields`.
    """

    body: str
    stream: str
    bytes_key: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stats:
    """How many jobs stand where; `delayed` are those of `queued` that wait for their time.

    `refused` counts, each time, the new jobs that a queue at its bound did not take. `oldest_queued_s`
    is how long the job that has been ready longest has waited (None: none is), `expired_leases` those of
    `in_progress` whose lease ran out and that nobody has taken back yet. `by_key`: key -> state ->
    number, of jobs that have a key.
    """

    queued: int = 0
    delayed: int = 0
    in_progress: int = 0
    done: int = 0
    skipped: int = 0
    error: int = 0
    refused: int = 0
    oldest_queued_s: float | None = None
    expired_leases: int = 0
    by_key: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def live(self) -> int:
        """Jobs that have not ended."""
        return self.queued + self.in_progress

    @property
    def total(self) -> int:
        """Every job that is known."""
        return self.live + self.done + self.skipped + self.error
