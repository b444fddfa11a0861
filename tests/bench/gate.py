"""`make bench-gate`: our gate beside other limiters, breakers and locks, in rounds that take turns.

Others are looked for in the Pythons of the folders of `$BENCH_PATH` (limits, pyrate-limiter, throttled-py,
pybreaker, purgatory, redis). `python -m tests.bench.gate PART…` does only these parts, and writes nothing.

Each has a Redis of its own on a Unix socket, with an AOF that is written every second.
"""

from __future__ import annotations

from tests.bench.gate_away import away
from tests.bench.gate_breaker import breaker
from tests.bench.gate_engines import NEEDS
from tests.bench.gate_rates import pairs, rates
from tests.bench.gate_rounds import there
from tests.bench.gate_seconds import seconds
from tests.bench.gate_slots import slots
from tests.bench.gate_waits import waits
from tests.bench.table import Parts, measure

PARTS: Parts = {
    "rates": rates,
    "seconds": seconds,
    "waits": waits,
    "breaker": breaker,
    "away": away,
    "slots": slots,
    "pairs": pairs,
}


if __name__ == "__main__":
    measure(
        "gate",
        PARTS,
        beside=[f"{name} ({there()[name][1]})" for name in NEEDS if name in there()],
        missing=[name for name in NEEDS if name not in there()],
    )
