"""All that can be driven, by name, and which packages each needs."""

from __future__ import annotations

from tests.bench import gate_others as others
from tests.bench.gate_engine import Engine
from tests.bench.gate_ours import Bare, BareWrites, Ours

ENGINES: dict[str, type[Engine]] = {
    "ours": Ours,
    "limits moving": others.Limits,
    "limits counter": others.LimitsCounter,
    "pyrate log": others.Pyrate,
    "pyrate gcra": others.PyrateGcra,
    "throttled gcra": others.Throttled,
    "throttled window": others.ThrottledWindow,
    "pybreaker": others.PyBreaker,
    "purgatory": others.Purgatory,
    "redis-py lock": others.RedisLock,
    "three libraries": others.Three,
    "bare": Bare,
    "bare that writes": BareWrites,
    "bare by redis-py": others.BareRedisPy,
}
#: The packages that an engine needs; those without any run in our own Python.
NEEDS: dict[str, tuple[str, ...]] = {
    "limits moving": ("limits", "redis"),
    "limits counter": ("limits", "redis"),
    "pyrate log": ("pyrate-limiter", "redis"),
    "pyrate gcra": ("pyrate-limiter", "redis"),
    "throttled gcra": ("throttled-py", "redis"),
    "throttled window": ("throttled-py", "redis"),
    "pybreaker": ("pybreaker", "redis"),
    "purgatory": ("purgatory", "redis"),
    "redis-py lock": ("redis",),
    "three libraries": ("limits", "pybreaker", "redis"),
    "bare by redis-py": ("redis",),
}
