"""All sites together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sites.job.state import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What is the sum of that of the sites.
SUMMED = (
    *("pages_known", "pages_done", "pages_failed", "pages_skipped", "pages_blocked"),
    *("pages_unchanged", "items", "in_flight"),
)


def totals(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sums over rows of `orch sites status`; `active` is how many jobs have not ended.

    The rate is that of the active ones, and `eta_s` when the last of them is expected to end.
    """
    active = [row for row in rows if row["state"] in ACTIVE]
    sums: dict[str, Any] = {name: sum(row[name] for row in rows) for name in SUMMED}
    judged = sums["pages_done"] + sums["pages_failed"]
    return {
        "sites": len(rows),
        "active": len(active),
        **sums,
        "rate_per_s": round(sum(row["rate_per_s"] for row in active), 2),
        "success_rate": round(sums["pages_done"] / judged, 4) if judged else None,
        "eta_s": max((row["eta_s"] for row in active if row["eta_s"] is not None), default=None),
    }
