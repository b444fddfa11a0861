"""What time does to a queue: delayed jobs come due, leases run out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.queue.sqlite import rota
from orchestrator.queue.sqlite.history import RAN_OUT, appended, last_error
from orchestrator.queue.sqlite.queries import load
from orchestrator.queue.sqlite.states import Place

if TYPE_CHECKING:
    from orchestrator.queue.sqlite.turn import Turn

#: Jobs that come due, and leases that are taken back, in one `lease`.
SWEPT = 200

_SQL = load("lease")
_EARLIEST = _SQL["earliest"]


def sweep(turn: Turn, max_attempts: int) -> None:
    """Let all that is due happen, as far as one transaction may go."""
    delayed, leased, key, lane = turn.db.execute(_EARLIEST).fetchone()
    now = turn.now
    if leased is not None and leased <= now:
        for row in turn.db.execute(_SQL["ran_out"], (now, SWEPT)).fetchall():
            _take_back(turn, row, max_attempts)
    if delayed is not None and delayed <= now:
        _come_due(turn)
    if key is not None or lane is not None:
        rota.heal(turn, key, lane)


def _come_due(turn: Turn) -> None:
    rows = turn.db.execute(_SQL["come_due"], (turn.now, SWEPT)).fetchall()
    for number, _, key, _ in rows:
        turn.db.execute(_SQL["make_ready"], (turn.draw(), number))
        turn.move(key, Place.DELAYED, Place.READY)
    turn.line_up({(priority, key, host) for _, priority, key, host in rows})


def _take_back(turn: Turn, row: tuple[Any, ...], max_attempts: int) -> None:
    number, priority, key, host, attempts, started, worker, history = row
    place, reason = Place.READY, RAN_OUT
    if attempts >= max_attempts:
        place = Place.ERROR
        reason = f"{RAN_OUT} {attempts} times"
        if before := last_error(history):
            reason = f"{RAN_OUT} at attempt {attempts}; before: {before}"
    history = appended(history, started, worker, RAN_OUT)
    words = (place, turn.draw(), turn.now, reason, history, number)
    turn.db.execute(_SQL["take_back"], words)
    turn.move(key, Place.LEASED, place)
    rota.freed(turn, key, host)
    if place is Place.READY:
        turn.line_up([(priority, key, host)])
