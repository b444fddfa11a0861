"""How many decisions a second."""

from __future__ import annotations

from orchestrator.core.resp import Connection
from tests.bench.gate_rounds import INEXACT, RATE, Team, row, teams
from tests.bench.queue_rounds import Samples, in_turns, ratio_row
from tests.bench.table import Row

ROUNDS = 5
PAIR_ROUNDS = 9
SAMPLE_S = 0.4
PROCESSES = 4
#: A rate that refuses nobody.
NO_LIMIT = 1_000_000
#: So many requests are watched, one by one.
WATCHED = 400
#: What goes over the lean connection of ours, and what most send it with.
BARE = ("bare", "bare that writes", "bare by redis-py")


def rates() -> list[Row]:
    """Asking once whether one more may go; all may."""
    with teams(*RATE, *INEXACT, "bare", size=PROCESSES) as started:
        for team in started.values():
            team.ask("set", what="limit", rate=NO_LIMIT)
        one = in_turns(started, ROUNDS, _alone)
        four = in_turns(started, ROUNDS, _together)
    note = "enter alone, the breaker on; not exact: " + ", ".join(INEXACT)
    return [
        row("rate, acquires a second, 1 process", "1/s", one, 15_000, note, more=True),
        *ratio_row("the same, over bare round trips", one, "bare", 0.7),
        row("rate, acquires a second, 4 processes", "1/s", four, 30_000, more=True),
        *ratio_row("the same, over bare round trips", four, "bare", 0.7),
    ]


def _alone(team: Team) -> float:
    team.clear()
    found: float = team.first.ask("rate", what="acquire", seconds=SAMPLE_S)
    return found


def _together(team: Team) -> float:
    team.clear()
    return float(sum(team.together("rate", what="acquire", seconds=SAMPLE_S)))


def pairs() -> list[Row]:
    """Rate, breaker and slot before each request, and what comes of it after it."""
    with teams("ours", "three libraries", *BARE) as started:
        for team in started.values():
            team.ask("set", what="all")
        took = in_turns(
            started,
            PAIR_ROUNDS,
            lambda team: team.first.ask("rate", what="request", seconds=SAMPLE_S),
        )
        trips = Samples(list, {name: [_round_trips(team)] for name, team in started.items()})
    note = "enter and leave, AOF on; three libraries: limits, pybreaker, redis-py's lock"
    return [
        row("all three, enter + leave a second, 1 process", "1/s", took, 5000, note, more=True),
        *_over(took, "bare", 0.65),
        *(one for bare in BARE[1:] for one in _over(took, bare, None)),
        row("all three, round trips a request", "count", trips, 2, "as MONITOR sees them"),
    ]


def _over(took: Samples, bare: str, goal: float | None) -> list[Row]:
    return [
        Row(f"all three, over {bare}", one.unit, one.ours, {}, one.goal, one.note, more=True)
        for one in ratio_row(bare, took, bare, goal)
    ]


def _round_trips(team: Team) -> float:
    """Commands a request, without those that scripts give."""
    with Connection(team.server.url) as watching, Connection(team.server.url) as other:
        watching.call("MONITOR")
        team.first.ask("repeat", what="request", times=WATCHED)
        other.call("ECHO", "enough")
        seen = 0
        for line in watching.listen():
            if '"ECHO"' in str(line):
                break
            seen += " lua]" not in str(line)
    return seen / WATCHED
