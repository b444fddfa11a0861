"""A breaker for many processes: what it costs closed, how soon it opens, and how many may try."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.gate_rounds import BREAKERS, Team, row, teams, worst_row
from tests.bench.queue_rounds import in_turns
from tests.bench.table import Row

ROUNDS = 5
SAMPLE_S = 0.5
PROCESSES = 8
FAILURES = 5
#: A second is the finest that pybreaker counts in.
REST_S = 1.0
#: So long a trial takes, and so long it lives without a word of its holder.
WORK_S = 0.3
LEASE_S = 1.0
#: Every trial has been made after that.
PATIENCE_S = 6.0

_names = (f"breaker{number}" for number in itertools.count())


def breaker() -> list[Row]:
    """Calls that do nothing, one process; then eight."""
    with teams(*BREAKERS, size=PROCESSES) as started:
        for team in started.values():
            _new(team)
        calls = in_turns(started, ROUNDS, lambda team: team.first.ask("calls", seconds=SAMPLE_S))
        failed = in_turns(started, ROUNDS, _until_open)
        trials = in_turns(started, 3, _trials)
        alone = started["ours"].alone()
    with teams(*BREAKERS, size=PROCESSES) as started:
        killed = in_turns(started, 1, lambda team: _trials(team, kill=True))
    note = f"opens after {FAILURES}"
    return [
        row(
            "breaker closed, calls a second", "1/s", calls, 500_000, "at most 50 ms old", more=True
        ),
        worst_row("failing calls until 8 processes see it open", "count", failed, 12, note),
        worst_row("trials at once in half-open, 8 processes", "count", trials, 1, alone),
        worst_row("the same, the first one killed -9", "count", killed, 1),
    ]


def _new(team: Team) -> None:
    facts = {"failures": FAILURES, "rest_s": REST_S, "lease_s": LEASE_S}
    team.ask("set", what="breaker", name=next(_names), **facts)


def _until_open(team: Team) -> float:
    _new(team)
    return float(sum(team.together("fail", within=PATIENCE_S)))


def _trials(team: Team, *, kill: bool = False) -> float:
    """How many trials ran at the same time, before the first one ended well."""
    _until_open(team)
    with TemporaryDirectory(prefix="trials-") as folder:
        log = Path(folder) / "log"
        log.touch()
        start_at = time.monotonic() + REST_S / 2
        facts = {"within": PATIENCE_S, "log": str(log), "work_s": WORK_S}
        team.tell("probe", start_at=start_at, **facts)
        victim, killed_at = _kill_first(log) if kill else (0, 0.0)
        for member in team.members:
            if member.process.pid != victim:
                member.hear()
        text = log.read_text()
    count = _at_once(text, victim, killed_at)
    if team.name == "ours" and count > 1:
        print(f"more than one trial:\n{text}", flush=True)
    return float(count)


def _kill_first(log: Path) -> tuple[int, float]:
    """kill -9 whoever tries first; who that was, and when."""
    until = time.monotonic() + PATIENCE_S
    while not (text := log.read_text()).endswith("\n"):
        assert time.monotonic() < until, "nobody tried"
        time.sleep(0.001)
    victim = int(text.split()[0])
    os.kill(victim, signal.SIGKILL)
    return victim, time.monotonic()


def _at_once(text: str, victim: int, killed_at: float) -> int:
    """The most trials that ran together; a trial of the one that was killed ended then."""
    lines = [line.split() for line in text.splitlines()]
    ends = {int(pid): float(at) for pid, what, at in lines if what == "end"}
    first_end = min(ends.values(), default=float("inf"))
    begins = [(float(at), int(pid)) for pid, what, at in lines if what == "begin"]
    steps = []
    for at, pid in begins:
        if at < first_end:
            end = killed_at if pid == victim else ends.get(pid, first_end)
            steps += [(at, 1), (end, -1)]
    return max(itertools.accumulate(step for _, step in sorted(steps)), default=0)
