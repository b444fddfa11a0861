"""How a lease ends: its job ends, waits, or is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.sqlite import rota
from orchestrator.queue.sqlite.history import appended
from orchestrator.queue.sqlite.queries import load
from orchestrator.queue.sqlite.states import Place

if TYPE_CHECKING:
    from orchestrator.queue.sqlite.turn import Turn

_SQL = load("end")
_END, _EXTEND, _HELD, _PLACE = (_SQL[name] for name in ("end", "extend", "held", "place"))
#: Beyond it there is no number in SQLite.
_MOST = 2**63
#: Characters; a token of ours is shorter.
_LONGEST = 64


def ack(turn: Turn, token: str, place: int, reason: str, result: str | None) -> None:
    """End the job.

    Raises:
        LeaseLost: the token is not current.
    """
    words = _words(turn, token)
    # Two statements take half the time of one that returns what it has changed.
    found = turn.db.execute(_PLACE, words).fetchone()
    if found is None:
        raise _lost(token)
    key, host = found
    turn.db.execute(_END, (place, turn.now, turn.draw(), reason, result, words[0]))
    turn.move(key, Place.LEASED, place)
    rota.freed(turn, key, host)


def heartbeat(turn: Turn, token: str, until: int) -> bool:
    """Extend a lease; tell whether it is still current."""
    try:
        return turn.db.execute(_EXTEND, (until, *_words(turn, token))).rowcount > 0
    except LeaseLost:
        return False


def require(turn: Turn, token: str) -> None:
    """Refuse a token that is not current.

    Raises:
        LeaseLost: it is not.
    """
    if turn.db.execute(_HELD, _words(turn, token)).fetchone() is None:
        raise _lost(token)


def retry(turn: Turn, token: str, error: str, delay_ms: int) -> None:
    """Let the job wait for its next attempt.

    Raises:
        LeaseLost: the token is not current.
    """
    words = _words(turn, token)
    held = turn.db.execute(_HELD, words).fetchone()
    if held is None:
        raise _lost(token)
    priority, key, host, started, worker, _, history = held
    place = Place.DELAYED if delay_ms > 0 else Place.READY
    history = appended(history, started, worker, error)
    number, due = words[0], turn.now + max(0, delay_ms)
    turn.db.execute(_SQL["put_back"], (place, turn.draw(), due, error, history, number))
    turn.move(key, Place.LEASED, place)
    if place is Place.READY:
        turn.line_up([(priority, key, host)])
    rota.freed(turn, key, host)


def release(turn: Turn, token: str, delay_ms: int) -> bool:
    """Give back a job that was not started; tell whether the token was current."""
    try:
        words = _words(turn, token)
    except LeaseLost:
        return False
    held = turn.db.execute(_HELD, words).fetchone()
    if held is None:
        return False
    priority, key, host, _, _, enqueued, _ = held
    number, _, attempt, _ = words
    if delay_ms > 0:
        turn.db.execute(_SQL["release_later"], (turn.draw(), turn.now + delay_ms, number))
        turn.move(key, Place.LEASED, Place.DELAYED)
    else:
        since = enqueued if attempt == 1 else turn.now
        turn.db.execute(_SQL["release"], (since, number))
        turn.move(key, Place.LEASED, Place.READY)
        turn.line_up([(priority, key, host)])
    rota.freed(turn, key, host)
    return True


def expire(turn: Turn, job_id: str, worker: str) -> bool:
    """Let the lease that `worker` has of a job run out now; tell whether it had one."""
    words = (turn.now, job_id, worker, turn.now)
    if turn.db.execute(_SQL["expire"], words).rowcount == 0:
        return False
    turn.arrivals += 1  # whoever waits may take it back
    return True


def cancel(turn: Turn, job_id: str, reason: str) -> bool:
    """End a job that has not ended, as skipped; tell whether there was one."""
    found = turn.db.execute(_SQL["live"], (job_id,)).fetchone()
    if found is None:
        return False
    number, was, priority, key, host = found
    turn.db.execute(_SQL["cancel"], (turn.now, turn.draw(), reason, number))
    turn.move(key, was, Place.SKIPPED)
    if was == Place.LEASED:
        rota.freed(turn, key, host)
    elif was == Place.READY:
        rota.emptied(turn, priority, key, host)
    return True


def _words(turn: Turn, text: str) -> tuple[int, int, int, int]:
    """What tells a lease that is current: number, fence, attempt, and the time that it must outlast."""
    # Not by `token.parse`, as this is done for each job that ends.
    try:
        attempt, fence, number = map(int, text[:_LONGEST].split("."))
    except ValueError:
        raise _lost(text) from None
    # Only what we wrote: a number can be written in many ways.
    if (
        f"{attempt}.{fence}.{number}" != text
        or not -1 < min(number, fence) <= max(number, fence) < _MOST
    ):
        raise _lost(text)
    return number, fence, attempt, turn.now


def _lost(token: str) -> LeaseLost:
    return LeaseLost(f"the lease {token[:_LONGEST]} ran out, or went to somebody else")
