"""How quick proxies are, all together: a histogram, and two figures."""

from __future__ import annotations

from bisect import bisect_right
from statistics import quantiles
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where the bars begin, in milliseconds; the last one has no end.
EDGES_MS = (0, 50, 100, 200, 500, 1000, 2000, 5000)


def histogram(latencies_ms: Sequence[float]) -> list[dict[str, Any]]:
    """Count those from an edge up to, but not including, the next one.

    >>> [bar["count"] for bar in histogram([12, 50, 70, 9000])]
    [1, 2, 0, 0, 0, 0, 0, 1]
    """
    counts = [0] * len(EDGES_MS)
    for latency in latencies_ms:
        counts[max(0, bisect_right(EDGES_MS, latency) - 1)] += 1
    ends = (*EDGES_MS[1:], None)
    return [
        {"from_ms": first, "to_ms": end, "count": count}
        for first, end, count in zip(EDGES_MS, ends, counts, strict=True)
    ]


def figures(latencies_ms: Sequence[float]) -> dict[str, int | None]:
    """Return `{"p50", "p95"}`, in milliseconds; None without any.

    >>> figures([10] * 19 + [1000]), figures([])
    ({'p50': 10, 'p95': 60}, {'p50': None, 'p95': None})
    """
    if not latencies_ms:
        return {"p50": None, "p95": None}
    if len(latencies_ms) == 1:
        return dict.fromkeys(("p50", "p95"), round(latencies_ms[0]))
    cuts = quantiles(latencies_ms, n=20, method="inclusive")
    return {"p50": round(cuts[9]), "p95": round(cuts[18])}
