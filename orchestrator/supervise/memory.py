"""How much memory a service uses, with all its children."""

from __future__ import annotations

from orchestrator.supervise.ownership import PROC, rss_bytes, session


def used_bytes(leader: int) -> int:
    """The memory of `leader` and its session: shared pages are counted once (PSS)."""
    return sum(_pss_bytes(pid) or rss_bytes(pid) or 0 for pid in [leader, *session(leader)])


def _pss_bytes(pid: int) -> int | None:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None
