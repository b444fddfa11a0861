"""A Redis that is dead, or hangs: how long a decision takes then."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable

from tests.bench.gate_rounds import BREAKERS, RATE, Team, row, teams
from tests.bench.queue_rounds import Samples
from tests.bench.table import Row

ALLOWED = 50
TIMES = 200
#: Nobody is waited for longer, in seconds.
BOUND_S = 12.0


def away() -> list[Row]:
    """All libraries as they come, at the same time: most of them wait."""
    return [
        *_decisions("Redis dead", lambda team: team.server.kill()),
        *_decisions("Redis hung", lambda team: _signal(team, signal.SIGSTOP)),
    ]


def _decisions(what: str, harm: Callable[[Team], None]) -> list[Row]:
    first, rest, notes = Samples(list), Samples(list), list[str]()
    with teams(*dict.fromkeys(RATE + BREAKERS)) as started:
        for name, team in started.items():
            asked = "call" if name in BREAKERS[1:] else "acquire"
            _prepare(team, asked)
            harm(team)
            team.tell("decide", what=asked, times=TIMES, bound=BOUND_S)
            if name == "ours":
                found = {name: team.first.hear()}  # nobody else runs meanwhile
        for name, team in started.items():
            found[name] = found.get(name) or team.first.hear()
            _signal(team, signal.SIGCONT)
            first[name].append(found[name][0][0])
            rest[name] += [max(ms for ms, _ in found[name][1:])] if found[name][1:] else []
            came = Counter(told for _, told in found[name])
            notes.append(f"{name} {', '.join(f'{told} {n}' for told, n in came.items())}")
    bound = f"looked at for {BOUND_S:g} s; "
    return [
        row(f"{what}: first decision", "ms", first, 250, bound + "; ".join(notes)),
        row(f"{what}: the worst one after it", "ms", rest, 1, f"of up to {TIMES}"),
    ]


def _prepare(team: Team, asked: str) -> None:
    if asked == "call":
        team.ask("set", what="breaker", name="away", failures=5, rest_s=30)
    else:
        team.ask("set", what="limit", rate=ALLOWED)
    team.ask("decide", what=asked, times=3, bound=BOUND_S)


def _signal(team: Team, number: int) -> None:
    process = team.server.process
    if process and process.poll() is None:
        os.kill(process.pid, number)
