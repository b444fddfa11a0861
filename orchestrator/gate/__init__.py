"""The gate before every request: rate, breaker and slot in one decision.

For people who embed it: `open_gate` and `Limits`, `AsyncGate` for event loops, `Guard` for calls that need
the breaker alone, and what they take and return.
"""

from __future__ import annotations

from orchestrator.core.lazy import lazily

_PLACES = {
    "AsyncGate": "async_gate",
    "FailoverStore": "away",
    "Gate": "gate",
    "Guard": "guard",
    "Limits": "limits",
    "LocalStore": "local",
    "Permit": "passage",
    "Reason": "permit",
    "RedisStore": "shared",
    "Refused": "permit",
    "Report": "permit",
    "Verdict": "permit",
    "is_near": "open",
    "open_gate": "open",
    "parse_rate": "limits",
}

__all__ = list(_PLACES)
__getattr__ = lazily(__name__, _PLACES)
